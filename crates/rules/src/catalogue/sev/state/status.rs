use crate::prelude::*;
use vmwright_formats::{SevStatus, sev_code, sev_status};

/// Messages that carry a status of the firmware: QEMU's `sev.c`, and the kernel's `drivers/crypto/ccp/sev-dev.c` in
/// its versions.
pub(crate) const MESSAGES: [&str; 9] = [
    "fw_error={code}",
    "fw_err={code}",
    "fw_error {code}",
    "fw_error='{code}",
    "failed to INIT error {code}",
    "failed to INIT rc {rc}, error {code}",
    "failed to INIT_EX error {code}",
    "failed to get status. Error: {code}",
    "failed to SHUTDOWN error {code}",
];

/// What the firmware answered, each code once, and where that stands.
pub(crate) fn answers(cx: &Context<'_>) -> Vec<(&'static SevStatus, Option<Evidence>)> {
    let mut found: Vec<(&'static SevStatus, Option<Evidence>)> = Vec::new();
    for hit in MESSAGES.iter().flat_map(|message| cx.hits(message)) {
        let Some(status) = hit.get("code").and_then(|code| sev_status(sev_code(code)?)) else { continue };
        if found.iter().all(|(known, _)| *known != status) {
            found.push((status, cx.evidence(hit)));
        }
    }
    found
}

/// Adds the answers with these codes to a finding; the first one names it.
pub(crate) fn weigh<'r>(
    cx: &Context<'_>,
    mut draft: Draft<'r>,
    codes: &[u16],
    strength: Strength,
) -> Draft<'r> {
    let mut named = false;
    for (status, quote) in answers(cx).into_iter().filter(|(status, _)| codes.contains(&status.code)) {
        draft = draft.because(strength, quote, status.meaning);
        if !named {
            draft = draft.title(format!("the SEV firmware answers {}: {}", status.name, status.meaning));
            named = true;
        }
    }
    draft
}

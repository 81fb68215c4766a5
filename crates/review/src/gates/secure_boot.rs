//! `secure-boot`: the guest was started by UEFI firmware that checks signatures, where the specification asks for it.
//!
//! The firmware's own variables tell, as the guest's kernel shows them (UEFI 2.10, section 3.3): `SecureBoot` is 1 while
//! signatures are checked, `SetupMode` is 0 once a platform key is enrolled. The kernel's lockdown is shown beside them.

use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{GuestError, Session};
use vmwright_model::MachineSpec;

/// The variables of the global namespace.
const VARIABLES: &str = "/sys/firmware/efi/efivars";
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// What was seen of one variable or file; none where the guest does not have it.
type Seen<T> = Result<Option<T>, String>;

/// What was seen.
pub(crate) struct Observed {
    /// Whether UEFI started the guest.
    pub(crate) uefi: Seen<()>,
    /// Value of `SecureBoot`.
    pub(crate) secure: Seen<u8>,
    /// Value of `SetupMode`.
    pub(crate) setup: Seen<u8>,
    /// Line of the kernel's lockdown: `none [integrity] confidentiality`.
    pub(crate) lockdown: Seen<String>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let variable = |name: &str| {
        // Four bytes of attributes stand before the value (the kernel's Documentation/filesystems/efivarfs.rst).
        optional(session, &format!("{VARIABLES}/{name}-{GLOBAL}"), 16).map(|bytes| bytes.and_then(|bytes| bytes.get(4).copied()))
    };
    Observed {
        uefi: optional(session, "/sys/firmware/efi/fw_platform_size", 16).map(|found| found.map(drop)),
        secure: variable("SecureBoot"),
        setup: variable("SetupMode"),
        lockdown: optional(session, "/sys/kernel/security/lockdown", 256)
            .map(|found| found.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())),
    }
}

/// A file of the guest; none where it does not exist.
pub(crate) fn optional(session: &Session<'_>, path: &str, max: usize) -> Seen<Vec<u8>> {
    match session.guest_bytes(path, max) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(GuestError::Refused(why)) if why.contains("No such file") => Ok(None),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Secure boot", &["what", "in the guest"]);
    let told = |value: &Seen<u8>| match value {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "no such variable".to_owned(),
        Err(why) => quote::line(why),
    };
    let uefi = match &seen.uefi {
        Ok(Some(())) => "UEFI".to_owned(),
        Ok(None) => "no UEFI".to_owned(),
        Err(why) => quote::line(why),
    };
    let lockdown = match &seen.lockdown {
        Ok(Some(line)) => quote::line(line),
        Ok(None) => "the kernel does not tell".to_owned(),
        Err(why) => quote::line(why),
    };
    for (what, found) in [("started by", uefi), ("SecureBoot", told(&seen.secure)), ("SetupMode", told(&seen.setup)), ("lockdown", lockdown)] {
        table.rows.push(vec![what.to_owned(), found]);
    }
    let Some(wanted) = spec.firmware.secure_boot else {
        return Judged { tables: vec![table], ..Judged::of(aspects, "the specification does not ask for secure boot") };
    };
    aspects.about("enforced");
    match (&seen.uefi, &seen.secure) {
        (Err(why), _) => aspects.unknown(quote::line(why)),
        (Ok(None), _) => aspects.expect(!wanted, || "the specification asks for secure boot, and no UEFI firmware started the guest".to_owned()),
        (Ok(Some(())), Err(why)) => aspects.unknown(quote::line(why)),
        (Ok(Some(())), Ok(None)) => aspects.unknown("the guest's firmware has no variable SecureBoot, or its kernel does not show it"),
        (Ok(Some(())), Ok(Some(value))) => aspects.expect((*value == 1) == wanted, || {
            let state = if *value == 1 { "checks signatures" } else { "starts what it finds, signed or not" };
            format!("the specification says secure_boot = {wanted}, and the guest's firmware {state}")
        }),
    }
    if wanted && seen.secure == Ok(Some(1)) {
        aspects.about("keys");
        match &seen.setup {
            Ok(Some(0)) => aspects.pass(),
            Ok(Some(_)) => aspects.fail("the firmware is in setup mode: the guest may enrol any key"),
            Ok(None) => aspects.unknown("whether a platform key is enrolled: there is no variable SetupMode"),
            Err(why) => aspects.unknown(quote::line(why)),
        }
    }
    Judged { tables: vec![table], ..Judged::of(aspects, "") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use vmwright_model::GateOutcome;

    fn seen(secure: Option<u8>, setup: Option<u8>) -> Observed {
        Observed { uefi: Ok(Some(())), secure: Ok(secure), setup: Ok(setup), lockdown: Ok(None) }
    }

    #[test]
    fn what_the_firmware_says_is_held_against_the_specification() {
        let mut spec = spec();
        let word = |seen: &Observed, spec: &MachineSpec| judge(seen, spec).outcome.word();
        assert_eq!(word(&seen(Some(1), Some(0)), &spec), "not applicable");
        spec.firmware.secure_boot = Some(true);
        assert_eq!(word(&seen(Some(1), Some(0)), &spec), "pass");
        assert_eq!(word(&seen(Some(0), Some(1)), &spec), "fail");
        assert_eq!(word(&seen(Some(1), Some(1)), &spec), "fail", "setup mode");
        assert_eq!(word(&seen(None, None), &spec), "unknown");
        let bios = Observed { uefi: Ok(None), ..seen(None, None) };
        assert!(matches!(judge(&bios, &spec).outcome, GateOutcome::Fail(why) if why.contains("no UEFI firmware started")));
        let dark = Observed { uefi: Err("closed".to_owned()), ..seen(None, None) };
        assert_eq!(word(&dark, &spec), "unknown");
        spec.firmware.secure_boot = Some(false);
        assert_eq!((word(&bios, &spec), word(&seen(Some(1), Some(0)), &spec)), ("pass", "fail"));
    }
}

//! # The VMM, KVM or libvirt version has a known vulnerability
//!
//! ## What it is
//! The version that was found is one that a published CVE names. A guest, or a user of the management interface, may be
//! able to leave its bounds or stop the service.
//!
//! Heard as: is our version affected by a CVE.
//!
//! Known by: CVE; security scanner names QEMU, libvirt or kernel version; venom, guest escape, advisory; patch level;
//! vulnerability report, Nessus, Trivy, OpenVAS; which version fixes; exploit; is our version affected; end of life.
//!
//! ## Why it happens
//! The host was not updated, or its distribution's support has ended. Distributions mend without changing the version
//! number in front: their own security tracker decides, not the number.
//!
//! ## Confirm
//! `qemu-system-x86_64 --version`, `virsh -r version`, `firecracker --version`, `uname -r`; then the distribution's
//! tracker for the CVE and the package's full version.
//!
//! ## Refute
//! The package's change log names the CVE as fixed; or the VM has not the device that the CVE is about.
//!
//! ## Fix
//! Update to the version named or a later one, then restart or migrate the VMs: a running VMM keeps the old code.
//!
//! ## References
//! cve.org and each project's advisories (QEMU "Security process", libvirt security notices, Firecracker and Cloud Hypervisor
//! GitHub advisories); kernel CNA announcements; ISO/IEC 27002:2022 8.8 (technical vulnerabilities).

use super::known_bug::programs::{self, Program, configured, version_of};
use crate::prelude::*;
use vmwright_model::Meaning;

#[path = "state/flaws.rs"]
mod flaws;
pub(crate) use flaws::{FLAWS, Flaw};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    rank: Rank::General,
    tags: &["vmm", "security"],
    needs: &[Need::Command(&["qemu-system-x86_64", "--version"]), Need::Command(&["uname", "-a"])],
    signs: &[
        // Scanners and advisories name number and versions on one line.
        Sign::support("CVE-20{number}").and(&["fixed version"]),
        Sign::support("CVE-20{number}").and(&["fixed in"]),
        Sign::support("CVE-20{number}").and(&["vulnerable version"]),
        Sign::support("CVE-20{number}").and(&["vulnerable to"]),
        Sign::hint("CVE-20{number}"),
        Sign::hint("GHSA-{id}"),
        Sign::support("has a known vulnerability"),
        Sign::support("known vulnerabilities"),
    ],
    words: &[
        "cve-20",
        "vulnerab",
        "security fix",
        "security audit",
        "security scan",
        "exploit",
        "patched",
        "pentest",
        "penetration test",
    ],
    tells: "qemu-system-x86_64 --version",
    remedy: "update to the version that has the fix and restart the VMs",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// Marks of distributions' packages, which mend without a new number.
const PACKAGED: [&str; 9] = ["dfsg", "ubuntu", "deb", ".el", ".fc", "suse", "pve", "-generic", "-amd64"];

/// How many vulnerabilities a title names.
const NAMED: usize = 3;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let asked = RULE.words.iter().any(|word| cx.said(word));
    let mut draft = cx.draft();
    let mut undecided = None;
    for program in Program::ALL {
        let Some((version, quote)) = version_of(cx, program) else { continue };
        draft = draft.looked();
        // What the VM has not cannot be used against it, where its configuration is known.
        let exposed = |parts: &[&str]| parts.is_empty() || configured(cx, parts) != Some(false);
        let mut open = FLAWS.iter().filter(|flaw| flaw.program == program && flaw.range.holds(&version));
        let open: Vec<_> = open.by_ref().filter(|flaw| exposed(flaw.exposed_by)).collect();
        let Some(first) = open.first() else { continue };
        // `QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)`: the package stands beside the number.
        let line = quote.as_ref().map_or("", |quote| quote.quote.as_str());
        let told = format!("{} {line}", version.text).to_ascii_lowercase();
        let packaged = PACKAGED.iter().any(|mark| told.contains(mark));
        let strength = match (asked, packaged, cx.snapshot().live) {
            (true, false, _) => Strength::Strong,
            (true, true, _) | (false, false, true) => Strength::Support,
            // Whoever asks about something else is not told of every old version.
            _ => Strength::Hint,
        };
        let mut ids = open.iter().take(NAMED).map(|flaw| flaw.id).collect::<Vec<_>>().join(", ");
        if open.len() > NAMED {
            ids = format!("{ids} and {} more", open.len() - NAMED);
        }
        let shows = format!("{} ({}) is fixed in {} upstream", first.id, first.what, first.range.fixes());
        draft = draft.because(strength, quote, &shows).title(format!(
            "{} {} is of the versions that {ids} name",
            program.name(),
            version.text
        ));
        if strength > Strength::Hint {
            break;
        }
        if packaged && undecided.is_none() {
            let name = program.name();
            let number = &version.text;
            undecided = Some(format!(
                "{name} {number} is of the versions that {ids} name: its package may have the mend"
            ));
        }
    }
    // A number that a distribution kept says neither that the mend is there nor that it is not.
    match (draft.verdict(), undecided) {
        (Verdict::Quiet, Some(why)) => {
            vec![Verdict::Unknown { why, source: "the package's change log".to_owned() }]
        }
        (verdict, _) => vec![verdict],
    }
}

/// What the number of a vulnerability means.
pub(crate) fn meaning(flaw: &Flaw) -> Meaning {
    let (program, from) = (flaw.program.name(), flaw.range.begins());
    let means =
        format!("{}; in {program} from {from} on, fixed in {} upstream", flaw.what, flaw.range.fixes());
    Meaning {
        of: format!("published vulnerability of {program}"),
        code: String::new(),
        name: flaw.id.to_owned(),
        means,
        rules: vec!["vmm/known-vulnerable-version".to_owned()],
        source: "list of the rule; the project's advisory decides".to_owned(),
    }
}

//! # AppArmor or SELinux denies swtpm
//!
//! ## What it is
//! swtpm has a profile of its own (AppArmor `swtpm`, SELinux `swtpm_t`), which knows the usual directories and
//! what libvirt hands over. State, socket, log or PID file elsewhere is refused, although owner and mode are
//! right.
//!
//! Heard as: VMs with a TPM do not start since the upgrade; AppArmor or SELinux and swtpm.
//!
//! Known by: swtpm cannot write /var/lib/libvirt/swtpm or log; apparmor usr.bin.swtpm; avc swtpm_t; denied by profile.
//!
//! ## Why it happens
//! A wrapper (quickemu, GNOME Boxes, a script) keeps the state in the user's home; libvirt was built with another
//! prefix; the profile is older than the swtpm that it confines; the directory was restored without its label.
//!
//! ## Confirm
//! `journalctl -k | grep -E 'DENIED.*swtpm'`, `ausearch -m AVC -c swtpm -ts recent`,
//! `ls -lZ /var/lib/libvirt/swtpm`, `cat /etc/apparmor.d/usr.bin.swtpm`.
//!
//! ## Refute
//! No denial names swtpm at the time of the failure, or it fails with the profile in complain mode as well.
//!
//! ## Fix
//! Add the path to `/etc/apparmor.d/local/usr.bin.swtpm` and reload that profile, or give the directory its label
//! (`restorecon -R`, `semanage fcontext`). Keep the state where the profile expects it if nothing speaks
//! against it.
//!
//! ## References
//! swtpm `debian/usr.bin.swtpm` and `src/selinux/swtpm.te`, `swtpm_svirt.te`; libvirt
//! `docs/drvqemu.rst`, "Driver security architecture".

use crate::catalogue::healthy::no_fault::complaint::{Mood, mood};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["tpm", "mac", "security"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::proof("apparmor=\"DENIED\"*swtpm"),
        Sign::proof("apparmor=\"DENIED\"*/usr/bin/swtpm"),
        Sign::hint(AVC),
        Sign::strong("SELinux is preventing * access on the * swtpm"),
        // The program may be executed by everybody.
        Sign::strong("cannot execute binary *swtpm*: Permission denied"),
        Sign::proof("SELinux is preventing *swtpm* from"),
        Sign::support("Permission denied").and(&["/usr.bin.swtpm"]),
        Sign::support("swtpm*Permission denied").and(&["AppArmor"]),
        // Ubuntu 22.04: the profile lets swtpm_setup start no swtpm, and nothing else is printed.
        Sign::strong("swtpm process terminated unexpectedly").and(&["Could not start the TPM"]),
        Sign::hint("TPM result for CMD_INIT: 0x101 operation failed"),
        Sign::hint("Could not get process id of swtpm"),
        // 126: the shell may not execute it, though the file is there.
        Sign::support("Could not run '*swtpm_setup'. exitstatus: 126"),
        Sign::hint("Could not start 'swtpm'. exitstatus: 1"),
    ],
    words: &["apparmor", "selinux", "swtpm", "denied"],
    explains: &[
        "vtpm/state-permission",
        "access/apparmor-denied",
        "access/selinux-denied",
        "vtpm/swtpm-missing",
    ],
    tells: "journalctl -k | grep -E 'DENIED.*swtpm'; ausearch -m AVC -c swtpm",
    remedy: "allow swtpm's path in its local AppArmor profile, or give the directory its SELinux label",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// The kernel's audit line.
const AVC: &str = "avc: * denied *swtpm";

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let lines: Vec<Evidence> = cx.hits(AVC).iter().filter_map(|hit| cx.evidence(hit)).collect();
    let enforced = lines.iter().find(|one| !one.quote.contains("permissive=1"));
    let mut draft = cx.draft();
    draft = match (enforced, lines.first()) {
        (Some(line), _) => draft.because(Strength::Proof, Some(line.clone()), "SELinux refused swtpm"),
        (None, Some(line)) if mood(cx) >= Mood::Calm => {
            draft.despite(Strength::Proof, Some(line.clone()), "only logged, and the VM works")
        }
        (None, Some(line)) => {
            draft.because(Strength::Support, Some(line.clone()), "logged, though without effect")
        }
        (None, None) => draft,
    };
    vec![draft.verdict()]
}

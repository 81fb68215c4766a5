//! # SELinux denies the VMM something it needs
//!
//! ## What it is
//! With sVirt each QEMU runs as `svirt_t` with a category pair of its own, and may touch only files that libvirt
//! labelled `svirt_image_t` with the same pair, and what the policy allows to all VMs. Everything else is
//! refused, whatever owner and mode say.
//!
//! Heard as: with setenforce 0 or permissive it works; alerts of setroubleshoot; relabelled, moved or unlabeled
//! files on Fedora, RHEL or Alma.
//!
//! Known by: avc denied for svirt_t; works with setenforce 0; Fedora, RHEL or CentOS; wrong label after mv, restorecon
//! helps; virt_use_nfs boolean; container_t; ausearch -m avc, audit2allow, setsebool, semanage fcontext, chcon;
//! enforcing; virt_image_t, tcontext, scontext; custom directory for images.
//!
//! ## Why it happens
//! The file system cannot carry labels (NFS, FUSE, some container volumes) and its boolean is off
//! (`virt_use_nfs`, `virt_use_fusefs`, `virt_use_samba`); a link, device or socket that libvirt does not know
//! keeps its old label (`unlabeled_t`, `user_home_t`, `default_t`); a newer QEMU does what the policy does not
//! know yet; an unconfined tool labelled the file for another VM.
//!
//! ## Confirm
//! `ausearch -m AVC,USER_AVC -ts recent -c qemu-kvm`, `ls -lZ PATH`, `getenforce`, `getsebool -a | grep virt_`.
//!
//! ## Refute
//! No AVC has the time of the failure, the AVC says `permissive=1`, or its target has nothing to do with the VM.
//!
//! ## Fix
//! Set the boolean that the alert names, give the path a lasting label (`semanage fcontext -t virt_image_t`,
//! then `restorecon`), describe the file in the domain XML so that libvirt labels it, or update
//! selinux-policy. Permissive mode takes away the isolation of all VMs.
//!
//! ## References
//! libvirt `docs/drvqemu.rst`, "SELinux sVirt confinement"; `src/security/security_selinux.c`,
//! `virSecuritySELinuxSetFilecon()`; `virt_selinux(8)`.

use crate::catalogue::healthy::no_fault::complaint::{Mood, mood};
use crate::prelude::*;

#[path = "messages/selinux_denied.rs"]
mod messages;

/// The kernel's audit line.
const AVC: &str = "avc: * denied ";
/// setroubleshoot's line.
const ALERT: &str = "SELinux is preventing {program} from ";

pub const RULE: Rule = Rule {
    tags: &["mac", "security", "permission"],
    needs: &[Need::File("/sys/fs/selinux/enforce"), Need::Command(&["dmesg"])],
    signs: messages::SIGNS,
    words: &WORDS,
    explains: &["access/image-permission"],
    tells: "ausearch -m AVC -ts recent; ls -lZ PATH",
    remedy: "give the path the label or the boolean that SELinux asks for, or describe it in the domain XML",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// Programs and domains that run VMs.
const OURS: [&str; 18] = [
    "qemu",
    "svirt",
    "virt_",
    // virtnodedevd_t, virtstoraged_t and so on.
    ":virt",
    "mdevctl",
    "libvirt",
    "kvm",
    "virtqemud",
    "virtiofsd",
    "container_t",
    "virtlogd",
    // Every VM is registered with it.
    "systemd-machine",
    "systemd_machined_t",
    "firecracker",
    "cloud-hypervisor",
    "virt-",
    "passt",
    "dnsmasq",
];

/// What is only logged, or asked for in passing: QEMU reads figures of sysfs and takes a default without them, the
/// guest's agent walks over every mount.
const HARMLESS: [&str; 4] =
    ["permissive=1", "name=\"possible\" dev=\"sysfs\"", "name=possible dev=\"sysfs\"", ":virt_qemu_ga_t:"];

/// Words of those who tried without it.
const LOOSENED: [&str; 5] =
    ["setenforce 0", "permissive mode", "selinux disabled", "selinux=0", "disabling selinux"];

const WORDS: [&str; 11] = [
    "selinux",
    "setenforce",
    "enforcing",
    "permissive",
    "sealert",
    "fedora",
    LOOSENED[0],
    LOOSENED[1],
    LOOSENED[2],
    LOOSENED[3],
    LOOSENED[4],
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let hits = cx.hits(AVC).iter().chain(cx.hits(ALERT));
    let lines: Vec<Evidence> =
        hits.filter_map(|hit| cx.evidence(hit)).filter(|one| !one.quote.contains("swtpm")).collect();
    let ours = |one: &&Evidence| OURS.iter().any(|who| one.quote.contains(who));
    let loose = |one: &&Evidence| HARMLESS.iter().any(|what| one.quote.contains(what));
    let calm = mood(cx) >= Mood::Calm;
    if let Some(hard) = lines.iter().filter(ours).find(|one| !loose(one)) {
        let strength = if calm { Strength::Support } else { Strength::Proof };
        draft = draft.because(strength, Some(hard.clone()), "SELinux refused the VMM");
    } else if let Some(soft) = lines.iter().find(ours) {
        draft = draft.because(Strength::Support, Some(soft.clone()), "logged, though without effect");
        if calm {
            draft = draft.despite(Strength::Proof, Some(soft.clone()), "and the VM works");
        }
    }
    // Nothing was audited, or nobody looked: it works once SELinux does not enforce.
    let off = LOOSENED.iter().any(|words| cx.said(words));
    if off && let Some(refused) = cx.hits("Permission denied").first() {
        draft = draft.because(
            Strength::Strong,
            cx.evidence(refused),
            "refused, and not where SELinux is loosened",
        );
    }
    vec![draft.verdict()]
}

//! # The VMM may not open /dev/kvm
//!
//! ## What it is
//! The device node exists, but the user, container or sandbox that runs the VMM is refused reading and writing it.
//!
//! Heard as: works only with sudo or as root; my user is not in group kvm.
//!
//! Known by: Could not access KVM kernel module: Permission denied; user not in group kvm; log out and in again; ACL or
//! udev rule; Open KVM EACCES 13; group id in container differs; only root can start accelerated VMs; crw-rw---- root
//! kvm; newgrp; supplementary group; service user not a member; docker --device without group-add.
//!
//! ## Why it happens
//! The user is not in group `kvm` (or has not logged in again since); a udev rule or a minimal system left the node as
//! `root root 0600`; the container's device cgroup forbids character device 10:232; the jail was not given the node.
//!
//! ## Confirm
//! `ls -l /dev/kvm`, `getfacl /dev/kvm` and `id` of the VMM's user. In a container, "Operation not permitted" for
//! root points to the device cgroup.
//!
//! ## Refute
//! `test -r /dev/kvm -a -w /dev/kvm` succeeds as the VMM's own user, in its namespace.
//!
//! ## Fix
//! Put the user into group `kvm` and start a new session, or give it an ACL; pass the device to the container
//! (`--device /dev/kvm`, a device plugin). Mode 0666 gives it to everybody, which distributions accept with udev.
//!
//! ## References
//! QEMU `accel/kvm/kvm-all.c`, `kvm_init()`; systemd `50-udev-default.rules` (group kvm, mode 0666 or 0660); Firecracker
//! `docs/getting-started.md` (access to /dev/kvm); libvirt `tools/virt-host-validate-qemu.c`; kernel cgroup v1
//! `devices.rst`.

use super::device_missing::{offer_tcg, wants_tcg};
use crate::prelude::*;
use vmwright_formats::{GroupFile, KvmProbe};
use vmwright_model::plan::Owner;

pub const RULE: Rule = Rule {
    tags: &["kvm", "boot", "security"],
    needs: &[
        Need::Probe(Probe::Kvm),
        Need::Probe(Probe::Machine),
        Need::File("/proc/cpuinfo"),
        Need::File("/etc/group"),
    ],
    signs: &[
        Sign::proof("Could not access KVM kernel module: Permission denied"),
        Sign::proof("Could not access KVM kernel module: Operation not permitted"),
        Sign::strong("failed to initialize kvm: Permission denied").unless(CONFIDENTIAL),
        Sign::strong("failed to initialize kvm: Operation not permitted").unless(CONFIDENTIAL),
        Sign::proof("/dev/kvm: Permission denied"),
        Sign::proof("/dev/kvm*Permission denied"),
        Sign::strong("/dev/kvm*Operation not permitted"),
        Sign::proof("/dev/kvm*EACCES"),
        Sign::proof("Error creating KVM object*Permission denied (os error 13)"),
        Sign::proof("Error creating KVM object*Operation not permitted (os error 1)"),
        Sign::proof("Error creating the Kvm object: Error(13)"),
        Sign::proof("Error creating the Kvm object: Error(1)"),
        Sign::proof("Kvm(Error(13))"),
        // Cloud Hypervisor before 0.8.
        Sign::proof("KvmNew(Error(13))"),
        Sign::proof("Kvm(Error(1))"),
        Sign::strong("Check /dev/kvm is world writable"),
        Sign::strong("Checking if device*/dev/kvm*is accessible*FAIL"),
        Sign::strong("have permissions to use KVM"),
        Sign::strong("permissions for /dev/kvm"),
        Sign::strong("/dev/kvm is not readable"),
        Sign::strong("/dev/kvm is not writable"),
        Sign::strong("/dev/kvm is not accessible"),
        Sign::strong("open KVM*Permission denied"),
        Sign::strong("opening KVM*Permission denied"),
        Sign::support("Unable to access /dev/kvm"),
        Sign::support("cannot open /dev/kvm"),
        Sign::strong("not in the kvm group"),
        Sign::strong("not a member of the kvm group"),
        // The classic check of Firecracker's documentation.
        Sign::hint("[ -r /dev/kvm ] && [ -w /dev/kvm ]"),
        Sign::proof("VmCreate(Permission denied"),
        Sign::proof("HypervisorCreate(*Permission denied"),
        Sign::strong("KVM acceleration*no write access"),
        Sign::strong("This user doesn't have permissions to use KVM"),
        Sign::strong("root kvm")
            .said(&["sudo", "as root", "permission", "ordinary user", "normal user"])
            .or_near(),
        Sign::strong("Unable to access /dev/kvm"),
        Sign::support("ioctl(KVM_CREATE_VM) failed"),
    ],
    words: &["/dev/kvm", "kvm group", "permission denied", "as a normal user", "rootless"],
    explains: &["kvm/silent-tcg", "kvm/device-missing", "access/namespace-device-missing"],
    tells: "ls -l /dev/kvm",
    remedy: "give the VMM's user read and write access to /dev/kvm (group kvm), or pass the device to its container",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// The node was opened; what failed is the confidential VM.
const CONFIDENTIAL: &[&str] = &["sev_kvm_init: ", "sev_common_kvm_init: ", "sev_guest_init: "];

/// A domain of libvirt's system daemon that wants KVM, where that daemon gives its VMMs a user of their own: in all
/// distributions, unless `qemu.conf` says `root`.
fn domain_under_kvm(cx: &Context<'_>) -> Option<Evidence> {
    if let Found::Text(conf) = cx.file("/etc/libvirt/qemu.conf") {
        let root = |line: &str| {
            line.starts_with("user") && ["\"root\"", "\"+0\"", "\"0\""].iter().any(|root| line.contains(root))
        };
        if conf.lines().any(|(_, line)| root(line)) {
            return None;
        }
    }
    let texts = cx.texts_named(|source| source.starts_with("/etc/libvirt/qemu/") && source.ends_with(".xml"));
    texts
        .filter_map(|text| text.lines_with("<domain type='kvm'").next().map(|(number, _)| text.quote(number)))
        .next()?
}

/// What gives a node of root alone to its group again, as `50-udev-default.rules` has it.
fn opened(cx: &Context<'_>, line: &str) -> Vec<Action> {
    let path = "/dev/kvm".to_owned();
    let group = cx.one::<GroupFile>().and_then(|groups| groups.by_name("kvm").map(|group| group.gid));
    let Some(group) = group.filter(|_| line.starts_with("crw------- 1 root root ")) else {
        return Vec::new();
    };
    vec![
        Action::FileOwner {
            path: path.clone(),
            from: Owner { user: 0, group: 0 },
            to: Owner { user: 0, group },
        },
        Action::FileMode { path, from: 0o600, to: 0o660 },
    ]
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    if wants_tcg(cx) {
        return cx.not_applicable("the VM does not use KVM");
    }
    let mut draft = cx.draft();
    let told = draft.any();
    // The reader's own listing is there whether or not anybody was refused: its VMMs may all be root's.
    let barred = domain_under_kvm(cx);
    let own = |text: &Text<'_>| text.source == "device-nodes";
    for text in cx.texts_with("/dev/kvm").filter(|text| told || !own(text) || barred.is_some()) {
        // `crw-rw---- 1 root kvm 10, 232 Jan 1 12:00 /dev/kvm`
        let is_node = |line: &str| line.starts_with("crw") && line.ends_with("/dev/kvm");
        let node = text.lines_with("/dev/kvm").find(|(_, line)| is_node(line));
        let Some((number, line)) = node else { continue };
        let owner_alone = line.starts_with("crw-------") && !line.starts_with("crw-------+");
        // libvirt runs its domains as a user of their own.
        if own(text) && owner_alone && barred.is_some() {
            let why = "this domain runs as a user without rights";
            draft = draft.because(Strength::Support, barred.clone(), why).actions(opened(cx, line));
        }
        draft = match (owner_alone, line.starts_with("crw-rw----"), line.get(7..9) == Some("rw")) {
            (true, ..) => draft.because(Strength::Strong, text.quote(number), "only root may open the node"),
            (_, true, _) if told => {
                draft.because(Strength::Support, text.quote(number), "one group may open the node")
            }
            (_, true, _) => draft.because(Strength::Hint, text.quote(number), "one group may open the node"),
            (_, _, true) => draft.despite(Strength::Hint, text.quote(number), "everybody may open the node"),
            _ => draft,
        };
        break;
    }
    let Some(probe) = cx.one::<KvmProbe>() else { return vec![draft.verdict()] };
    let open = probe.get("open");
    match open.as_ref().map(|open| open.value) {
        Some("denied") => {
            let line = open.map_or(0, |open| open.line);
            let draft = draft.because(Strength::Proof, probe.quote(line), "this user may not open the node");
            vec![offer_tcg(cx, draft, told).verdict()]
        }
        // Another user than the one that looked may still be refused: only the messages tell.
        _ => vec![draft.looked().verdict()],
    }
}

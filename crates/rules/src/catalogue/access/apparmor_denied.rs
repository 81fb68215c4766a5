//! # AppArmor denies the VMM something it needs
//!
//! ## What it is
//! libvirt gives each QEMU a profile of its own, `libvirt-<uuid>`: a template and a list of the files that the
//! domain XML names, made by virt-aa-helper. Anything else is refused with EACCES although owner and mode are
//! right. Containers, snaps and LXD have profiles of their own.
//!
//! Heard as: the VM does not start although the file is readable for everybody; the path is not a usual one, such
//! as /opt, /mnt or a home; the system log has DENIED lines; worked before the profile or distribution was
//! upgraded.
//!
//! Known by: the profile libvirt-UUID blocks a path outside /var/lib/libvirt; works after aa-complain or aa-teardown;
//! permission denied though ownership and mode are right, Ubuntu; virt-aa-helper left the file out; complain mode,
//! aa-status, aa-logprof; snap confinement; profile reload; disk on another mount point is refused, abstractions.
//!
//! ## Why it happens
//! The path is reached through a symbolic link or a mount that virt-aa-helper does not resolve, lies in a
//! directory that it refuses (`/etc`, `/boot`, a user's home), comes from raw arguments or a hot-plug, belongs to
//! a backing file whose format is not told, or a newer QEMU touches a path that the template does not know: QEMU 7.2
//! reads which processors a NUMA node has, and with the profile of libvirt 9.0 a VM whose huge pages are bound to a
//! node ends with `The nodes select no CPUs`.
//!
//! ## Confirm
//! `journalctl -k | grep 'apparmor="DENIED"'`: `profile` names the VM, `name` the path, `requested_mask` what was
//! wanted. `aa-status`; `cat /etc/apparmor.d/libvirt/libvirt-<uuid>.files`.
//!
//! ## Refute
//! No DENIED line has the time of the failure, or its `name` is harmless (`/proc/<pid>/...`, ptrace, signal) and
//! the VM runs.
//!
//! ## Fix
//! Allow the path in `/etc/apparmor.d/local/abstractions/libvirt-qemu`, or in
//! `/etc/apparmor.d/local/usr.lib.libvirt.virt-aa-helper` where the helper cannot read it; then start the VM
//! anew. Switching the driver off removes the isolation of all VMs.
//!
//! ## References
//! libvirt `docs/drvqemu.rst`, "AppArmor sVirt confinement"; `src/security/virt-aa-helper.c`, `valid_path()`;
//! Linux `security/apparmor/audit.c`.

use crate::catalogue::healthy::no_fault::complaint::{Mood, mood};
use crate::prelude::*;

/// The kernel's audit line.
const DENIED: &str = "apparmor=\"DENIED\"";

pub const RULE: Rule = Rule {
    tags: &["mac", "security", "permission"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::hint(DENIED),
        Sign::support("apparmor=\"DENIED\"*profile=\"libvirt-").unless(&["apparmor=\"DENIED\"*swtpm"]),
        Sign::proof("cannot load AppArmor profile '"),
        Sign::proof("cannot update AppArmor profile '"),
        Sign::proof("unable to set AppArmor profile '*' for"),
        Sign::proof("virt-aa-helper: error: skipped restricted file"),
        Sign::strong("virt-aa-helper: error:"),
        Sign::hint(PROFILES),
        Sign::strong("apparmor_parser exited with error"),
        Sign::strong("(/usr/lib/libvirt/virt-aa-helper *) unexpected exit status"),
        Sign::strong("(/usr/libexec/virt-aa-helper *) unexpected exit status"),
        Sign::hint("libvirt-qemu").and(&["AppArmor"]),
        // QEMU 7.2 and newer, memory that is allocated on a node: libnuma may not read which processors the node has.
        Sign::support("The nodes select no CPUs").and(&["/sys not mounted or invalid"]),
        Sign::support("security_apparmor*template '{path}' does not exist"),
        Sign::strong("Cannot set a base label with AppArmour"),
        Sign::strong("error getting profile status"),
        Sign::strong("error copying profile name"),
        Sign::strong("error calling aa_change_profile"),
        Sign::strong("error calling profile_status"),
    ],
    words: &["apparmor", "security_driver", "aa-complain", "ubuntu", "denied"],
    explains: &["access/image-permission", "storage/read-only"],
    tells: "journalctl -k | grep apparmor=",
    remedy: "allow the denied path in libvirt's local AppArmor abstraction, or describe it in the domain XML",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// What a libvirtd of a user prints, who may not read the list.
const PROFILES: &str = "Failed to read AppArmor profiles list";

/// Who is confined for the sake of a VM.
const OURS: [&str; 12] = [
    "libvirt-",
    "virt-aa-helper",
    "qemu",
    "kvm",
    "libvirtd",
    "virtqemud",
    "firecracker",
    "lxd-",
    "incus-",
    "passt",
    "dnsmasq",
    "virtiofsd",
];

/// A node's processors. Beside QEMU's word that a node has none it is what stopped the VM, though it lies where most
/// requests harm nobody.
const NODE_MAP: &str = "/cpumap\"";
/// What QEMU says then (`util/thread-context.c`).
const NO_PROCESSORS: &str = "The nodes select no CPUs";

/// Requests that fail often and harm seldom.
const HARMLESS: [&str; 18] = [
    "/queue/max_segments\"",
    // Tracing of a library that QEMU is linked with.
    "shm/lttng-ust-",
    "name=\"/etc/ssl/openssl.cnf",
    "operation=\"ptrace\"",
    "operation=\"signal\"",
    "name=\"/proc/",
    "name=\"/sys/module/vhost",
    "name=\"/etc/gss",
    "name=\"/etc/nss",
    "name=\"/etc/host.conf",
    "name=\"/etc/resolv.conf",
    "name=\"/etc/gnutls",
    "name=\"/run/udev/data",
    "name=\"/sys/devices/system/",
    "capname=\"sys_",
    "capname=\"wake_alarm",
    "capname=\"bpf",
    "capname=\"net_admin",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let lines: Vec<Evidence> = cx.hits(DENIED).iter().filter_map(|hit| cx.evidence(hit)).collect();
    let mine =
        |one: &&Evidence| !one.quote.contains("swtpm") && OURS.iter().any(|who| one.quote.contains(who));
    let nodes = !cx.hits(NO_PROCESSORS).is_empty();
    let harmless = |one: &&&Evidence| {
        HARMLESS.iter().any(|what| one.quote.contains(what)) && !(nodes && one.quote.contains(NODE_MAP))
    };
    let ours: Vec<&Evidence> = lines.iter().filter(mine).collect();
    let calm = mood(cx) >= Mood::Calm;
    if let Some(hit) = cx.hits(PROFILES).first() {
        draft = match calm {
            true => draft.despite(Strength::Strong, cx.evidence(hit), "and the VM works"),
            false => draft.because(Strength::Support, cx.evidence(hit), "libvirt cannot ask AppArmor"),
        };
    }
    if let Some(hard) = ours.iter().find(|one| !harmless(one)) {
        let strength = if calm { Strength::Support } else { Strength::Proof };
        draft = draft.because(strength, Some((*hard).clone()), "AppArmor refused the VMM");
    } else if let Some(soft) = ours.first() {
        draft = draft.because(Strength::Support, Some((*soft).clone()), "refused, though often without harm");
        if calm {
            draft = draft.despite(Strength::Proof, Some((*soft).clone()), "and the VM works without it");
        }
    }
    vec![draft.verdict()]
}

//! # Raw arguments make QEMU use things that libvirt does not know of
//!
//! ## What it is
//! `<qemu:commandline>`, hook scripts and wrappers around the emulator hand QEMU arguments that libvirt passes on
//! unread. What they name is not labelled, not opened to the sandbox, not counted in memory limits, and the PCI
//! addresses they take are not reserved.
//!
//! Heard as: I added raw arguments by qemu:commandline, a hook or wrapper, and the VM cannot open, map or place
//! something.
//!
//! Known by: qemu:commandline, qemu:arg; raw -device clashes with address of libvirt; bus conflict; hand-added
//! passthrough; permission since libvirt does not label it; file not known; domain tainted custom-argv; overriding
//! device by hand; migrations or hot-unplug do not know the extra device; namespace xmlns:qemu; file outside the
//! sandbox.
//!
//! ## Why it happens
//! libvirt prepares only what its XML describes: file owners, SELinux and AppArmor labels, the private `/dev`,
//! the device cgroup, the memlock limit, slots on buses. A raw `-device` without an address takes the next free
//! slot, which libvirt gave to another device; a raw `-snapshot` writes temporary files that no profile allows.
//!
//! ## Confirm
//! `virsh dumpxml NAME | sed -n '/qemu:commandline/,/\/qemu:commandline/p'`, the taint `custom-argv` in
//! `/var/log/libvirt/qemu/NAME.log`, and whether the failing path or device stands in those arguments alone.
//!
//! ## Refute
//! The failing path or device is described by an ordinary element, or the VM fails without the raw arguments too.
//!
//! ## Fix
//! Use the element that libvirt has for it (`<shmem>`, `<input type='evdev'>`, `<transient/>`, `<hostdev>`);
//! where there is none, give the device an explicit free address, allow the path in the profile and in
//! `cgroup_device_acl`, and raise `<memtune><hard_limit>`.
//!
//! ## References
//! libvirt `docs/drvqemu.rst`, "Pass-through of arbitrary QEMU commands"; `docs/kbase/qemu-passthrough-security.rst`;
//! `src/qemu/qemu_domain.c`, `qemuDomainObjCheckTaint()`.

use crate::prelude::*;

/// What shows that raw arguments are in use, as far as it can be told apart from their effect.
const RAW: &[&str] = &["qemu:arg value="];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["libvirt", "custom"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::hint("qemu:arg value="),
        Sign::hint("is tainted: custom-argv"),
        Sign::hint("is tainted: hook"),
        Sign::strong("Permission denied").and(RAW),
        Sign::strong("Permission denied").and(&["is tainted: custom-argv"]).unless(RAW),
        Sign::strong("Operation not permitted").and(RAW),
        Sign::strong("Operation not permitted").and(&["is tainted: custom-argv"]).unless(RAW),
        Sign::strong("apparmor=\"DENIED\"*libvirt-").and(RAW),
        Sign::strong("apparmor=\"DENIED\"*libvirt-").and(&["is tainted: custom-argv"]).unless(RAW),
        Sign::strong("avc: * denied *svirt").and(RAW),
        Sign::strong("VFIO_MAP_DMA failed: Cannot allocate memory").and(&["qemu:arg value=*vfio-pci"]),
        // The conflict itself is machine/config-conflict; this adds whose device it is.
        Sign::support("not available for {device}, in use by").and(RAW),
        Sign::support("not available for {device}, in use by").and(&["is tainted: custom-argv"]).unless(RAW),
        Sign::strong("Bus 'pci.0' does not support hotplugging").and(RAW),
        Sign::strong("Duplicate ID '*' for device").and(RAW),
        Sign::support("Could not create temporary overlay"),
        Sign::support("Could not get temporary filename"),
        Sign::support("Could not open temporary file '"),
        Sign::strong("qemu:arg value='-snapshot'"),
        Sign::strong("qemu:arg value=\"-snapshot\""),
        Sign::strong("Could not open '/dev/input/by-*': Permission denied").and(RAW),
        Sign::support("unable to map backing store for guest RAM").and(RAW),
        Sign::support("<emulator>*.sh</emulator>"),
        Sign::support("<emulator>*wrapper*</emulator>"),
        // QEMU system/vl.c, parse_fw_cfg(): libvirt before 6.5 has no element for it, and labels no file of it.
        Sign::strong("-fw_cfg *: can't load ").and(&["connecting to monitor"]),
        Sign::strong("-fw_cfg *: can't load ").and(&["closed the monitor"]),
        Sign::strong("-fw_cfg *: can't load ").and(RAW),
        Sign::strong("Hook script execution failed"),
        Sign::support("/etc/libvirt/hooks/* unexpected exit status"),
        Sign::strong("hook script execution failed: internal error: Child process (/etc/libvirt/hooks/"),
        Sign::strong("Hook script /etc/libvirt/hooks/{name} {driver} failed with error code"),
        Sign::strong("/etc/libvirt/hooks/qemu*: No such file or directory"),
        Sign::strong("/etc/libvirt/hooks/qemu*: Permission denied"),
        Sign::support("/etc/libvirt/hooks/qemu.d/"),
    ],
    words: &["qemu:commandline", "qemu:arg", "-snapshot", "custom argument", "wrapper"],
    explains: &["access/apparmor-denied", "access/image-permission", "access/selinux-denied"],
    tells: "virsh dumpxml NAME; /var/log/libvirt/qemu/NAME.log",
    remedy: "replace the raw argument by libvirt's own element, or allow, size and address what it names by hand",
    disruption: Disruption::GuestRestart,
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::SecurityEngineer),
    ..Rule::NEW
};

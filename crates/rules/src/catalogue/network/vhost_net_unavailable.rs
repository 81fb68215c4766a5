//! # vhost-net is not loaded or not accessible
//!
//! ## What it is
//! With `vhost=on` the kernel moves the packets of a virtio card itself, through `/dev/vhost-net` (10:238). If
//! the VMM cannot open it, it fails (`vhost=on`, `vhostforce`) or falls back to copying in user space, several
//! times slower.
//!
//! Heard as: the network is slow or refused because the module vhost_net is not loaded or allowed; own kernel.
//!
//! Known by: /dev/vhost-net could not be opened; vhost=on requested but could not be initialized, falling back to
//! userspace; modprobe vhost_net; slow network, high CPU of qemu.
//!
//! ## Why it happens
//! The module `vhost_net` is not loaded or not built; the node is root's alone or for group kvm and the VMM's user
//! is not in it; a container or the VM's device cgroup does not list the node (`cgroup_device_acl` of libvirt,
//! a systemd unit's `DeviceAllow`); after a kernel update the modules of the running kernel are gone.
//!
//! ## Confirm
//! `ls -l /dev/vhost-net`; `lsmod | grep vhost_net`; `id <VMM user>`; for a unit `systemctl show -p DeviceAllow <unit>`.
//!
//! ## Refute
//! `/dev/vhost-net` can be opened read-write by the VMM's user in its own namespace, and QEMU's threads are named
//! `vhost-<pid>`.
//!
//! ## Fix
//! `modprobe vhost_net` (and `/etc/modules-load.d/`), group kvm and mode 0660 by a udev rule, or allow the device in
//! the container, unit or `cgroup_device_acl`. `vhost=off` starts the VM without it, slower.
//!
//! ## References
//! QEMU `net/tap.c`, `net_init_tap_one()`; libvirt `src/qemu/qemu_interface.c`, `qemuInterfaceOpenVhostNet`; Linux
//! `drivers/vhost/net.c`; QEMU manual, "-netdev tap,vhost=on".

use crate::prelude::*;
use vmwright_formats::{LsMod, QemuArgs};

pub const RULE: Rule = Rule {
    tags: &["network", "performance", "permission"],
    needs: &[Need::File("/proc/modules")],
    signs: &[
        // EPERM means a device cgroup, EACCES the node's mode, ENOENT no module.
        Sign::proof("tap: open vhost char device failed"),
        Sign::strong("vhost-net requested but could not be initialized"),
        Sign::proof("vhost-net was requested for an interface, but is unavailable"),
        Sign::strong("Unable to open vhost-net. Opened so far"),
        Sign::proof("/dev/vhost-net: No such file or directory"),
        Sign::proof("/dev/vhost-net: Permission denied"),
        Sign::proof("/dev/vhost-net: Operation not permitted"),
        Sign::proof("/dev/vhost-net': Permission denied"),
        Sign::proof("/dev/vhost-net': No such file or directory"),
        Sign::strong("/dev/vhost-net*no such file or directory"),
        Sign::strong("/dev/vhost-net*permission denied"),
        Sign::strong("/dev/vhost-net*operation not permitted"),
        Sign::strong("vhost-net device * not available"),
        Sign::strong("/dev/vhost-net not found"),
        Sign::strong("VHOST can not be found"),
        Sign::strong("vhost-net is not available"),
        Sign::strong("Module vhost_net not found"),
        Sign::strong("could not insert 'vhost_net'"),
        Sign::support("vhost-net is not supported with this QEMU binary"),
        Sign::strong("Checking if device*/dev/vhost-net*exists*: WARN"),
        Sign::strong("Checking if device*/dev/vhost-net*exists*: FAIL"),
        Sign::support("unable to start vhost net: {code}: falling back on userspace virtio"),
        Sign::proof("vhost-net support is not compiled in"),
        Sign::strong("vhost-net support not compiled in"),
        Sign::strong("unable to start vhost net: {n}: falling back on userspace virtio"),
        Sign::strong("unable to start vhost net"),
        Sign::strong("XBytes MTU not supported by the backend"),
        Sign::strong("Error opening /dev/vhost-net for queue"),
        Sign::strong("binding does not support host notifiers"),
    ],
    explains: &["access/namespace-device-missing", "machine/device-model-unsupported"],
    words: &["vhost-net", "vhost_net", "network is slow", "slow network", "vhost=on"],
    tells: "ls -l /dev/vhost-net",
    remedy: "load vhost_net and let the VM's user open /dev/vhost-net",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let wanted = cx.all::<QemuArgs>().iter().find_map(|seen| {
        let asks = |text: &str| text.contains("vhost=on") || text.contains("vhostforce=on");
        let found = seen.options("netdev").find(|one| one.value.as_deref().is_some_and(asks))?;
        seen.quote(found.value_line)
    });
    for seen in cx.all::<LsMod>().iter().filter(|seen| seen.header) {
        match seen.get("vhost_net") {
            // It may be built in, and a user may open the node by name and load it: a hint alone.
            None if wanted.is_some() => {
                draft = draft
                    .because(Strength::Hint, seen.quote(1), "the loaded modules do not include vhost_net")
                    .because(Strength::Hint, wanted.clone(), "the VM asks for vhost");
            }
            _ => {}
        }
    }
    vec![draft.verdict()]
}

//! # /dev/net/tun is missing
//!
//! ## What it is
//! Tap devices are made through the character device `/dev/net/tun` (10:200) of the `tun` driver. Without the
//! node, or with a node whose driver is not there, no VMM can make a tap.
//!
//! Heard as: no /dev/net/tun in the container or VPS.
//!
//! Known by: /dev/net/tun: No such file or directory or No such device; tun module not loaded; kernel just upgraded,
//! modules gone; LXC or container without tun.
//!
//! ## Why it happens
//! The module `tun` is not loaded or not built (minimal, cloud and WSL kernels; a kernel package updated without
//! a reboot has no modules for the running kernel). Containers (Docker, LXC, Kubernetes, GitLab runners) get a
//! /dev of their own without the node; OpenVZ and cheap VPS hosts must switch TUN/TAP on for the guest.
//!
//! ## Confirm
//! `ls -l /dev/net/tun`; `grep tun /proc/misc`; `grep CONFIG_TUN= /boot/config-$(uname -r)`; in a container
//! compare with the same on its host.
//!
//! ## Refute
//! The node exists as 10:200 and opening it gives "File descriptor in bad state" from `cat`: the driver is there,
//! look at permissions instead.
//!
//! ## Fix
//! `modprobe tun` (after a kernel update: reboot), and name it in `/etc/modules-load.d/`. For containers hand the
//! device in (`--device /dev/net/tun --cap-add NET_ADMIN`, an LXC `mount.entry`, a device plugin).
//!
//! ## References
//! Linux `Documentation/networking/tuntap.rst`, `drivers/net/tun.c`; QEMU `net/tap-linux.c`; libvirt
//! `src/util/virnetdevtap.c`, `virNetDevTapCreate` ("is tun module loaded?"); Firecracker `tap.rs`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["network", "boot", "container"],
    needs: &[Need::File("/proc/misc")],
    signs: &[
        Sign::proof("could not open /dev/net/tun: No such file or directory"),
        Sign::proof("could not open /dev/net/tun: No such device"),
        Sign::proof("failed to open /dev/net/tun: No such file or directory"),
        Sign::proof("failed to open /dev/net/tun: No such device"),
        Sign::proof("is tun module loaded?: No such file or directory"),
        Sign::proof("is tun module loaded?: No such device"),
        Sign::proof("Couldn't open /dev/net/tun: No such file or directory"),
        Sign::proof("Couldn't open /dev/net/tun: No such device"),
        Sign::strong("Couldn't open /dev/net/tun").and(&["No such file or directory (os error 2)"]),
        Sign::proof("OpenTun(*code: 2,"),
        Sign::proof("OpenTun(*code: 19,"),
        Sign::proof("open /dev/net/tun: no such file or directory"),
        Sign::proof("open /dev/net/tun: no such device"),
        Sign::proof("open(\"/dev/net/tun\"): No such file or directory"),
        Sign::proof("/dev/net/tun: No such file or directory"),
        Sign::proof("/dev/net/tun': No such file or directory"),
        Sign::proof("/dev/net/tun: No such device"),
        Sign::proof("stat /dev/net/tun: no such file"),
        Sign::strong("/dev/net/tun does not exist"),
        Sign::strong("/dev/net/tun not found"),
        Sign::strong("/dev/net/tun is missing"),
        Sign::strong("tun/tap device * not available"),
        Sign::strong("TUN device is missing"),
        // QEMU in a container, as its scripts say.
        Sign::strong("TUN device missing"),
        Sign::strong("mknod: /dev/net/tun: Operation not permitted"),
        Sign::strong("with --device /dev/net/tun"),
        Sign::strong("with --device=/dev/net/tun"),
        Sign::strong("Module tun not found"),
        Sign::strong("could not insert 'tun'"),
        Sign::strong("CONFIG_TUN is not set"),
        Sign::support("is tun module loaded?"),
    ],
    words: &["/dev/net/tun", "tun module", "tun/tap", "container"],
    explains: &["network/tap-permission", "access/namespace-device-missing", "network/vhost-net-unavailable"],
    tells: "ls -l /dev/net/tun",
    remedy: "load the tun module, or hand /dev/net/tun to the container",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if let Found::Text(misc) = cx.file("/proc/misc") {
        let listed = misc.lines().find(|(_, line)| line.split_whitespace().eq(["200", "tun"]));
        // Only a whole listing tells: it always has the random or the KVM device, or the loop control.
        let whole = misc.lines().filter(|(_, line)| line.split_whitespace().count() == 2).count() > 3;
        draft = match (listed, whole) {
            (Some((number, _)), _) => {
                let quote = misc.quote(number);
                draft.looked().despite(Strength::Strong, quote, "the kernel has the tun driver")
            }
            (None, true) => draft.because(Strength::Hint, misc.quote(1), "the list of devices has no tun"),
            (None, false) => draft,
        };
    }
    vec![draft.verdict()]
}

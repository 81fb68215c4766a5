//! # qemu-bridge-helper may not add this VM to the bridge
//!
//! ## What it is
//! An unprivileged QEMU makes no tap itself: it runs `qemu-bridge-helper`, a small set-uid root program that
//! makes the tap, adds it to the bridge and hands the open descriptor back. The helper refuses every bridge
//! that its ACL file does not name, and can do nothing at all without its root rights.
//!
//! Heard as: as a user the VM cannot be attached to the bridge, as root it can; bridge.conf or set-uid of the
//! helper.
//!
//! Known by: access denied by acl file; /etc/qemu/bridge.conf allow br0; failed to parse default acl file; setuid on
//! qemu-bridge-helper; unprivileged user, session; failed to create tun device.
//!
//! ## Why it happens
//! No `/etc/qemu/bridge.conf` exists (the packages ship none), it does not allow this bridge, it allows another
//! spelling, or an included file cannot be read. Distributions whose packages drop the set-uid bit (Debian,
//! Ubuntu, Arch, self-built QEMU) leave the helper without the right to create a tap. A libvirt session
//! connection (`qemu:///session`) with `<interface type='bridge'>`, GNOME Boxes, quickemu and rootless scripts
//! all go this way. Some builds look below their own prefix (`/usr/local/etc/qemu/bridge.conf`,
//! `/etc/qemu-kvm/bridge.conf`).
//!
//! ## Confirm
//! `cat /etc/qemu/bridge.conf` lacks `allow <bridge>` and `allow all`, or
//! `ls -l /usr/lib/qemu/qemu-bridge-helper /usr/libexec/qemu-bridge-helper` shows no `s` in `-rwsr-xr-x`.
//!
//! ## Refute
//! The ACL allows the bridge, is readable for the user, and the helper is set-uid root: then the bridge itself
//! is missing ("No such device") or is no Linux bridge ("Operation not supported").
//!
//! ## Fix
//! Write `allow <bridge>` into the ACL file (owner root, mode 0644, or 0640 with the group of the users), and
//! give the helper its bit with the distribution's tool (`dpkg-statoverride --update --add root kvm 4750`).
//!
//! ## References
//! QEMU `qemu-bridge-helper.c` (`main`, `parse_acl_file`), `net/tap.c`, `net_bridge_run_helper()`; QEMU manual,
//! "-netdev bridge"; libvirt `src/util/virnetdevtap.c`, `virNetDevTapCreateInBridgePort`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["network", "boot", "permission"],
    rank: Rank::Specific,
    needs: &[Need::File("/etc/qemu/bridge.conf")],
    signs: &[
        Sign::proof("access denied by acl file"),
        Sign::proof("failed to parse default acl file `{file}'"),
        Sign::strong("bridge.conf: No such file or directory"),
        Sign::strong("bridge.conf: Permission denied"),
        Sign::strong("failed to create tun device: Operation not permitted"),
        Sign::strong("failed to open /dev/net/tun: Operation not permitted").and(&["bridge-helper"]),
        Sign::strong("failed to drop privileges").and(&["bridge helper"]),
        // The line of QEMU (and, before it, of libvirt) says only that the helper failed; why stands above it.
        Sign::support("bridge helper failed").unless(&["': No such device", "': Operation not supported"]),
        Sign::support("failed to communicate with bridge helper")
            .unless(&["': No such device", "': Operation not supported"]),
        Sign::hint("Transport endpoint is not connected").and(&["bridge-helper"]),
        Sign::support("-rwxr-xr-x * {path}/qemu-bridge-helper"),
        Sign::hint("failed to launch bridge helper"),
        Sign::support("failed to recv file descriptor").and(&["bridge"]),
    ],
    words: &[
        "bridge helper",
        "bridge-helper",
        "without root",
        "as a normal user",
        "qemu:///session",
        "bridge.conf",
    ],
    tells: "/etc/qemu/bridge.conf",
    remedy: "allow the bridge in qemu's bridge.conf and make qemu-bridge-helper set-uid root",
    applicability: Applicability::NeedsApproval,
    ..Rule::NEW
};

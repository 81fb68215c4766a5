//! # A configuration that the VMM reads at start is not readable for its user
//!
//! ## What it is
//! QEMU reads `/etc/qemu/*.conf`, the bridge helper reads `/etc/qemu/bridge.conf`, librbd reads
//! `/etc/ceph/ceph.conf` and a keyring, Firecracker and Kata read the file they are given. A file that is absent
//! is often fine; a file or directory that exists and refuses the user ends the program, at times silently.
//!
//! Heard as: QEMU ends at once without any output for normal users, even for --version; through libvirt or as root
//! it starts.
//!
//! Known by: bridge.conf, kata or firecracker configuration, certificate or key has mode 0600 of root; cannot read
//! config, permission denied at start; umask when the file was written; started as service user instead of root;
//! directory above it not searchable; group readable wanted; secret mounted with defaultMode.
//!
//! ## Why it happens
//! A package or a deployment tool created the directory with mode 0700 or 0750 and owner root (umask 077 of a
//! hardened host), while the VMM runs as an ordinary user or as `qemu`. Root and libvirt's system instance do
//! not notice.
//!
//! ## Confirm
//! `namei -l /etc/qemu/qemu.conf`; `strace -f -e trace=openat qemu-system-x86_64 --version 2>&1 | grep EACCES`
//! shows the file that was refused before the exit.
//!
//! ## Refute
//! The user can read the file (`sudo -u USER cat FILE`), or the trace shows ENOENT alone.
//!
//! ## Fix
//! Give the directory mode 0755 and the file 0644 where they hold no secret; a keyring gets the group of the
//! VMM's user and 0640.
//!
//! ## References
//! QEMU `system/vl.c`, `qemu_read_default_config_file()` (any error but ENOENT is fatal); `qemu-bridge-helper.c`,
//! `parse_acl_file()`; Linux `path_resolution(7)`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["permission"],
    needs: &[Need::File("/etc/qemu/qemu.conf"), Need::File("/etc/qemu/bridge.conf")],
    signs: &[
        Sign::proof("\"/etc/qemu*EACCES"),
        Sign::proof("\"/etc/ceph*EACCES"),
        Sign::proof("\"/etc/libvirt*EACCES"),
        Sign::strong("\"/etc/*EACCES (Permission denied)").and(&["qemu-"]),
        Sign::strong("/etc/qemu/qemu.conf: Permission denied"),
        Sign::strong("/etc/qemu/*.conf*Permission denied"),
        Sign::strong("Cannot read config file*: Permission denied"),
        Sign::strong("Cannot read config file"),
        Sign::strong("-readconfig *: Permission denied"),
        Sign::strong("failed to parse default acl file `{file}'").and(&["Permission denied"]),
        Sign::support("failed to parse default acl file").and(&["drwx------"]),
        Sign::strong("Failed to open file '/etc/libvirt/*': Permission denied"),
        Sign::strong("Failed to open file '*/libvirt/*.conf': Permission denied"),
        Sign::strong("cannot read header '/etc/*': Permission denied"),
        Sign::strong("error reading conf file /etc/ceph/ceph.conf*Permission denied"),
        Sign::strong("can't open /etc/ceph/*: (13) Permission denied"),
        Sign::strong("unable to find a keyring on *(13) Permission denied"),
        Sign::strong("/etc/ceph/*Permission denied"),
        Sign::strong("Unable to open or read from the configuration file: Permission denied"),
        Sign::strong("configuration.toml: permission denied"),
        Sign::strong("Could not open config file *: Permission denied"),
        Sign::strong("cannot open config file *: Permission denied"),
        Sign::strong("drwx------*root*/etc/qemu"),
        Sign::strong("drwxr-x---*root*root*/etc/qemu"),
        Sign::support("-rw-------*root*bridge.conf"),
        Sign::support("-rw-------*root*qemu.conf").unless(&["/etc/libvirt"]),
        Sign::hint("exit_group(1)").and(&["EACCES"]),
    ],
    words: &["/etc/qemu", "no output", "silently", "exits with 1", "normal user", "regular user"],
    tells: "namei -l /etc/qemu/qemu.conf",
    remedy: "let the VMM's user traverse the directory and read the file (0755 and 0644 where nothing is secret)",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for path in ["/etc/qemu/qemu.conf", "/etc/qemu/bridge.conf"] {
        if matches!(cx.file(path), Found::Text(_) | Found::Absent) {
            draft = draft.looked();
        }
    }
    vec![draft.verdict()]
}

//! # Freezing the guest's file systems failed or hangs
//!
//! ## What it is
//! For a consistent snapshot the agent in the guest freezes all file systems, the disks are snapshotted, and
//! the agent thaws. The freeze fails, takes longer than allowed, or is never undone, and the guest stands
//! still.
//!
//! Heard as: a backup or snapshot hangs at the beginning and with it the guest; fs-freeze.
//!
//! Known by: guest-fsfreeze-freeze timed out; backup hangs guest; VSS writer failed; Failed to freeze filesystems;
//! quiesce; still frozen after backup; agent command; backup job aborts quiescing; guest agent freeze-filesystem
//! timeout; hung after backup; thaw; MySQL, Docker or loop mounts; freeze hook script; VSS provider.
//!
//! ## Why it happens
//! One file system cannot be frozen (loop or bind mounts, a stuck NFS or FUSE, an overlay twice), a hook script
//! fails, Windows' VSS writers take more than ten seconds, writes pile up while the thaw never comes, or the
//! agent itself writes to a frozen file system. The agent of a paused guest cannot answer at all. A frozen
//! guest with dirty memory and no way to write may run into its OOM killer.
//!
//! ## Confirm
//! `virsh qemu-agent-command NAME '{"execute":"guest-fsfreeze-status"}'`; in the guest `journalctl -u
//! qemu-guest-agent`, `dmesg | grep 'blocked for more'`; in Windows `vssadmin list writers`.
//!
//! ## Refute
//! "Guest agent is not connected": nothing was frozen, the agent is missing (guest/agent-not-running).
//!
//! ## Fix
//! Thaw first: `virsh domfsthaw NAME`. Then leave the file system out (`--mountpoint`, or a block list of the
//! agent's commands), mend the hook or VSS writer, update the agent, or snapshot without quiescing.
//!
//! ## References
//! QEMU `qga/commands-posix.c` and `qga/commands-linux.c` (qmp_guest_fsfreeze_do_freeze_list),
//! `qga/vss-win32/requester.cpp`, `docs/interop/qemu-ga.rst`; libvirt `virsh(1)` domfsfreeze, snapshot-create
//! --quiesce; Linux `fs/super.c` (freeze_super).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["snapshot", "agent"],
    rank: Rank::Specific,
    signs: &[
        Sign::proof("unable to execute QEMU agent command 'guest-fsfreeze-freeze'"),
        Sign::proof("unable to execute QEMU agent command 'guest-fsfreeze-thaw'"),
        Sign::strong("guest-fsfreeze-freeze' failed"),
        Sign::strong("guest-fsfreeze-thaw' failed"),
        Sign::strong("guest-fsfreeze-freeze * timed out"),
        Sign::strong("guest-fsfreeze-freeze * timeout"),
        Sign::support("guest-fsfreeze-freeze"),
        Sign::support("guest-fsfreeze-status"),
        Sign::strong("failed to freeze {mount}"),
        Sign::strong("fsfreeze hook has failed with status"),
        Sign::strong("fsfreeze is limited up to 10 seconds"),
        Sign::strong("fsfreeze not possible as VSS failed to initialize"),
        Sign::strong("couldn't hold writes: "),
        Sign::strong("to snapshot set").and(&["freeze"]),
        Sign::strong("failed to do snapshot set"),
        Sign::strong("unexpected error in VSS provider"),
        Sign::strong("Unable to freeze filesystems"),
        Sign::strong("Unable to freeze guest filesystems"),
        Sign::strong("QuiesceFailed"),
        Sign::strong("QuiesceTimeout"),
        Sign::support("guest-fsfreeze called"),
        Sign::support("freeze_all' blocked from execution"),
        Sign::strong("Unable to thaw filesystems"),
        Sign::strong("Failed freezing vm"),
        Sign::strong("failed to freeze vm"),
        Sign::strong("FIFREEZE"),
        Sign::strong("domain * is frozen"),
        Sign::strong("vm filesystem is frozen"),
        Sign::strong("guest agent command timed out").and(&["freeze"]),
        Sign::strong("blocked for more than * seconds").and(&["fsfreeze"]),
        Sign::strong("freeze_super").and(&["blocked for more than"]),
        Sign::strong("percpu_rwsem_wait").and(&["freeze"]),
        Sign::support("__sb_start_write"),
        Sign::support("sb_wait_write"),
        Sign::strong("Command guest-fsfreeze-freeze has been disabled"),
        Sign::strong("guest-fsfreeze-freeze * disabled"),
        Sign::strong("fsfreeze").and(&["hang"]),
        Sign::strong("fsfreeze").and(&["oom"]),
        Sign::support("fsfreeze"),
        Sign::support("domfsfreeze"),
        // Proxmox, Agent.pm.
        Sign::strong("unable to freeze guest fs"),
        // KubeVirt, virt-controller; a paused guest cannot answer.
        Sign::strong("Freezing vmi").and(&["unexpected return code 400"]),
        Sign::support("Freeze VMI"),
        Sign::strong("Failed to unfreeze source for snapshot content"),
        Sign::strong("taking snapshot without filesystem freeze"),
        Sign::strong("Snapshoting without freezing FS"),
        Sign::strong("skipping guest-agent 'fs-freeze'"),
        // virtnbdbackup; nova, exception.py and virt/libvirt/driver.py.
        Sign::strong("fsFreeze [").and(&["agent"]),
        Sign::strong("Error from libvirt while quiescing"),
        Sign::strong("Failed to quiesce instance"),
        Sign::strong("Quiescing instance failed"),
    ],
    words: &["freeze", "quiesce", "frozen", "thaw", "backup", "vss", "hang", "snapshot"],
    tells: "guest-fsfreeze-status by the agent; the agent's journal in the guest",
    remedy: "thaw the guest (virsh domfsthaw), then leave out or mend the file system, hook or VSS writer that cannot be frozen",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestPause,
    ..Rule::NEW
};

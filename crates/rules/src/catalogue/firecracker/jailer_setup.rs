//! # The jailer cannot set up its chroot, cgroup, user or files
//!
//! ## What it is
//! The jailer builds a chroot with device nodes, joins cgroups and a network namespace, drops to a user id and then
//! starts Firecracker inside. Each step can fail, and paths given to Firecracker later are paths inside the jail.
//!
//! Heard as: by hand Firecracker works, through the jailer it exits; files not found in the chroot; ids or
//! cgroups.
//!
//! Known by: jailer exits: mknod, chroot, pivot_root, cgroup or uid error; folder exists already; /srv/jailer; file not
//! found inside the jail; cgroup v2 controller.
//!
//! ## Why it happens
//! A chroot of an earlier run with the same id is still there (mknod: file exists); a cgroup controller is not mounted
//! or not enabled in the parent's `cgroup.subtree_control`; version 1 is asked for on a version 2 host; the chroot base
//! lies on a file system mounted `nodev` or `noexec`; the jailer is not root; kernel, disk or socket were not copied
//! into the jail or belong to another user; `--daemonize` is used under a session leader.
//!
//! ## Confirm
//! `ls -la /srv/jailer/firecracker/<id>/root`; `findmnt -T /srv/jailer -o OPTIONS`; `cat
//! /sys/fs/cgroup/cgroup.subtree_control`; the text behind "Jailer error:".
//!
//! ## Refute
//! Firecracker itself reports the fault after the jail was built, about a file that is in the jail and readable.
//!
//! ## Fix
//! Remove the old jail, use a new id, enable the controller or pass `--cgroup-version 2`, put the base on a plain file
//! system, and link the files into the jail with the jail's uid and gid.
//!
//! ## References
//! Firecracker `docs/jailer.md`, `src/jailer/src/main.rs` `JailerError`, `src/jailer/src/env.rs`, `cgroup.rs`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "permission"],
    signs: &[
        Sign::proof("Jailer error: "),
        Sign::proof("via mknod inside the jail"),
        Sign::proof("Failed to exec into Firecracker"),
        Sign::proof("Failed to create the jail root directory before pivoting root"),
        Sign::proof("Failed to bind mount the jail root directory"),
        Sign::proof("Failed to inherit cgroups configurations from file"),
        Sign::proof("Failed to remove old jail root directory"),
        Sign::proof("Failed to unmount the old jail root"),
        Sign::strong("Failed to pivot root: ").and(&["jailer"]),
        Sign::strong("Failed to move process to cgroup (").and(&["jailer"]),
        Sign::strong("Failed to change owner for ").and(&["jailer"]),
        // The jailed process has no terminal to configure.
        Sign::strong("VmmObserverInit(Error(5))"),
        Sign::strong("Failed to daemonize: setsid"),
        Sign::strong("Failed to create directory *File exists").and(&["jailer"]),
        Sign::strong("is an invalid cgroup version specifier"),
        Sign::strong("Parent cgroup path is invalid"),
        Sign::strong("Detected hard link at: "),
        Sign::strong("Controller {name} is unavailable").and(&["jailer"]),
        Sign::strong("Hierarchy not found: ").and(&["jailer"]),
        Sign::support("No such file or directory").and(&["/root/", "jailer", "fault_message"]),
        Sign::support("Permission denied (os error 13)").and(&["jailer", "fault_message"]),
        Sign::support("jailer: exit status"),
        // Messages that only the jailer prints (its `JailerError`), in every release.
        Sign::strong("Failed to change the propagation type to slave"),
        Sign::strong("Failed to unset the O_CLOEXEC flag on the socket fd"),
        Sign::strong("Failed to chdir into chroot directory"),
        Sign::strong("Failed to join network namespace: netns"),
        Sign::strong("Failed to unshare into new mount namespace"),
        Sign::strong("configurations not found in /sys/fs/cgroup"),
        Sign::strong("configurations not found in /proc/mounts"),
        Sign::strong("Cgroup invalid file: "),
        Sign::strong("Invalid format for cgroups: "),
        Sign::strong("Invalid format for resources limits: "),
        Sign::strong("Invalid limit value for resource: "),
        Sign::strong("Failed to set limit for resource: "),
        Sign::strong("option must contain \"firecracker\""),
        Sign::strong("Failed to change permissions on ").and(&["jailer"]),
        Sign::strong("Failed to copy {from} to {to}: ").and(&["jailer"]),
        Sign::strong("Failed to canonicalize path ").and(&["jailer"]),
        Sign::strong("Invalid instance ID: ").and(&["jailer"]),
        Sign::strong("Invalid uid: ").and(&["jailer"]),
        Sign::strong("Invalid gid: ").and(&["jailer"]),
        // A jail on a file system that is mounted `nodev`: its own device nodes cannot be opened.
        Sign::strong("OpenTun(*code: 13").and(&["jailer"]),
        Sign::strong("Couldn't open /dev/net/tun: Permission denied").and(&["jailer"]),
        Sign::strong("Error creating * object: Permission denied").and(&["jailer"]),
        Sign::strong("KVM object*Error(13)").and(&["jailer"]),
        Sign::strong("Unable to open config file: No such file").and(&["jailer"]),
        Sign::support("No such file or directory").and(&["jailer --"]),
        // The jailer ends with its error twice: in words, and as Rust's `Debug` has its `JailerError`.
        Sign::strong("FileOpen(\"/firecracker.pid\""),
        Sign::strong("Error: MknodDev("),
        Sign::strong("Error: MountBind("),
        Sign::strong("Error: PivotRoot("),
        Sign::strong("Error: CgroupMove("),
        Sign::strong("Error: ChangeFileOwner("),
        Sign::strong("Error: SetNetNs("),
        Sign::strong("Error: ResLimit"),
        Sign::strong("Error: {what}OldRoot"),
        Sign::strong("Error: FileOpen(").and(&["jailer"]),
        Sign::strong("Error: CreateDir(").and(&["jailer"]),
        Sign::strong("Error: Canonicalize(").and(&["jailer"]),
        Sign::strong("Error: Copy(").and(&["jailer"]),
        Sign::strong("Error: Exec(").and(&["jailer"]),
        // firecracker-go-sdk and firectl.
        Sign::strong("UID must be specified when using jailer mode"),
        Sign::strong("GID must be specified when using jailer mode"),
        Sign::strong("ID must be specified when using jailer mode"),
        Sign::strong("exec file must be specified when using jailer mode"),
        Sign::strong("ChrootStrategy cannot be nil"),
        Sign::strong("userfaultfd device not loaded"),
        Sign::strong("Could not jail resource"),
        // The SDK sees no more than that the jailed process is gone.
        Sign::support("Firecracker did not create API socket").and(&["jailer"]),
        Sign::strong("CgroupHierarchyMissing("),
        Sign::strong("No hierarchy found for this cgroup version"),
    ],
    words: &["jailer", "chroot", "jail", "cgroup", "firecracker", "--chroot-base-dir"],
    explains: &[
        "access/namespace-device-missing",
        "access/image-permission",
        "access/capability-missing",
        "network/tap-permission",
    ],
    tells: "/srv/jailer/",
    remedy: "remove the old jail, fix cgroup version and mount options, and put all files into the jail for its user",
    disruption: Disruption::GuestRestart,
    needs: &[Need::File("/proc/self/mounts"), Need::File("/sys/fs/cgroup/cgroup.subtree_control")],
    ..Rule::NEW
};

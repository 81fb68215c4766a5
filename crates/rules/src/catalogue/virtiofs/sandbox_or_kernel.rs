//! # virtiofsd cannot set up its sandbox
//!
//! ## What it is
//! Before it serves, virtiofsd shuts itself in: new mount, PID and network namespaces with pivot_root (or chroot),
//! dropped capabilities, a seccomp list, a high file limit. One of these steps is refused or unknown to the host.
//!
//! Heard as: virtiofsd ends at its start as it may not make its sandbox or the kernel is too old.
//!
//! Known by: sandbox=namespace, chroot; unshare or pivot_root Operation not permitted; newuidmap; unprivileged user
//! namespaces off; /proc/self/fd; inode-file-handles.
//!
//! ## Why it happens
//! It runs inside a container without CAP_SYS_ADMIN or with a seccomp profile that forbids unshare; as an ordinary
//! user without user namespaces (`kernel.apparmor_restrict_unprivileged_userns`, `user.max_user_namespaces=0`) or
//! without newuidmap; the hard limit of open files is too low; the kernel lacks a call that this build needs.
//!
//! ## Confirm
//! The error names the step: Unshare, PivotRoot, MountBind, WriteUidMap. `unshare -Urm true` as the same user;
//! `sysctl user.max_user_namespaces kernel.unprivileged_userns_clone`; `ulimit -Hn`.
//!
//! ## Refute
//! The log goes on to "Waiting for vhost-user socket connection".
//!
//! ## Fix
//! Allow user namespaces for that user, give the container the right it lacks or use `--sandbox chroot` (as root)
//! or `none` where the container is the jail already; raise the file limit or pass `--rlimit-nofile=0`.
//!
//! ## References
//! virtiofsd `src/sandbox.rs`, `Sandbox::enter()`, README "Sandbox"; QEMU 7.2
//! `tools/virtiofsd/passthrough_ll.c`, `setup_namespaces()`; Linux `user_namespaces(7)`.

use crate::prelude::*;

/// What shows that a message is about virtiofsd.
const FSD: &[&str] = &["virtiofs"];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["virtiofs", "sandbox", "container"],
    signs: &[
        Sign::proof("Error entering sandbox: {step}"),
        Sign::proof("Error creating sandbox: {step}"),
        Sign::proof("unshare(CLONE_FS) failed with EPERM"),
        Sign::proof("unshare(CLONE_NEWPID | CLONE_NEWNS)"),
        Sign::proof("sandbox modes chroot and none, can only be used by"),
        Sign::strong("mount(/proc/self/fd, MS_BIND)"),
        Sign::strong("mount(/, MS_REC|MS_SLAVE)"),
        Sign::strong("pivot_root(., .)").and(FSD),
        Sign::strong("chroot(*Operation not permitted").and(FSD),
        Sign::strong("unshare*Operation not permitted").and(FSD),
        Sign::strong("can't set up the child capabilities"),
        Sign::strong("can't apply the child capabilities"),
        Sign::support("can't apply the parent capabilities"),
        Sign::strong("Error increasing number of open files"),
        Sign::strong("setrlimit(RLIMIT_NOFILE").and(FSD),
        Sign::strong("Failed to create internal filesystem representation"),
        Sign::support("Error creating vhost-user backend"),
        Sign::strong("gain:capng_apply() failed"),
        Sign::strong("setgroups() failed with error=1"),
        Sign::strong("virtiofsd*must be run as the root user"),
        Sign::strong("virtiofsd*requires root"),
        Sign::strong("drop:capng_apply() failed"),
        Sign::strong("seccomp_load() failed").and(FSD),
        Sign::strong("can't enable seccomp*"),
        Sign::strong("newuidmap: write to uid_map failed: Operation not permitted"),
        Sign::support("openat2*Function not implemented").and(FSD),
        Sign::support("/proc/sys/user/max_user_namespaces").and(FSD),
        Sign::strong("Error creating pid file '").and(FSD),
        Sign::hint("Couldn't set the process uid as root"),
        Sign::strong("The fs.file-max sysctl is too low"),
        Sign::strong("umount2(., MNT_DETACH)"),
        Sign::strong("mount(., MS_SLAVE | MS_REC)"),
        Sign::strong("Failed to gain CAP_FSETID"),
        Sign::strong("capng_update(ADD,) failed"),
        Sign::strong("open(/proc/self/task, O_PATH)"),
        Sign::strong("load_capng() failed"),
        Sign::strong("fuse: error: filesystem requested capabilities"),
        Sign::strong("sandbox mode 'chroot' can only be used by"),
        Sign::strong("uid_map can only be used by unprivileged user where sandbox mod"),
        Sign::strong("gid_map can only be used by unprivileged user where sandbox mod"),
        Sign::strong("sandbox: couldn't setup id mappings"),
        Sign::strong("write to uid map failed"),
        Sign::strong("write to gid map failed"),
        Sign::strong("failed to execute newuidmap"),
        Sign::strong("failed to execute newgidmap"),
        Sign::strong("Maximum number of file descriptors too small"),
        Sign::strong("Cannot increase the soft limit to the hard limit"),
        Sign::strong("Refusing to use (mandatory) file handles"),
        Sign::strong("couldn't drop {cap} capability"),
        Sign::strong("couldn't apply capabilities after"),
        Sign::strong("failed to drop supplementary groups"),
        Sign::strong("No more file descriptors available to the guest"),
        Sign::strong("Failed to enter user namespace for virtiofsd"),
        Sign::support("user.max_user_namespaces = 0").and(&["virtiofs"]),
    ],
    words: &["virtiofsd", "sandbox", "container", "rootless", "unshare", "namespace"],
    explains: &["virtiofs/daemon-exited", "vhost-user/socket-missing"],
    tells: "virtiofsd's own log; unshare -Urm true",
    remedy: "let virtiofsd make its namespaces (user namespaces, capability) or choose the sandbox mode that its place allows",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let hit = cx.hits("Error entering sandbox: {step}").first();
    let step = hit.and_then(|hit| hit.get("step")).and_then(|step| step.split('(').next());
    vec![
        match step {
            Some(step) => cx.draft().title(format!("virtiofsd cannot set up its sandbox: {step} is refused")),
            None => cx.draft(),
        }
        .verdict(),
    ]
}

//! seccomp: system calls that change something other than a file, or that this kernel's Landlock does not cover.
//!
//! A list of what is refused, not of what is allowed, because commands of the host run under it too. Three things
//! keep such a list from rotting: calls newer than the list do not exist (`ENOSYS`), which also closes the x32
//! numbers; calls of another architecture kill the process; and `ioctl`, whose commands nobody can list, is the
//! other way round.

use super::files::Landlock;
use super::{Role, SandboxError};
use crate::asking::Asks;
use libc::{
    SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bind, SYS_bpf, SYS_chroot, SYS_clock_adjtime, SYS_clock_settime,
    SYS_clone, SYS_connect, SYS_delete_module, SYS_execve, SYS_execveat, SYS_fanotify_init, SYS_fchmod,
    SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_fcntl, SYS_finit_module, SYS_flock, SYS_fremovexattr,
    SYS_fsconfig, SYS_fsetxattr, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_io_uring_setup, SYS_ioctl, SYS_ioprio_set, SYS_kexec_file_load,
    SYS_kexec_load, SYS_keyctl, SYS_kill, SYS_listen, SYS_lremovexattr, SYS_lsetxattr, SYS_migrate_pages,
    SYS_mknodat, SYS_mount, SYS_mount_setattr, SYS_move_mount, SYS_move_pages, SYS_mq_open, SYS_mq_unlink,
    SYS_msgctl, SYS_msgget, SYS_msgrcv, SYS_msgsnd, SYS_nfsservctl, SYS_open_by_handle_at, SYS_open_tree,
    SYS_openat, SYS_perf_event_open, SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_pivot_root, SYS_prlimit64,
    SYS_process_madvise, SYS_process_mrelease, SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace,
    SYS_quotactl, SYS_quotactl_fd, SYS_reboot, SYS_removexattr, SYS_request_key, SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo, SYS_sched_setaffinity, SYS_sched_setattr, SYS_sched_setparam,
    SYS_sched_setscheduler, SYS_semctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_setdomainname,
    SYS_sethostname, SYS_setns, SYS_setpriority, SYS_settimeofday, SYS_setxattr, SYS_shmat, SYS_shmctl,
    SYS_shmget, SYS_socket, SYS_socketpair, SYS_swapoff, SYS_swapon, SYS_syslog, SYS_tgkill, SYS_tkill,
    SYS_truncate, SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_utimensat, SYS_vhangup,
};
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, sock_filter};
use std::collections::BTreeMap;
use vmwright_model::analysis::Sandbox;

/// Refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Mounts and roots.
    SYS_mount,
    SYS_umount2,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_move_mount,
    SYS_open_tree,
    SYS_mount_setattr,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    // The kernel itself.
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_fanotify_init,
    SYS_nfsservctl,
    // Host-wide settings.
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_clock_settime,
    SYS_settimeofday,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_vhangup,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // Other processes. `abort` still ends the caller, by its trap instruction where `tgkill` is refused.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_process_mrelease,
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
    SYS_pidfd_getfd,
    SYS_setpriority,
    SYS_ioprio_set,
    SYS_migrate_pages,
    SYS_move_pages,
    // Shared things of other processes: System V and POSIX queues, segments and semaphores. `flock` locks a file
    // exclusively that is only open for reading; the kernel asks more for the locks that SQLite uses.
    SYS_msgget,
    SYS_msgctl,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_semget,
    SYS_semctl,
    SYS_semop,
    SYS_semtimedop,
    SYS_shmget,
    SYS_shmctl,
    SYS_shmat,
    SYS_mq_open,
    SYS_mq_unlink,
    SYS_flock,
    // What Landlock does not cover of files: mode, owner, attributes, times. Beneath the state directory they
    // fail too; SQLite only tries `fchown`, and goes on. 452 is fchmodat2.
    SYS_fchmod,
    SYS_fchmodat,
    452,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_utimensat,
    SYS_open_by_handle_at,
    // Landlock covers this one from ABI 3 only.
    SYS_truncate,
    // Sockets: nobody is spoken to.
    SYS_connect,
    SYS_bind,
    SYS_listen,
];

/// Older doubles that only this architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// Refused where the first argument, a process or thread id, is not 0: the caller itself.
const ONLY_SELF: &[i64] =
    &[SYS_prlimit64, SYS_sched_setaffinity, SYS_sched_setattr, SYS_sched_setparam, SYS_sched_setscheduler];

/// The only commands of `ioctl` that work. Landlock covers devices from ABI 5, but never sockets (`SIOCSIF*` set
/// up interfaces), directories and files (`FS_IOC_SETFLAGS`, snapshots of btrfs).
const IOCTLS: &[u32] = &[
    // Terminals and descriptors, reading (asm-generic/ioctls.h): TCGETS, TCGETS2, TIOCGPGRP, TIOCGWINSZ, FIONREAD,
    // FIONBIO, FIONCLEX, FIOCLEX. TIOCSTI, which types for others, is not among them.
    0x5401,
    0x802c_542a,
    0x540f,
    0x5413,
    0x541b,
    0x5421,
    0x5450,
    0x5451,
    // linux/kvm.h, what running a page of code takes: GET_API_VERSION, CREATE_VM, CHECK_EXTENSION,
    // GET_VCPU_MMAP_SIZE, GET_SUPPORTED_CPUID, CREATE_VCPU, SET_USER_MEMORY_REGION, RUN, GET_REGS, SET_REGS,
    // GET_SREGS, SET_SREGS, SET_CPUID2.
    0xae00,
    0xae01,
    0xae03,
    0xae04,
    0xc008_ae05,
    0xae41,
    0x4020_ae46,
    0xae80,
    0x8090_ae81,
    0x4090_ae82,
    0x8138_ae83,
    0x4138_ae84,
    0x4008_ae90,
];

/// First system call number that this list does not know: `setxattrat` of Linux 6.13. Numbers of x32 are larger.
const NEWER: u32 = 463;

/// `clone3` and `openat2` hide their flags behind a pointer where no filter can see them. Whoever calls them
/// falls back to `clone` and `openat`. The numbers are those of every architecture.
const WITHOUT_FLAGS_TO_SEE: [u32; 2] = [435, 437];

/// Installs the filters.
pub(super) fn restrict(landlock: &Landlock, role: Role, sandbox: &mut Sandbox) -> Result<(), SandboxError> {
    let refuse = refusing(landlock.abi, role).map_err(seccompiler::Error::Backend)?;
    match install(&[not_there(), refuse]) {
        Ok(()) => {}
        // A kernel without seccomp filters, or a container that forbids more of them.
        Err(seccompiler::Error::Seccomp(error)) => {
            sandbox.lacking.push(format!(
                "system calls: nothing but privilege keeps this process from mounts, modules, signals, sockets, \
                 chmod and chown (seccomp: {error})"
            ));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    let mut enforced = |what: &str| sandbox.enforced.push(what.to_owned());
    enforced("mounts, namespaces, modules, kexec, clocks, host name, keys: refused (seccomp)");
    enforced("mode, owner, extended attributes and times of files: refused everywhere (seccomp)");
    enforced("devices: ioctl only for terminals' state and KVM (seccomp)");
    enforced(match landlock.abi {
        6.. => "other processes: no signal, no tracing, no priority (seccomp, Landlock)",
        1..=5 => "other processes: no signal, no tracing, no priority (seccomp; this Landlock has no scopes)",
        0 => "other processes: no signal, no tracing, no priority (seccomp)",
    });
    enforced(match landlock.abi {
        4.. => "network: no socket but UNIX stream pairs, no connect, no bind (seccomp, Landlock)",
        1..=3 => {
            "network: no socket but UNIX stream pairs, no connect, no bind (seccomp; this Landlock has no TCP rules)"
        }
        0 => "network: no socket but UNIX stream pairs, no connect, no bind (seccomp)",
    });
    if role == Role::LiveHost {
        enforced(
            "libvirt, Open vSwitch, the kernel's network: fixed commands and questions, in a process of their own",
        );
        enforced(
            "QEMU's monitors: fixed queries by that process, to sockets on which the VMM itself listens",
        );
    }
    if role == Role::Records {
        enforced("commands: none (seccomp)");
    }
    Ok(())
}

/// Installs filters for this thread and what it will start; also sets `no_new_privs`.
pub(crate) fn install(filters: &[BpfProgram]) -> Result<(), seccompiler::Error> {
    filters.iter().try_for_each(|filter| seccompiler::apply_filter(filter))
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn refusing(abi: u32, role: Role) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED.iter().chain(REFUSED_HERE).map(|number| (*number, Vec::new())).collect();
    let mut when = |number: i64, conditions: Vec<(u8, seccompiler::SeccompCmpOp, u32)>| {
        let conditions = conditions
            .into_iter()
            .map(|(argument, compare, value)| {
                SeccompCondition::new(argument, Dword, compare, u64::from(value))
            })
            .collect::<Result<_, _>>()?;
        rules.entry(number).or_default().push(SeccompRule::new(conditions)?);
        Ok::<(), seccompiler::BackendError>(())
    };
    for number in ONLY_SELF {
        when(*number, vec![(0, Ne, 0)])?;
    }
    when(SYS_ioctl, IOCTLS.iter().map(|command| (1, Ne, *command)).collect())?;
    // SYSLOG_ACTION_READ_ALL, SIZE_UNREAD and SIZE_BUFFER look; the others consume, clear or set (syslog(2)).
    when(SYS_syslog, vec![(0, Ne, 3), (0, Ne, 9), (0, Ne, 10)])?;
    // New namespaces, user namespaces above all: CLONE_NEWNS to CLONE_NEWNET of linux/sched.h.
    for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
        when(SYS_clone, vec![(0, MaskedEq(u64::from(flag)), flag)])?;
    }
    // Streams and sequenced packets of the same host, which speak to nobody without `connect`. Datagrams
    // (SOCK_DGRAM 2; SOCK_RAW 3 is the same for AF_UNIX) need none.
    for number in [SYS_socket, SYS_socketpair] {
        if role == Role::Messenger {
            when(number, ASKED.iter().map(|family| (0, Ne, *family as u32)).collect())?;
            for family in [libc::AF_INET, libc::AF_INET6] {
                for kind in [1, 2, 4, 5, 6, 10] {
                    when(number, vec![(0, Eq, family as u32), (1, MaskedEq(0xf), kind)])?;
                }
            }
            continue;
        }
        when(number, vec![(0, Ne, libc::AF_UNIX as u32)])?;
        for datagram in [2, 3] {
            when(number, vec![(1, MaskedEq(0xf), datagram)])?;
        }
    }
    // Opening for reading that truncates, and the access mode 3 for which Landlock asks no right at all.
    let truncate = libc::O_TRUNC as u32;
    let opens: &[(i64, u8)] = &[
        (SYS_openat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
    ];
    for (number, flags) in opens {
        when(*number, vec![(*flags, MaskedEq(u64::from(truncate | 3)), truncate)])?;
        when(*number, vec![(*flags, MaskedEq(3), 3)])?;
    }
    // Device nodes. Landlock refuses them too, where it is there.
    let nodes: &[(i64, u8)] = &[
        (SYS_mknodat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, 1),
    ];
    for (number, mode) in nodes {
        for device in [libc::S_IFCHR, libc::S_IFBLK] {
            when(*number, vec![(*mode, MaskedEq(u64::from(libc::S_IFMT)), device)])?;
        }
    }
    // Signals by way of descriptors (F_SETOWN, F_SETSIG, F_SETOWN_EX), leases and directory watches that hold
    // others up (F_SETLEASE, F_NOTIFY): linux/fcntl.h.
    for command in [8, 10, 15, 1024, 1026] {
        when(SYS_fcntl, vec![(1, Eq, command)])?;
    }
    if abi < 6 {
        // From ABI 6 Landlock keeps signals inside, and `abort` may work in its usual way.
        rules.insert(SYS_tgkill, Vec::new());
    }
    if role == Role::Messenger {
        // What a command does with its socket is narrowed by the filter of its kind.
        rules.remove(&SYS_connect);
        rules.remove(&SYS_bind);
    }
    if role == Role::Records {
        rules.insert(SYS_execve, Vec::new());
        rules.insert(SYS_execveat, Vec::new());
    }
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Answers `ENOSYS` for calls that are newer than this list, or that no filter can judge. By hand, because the
/// comparison is one of numbers. The other filter has checked the architecture.
fn not_there() -> BpfProgram {
    // linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JGE|BPF_K, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K.
    const LOAD: u16 = 0x20;
    const JUMP_GE: u16 = 0x35;
    const JUMP_EQ: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // linux/seccomp.h.
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        // The call's number is the first word of struct seccomp_data.
        step(LOAD, 0, 0, 0),
        step(JUMP_GE, 3, 0, NEWER),
        step(JUMP_EQ, 2, 0, WITHOUT_FLAGS_TO_SEE[0]),
        step(JUMP_EQ, 1, 0, WITHOUT_FLAGS_TO_SEE[1]),
        step(RETURN, 0, 0, ALLOW),
        step(RETURN, 0, 0, ERRNO | libc::ENOSYS as u32),
    ]
}

/// The families of sockets that the messenger's commands use; of the internet's only raw ones, over whose options
/// iptables' older tables are read.
const ASKED: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_INET, libc::AF_INET6];

/// What a command that asks may do with sockets, beyond what the messenger's own filter refuses.
pub(crate) fn asking(asks: Asks) -> Result<BpfProgram, seccompiler::BackendError> {
    // linux/netlink.h: NETLINK_ROUTE, NETLINK_NETFILTER.
    let (families, protocols, never): (&[libc::c_int], &[u32], &[i64]) = match asks {
        Asks::Network => (&[libc::AF_NETLINK], &[0], &[SYS_connect]),
        Asks::Firewall => (&[libc::AF_NETLINK], &[0, 12], &[SYS_connect]),
        // Tables are read by getsockopt, and replaced by setsockopt.
        Asks::LegacyFirewall => (
            &[libc::AF_INET, libc::AF_INET6],
            &[],
            &[
                SYS_connect,
                SYS_bind,
                libc::SYS_setsockopt,
                libc::SYS_sendto,
                libc::SYS_sendmsg,
                libc::SYS_sendmmsg,
            ],
        ),
        Asks::Libvirt | Asks::OpenVswitch => (&[libc::AF_UNIX], &[], &[SYS_bind]),
        // No command: this program itself.
        Asks::Qmp => (&[libc::AF_UNIX], &[], &[SYS_bind, SYS_execve, SYS_execveat]),
    };
    let mut rules: Rules = never.iter().map(|number| (*number, Vec::new())).collect();
    let differs = |argument, value: u32| SeccompCondition::new(argument, Dword, Ne, value.into());
    let family = families.iter().map(|family| differs(0, *family as u32)).collect::<Result<Vec<_>, _>>()?;
    let mut refused = vec![SeccompRule::new(family)?];
    if !protocols.is_empty() {
        let protocol = protocols.iter().map(|one| differs(2, *one)).collect::<Result<Vec<_>, _>>()?;
        refused.push(SeccompRule::new(protocol)?);
    }
    rules.insert(SYS_socket, refused);
    let errno = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, errno, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// The witness's filter, of what is allowed: opening for reading, looking, reading, answering, memory.
pub(super) fn witness() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: Rules = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_lseek,
        libc::SYS_getdents64,
        libc::SYS_readlinkat,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_brk,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigprocmask,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_clock_gettime,
        libc::SYS_restart_syscall,
        libc::SYS_getrandom,
        libc::SYS_sched_yield,
    ]
    .into_iter()
    .map(|number| (number, Vec::new()))
    .collect();
    let not_reading = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u64;
    let reading = SeccompCondition::new(2, Dword, MaskedEq(not_reading), 0)?;
    rules.insert(SYS_openat, vec![SeccompRule::new(vec![reading])?]);
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refused, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

//! What a hostile collector would try. Each attempt is a closure that gives the system's answer; run unlocked it
//! either works or fails for a reason of its own (never for lack of permission), so that a refusal in the lock
//! shows the lock.

use crate::scene::Place;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

type Attempt = (&'static str, Box<dyn Fn(&Place) -> io::Result<()>>);

fn path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// A raw system call's answer.
fn call(number: i64, arguments: [usize; 6]) -> io::Result<()> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: every caller passes numbers, null, or pointers to values that live until it returns.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn write_back(path: &str) -> io::Result<()> {
    let value = fs::read(path)?;
    OpenOptions::new().write(true).open(path)?.write_all(&value)
}

fn shell(script: &str, place: &Place) -> io::Result<()> {
    let status = Command::new("/bin/sh")
        .args(["-c", script])
        .current_dir(&place.outside)
        .stderr(std::process::Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EACCES)) }
}

fn socket(family: i32, kind: i32) -> io::Result<()> {
    call(libc::SYS_socket, [family as usize, kind as usize, 0, 0, 0, 0])
}

/// The attempts, by name.
pub(crate) fn all() -> Vec<Attempt> {
    let mut all: Vec<Attempt> = Vec::new();
    let mut add =
        |name: &'static str, attempt: fn(&Place) -> io::Result<()>| all.push((name, Box::new(attempt)));

    // Files.
    add("create a file", |at| File::create(at.outside.join("new")).map(drop));
    add("append to a file", |at| {
        OpenOptions::new().append(true).open(at.outside.join("kept"))?.write_all(b"x")
    });
    add("truncate by opening", |at| File::create(at.outside.join("kept")).map(drop));
    add("truncate(2)", |at| {
        let file = path(&at.outside.join("kept"));
        call(libc::SYS_truncate, [file.as_ptr() as usize, 1, 0, 0, 0, 0])
    });
    add("truncate by opening for reading", |at| {
        let file = path(&at.outside.join("kept"));
        call(
            libc::SYS_openat,
            [libc::AT_FDCWD as usize, file.as_ptr() as usize, libc::O_TRUNC as usize, 0, 0, 0],
        )
    });
    add("truncate by opening for neither", |at| {
        let file = path(&at.outside.join("kept"));
        let flags = (libc::O_TRUNC | 3) as usize;
        call(libc::SYS_openat, [libc::AT_FDCWD as usize, file.as_ptr() as usize, flags, 0, 0, 0])
    });
    add("truncate through openat2", |at| {
        let file = path(&at.outside.join("kept"));
        let how = [libc::O_TRUNC as u64, 0, 0];
        call(
            libc::SYS_openat2,
            [libc::AT_FDCWD as usize, file.as_ptr() as usize, how.as_ptr() as usize, 24, 0, 0],
        )
    });
    add("chmod", |at| fs::set_permissions(at.outside.join("kept"), Permissions::from_mode(0o600)));
    add("fchmod of a file open for reading", |at| {
        File::open(at.outside.join("kept"))?.set_permissions(Permissions::from_mode(0o600))
    });
    add("fchmodat2", |at| {
        let file = path(&at.outside.join("kept"));
        call(452, [libc::AT_FDCWD as usize, file.as_ptr() as usize, 0o600, 0, 0, 0])
    });
    add("chown", |at| std::os::unix::fs::chown(at.outside.join("kept"), Some(own_uid()), None));
    add("setxattr", |at| {
        let file = path(&at.outside.join("kept"));
        let (name, value) = (c"user.vmwright", b"x");
        call(
            libc::SYS_setxattr,
            [file.as_ptr() as usize, name.as_ptr() as usize, value.as_ptr() as usize, 1, 0, 0],
        )
    });
    add("set the times of a file", |at| {
        let file = path(&at.outside.join("kept"));
        call(libc::SYS_utimensat, [libc::AT_FDCWD as usize, file.as_ptr() as usize, 0, 0, 0, 0])
    });
    add("set the flags of a file", |at| {
        let file = File::open(at.outside.join("kept"))?;
        // FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of linux/fs.h: the same flags again.
        let mut flags: libc::c_long = 0;
        let address = (&raw mut flags) as usize;
        let _ = call(libc::SYS_ioctl, [file.as_raw_fd() as usize, 0x8008_6601, address, 0, 0, 0]);
        call(libc::SYS_ioctl, [file.as_raw_fd() as usize, 0x4008_6602, address, 0, 0, 0])
    });
    add("rename", |at| fs::rename(at.outside.join("renamed"), at.outside.join("renamed-away")));
    add("move into the state", |at| fs::rename(at.outside.join("moved"), at.state.join("moved")));
    add("link", |at| fs::hard_link(at.outside.join("linked"), at.outside.join("linked-too")));
    add("symlink", |at| symlink("kept", at.outside.join("pointer")));
    add("unlink", |at| fs::remove_file(at.outside.join("removed")));
    add("mkdir", |at| fs::create_dir(at.outside.join("made")));
    add("rmdir", |at| fs::remove_dir(at.outside.join("empty")));
    add("mkfifo", |at| {
        let file = path(&at.outside.join("fifo"));
        call(libc::SYS_mknodat, [libc::AT_FDCWD as usize, file.as_ptr() as usize, 0o010_644, 0, 0, 0])
    });
    add("make a device beneath the state", |at| {
        let file = path(&at.state.join("null"));
        call(libc::SYS_mknodat, [libc::AT_FDCWD as usize, file.as_ptr() as usize, 0o020_600, 0x103, 0, 0])
    });
    add("escape through a link in the state", |at| {
        let link = at.state.join("link");
        let _ = symlink(at.outside.join("kept"), &link);
        OpenOptions::new().append(true).open(link)?.write_all(b"x")
    });
    add("flock", |at| {
        let file = File::open(at.outside.join("kept"))?;
        call(
            libc::SYS_flock,
            [file.as_raw_fd() as usize, (libc::LOCK_EX | libc::LOCK_NB) as usize, 0, 0, 0, 0],
        )
    });
    add("write to the kernel log", |_| OpenOptions::new().write(true).open("/dev/kmsg").map(drop));
    add("write a sysctl", |_| write_back("/proc/sys/vm/swappiness"));
    add("write an attribute of sysfs", |_| write_back("/sys/class/net/lo/mtu"));
    add("write through a shell", |at| shell("echo x > by-shell", at));
    add("chmod through a shell", |at| shell("chmod 600 kept", at));

    // Mounts and namespaces. Unlocked, this runs in namespaces of its own.
    add("mount", |at| {
        let target = path(&at.outside.join("empty"));
        let kind = c"tmpfs".as_ptr() as usize;
        call(libc::SYS_mount, [kind, target.as_ptr() as usize, kind, 0, 0, 0])
    });
    add("umount", |_| call(libc::SYS_umount2, [c"/nonexistent".as_ptr() as usize, 0, 0, 0, 0, 0]));
    add("fsopen", |_| call(libc::SYS_fsopen, [c"tmpfs".as_ptr() as usize, 0, 0, 0, 0, 0]));
    add("open_tree", |_| {
        call(libc::SYS_open_tree, [libc::AT_FDCWD as usize, c"/tmp".as_ptr() as usize, 1, 0, 0, 0])
    });
    add("chroot", |at| std::os::unix::fs::chroot(&at.outside));
    add("pivot_root", |_| {
        call(libc::SYS_pivot_root, [c"/none".as_ptr() as usize, c"/none".as_ptr() as usize, 0, 0, 0, 0])
    });
    add("unshare", |_| call(libc::SYS_unshare, [libc::CLONE_NEWUTS as usize, 0, 0, 0, 0, 0]));
    add("setns", |_| call(libc::SYS_setns, [9999, 0, 0, 0, 0, 0]));
    add("clone into a namespace", |_| {
        // SAFETY: like fork; the child ends at once.
        let child = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_NEWUTS | libc::SIGCHLD, 0, 0, 0, 0) };
        match child {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: ends the child.
            0 => unsafe { libc::_exit(0) },
            _ => Ok(()),
        }
    });
    add("clone3", |_| call(libc::SYS_clone3, [0, 0, 0, 0, 0, 0]));

    // The kernel. Arguments are such that even root gets an error of another kind.
    add("finit_module", |_| {
        let file = File::open("/dev/null")?;
        call(libc::SYS_finit_module, [file.as_raw_fd() as usize, c"".as_ptr() as usize, 0, 0, 0, 0])
    });
    add("init_module", |_| call(libc::SYS_init_module, [0, 0, 0, 0, 0, 0]));
    add("delete_module", |_| call(libc::SYS_delete_module, [c"nosuch".as_ptr() as usize, 0, 0, 0, 0, 0]));
    add("kexec_load", |_| call(libc::SYS_kexec_load, [0, 0, 0, 0xffff, 0, 0]));
    add("reboot", |_| call(libc::SYS_reboot, [1, 2, 3, 0, 0, 0]));
    add("bpf", |_| call(libc::SYS_bpf, [9999, 0, 0, 0, 0, 0]));
    add("perf_event_open", |_| call(libc::SYS_perf_event_open, [0, 0, 0, 0, 0, 0]));
    add("io_uring_setup", |_| call(libc::SYS_io_uring_setup, [0, 0, 0, 0, 0, 0]));
    add("fanotify_init", |_| call(libc::SYS_fanotify_init, [0xffff_ffff, 0, 0, 0, 0, 0]));
    add("swapon", |_| call(libc::SYS_swapon, [c"/nonexistent".as_ptr() as usize, 0, 0, 0, 0, 0]));
    add("set the host name", |_| call(libc::SYS_sethostname, [c"x".as_ptr() as usize, 1, 0, 0, 0, 0]));
    add("set the clock", |_| call(libc::SYS_clock_settime, [9999, 0, 0, 0, 0, 0]));
    add("clear the kernel log", |_| call(libc::SYS_syslog, [9999, 0, 0, 0, 0, 0]));
    add("add a key", |_| call(libc::SYS_add_key, [0, 0, 0, 0, 0, 0]));
    add("shared memory", |_| call(libc::SYS_shmget, [0x766d_7772, 0, 0, 0, 0, 0]));
    add("a call newer than the filter", |_| call(463, [0, 0, 0, 0, 0, 0]));

    // Other processes.
    add("kill", |at| call(libc::SYS_kill, [at.sleeper as usize, libc::SIGCONT as usize, 0, 0, 0, 0]));
    add("tkill", |at| call(libc::SYS_tkill, [at.sleeper as usize, libc::SIGCONT as usize, 0, 0, 0, 0]));
    add("tgkill", |at| {
        call(libc::SYS_tgkill, [at.sleeper as usize, at.sleeper as usize, libc::SIGCONT as usize, 0, 0, 0])
    });
    add("signal through a pidfd", |at| {
        // SAFETY: numbers only.
        let process = unsafe { libc::syscall(libc::SYS_pidfd_open, at.sleeper, 0) };
        call(libc::SYS_pidfd_send_signal, [process as usize, libc::SIGCONT as usize, 0, 0, 0, 0])
    });
    add("signal through a descriptor", |at| {
        let file = File::open("/dev/null")?;
        call(
            libc::SYS_fcntl,
            [file.as_raw_fd() as usize, libc::F_SETOWN as usize, at.sleeper as usize, 0, 0, 0],
        )
    });
    add("ptrace", |at| {
        // PTRACE_SEIZE does not stop it; the tracer's end lets it go.
        call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, at.sleeper as usize, 0, 0, 0, 0])
    });
    add("read another's memory", |at| call(libc::SYS_process_vm_readv, [at.sleeper as usize, 0, 0, 0, 0, 0]));
    add("open another's memory", |at| {
        OpenOptions::new().write(true).open(format!("/proc/{}/mem", at.sleeper)).map(drop)
    });
    add("another's priority", |at| call(libc::SYS_setpriority, [0, at.sleeper as usize, 0, 0, 0, 0]));
    add("another's limits", |at| {
        let mut limit = [0_u64; 2];
        let address = (&raw mut limit) as usize;
        // SAFETY: reads into a live array.
        unsafe {
            libc::prlimit(at.sleeper, libc::RLIMIT_CORE, std::ptr::null(), address as *mut libc::rlimit)
        };
        call(libc::SYS_prlimit64, [at.sleeper as usize, libc::RLIMIT_CORE as usize, address, 0, 0, 0])
    });
    add("another's processors", |at| {
        let mask = [u64::MAX; 16];
        call(libc::SYS_sched_setaffinity, [at.sleeper as usize, 128, mask.as_ptr() as usize, 0, 0, 0])
    });
    add("type on the terminal", |_| call(libc::SYS_ioctl, [0, 0x5412, c"x".as_ptr() as usize, 0, 0, 0]));

    // The network.
    add("connect by TCP", |at| TcpStream::connect(("127.0.0.1", at.port)).map(drop));
    add("send by UDP", |_| socket(libc::AF_INET, libc::SOCK_DGRAM));
    add("IPv6", |_| socket(libc::AF_INET6, libc::SOCK_STREAM));
    add("netlink", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW));
    add("packet socket", |_| socket(libc::AF_PACKET, libc::SOCK_RAW));
    add("connect to a UNIX socket", |at| UnixStream::connect(at.outside.join("socket")).map(drop));
    add("UNIX datagrams", |_| std::os::unix::net::UnixDatagram::pair().map(drop));
    add("set up an interface", |_| {
        let (socket, _other) = UnixStream::pair()?;
        // struct ifreq of net/if.h for SIOCGIFFLAGS and SIOCSIFFLAGS: the same flags again.
        let mut request = [0_u8; 40];
        request[..2].copy_from_slice(b"lo");
        let address = request.as_mut_ptr() as usize;
        let _ = call(libc::SYS_ioctl, [socket.as_raw_fd() as usize, 0x8913, address, 0, 0, 0]);
        call(libc::SYS_ioctl, [socket.as_raw_fd() as usize, 0x8914, address, 0, 0, 0])
    });
    add("accept connections", |_| {
        let (socket, _other) = UnixStream::pair()?;
        call(libc::SYS_listen, [socket.as_raw_fd() as usize, 1, 0, 0, 0, 0])
    });
    add("open with O_CREAT through a directory", |at| {
        OpenOptions::new()
            .write(true)
            .create(true)
            .custom_flags(libc::O_EXCL)
            .open(at.outside.join("new-too"))
            .map(drop)
    });
    all
}

fn own_uid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() }
}

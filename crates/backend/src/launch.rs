//! Runs a VMM: a process of its own session that outlives vmwright, on record before its first instruction.

use crate::account::Account;
use crate::apart::{Apart, own_pids};
use crate::process::Identity;
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What is run.
pub(crate) struct Launch<'a> {
    /// The program, absolute.
    pub(crate) program: &'a Path,
    /// Its arguments, without the program itself.
    pub(crate) arguments: &'a [OsString],
    /// Where its stdout and stderr go.
    pub(crate) log: &'a File,
    /// Where it runs: what it opens by a relative path lies there, also as a user who could not come there.
    pub(crate) within: &'a Path,
    /// Its other standard streams.
    pub(crate) streams: Streams<'a>,
    /// Open files that it inherits under the same numbers. All others are closed to it.
    pub(crate) inherits: &'a [RawFd],
    /// The user to become; the caller's own where none.
    pub(crate) account: Option<Account>,
    /// `cgroup.procs` of the control group to join.
    pub(crate) cgroup: Option<&'a File>,
    /// What it sees of the host's files and processes; all where absent.
    pub(crate) apart: Option<&'a Apart>,
    /// What is special about its rights.
    pub(crate) rights: Rights,
}

/// What a VMM may do beside what its user may.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rights {
    /// Whether it may lock any amount of memory, as root may (getrlimit(2), `RLIMIT_MEMLOCK`).
    pub(crate) locks: bool,
    /// Whether no program that it executes gives it more (prctl(2), `PR_SET_NO_NEW_PRIVS`).
    pub(crate) no_new: bool,
}

/// Standard streams of a VMM that joins them with its guest, and the name that process lists show.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Streams<'a> {
    /// What it reads; nothing where absent.
    pub(crate) input: Option<&'a File>,
    /// Where its stdout goes; to its log where absent.
    pub(crate) output: Option<&'a File>,
    /// Its first word; the program's path where absent.
    pub(crate) title: Option<&'a str>,
}

/// Why it does not run.
pub(crate) enum LaunchError<E> {
    /// The process could not be made, could not become the user, or could not execute the program.
    Run(io::Error),
    /// The record could not be written; the program was not executed.
    Record(E),
}

/// Runs it. `record` is called with the process before the program is executed: if it fails, or if vmwright is
/// killed during it, the program never is.
pub(crate) fn launch<E>(
    launch: &Launch<'_>,
    record: impl FnOnce(&Identity) -> Result<(), E>,
) -> Result<Child, LaunchError<E>> {
    let (from_child, to_parent) = pipe().map_err(LaunchError::Run)?;
    let (from_parent, to_child) = pipe().map_err(LaunchError::Run)?;
    let (mut from_child, mut to_child) = (File::from(from_child), File::from(to_child));
    let mut command = Command::new(launch.program);
    command.args(launch.arguments).current_dir(launch.within).stdin(Stdio::null());
    if let Some(title) = launch.streams.title {
        command.arg0(title);
    }
    if let Some(input) = launch.streams.input {
        command.stdin(input.try_clone().map_err(LaunchError::Run)?);
    }
    // QEMU needs nothing of the caller's environment; the messages are to be the same everywhere.
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    for stream in [Command::stdout, Command::stderr] {
        stream(&mut command, launch.log.try_clone().map_err(LaunchError::Run)?);
    }
    if let Some(output) = launch.streams.output {
        command.stdout(output.try_clone().map_err(LaunchError::Run)?);
    }
    let inherits = launch.inherits.to_vec();
    let account = launch.account.clone();
    let others_end = to_child.as_raw_fd();
    let cgroup = launch.cgroup.map(File::try_clone).transpose().map_err(LaunchError::Run)?;
    let apart = launch.apart.cloned();
    let own_processes = apart.is_some();
    let rights = launch.rights;
    let prepare = move || {
        rights.set()?;
        join(cgroup.as_ref())?;
        if let Some(apart) = &apart {
            apart.mount()?;
        }
        become_daemon(account.as_ref())?;
        inherit_only(&inherits)?;
        wait_for_record(&to_parent, &from_parent, others_end)
    };
    // SAFETY: between fork and exec the closure makes system calls only, on values made before the fork; it
    // allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };

    // `spawn` returns when the program is executed, so the record is written beside it.
    let spawned = std::thread::Builder::new().name("launch".to_owned()).spawn(move || {
        // Of this thread alone, which ends with this; its child is the first process of the namespace.
        let child = if own_processes { own_pids() } else { Ok(()) }.and_then(|()| command.spawn());
        // With the command go the pipe ends in its closure, so that a failed fork is seen as end of file.
        drop(command);
        child
    });
    let spawned = spawned.map_err(LaunchError::Run)?;
    let mut pid = [0; 4];
    let recorded = match from_child.read_exact(&mut pid) {
        Ok(()) => Identity::of(i32::from_ne_bytes(pid)).map_err(LaunchError::Run).and_then(|identity| {
            record(&identity).map_err(LaunchError::Record)?;
            to_child.write_all(&[1]).map_err(LaunchError::Run)
        }),
        // It failed before it could tell its pid: `spawn` has the reason.
        Err(_) => Ok(()),
    };
    drop(to_child);
    let child = spawned.join().unwrap_or_else(|_| Err(io::Error::other("the launching thread panicked")));
    recorded?;
    child.map_err(LaunchError::Run)
}

/// Joins a control group, with the rights to do so that are given up next.
fn join(cgroup: Option<&File>) -> io::Result<()> {
    let Some(cgroup) = cgroup else { return Ok(()) };
    // SAFETY: the buffer is as large as said. `0` is the process that writes (cgroups(7)).
    let written = unsafe { libc::write(cgroup.as_raw_fd(), b"0".as_ptr().cast(), 1) };
    if written == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A session of its own (no signal from the caller's terminal), private files, and the user's rights.
fn become_daemon(account: Option<&Account>) -> io::Result<()> {
    // SAFETY: system calls on plain values; `groups` points to as many ids as are passed with it.
    unsafe {
        check(libc::setsid())?;
        libc::umask(0o077);
        if let Some(account) = account {
            check(libc::setgroups(account.groups.len(), account.groups.as_ptr()))?;
            check(libc::setgid(account.gid))?;
            check(libc::setuid(account.uid))?;
        }
    }
    Ok(())
}

impl Rights {
    fn set(self) -> io::Result<()> {
        // SAFETY: system calls on plain values, and on one on the stack that is read only.
        unsafe {
            if self.locks {
                let all = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
                // Who may not lift it gets the VMM's own complaint.
                libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const all);
            }
            if self.no_new {
                check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            }
        }
        Ok(())
    }
}

/// Closes every file to the program but its own.
fn inherit_only(inherits: &[RawFd]) -> io::Result<()> {
    // SAFETY: a system call on plain values. Kernels before 5.11 do not know it; there the standard library's
    // habit of opening everything close-on-exec has to do.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    for fd in inherits {
        // SAFETY: the caller holds the file open; only its close-on-exec flag is changed, in this process.
        check(unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) })?;
    }
    Ok(())
}

/// Tells the parent our pid and waits until it has written it down. `others_end` is our copy of the parent's end
/// of the second pipe: closed first, so that the parent's death is seen as end of file.
fn wait_for_record(to_parent: &OwnedFd, from_parent: &OwnedFd, others_end: RawFd) -> io::Result<()> {
    let mut go = [0_u8; 1];
    // SAFETY: the buffers are on the stack and as large as said; `others_end` is open in this process, which
    // has a copy of its parent's files, and nothing here uses it afterwards.
    unsafe {
        libc::close(others_end);
        let pid = own_pid()?.to_ne_bytes();
        if libc::write(to_parent.as_raw_fd(), pid.as_ptr().cast(), pid.len()) != 4 {
            return Err(io::Error::last_os_error());
        }
        loop {
            match libc::read(from_parent.as_raw_fd(), go.as_mut_ptr().cast(), 1) {
                1 => return Ok(()),
                -1 if *libc::__errno_location() == libc::EINTR => {}
                _ => return Err(io::Error::from_raw_os_error(libc::ECANCELED)),
            }
        }
    }
}

/// The caller's pid as the host counts: `/proc/self` is told in the namespace that `/proc` was mounted in, where
/// getpid(2) of the first process of another namespace is 1. Allocates nothing.
fn own_pid() -> io::Result<i32> {
    let mut digits = [0_u8; 16];
    // SAFETY: the path ends with NUL, and the buffer is as large as said.
    let length = unsafe { libc::readlink(c"/proc/self".as_ptr(), digits.as_mut_ptr().cast(), digits.len()) };
    // A host without /proc has none of these namespaces.
    let Ok(length) = usize::try_from(length) else {
        // SAFETY: a system call without arguments.
        return Ok(unsafe { libc::getpid() });
    };
    let number = |pid: i32, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| i32::from(digit - b'0'))?;
        pid.checked_mul(10)?.checked_add(digit)
    };
    let pid = digits[..length].iter().try_fold(0, number).filter(|pid| *pid > 0);
    pid.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A pipe's two ends, for reading and for writing.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;
    use std::time::Duration;

    fn run(
        script: &str,
        inherits: &[RawFd],
        recorded: Result<(), ()>,
    ) -> (Result<Child, LaunchError<()>>, File) {
        let log = tempfile::tempfile().expect("a temporary file");
        let arguments = ["-c".into(), script.into()];
        let it = Launch {
            program: Path::new("/bin/sh"),
            arguments: &arguments,
            log: &log,
            within: Path::new("/"),
            inherits,
            streams: Streams::default(),
            account: None,
            cgroup: None,
            apart: None,
            rights: Rights::default(),
        };
        (launch(&it, |_| recorded), log)
    }

    fn said(mut log: File) -> String {
        let mut text = String::new();
        log.rewind().and_then(|()| log.read_to_string(&mut text)).expect("readable");
        text
    }

    #[test]
    fn it_inherits_what_it_should_and_nothing_else() {
        let given = tempfile::tempfile().expect("a temporary file");
        let fd = given.as_raw_fd();
        let secret = tempfile::tempfile().expect("a temporary file");
        let script = format!(
            "umask; pwd; ls /proc/self/fd | tr '\\n' ' '; ps -o sid= -p $$ >/dev/null; env | sort; [ -e /proc/$$/fd/{} ] && echo leaked; [ -e /proc/$$/fd/{fd} ] && echo given",
            secret.as_raw_fd()
        );
        let (child, log) = run(&script, &[fd], Ok(()));
        let Ok(mut child) = child else { panic!("it runs") };
        let session = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok();
        assert!(child.wait().expect("it ends").success());
        let said = said(log);
        assert!(said.starts_with("0077\n/\n"), "{said}");
        assert!(said.contains("given") && !said.contains("leaked"), "{said}");
        assert!(said.contains("LC_ALL=C") && !said.contains("CARGO"), "{said}");
        if let Some(stat) = session {
            let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
            assert_eq!(fields[3], child.id().to_string(), "leader of its own session");
        }
    }

    #[test]
    fn nothing_is_executed_without_a_record() {
        let (result, log) = run("echo executed", &[], Err(()));
        assert!(matches!(result, Err(LaunchError::Record(()))));
        assert_eq!(said(log), "");
    }

    #[test]
    fn the_record_comes_before_the_program() {
        let log = tempfile::tempfile().expect("a temporary file");
        let arguments = ["-c".into(), "echo executed".into()];
        let program = Path::new("/bin/sh");
        let it = Launch {
            program,
            arguments: &arguments,
            log: &log,
            within: Path::new("/"),
            inherits: &[],
            streams: Streams::default(),
            account: None,
            cgroup: None,
            apart: None,
            rights: Rights::default(),
        };
        let child = launch::<()>(&it, |identity| {
            std::thread::sleep(Duration::from_millis(100));
            assert!(identity.alive().expect("readable"));
            assert_eq!(log.metadata().expect("there").len(), 0);
            Ok(())
        });
        let Ok(mut child) = child else { panic!("it runs") };
        assert!(child.wait().expect("it ends").success());
        assert_eq!(said(log), "executed\n");
    }

    #[test]
    fn a_missing_program_is_told() {
        let log = tempfile::tempfile().expect("a temporary file");
        let program = Path::new("/no/such/program");
        let it = Launch {
            program,
            arguments: &[],
            log: &log,
            within: Path::new("/"),
            inherits: &[],
            streams: Streams::default(),
            account: None,
            cgroup: None,
            apart: None,
            rights: Rights::default(),
        };
        match launch::<()>(&it, |_| Ok(())) {
            Err(LaunchError::Run(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            _ => panic!("it cannot run"),
        }
    }
}

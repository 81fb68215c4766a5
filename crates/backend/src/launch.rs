//! Runs a VMM: a process of its own session that outlives vmwright, on record before its first instruction.

use crate::account::Account;
use crate::apart::Apart;
use crate::process::Identity;
use crate::spawn::{self, Begins, Child};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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
    /// The directory of the control group to be in.
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
    let words = Words::of(launch).map_err(LaunchError::Run)?;
    let null = File::open("/dev/null").map_err(LaunchError::Run)?;
    let streams =
        [launch.streams.input.unwrap_or(&null), launch.streams.output.unwrap_or(launch.log), launch.log];
    let (failed, tells) = pipe().map_err(LaunchError::Run)?;
    let (waits, go) = pipe().map_err(LaunchError::Run)?;
    let get_ready = |begins| {
        close(&go)?;
        take(streams)?;
        words.enter()?;
        launch.rights.set()?;
        join(launch.cgroup.filter(|_| begins == Begins::Outside))?;
        if let Some(apart) = launch.apart {
            apart.mount()?;
        }
        become_daemon(launch.account.as_ref())?;
        inherit_only(launch.inherits)?;
        wait_for(&waits)
    };
    let run = |begins| {
        let error = match get_ready(begins) {
            Ok(()) => words.execute(),
            Err(error) => error,
        };
        let why = error.raw_os_error().unwrap_or(libc::EINVAL).to_ne_bytes();
        // SAFETY: the buffer is as large as said. A parent that is gone needs no answer.
        unsafe { libc::write(tells.as_raw_fd(), why.as_ptr().cast(), why.len()) };
    };
    let group = launch.cgroup.map(AsFd::as_fd);
    // SAFETY: `run` makes system calls only, on what was made above.
    let child = unsafe { spawn::child(launch.apart.is_some(), group, run) };
    let mut child = child.map_err(LaunchError::Run)?;
    drop((tells, waits));
    let recorded = Identity::of(child.id()).map_err(LaunchError::Run).and_then(|identity| {
        record(&identity).map_err(LaunchError::Record)?;
        File::from(go).write_all(&[1]).map_err(LaunchError::Run)
    });
    let mut why = [0; 4];
    // It is closed by the program's execution, and by the end of a child that says nothing.
    let told = File::from(failed).read_exact(&mut why).ok().map(|()| i32::from_ne_bytes(why));
    if recorded.is_err() || told.is_some() {
        child.wait().map_err(LaunchError::Run)?;
    }
    match (recorded, told) {
        (Ok(()), None) => Ok(child),
        (Err(error), None | Some(libc::ECANCELED)) => Err(error),
        (_, Some(why)) => Err(LaunchError::Run(io::Error::from_raw_os_error(why))),
    }
}

/// What is executed, as the kernel takes it.
struct Words {
    program: CString,
    within: CString,
    /// What the pointers lead to.
    _arguments: Vec<CString>,
    /// The arguments, and the null at their end.
    pointers: Vec<*const libc::c_char>,
}

/// All of the environment: QEMU needs nothing of the caller's, and its messages are to be the same everywhere.
const ENVIRONMENT: [&CStr; 2] = [c"PATH=/usr/sbin:/usr/bin:/sbin:/bin", c"LC_ALL=C"];

impl Words {
    fn of(launch: &Launch<'_>) -> io::Result<Self> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let title = launch.streams.title.map_or(launch.program.as_os_str(), OsStr::new);
        let arguments = std::iter::once(title).chain(launch.arguments.iter().map(AsRef::as_ref)).map(text);
        let arguments = arguments.collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            program: text(launch.program.as_os_str())?,
            within: text(launch.within.as_os_str())?,
            pointers: arguments.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect(),
            _arguments: arguments,
        })
    }

    /// Goes where the program runs.
    fn enter(&self) -> io::Result<()> {
        // SAFETY: the path ends with NUL.
        check(unsafe { libc::chdir(self.within.as_ptr()) })
    }

    /// Becomes the program; comes back only where that fails.
    fn execute(&self) -> io::Error {
        let [path, locale] = ENVIRONMENT.map(CStr::as_ptr);
        let environment = [path, locale, std::ptr::null()];
        // SAFETY: all words end with NUL, and both lists with null.
        unsafe { libc::execve(self.program.as_ptr(), self.pointers.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// Closes the child's copy of the parent's end, so that the parent's death is seen as end of file.
fn close(parents: &OwnedFd) -> io::Result<()> {
    // SAFETY: it is open, and nothing in this process uses it afterwards.
    check(unsafe { libc::close(parents.as_raw_fd()) })
}

/// Takes its standard streams, and what a program expects of its signals: none is held back, and a pipe that nobody reads ends
/// it, where Rust's own programs ignore that.
fn take(streams: [&File; 3]) -> io::Result<()> {
    // SAFETY: system calls on open files, plain values, and a set on the stack.
    unsafe {
        for (stream, number) in streams.into_iter().zip(0..) {
            check(libc::dup2(stream.as_raw_fd(), number))?;
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        check(libc::sigemptyset(&raw mut none))?;
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()))?;
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    Ok(())
}

/// Joins a control group, with the rights to do so that are given up next.
fn join(cgroup: Option<&File>) -> io::Result<()> {
    let Some(cgroup) = cgroup else { return Ok(()) };
    // SAFETY: the path ends with NUL, the buffer is as large as said, and what is opened is closed by the program's execution.
    // `0` is the process that writes (cgroups(7)).
    unsafe {
        let flags = libc::O_WRONLY | libc::O_CLOEXEC;
        let door = libc::openat(cgroup.as_raw_fd(), c"cgroup.procs".as_ptr(), flags);
        check(door)?;
        if libc::write(door, b"0".as_ptr().cast(), 1) == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// A session of its own (no signal from the caller's terminal), private files, and the user's rights. Those by system calls: the C
/// library's functions tell them to all threads of the process that this was copied from.
fn become_daemon(account: Option<&Account>) -> io::Result<()> {
    // SAFETY: system calls on plain values; `groups` points to as many ids as are passed with it.
    unsafe {
        check(libc::setsid())?;
        libc::umask(0o077);
        if let Some(account) = account {
            check(libc::syscall(libc::SYS_setgroups, account.groups.len(), account.groups.as_ptr()))?;
            check(libc::syscall(libc::SYS_setgid, account.gid))?;
            check(libc::syscall(libc::SYS_setuid, account.uid))?;
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

/// Waits until the parent has written it down; one that is gone, or could not, is seen as end of file.
fn wait_for(parent: &OwnedFd) -> io::Result<()> {
    let mut go = [0_u8; 1];
    // SAFETY: the buffer is on the stack and as large as said.
    unsafe {
        loop {
            match libc::read(parent.as_raw_fd(), go.as_mut_ptr().cast(), 1) {
                1 => return Ok(()),
                -1 if *libc::__errno_location() == libc::EINTR => {}
                _ => return Err(io::Error::from_raw_os_error(libc::ECANCELED)),
            }
        }
    }
}

fn check(result: impl Into<libc::c_long>) -> io::Result<()> {
    if result.into() == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
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

//! A child that begins in its control group and its namespaces (clone3(2)). One that is made by fork(2) and moves to its group
//! itself waits there until every processor has been seen idle or elsewhere: some 6 to 20 ms of each start
//! (`cgroup_attach_lock` in Linux's `kernel/cgroup/cgroup.c`).

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The status of a child that did not get as far as its program, as a shell tells it.
const NOT_RUN: libc::c_int = 127;

/// `CLONE_INTO_CGROUP` of Linux's `include/uapi/linux/sched.h`: more than the number that the libc crate has for it can hold.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A child of vmwright's. It lives on where this goes.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    ended: Option<ExitStatus>,
}

/// Where a child begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// In the control group that was asked for, or none was.
    InGroup,
    /// In its parent's: this kernel makes none in another (before Linux 5.7).
    Outside,
}

/// Makes a child with copies of all that the caller has, which does `run` and ends. It is the first process of a PID namespace
/// where that is wanted.
///
/// # Errors
/// Why the kernel makes none.
///
/// # Safety
/// `run` makes system calls only, on values made before: of the caller's threads the child has none but this one, so that it
/// would wait forever for a lock that another one holds, the allocator's among them. It also calls nothing of the C library
/// that tells all threads of a process (setuid(3)).
pub(crate) unsafe fn child(
    own_pids: bool,
    group: Option<BorrowedFd<'_>>,
    run: impl FnOnce(Begins),
) -> io::Result<Child> {
    let namespaces = if own_pids { libc::CLONE_NEWPID } else { 0 };
    // SAFETY: as of this function.
    let made = unsafe {
        match cloned(namespaces, group) {
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) || group.is_some() => {
                plainly_cloned(namespaces)
                    .map(|pid| (pid, group.map_or(Begins::InGroup, |_| Begins::Outside)))
            }
            made => made.map(|pid| (pid, Begins::InGroup)),
        }
    };
    let (pid, begins) = made?;
    if let Some(pid) = Pid::from_raw(pid) {
        return Ok(Child { pid, ended: None });
    }
    run(begins);
    // SAFETY: nothing that the parent has is flushed or closed for it.
    unsafe { libc::_exit(NOT_RUN) }
}

/// The child's pid, or 0 in the child.
unsafe fn cloned(namespaces: libc::c_int, group: Option<BorrowedFd<'_>>) -> io::Result<libc::pid_t> {
    // SAFETY: plain numbers, of which 0 says that nothing is wanted.
    let mut wanted: libc::clone_args = unsafe { std::mem::zeroed() };
    wanted.flags = u64::from(namespaces.unsigned_abs());
    wanted.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    if let Some(group) = group {
        wanted.flags |= CLONE_INTO_CGROUP;
        wanted.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the structure is as large as said; no memory is shared with the child.
    number(unsafe { libc::syscall(libc::SYS_clone3, &raw const wanted, size_of::<libc::clone_args>()) })
}

/// The same by clone(2), which every kernel has and every container's filter lets through.
unsafe fn plainly_cloned(namespaces: libc::c_int) -> io::Result<libc::pid_t> {
    // SAFETY: plain values; without a stack of its own the child has a copy of the caller's.
    number(unsafe { libc::syscall(libc::SYS_clone, namespaces | libc::SIGCHLD, 0, 0, 0, 0) })
}

fn number(result: libc::c_long) -> io::Result<libc::pid_t> {
    match libc::pid_t::try_from(result) {
        Ok(pid) if pid >= 0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}

impl Child {
    /// Its pid, as the caller counts.
    pub(crate) fn id(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// How it ended, if it has.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.reap(WaitOptions::NOHANG)
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            match self.reap(WaitOptions::empty()) {
                Ok(Some(status)) => return Ok(status),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    /// Kills it; one that has ended is left as it is.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        match self.ended {
            Some(_) => Ok(()),
            None => Ok(kill_process(self.pid, Signal::KILL)?),
        }
    }

    fn reap(&mut self, how: WaitOptions) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let status = waitpid(Some(self.pid), how)?;
            self.ended = status.map(|(_, status)| ExitStatus::from_raw(status.as_raw()));
        }
        Ok(self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::path::Path;

    /// Says where it begins, and ends.
    fn tells(begins: Begins) {
        // SAFETY: a system call on a plain value.
        unsafe { libc::_exit(if begins == Begins::InGroup { 10 } else { 11 }) }
    }

    /// Waits to be killed.
    fn waits(_: Begins) {
        loop {
            // SAFETY: a system call without arguments.
            unsafe { libc::pause() };
        }
    }

    #[test]
    fn its_end_is_told_as_often_as_it_is_asked_for() {
        // SAFETY: system calls only.
        let mut child = unsafe { super::child(false, None, tells) }.expect("made");
        assert_eq!(child.wait().expect("ours").code(), Some(10));
        assert_eq!(child.try_wait().expect("known").and_then(|status| status.code()), Some(10));
        child.kill().expect("nothing is left to kill");
        // SAFETY: it does nothing.
        let mut idle = unsafe { super::child(false, None, |_| {}) }.expect("made");
        assert_eq!(idle.wait().expect("ours").code(), Some(NOT_RUN));
        // SAFETY: system calls only.
        let mut waiting = unsafe { super::child(false, None, waits) }.expect("made");
        assert_eq!(waiting.try_wait().expect("ours"), None);
        waiting.kill().expect("it is there");
        assert_eq!(waiting.wait().expect("ours").signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn where_it_cannot_begin_in_its_group_it_is_told_so() {
        // What is no control group stands for a kernel that makes no child in one.
        let none = File::open("/").expect("there");
        // SAFETY: system calls only.
        let mut child = unsafe { super::child(false, Some(none.as_fd()), tells) }.expect("made");
        assert_eq!(child.wait().expect("ours").code(), Some(11));
    }

    #[test]
    fn it_begins_in_its_group() {
        const TEST: &str = "it_begins_in_its_group";
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let Some(mount) = mounts.find(|words| words.get(2) == Some(&"cgroup2")) else {
            return eprintln!("SKIPPED {TEST}: no control groups of version 2");
        };
        let name = format!("vmwright-test-{}", std::process::id());
        let group = Path::new(mount[1]).join(&name);
        if let Err(error) = fs::create_dir(&group) {
            return eprintln!("SKIPPED {TEST}: {}: {error}", group.display());
        }
        let directory = File::open(&group).expect("made");
        // SAFETY: system calls only.
        let mut child = unsafe { super::child(false, Some(directory.as_fd()), waits) }.expect("made");
        let within = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).expect("it runs");
        child.kill().expect("it is there");
        child.wait().expect("ours");
        fs::remove_dir(&group).expect("nobody is in it");
        assert!(within.contains(&format!("0::/{name}\n")), "{within}");
    }
}

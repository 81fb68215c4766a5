//! The work in a process of its own, so that the caller gets his answer even where that process cannot end.
//!
//! A reading that hangs is left behind on its thread. Where it waits for a FUSE server that has taken the request and
//! never answers (a dead sshfs, GlusterFS or Ceph mount), nothing can wake it, not even the end of its process
//! (`request_wait_answer` in the kernel's `fs/fuse/dev.c`): the process would stay, with all that it has open, and so
//! would whoever waits for it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};
use vmwright_model::Exit;

/// How long a process that has done its work may take to end.
const GRACE: Duration = Duration::from_millis(300);

/// Does the work in a child of this process and gives its exit status. Where there can be no child the work is done
/// here. Signals end both: an analysis has nothing to take back.
///
/// To be called while no other thread runs.
pub(crate) fn run(work: impl FnOnce() -> Exit) -> u8 {
    let mut ends = [0; 2];
    // SAFETY: `ends` is a live local array of two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return work() as u8;
    }
    // SAFETY: both were just made, and nobody else owns them.
    let (mut theirs, ours) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    let parent = std::process::id();
    // SAFETY: no other thread runs, so that the child finds no lock held by a thread that it lacks.
    match unsafe { libc::fork() } {
        -1 => work() as u8,
        0 => {
            drop(theirs);
            die_with(parent);
            tell(ours, work() as u8)
        }
        child => {
            drop(ours);
            let mut status = [0];
            match theirs.read_exact(&mut status) {
                Ok(()) => leave(child, GRACE),
                // It ended without a word: a signal, or a defect of ours.
                Err(_) => status[0] = wait(child),
            }
            status[0]
        }
    }
}

/// Ends this process when its parent has ended.
fn die_with(parent: u32) {
    // SAFETY: plain system calls.
    let alone = unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        u32::try_from(libc::getppid()) != Ok(parent)
    };
    if alone {
        std::process::exit(i32::from(Exit::Incomplete as u8));
    }
}

/// Tells the parent how it went, and ends. Whoever reads our output sees its end first: a thread that hangs would
/// keep it open.
fn tell(mut parent: File, status: u8) -> ! {
    // What cannot be written here was reported where it was written.
    let _ = io::stdout().flush();
    for standard in 0..=2 {
        // SAFETY: this thread goes on to end the process; nothing prints any more.
        unsafe { libc::close(standard) };
    }
    // A parent that is gone wants no status.
    let _ = parent.write_all(&[status]);
    // SAFETY: ends the process at once; what has to be written is written.
    unsafe { libc::_exit(libc::c_int::from(status)) }
}

/// Waits for a child that has done its work, and leaves it behind where it does not end.
fn leave(child: libc::pid_t, patience: Duration) {
    let ends = Instant::now() + patience;
    // SAFETY: a plain system call; no status is asked for.
    while unsafe { libc::waitpid(child, std::ptr::null_mut(), libc::WNOHANG) } == 0 {
        if Instant::now() >= ends {
            eprintln!("note: process {child} stays behind until the file system that it waits for answers");
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The status of a child that ended by itself: as a shell counts it, 128 and the signal's number where one ended it.
fn wait(child: libc::pid_t) -> u8 {
    let mut status = 0;
    // SAFETY: `status` is a live local value.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Exit::Internal as u8;
        }
    }
    let code =
        if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
    u8::try_from(code).unwrap_or(Exit::Internal as u8)
}

//! Processes that are forked before the lock and serve this one over two pipes: each locks itself in a way of its
//! own, and ends with us.

use super::{privileges, syscalls};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::thread::CapabilitySet;
use seccompiler::BpfProgram;
use std::ffi::CStr;
use std::fs::File;
use std::io;

/// Our ends of the pipes.
pub(super) struct Pipes {
    pub(super) questions: File,
    pub(super) answers: File,
}

/// Forks a process that runs `serve` with its own ends of the pipes: questions in, answers out. Only one thread may
/// be running.
pub(super) fn start(
    name: &'static CStr,
    serve: impl FnOnce(&Us, File, File) -> io::Result<()> + std::panic::UnwindSafe,
) -> io::Result<Pipes> {
    let (their_questions, our_questions) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (our_answers, their_answers) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let us = Us { parent: std::process::id() };
    // SAFETY: the caller is the only thread, so that the child finds no lock held by a thread that it lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Whatever happens in it, the child must not return into the parent's code.
            let served = std::panic::catch_unwind(move || {
                let (questions, answers) = settle(name, us.parent, &their_questions, &their_answers)?;
                serve(&us, questions, answers)
            });
            // SAFETY: ends the child at once, without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!matches!(served, Ok(Ok(()))))) }
        }
        _ => Ok(Pipes { questions: File::from(our_questions), answers: File::from(our_answers) }),
    }
}

/// Who a companion serves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Us {
    pub(super) parent: u32,
}

/// Makes the two pipes the only descriptors of this process, 0 and 1, and its life as long as its parent's.
fn settle(
    name: &'static CStr,
    parent: u32,
    questions: &OwnedFd,
    answers: &OwnedFd,
) -> io::Result<(File, File)> {
    // SAFETY: plain system calls on descriptors that this process owns alone. Afterwards 0 and 1 are open and owned
    // by nobody else: the parent's `OwnedFd`s are never dropped here.
    unsafe {
        use std::os::fd::FromRawFd;
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        // Away from 0 and 1 first: the parent may have been started without them.
        let from = libc::fcntl(questions.as_raw_fd(), libc::F_DUPFD, 3);
        let to = libc::fcntl(answers.as_raw_fd(), libc::F_DUPFD, 3);
        if u32::try_from(libc::getppid()).ok() != Some(parent)
            || from == -1
            || to == -1
            || libc::dup2(from, 0) == -1
            || libc::dup2(to, 1) == -1
        {
            return Err(io::Error::last_os_error());
        }
        libc::close(2);
        close_from(3);
        Ok((File::from_raw_fd(0), File::from_raw_fd(1)))
    }
}

/// Gives up all capabilities but `kept`, and installs the filters.
pub(super) fn confine(kept: CapabilitySet, filters: &[BpfProgram]) -> io::Result<()> {
    privileges::drop(kept)?;
    syscalls::install(filters).map_err(io::Error::other)
}

/// A number as the pipes carry it.
pub(super) fn read_u32(from: &mut impl io::Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Closes every descriptor from `first` on.
///
/// # Safety
///
/// Nothing may use them afterwards.
unsafe fn close_from(first: libc::c_int) {
    // SAFETY: plain system calls without pointers; kernels before 5.9 lack the first.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) == 0 {
            return;
        }
        for number in first..65_536 {
            libc::close(number);
        }
    }
}

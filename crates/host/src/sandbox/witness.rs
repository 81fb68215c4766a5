//! A second process that says which program each process runs and who holds a lock on a file.
//!
//! Landlock forbids a locked process to look into others' descriptors, since that is a form of tracing. The
//! witness is forked before the lock and locks itself in another way: it keeps two pipes, and its system call
//! filter lets it open files for reading, look and answer, and nothing else: no writing, no executing, no sockets,
//! no signals, no memory of others. It takes one question, a list of files, and answers with process ids and
//! program paths alone. It ends with us.

use super::{privileges, syscalls};
use crate::limits::millis;
use crate::processes::{Census, FileId, MOST_WANTED, look};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Largest answer that is taken, in bytes: some 50,000 processes.
const ANSWER: u32 = 8 * 1024 * 1024;

struct Witness {
    questions: File,
    answers: File,
}

static WITNESS: Mutex<Option<Witness>> = Mutex::new(None);

/// Starts the witness, once. Only one thread may be running.
pub(super) fn start() -> io::Result<()> {
    let mut witness = WITNESS.lock().unwrap_or_else(PoisonError::into_inner);
    if witness.is_some() {
        return Ok(());
    }
    let (their_questions, our_questions) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (our_answers, their_answers) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let us = std::process::id();
    // SAFETY: the caller is the only thread, so that the child finds no lock held by a thread that it lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Whatever happens in it, the child must not return into the parent's code.
            let served = std::panic::catch_unwind(|| serve(us, &their_questions, &their_answers));
            // SAFETY: ends the child at once, without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!matches!(served, Ok(Ok(()))))) }
        }
        _ => {
            *witness =
                Some(Witness { questions: File::from(our_questions), answers: File::from(our_answers) });
            Ok(())
        }
    }
}

/// Asks the witness; none where there is none, or where it does not answer.
pub(crate) fn ask(wanted: &[FileId]) -> Option<Census> {
    let mut witness = WITNESS.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = witness.as_mut()?.ask(wanted);
    if answer.is_none() {
        // An answer that comes too late would be taken for the next one.
        *witness = None;
    }
    answer
}

impl Witness {
    fn ask(&mut self, wanted: &[FileId]) -> Option<Census> {
        let mut question = Vec::with_capacity(4 + wanted.len() * 16);
        question.extend(u32::try_from(wanted.len()).ok()?.to_le_bytes());
        for file in wanted {
            question.extend(file.major.to_le_bytes());
            question.extend(file.minor.to_le_bytes());
            question.extend(file.inode.to_le_bytes());
        }
        self.questions.write_all(&question).ok()?;
        let patience = Timespec { tv_sec: (millis(PATIENCE) / 1000) as i64, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&self.answers, PollFlags::IN)], Some(&patience)).ok()? == 0 {
            return None;
        }
        let length = read_u32(&mut self.answers).ok()?;
        if length > ANSWER {
            return None;
        }
        let mut answer = String::new();
        (&mut self.answers).take(u64::from(length)).read_to_string(&mut answer).ok()?;
        Census::from_lines(&answer)
    }
}

/// The witness's whole life.
fn serve(parent: u32, questions: &OwnedFd, answers: &OwnedFd) -> io::Result<()> {
    // SAFETY: plain system calls on descriptors that this process owns alone; 0 and 1 become the two pipes, and
    // every other descriptor that was inherited is closed.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"vmw-witness".as_ptr());
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
    }
    privileges::drop(privileges::WITNESS)?;
    let filter = syscalls::witness().map_err(io::Error::other)?;
    syscalls::install(&[filter]).map_err(io::Error::other)?;
    // SAFETY: both are open, and owned by nobody else: `OwnedFd`s of the parent are never dropped here.
    let (mut questions, mut answers) = unsafe {
        use std::os::fd::FromRawFd;
        (File::from_raw_fd(0), File::from_raw_fd(1))
    };
    let except = [parent, std::process::id()];
    loop {
        let count = match read_u32(&mut questions) {
            Ok(count) => count as usize,
            // The parent has ended.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if count > MOST_WANTED {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut wanted = Vec::with_capacity(count);
        for _ in 0..count {
            let (major, minor) = (read_u32(&mut questions)?, read_u32(&mut questions)?);
            let mut inode = [0; 8];
            questions.read_exact(&mut inode)?;
            wanted.push(FileId { major, minor, inode: u64::from_le_bytes(inode) });
        }
        let answer = look(&wanted, &except).to_lines();
        let length = u32::try_from(answer.len()).map_err(io::Error::other)?;
        answers.write_all(&length.to_le_bytes())?;
        answers.write_all(answer.as_bytes())?;
    }
}

fn read_u32(from: &mut File) -> io::Result<u32> {
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

//! A second process that says which program each process runs and who holds a lock on a file.
//!
//! Landlock forbids a locked process to look into others' descriptors, since that is a form of tracing. The
//! witness is forked before the lock and locks itself in another way: it keeps two pipes, and its system call
//! filter lets it open files for reading, look and answer, and nothing else: no writing, no executing, no sockets,
//! no signals, no memory of others. It takes one question, a list of files and of processes, and answers with process
//! ids, paths of programs and of open files, namespaces and sums of memory alone. It ends with us.

use super::companion::{self, Pipes, Us, read_u32};
use super::{privileges, syscalls};
use crate::limits::millis;
use crate::processes::{Census, FileId, MOST_EXAMINED, MOST_WANTED, look};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Largest answer that is taken, in bytes: some 50,000 processes.
const ANSWER: u32 = 8 * 1024 * 1024;

static WITNESS: Mutex<Option<Pipes>> = Mutex::new(None);

/// Starts the witness, once. Only one thread may be running.
pub(super) fn start() -> io::Result<()> {
    let mut witness = WITNESS.lock().unwrap_or_else(PoisonError::into_inner);
    if witness.is_none() {
        *witness = Some(companion::start(c"vmw-witness", serve)?);
    }
    Ok(())
}

/// Asks the witness; none where there is none, or where it does not answer.
pub(crate) fn ask(wanted: &[FileId], examined: &[u32]) -> Option<Census> {
    let mut witness = WITNESS.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = ask_over(witness.as_mut()?, wanted, examined);
    if answer.is_none() {
        // An answer that comes too late would be taken for the next one.
        *witness = None;
    }
    answer
}

fn ask_over(pipes: &mut Pipes, wanted: &[FileId], examined: &[u32]) -> Option<Census> {
    let mut question = Vec::with_capacity(8 + wanted.len() * 16 + examined.len() * 4);
    question.extend(u32::try_from(wanted.len()).ok()?.to_le_bytes());
    for file in wanted {
        question.extend(file.major.to_le_bytes());
        question.extend(file.minor.to_le_bytes());
        question.extend(file.inode.to_le_bytes());
    }
    question.extend(u32::try_from(examined.len()).ok()?.to_le_bytes());
    question.extend(examined.iter().flat_map(|pid| pid.to_le_bytes()));
    pipes.questions.write_all(&question).ok()?;
    let patience = Timespec { tv_sec: (millis(PATIENCE) / 1000) as i64, tv_nsec: 0 };
    if poll(&mut [PollFd::new(&pipes.answers, PollFlags::IN)], Some(&patience)).ok()? == 0 {
        return None;
    }
    let length = read_u32(&mut pipes.answers).ok()?;
    if length > ANSWER {
        return None;
    }
    let mut answer = String::new();
    (&mut pipes.answers).take(u64::from(length)).read_to_string(&mut answer).ok()?;
    Census::from_lines(&answer)
}

/// The witness's whole life.
fn serve(us: &Us, mut questions: File, mut answers: File) -> io::Result<()> {
    companion::confine(privileges::WITNESS, &[syscalls::witness().map_err(io::Error::other)?])?;
    let except = [us.parent, std::process::id()];
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
        let count = read_u32(&mut questions)? as usize;
        if count > MOST_EXAMINED {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let examined = (0..count).map(|_| read_u32(&mut questions)).collect::<io::Result<Vec<_>>>()?;
        let answer = look(&wanted, &examined, &except).to_lines();
        let length = u32::try_from(answer.len()).map_err(io::Error::other)?;
        answers.write_all(&length.to_le_bytes())?;
        answers.write_all(answer.as_bytes())?;
    }
}

//! A terminal at a guest's serial port whose VMM has it on its own standard streams: what the guest says is read from
//! its log, and what is typed goes into a pipe or a pseudo-terminal that the VMM reads.

use crate::pty::{self, Pty};
use crate::request::{Answer, Watch};
use crate::state::Operation;
use crate::store::{PROCESS, SERIAL};
use crate::{Backend, ControlError, Stored};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

/// The pipe, or the link to the pseudo-terminal, in the directory of the machine's sockets.
pub(crate) const INPUT: &str = "typed";
/// How much of what was said before is shown, in bytes.
const BEFORE: u64 = 2048;
/// How often the log is looked at.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// After so many looks the machine is looked at.
const LOOKS: u32 = 10;

/// Most that is typed at a pseudo-terminal while the guest says nothing, in bytes. Cloud Hypervisor 53 keeps what its guest has
/// not taken, without end, and where that grows large its own filter of system calls kills it (mremap(2) in its thread
/// `serial-manager`, seen at 1 MiB): glibc's malloc maps what is larger than 128 KiB (mallopt(3), `M_MMAP_THRESHOLD`).
const UNHEARD: usize = 64 << 10;

/// From what a VMM reads what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Its standard input, whatever that is: it gets a pipe.
    Anything,
    /// Its standard input, where that is a terminal.
    Terminal,
}

/// The standard input of a VMM.
#[derive(Debug)]
pub(crate) struct Input {
    /// What it reads; nothing where this host has no pseudo-terminals.
    pub(crate) read: Option<File>,
    /// What it holds open beside it, so that what it reads never ends.
    held: Option<OwnedFd>,
}

impl Input {
    /// Makes it for a VMM whose sockets lie in this directory.
    pub(crate) fn make(reads: Reads, directory: &Path) -> io::Result<Self> {
        let path = directory.join(INPUT);
        match reads {
            Reads::Anything => Ok(Self { read: Some(pipe(&path)?), held: None }),
            // A guest without a keyboard is better than none: its console says so.
            Reads::Terminal => {
                let (read, held) = pty::make(&path).ok().map(|Pty { master, slave }| (master, slave)).unzip();
                Ok(Self { read, held })
            }
        }
    }

    /// What the VMM inherits.
    pub(crate) fn inherits(&self) -> Vec<RawFd> {
        self.held.iter().map(AsRawFd::as_raw_fd).collect()
    }
}

/// Makes a pipe. The VMM holds both its ends, so that it never ends.
fn pipe(path: &Path) -> io::Result<File> {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    Ok(rustix::fs::open(path, OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// Opens what a machine's VMM reads, to type.
fn typed(reads: Reads, path: &Path) -> io::Result<File> {
    match reads {
        Reads::Anything => {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
        }
        Reads::Terminal if path.is_symlink() => pty::open(path),
        // Also a pipe, which a vmwright made that knew no better.
        Reads::Terminal => Err(io::Error::other(
            "its VMM hears nothing, since it was started without a pseudo-terminal (`/dev/ptmx`); what the guest says is \
             in its log all the same. Stop it and start it again where there is one",
        )),
    }
}

/// Joins a terminal with the serial port until the way out is typed, the input ends, or the machine does.
pub(crate) fn join(
    backend: &dyn Backend,
    machine: &Stored,
    reads: Reads,
    (input, output): (OwnedFd, OwnedFd),
    way_out: u8,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let lost = |source: io::Error| ControlError::Failed {
        machine: machine.name.clone(),
        operation: Operation::Console,
        why: format!("the terminal: {source}"),
    };
    let record = machine.process()?;
    let sockets = record.as_ref().and_then(|record| record.sockets.clone()).unwrap_or_default();
    let pipe = typed(reads, &sockets.join(INPUT)).map_err(lost)?;
    // A VMM that is still there has had the pseudo-terminal open all along: nobody else got its number.
    if reads == Reads::Terminal && !record.map_or(Ok(false), |record| record.alive(&machine.file(PROCESS)))? {
        return Err(lost(io::Error::other("its VMM has just ended")));
    }
    let path = machine.file(SERIAL);
    let log = File::open(&path).map_err(|source| ControlError::File { doing: "read", path, source })?;
    let alive = || backend.look(machine).is_ok_and(|condition| condition.state.alive());
    let most = if reads == Reads::Terminal { UNHEARD } else { usize::MAX };
    pump(log, (pipe, most), File::from(input), File::from(output), way_out, watch, &alive).map_err(lost)?;
    Ok(Answer::Done)
}

/// `most` is how much is typed at most while the guest says nothing.
fn pump(
    mut log: File,
    (mut pipe, most): (File, usize),
    mut input: File,
    mut output: File,
    way_out: u8,
    watch: &mut dyn Watch,
    alive: &dyn Fn() -> bool,
) -> io::Result<()> {
    log.seek(SeekFrom::Start(log.metadata()?.len().saturating_sub(BEFORE)))?;
    let (mut buffer, mut looks, mut unheard) = ([0; 4096], 0, 0);
    while !watch.stopped() {
        loop {
            let count = log.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            output.write_all(&buffer[..count])?;
            unheard = 0;
        }
        let mut ready = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
        match poll(&mut ready, Some(&LOOK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if !ready[0].revents().is_empty() {
            let count = input.read(&mut buffer)?;
            let typed = &buffer[..count];
            let end = typed.iter().position(|byte| *byte == way_out);
            let typed = &typed[..end.unwrap_or(count)];
            // A guest that does not listen loses what is typed, as on a real line.
            if unheard + typed.len() <= most {
                unheard += typed.len();
                match pipe.write_all(typed) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => written?,
                }
            }
            if end.is_some() || count == 0 {
                return Ok(());
            }
        }
        looks += 1;
        if looks % LOOKS == 0 && !alive() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unwatched;

    #[test]
    fn bytes_go_both_ways_until_the_way_out() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let mut pipe = pipe(&place.path().join(INPUT)).expect("a pipe");
        let write = std::fs::OpenOptions::new().write(true).open(place.path().join(INPUT)).expect("there");
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            std::fs::write(&path, text).expect("written");
            std::fs::OpenOptions::new().read(true).write(true).open(path).expect("there")
        };
        let (log, input, output) = (file("log", "hello\n"), file("in", "ls\n\u{1d}more"), file("out", ""));
        pump(log, (write, usize::MAX), input, output, 0x1d, &mut Unwatched, &|| true).expect("fine");
        assert_eq!(std::fs::read_to_string(place.path().join("out")).expect("there"), "hello\n");
        let mut typed = [0; 3];
        pipe.read_exact(&mut typed).expect("there");
        assert_eq!(&typed, b"ls\n");
    }

    #[test]
    fn a_guest_that_says_nothing_loses_what_is_more_than_a_vmm_can_keep() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            std::fs::write(&path, text).expect("written");
            std::fs::OpenOptions::new().read(true).write(true).open(path).expect("there")
        };
        let typed = |said: &str, most: usize| {
            let files = (file("log", said), file("typed", ""), file("in", &"x".repeat(3 * UNHEARD)));
            let (log, pipe, input) = files;
            pump(log, (pipe, most), input, file("out", ""), 0x1d, &mut Unwatched, &|| true).expect("fine");
            std::fs::metadata(place.path().join("typed")).expect("there").len()
        };
        assert_eq!(typed("", UNHEARD), UNHEARD as u64);
        assert_eq!(typed("said before\n", UNHEARD), UNHEARD as u64);
        assert_eq!(typed("", usize::MAX), 3 * UNHEARD as u64);
    }
}

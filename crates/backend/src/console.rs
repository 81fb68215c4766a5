//! A terminal at a guest's serial port whose VMM has it on its own standard streams: what the guest says is read from
//! its log, and what is typed goes into a pipe that the VMM reads.

use crate::request::{Answer, Watch};
use crate::state::Operation;
use crate::store::SERIAL;
use crate::{Backend, ControlError, Stored};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The pipe, in the directory of the machine's sockets.
pub(crate) const INPUT: &str = "typed";
/// How much of what was said before is shown, in bytes.
const BEFORE: u64 = 2048;
/// How often the log is looked at.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// After so many looks the machine is looked at.
const LOOKS: u32 = 10;

/// Makes the pipe. The VMM holds both its ends, so that it never ends.
pub(crate) fn input(directory: &Path) -> io::Result<File> {
    let path = directory.join(INPUT);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    Ok(rustix::fs::open(&path, OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// Joins a terminal with the serial port until the way out is typed, the input ends, or the machine does.
pub(crate) fn join(
    backend: &dyn Backend,
    machine: &Stored,
    input: OwnedFd,
    output: OwnedFd,
    way_out: u8,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let lost = |source: io::Error| ControlError::Failed {
        machine: machine.name.clone(),
        operation: Operation::Console,
        why: format!("the terminal: {source}"),
    };
    let sockets = machine.process()?.and_then(|record| record.sockets).unwrap_or_default();
    let pipe = sockets.join(INPUT);
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pipe =
        rustix::fs::open(&pipe, flags, Mode::empty()).map(File::from).map_err(|errno| lost(errno.into()))?;
    let path = machine.file(SERIAL);
    let log = File::open(&path).map_err(|source| ControlError::File { doing: "read", path, source })?;
    let alive = || backend.look(machine).is_ok_and(|condition| condition.state.alive());
    pump(log, pipe, File::from(input), File::from(output), way_out, watch, &alive).map_err(lost)?;
    Ok(Answer::Done)
}

fn pump(
    mut log: File,
    mut pipe: File,
    mut input: File,
    mut output: File,
    way_out: u8,
    watch: &mut dyn Watch,
    alive: &dyn Fn() -> bool,
) -> io::Result<()> {
    log.seek(SeekFrom::Start(log.metadata()?.len().saturating_sub(BEFORE)))?;
    let (mut buffer, mut looks) = ([0; 4096], 0);
    while !watch.stopped() {
        loop {
            let count = log.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            output.write_all(&buffer[..count])?;
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
            match pipe.write_all(&typed[..end.unwrap_or(count)]) {
                // A guest that does not listen loses what is typed, as on a real line.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => written?,
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
        let mut pipe = input(place.path()).expect("a pipe");
        let write = std::fs::OpenOptions::new().write(true).open(place.path().join(INPUT)).expect("there");
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            std::fs::write(&path, text).expect("written");
            std::fs::OpenOptions::new().read(true).write(true).open(path).expect("there")
        };
        let (log, input, output) = (file("log", "hello\n"), file("in", "ls\n\u{1d}more"), file("out", ""));
        pump(log, write, input, output, 0x1d, &mut Unwatched, &|| true).expect("fine");
        assert_eq!(std::fs::read_to_string(place.path().join("out")).expect("there"), "hello\n");
        let mut typed = [0; 3];
        pipe.read_exact(&mut typed).expect("there");
        assert_eq!(&typed, b"ls\n");
    }
}

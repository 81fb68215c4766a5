//! A terminal at the guest's first serial port. QEMU gets one end of a pair of sockets for the port's character
//! device (`chardev-change`), with `serial.log` as that device's log, so that the log misses nothing; at the end
//! the port writes to the log alone again. Where vmwright is killed meanwhile, the log goes on too.

use super::Qemu;
use super::control::{ask, monitor, unusable};
use super::qmp::{Qmp, QmpError};
use crate::request::{Answer, Watch};
use crate::store::SERIAL;
use crate::supervise::running;
use crate::{ControlError, Operation, Stored};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// How much of what was said before is shown, in bytes.
const BEFORE: u64 = 2048;
/// How often the user's wish to stop is looked for.
pub(crate) const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

pub(super) fn console(
    qemu: &Qemu,
    machine: &Stored,
    input: OwnedFd,
    output: OwnedFd,
    way_out: u8,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let failed = |why: String| ControlError::Failed {
        machine: machine.name.clone(),
        operation: Operation::Console,
        why,
    };
    let port = port(&ask(qemu, machine, "query-chardev", None)?).map_err(failed)?;
    let lost = |source| failed(format!("the terminal: {source}"));
    let (ours, theirs) = UnixStream::pair().map_err(lost)?;
    let mut output = File::from(output);
    output.write_all(&before(machine)).map_err(lost)?;
    {
        let mut qmp = monitor(machine, &running(machine)?, qemu.patience)?;
        join(&mut qmp, &port, &theirs, &log(machine)?).map_err(|source| unusable(machine, source))?;
    }
    drop(theirs);
    let joined = pump(&ours, File::from(input), &mut output, way_out, watch);
    let back = monitor(machine, &running(machine)?, qemu.patience).and_then(|mut qmp| {
        part(&mut qmp, &port, &log(machine)?).map_err(|source| unusable(machine, source))
    });
    joined.map_err(lost)?;
    // A machine that has ended has nothing to be put back.
    match back {
        Err(_) if !super::control::look(qemu, machine)?.state.alive() => Ok(Answer::Done),
        back => back.map(|()| Answer::Done),
    }
}

/// The character device of the first serial port that goes to the log.
fn port(devices: &Value) -> Result<String, String> {
    let first = devices.as_array().into_iter().flatten().find_map(|device| {
        let label = device["label"].as_str().filter(|label| label.starts_with("serial"))?;
        Some((label.to_owned(), device["filename"].as_str().unwrap_or_default().to_owned()))
    });
    match first {
        None => Err("it has no serial port".to_owned()),
        Some((_, to)) if to.starts_with("unix:") => Err("another terminal is at its console".to_owned()),
        Some((label, to)) if to == "file" || to.starts_with("disconnected") => Ok(label),
        Some((_, to)) => Err(format!("its serial port goes to `{}`", to.escape_debug())),
    }
}

fn join(qmp: &mut Qmp, port: &str, end: &UnixStream, log: &File) -> Result<(), QmpError> {
    let log = qmp.lend(log.as_fd())?;
    qmp.execute_with("getfd", json!({ "fdname": "vmwright-console" }), end.as_fd())?;
    let socket = json!({
        "addr": { "type": "fd", "data": { "str": "vmwright-console" } },
        "server": false, "logfile": log, "logappend": true,
    });
    change(qmp, port, json!({ "type": "socket", "data": socket }))
}

fn part(qmp: &mut Qmp, port: &str, log: &File) -> Result<(), QmpError> {
    let log = qmp.lend(log.as_fd())?;
    change(qmp, port, json!({ "type": "file", "data": { "out": log, "append": true } }))
}

fn change(qmp: &mut Qmp, port: &str, backend: Value) -> Result<(), QmpError> {
    qmp.execute("chardev-change", Some(json!({ "id": port, "backend": backend }))).map(drop)
}

fn log(machine: &Stored) -> Result<File, ControlError> {
    let path = machine.file(SERIAL);
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(|errno| ControlError::File { doing: "write", path, source: errno.into() })
}

/// The end of what the guest said before, from the beginning of a line.
pub(crate) fn before(machine: &Stored) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(machine.file(SERIAL))?;
        let start = file.metadata()?.len().saturating_sub(BEFORE);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(BEFORE).read_to_end(&mut bytes)?;
        let whole =
            if start == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
        Ok(bytes.split_off(whole))
    };
    // What cannot be read is only a loss of comfort.
    read().unwrap_or_default()
}

/// Carries bytes both ways until the way out is typed, the input ends, or the machine does.
fn pump(
    guest: &UnixStream,
    mut input: File,
    output: &mut File,
    way_out: u8,
    watch: &mut dyn Watch,
) -> io::Result<()> {
    let (mut guest, mut buffer) = (guest, [0; 4096]);
    while !watch.stopped() {
        let mut ready = [
            PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(guest.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, Some(&LOOK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let [typed, said] = ready.map(|one| !one.revents().is_empty());
        if said {
            let count = again(guest.read(&mut buffer))?;
            if count == Some(0) {
                return Ok(());
            }
            output.write_all(&buffer[..count.unwrap_or(0)])?;
        }
        if typed {
            let count = again(input.read(&mut buffer))?;
            let typed = &buffer[..count.unwrap_or(0)];
            let end = typed.iter().position(|byte| *byte == way_out);
            guest.write_all(&typed[..end.unwrap_or(typed.len())])?;
            if end.is_some() || count == Some(0) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// None where there was nothing to read after all. A closed connection is an end.
pub(crate) fn again(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_port_that_goes_to_the_log_is_joined() {
        let port = |filename: &str| {
            port(
                &json!([{ "label": "qmp", "filename": "unix:/q" }, { "label": "serial0", "filename": filename }]),
            )
        };
        assert_eq!(port("file"), Ok("serial0".to_owned()));
        assert_eq!(port("disconnected:unix:"), Ok("serial0".to_owned()));
        assert!(port("unix:").is_err_and(|why| why.contains("another terminal")));
        assert!(port("pty:/dev/pts/1").is_err_and(|why| why.contains("/dev/pts/1")));
        assert!(super::port(&json!([])).is_err());
    }
}

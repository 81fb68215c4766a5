//! A terminal at the guest's first console, by libvirt's own stream.

use super::rpc::{Client, Domain, LibvirtError, Stream};
use crate::qemu::console::{LOOK, again, before};
use crate::request::{Answer, Watch};
use crate::{ControlError, Operation, Stored};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How long the rest of a message may take once its beginning is there.
const REST: Duration = Duration::from_millis(200);

/// Why the terminal was left.
enum Left {
    Terminal(io::Error),
    Libvirt(LibvirtError),
}

pub(super) fn console(
    client: &mut Client,
    domain: &Domain,
    machine: &Stored,
    (input, output): (OwnedFd, OwnedFd),
    way_out: u8,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let failed = |left: Left| match left {
        Left::Libvirt(source) => super::control::unusable(&machine.name, source),
        Left::Terminal(source) => ControlError::Failed {
            machine: machine.name.clone(),
            operation: Operation::Console,
            why: format!("the terminal: {source}"),
        },
    };
    let mut output = File::from(output);
    let mut stream = client.console(domain, None).map_err(|source| failed(Left::Libvirt(source)))?;
    output.write_all(&before(machine)).map_err(|source| failed(Left::Terminal(source)))?;
    pump(&mut stream, File::from(input), &mut output, way_out, watch).map_err(failed)?;
    Ok(Answer::Done)
}

/// Carries bytes both ways until the way out is typed, the input ends, or the machine does.
fn pump(
    stream: &mut Stream<'_>,
    mut input: File,
    output: &mut File,
    way_out: u8,
    watch: &mut dyn Watch,
) -> Result<(), Left> {
    let mut buffer = [0; 4096];
    while !watch.stopped() {
        let (said, typed) = match stream.waits() {
            None => (true, false),
            Some(guest) => {
                let mut ready = [
                    PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN),
                    PollFd::from_borrowed_fd(guest, PollFlags::IN),
                ];
                match poll(&mut ready, Some(&LOOK)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(errno) => return Err(Left::Terminal(errno.into())),
                }
                let [typed, said] = ready.map(|one| !one.revents().is_empty());
                (said, typed)
            }
        };
        if said {
            match stream.read(REST) {
                Ok(Some(bytes)) => output.write_all(&bytes).map_err(Left::Terminal)?,
                Ok(None) => return Ok(()),
                // It was not the terminal's, or is not whole yet.
                Err(LibvirtError::Silent { .. }) => {}
                Err(error) => return Err(Left::Libvirt(error)),
            }
        }
        if typed {
            let count = again(input.read(&mut buffer)).map_err(Left::Terminal)?;
            let typed = &buffer[..count.unwrap_or(0)];
            let end = typed.iter().position(|byte| *byte == way_out);
            stream.write(&typed[..end.unwrap_or(typed.len())]).map_err(Left::Libvirt)?;
            if end.is_some() || count == Some(0) {
                return Ok(());
            }
        }
    }
    Ok(())
}

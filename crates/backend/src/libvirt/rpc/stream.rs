//! A stream of bytes beside the calls: a console, a picture.

use super::error::refusal;
use super::frame::{Frame, Kind, Status};
use super::procedure::Procedure;
use super::{Client, LibvirtError};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// A stream that a call has opened. It takes the whole connection: other calls wait until it is dropped.
#[derive(Debug)]
pub struct Stream<'a> {
    client: &'a mut Client,
    procedure: Procedure,
    serial: u32,
    open: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(client: &'a mut Client, procedure: Procedure, serial: u32) -> Self {
        Self { client, procedure, serial, open: true }
    }

    /// The next bytes; none where the stream is at its end.
    ///
    /// # Errors
    /// [`LibvirtError`]; [`LibvirtError::Silent`] where nothing came in time, and the stream goes on.
    pub fn read(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, LibvirtError> {
        let what = self.procedure.name;
        let deadline = Instant::now() + patience;
        while self.open {
            let frame = match self.client.early.pop_front() {
                Some(early) => early,
                None => self.client.receive(what, deadline)?,
            };
            if frame.kind != Kind::Stream || !frame.is_of(self.procedure, self.serial) {
                self.client.keep(&frame, deadline)?;
                continue;
            }
            match frame.status {
                Status::Continue if !frame.payload.is_empty() => return Ok(Some(frame.payload)),
                // An empty piece is the end of what the daemon has to send; it waits for our end.
                Status::Continue => {
                    self.open = false;
                    self.finish(Status::Ok, deadline)?;
                }
                Status::Ok => self.open = false,
                Status::Error => {
                    self.open = false;
                    return Err(match refusal(what, &frame.payload) {
                        Ok(refused) => refused,
                        Err(source) => LibvirtError::Malformed { what, source },
                    });
                }
            }
        }
        Ok(None)
    }

    /// What to wait at for more bytes; none where some are there already.
    pub fn waits(&self) -> Option<BorrowedFd<'_>> {
        (!self.client.holds_message()).then(|| self.client.stream.as_fd())
    }

    /// Sends bytes, at most 64 KiB at a time.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LibvirtError> {
        let deadline = Instant::now() + self.client.patience;
        for piece in bytes.chunks(64 * 1024) {
            let frame = self.frame(Status::Continue, piece.to_vec());
            self.client.send(&frame, self.procedure.name, deadline)?;
        }
        Ok(())
    }

    fn frame(&self, status: Status, payload: Vec<u8>) -> Frame {
        Frame {
            program: self.procedure.program,
            procedure: self.procedure.number,
            kind: Kind::Stream,
            serial: self.serial,
            status,
            payload,
        }
    }

    fn finish(&mut self, status: Status, deadline: Instant) -> Result<(), LibvirtError> {
        let frame = self.frame(status, Vec::new());
        self.client.send(&frame, self.procedure.name, deadline)
    }
}

impl Drop for Stream<'_> {
    /// Gives the stream up where it has not ended.
    fn drop(&mut self) {
        if self.open {
            let _ = self.finish(Status::Error, Instant::now() + Duration::from_millis(100));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{self, LENGTH};
    use super::super::procedure;
    use super::*;
    use crate::libvirt::rpc::Domain;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    /// A daemon whose threads overtake one another: the first bytes of a console come before the call's reply.
    fn hasty(mut stream: UnixStream) {
        loop {
            let mut length = [0; LENGTH];
            if stream.read_exact(&mut length).is_err() {
                return;
            }
            let mut rest = vec![0; frame::rest(length).expect("a length")];
            stream.read_exact(&mut rest).expect("the rest");
            let call = Frame::read(&rest).expect("a message");
            if call.kind != Kind::Call {
                continue;
            }
            let of = |kind, status, payload: &[u8]| Frame {
                program: call.program,
                procedure: call.procedure,
                kind,
                serial: call.serial,
                status,
                payload: payload.to_vec(),
            };
            // Who says goodbye does not wait for the answer.
            let mut send = |frame: Frame| drop(stream.write_all(&frame.to_bytes()));
            if call.procedure == procedure::OPEN_CONSOLE.number {
                send(of(Kind::Stream, Status::Continue, b"early, "));
                send(of(Kind::Reply, Status::Ok, b""));
                send(of(Kind::Stream, Status::Continue, b"late"));
                send(of(Kind::Stream, Status::Continue, b""));
            } else if call.procedure == procedure::AUTH_LIST.number {
                send(of(Kind::Reply, Status::Ok, &[0; 4]));
            } else {
                send(of(Kind::Reply, Status::Ok, b""));
            }
        }
    }

    #[test]
    fn what_comes_before_the_reply_is_not_lost() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let daemon = std::thread::spawn(move || hasty(theirs));
        let patience = Duration::from_secs(10);
        let mut client = Client::over(ours, "qemu:///system", patience).expect("it opens");
        let domain = Domain { name: "a".to_owned(), uuid: [0; 16], id: 1 };
        let mut console = client.console(&domain, None).expect("it has one");
        let mut said = Vec::new();
        while let Some(bytes) = console.read(patience).expect("in time") {
            said.extend(bytes);
        }
        assert_eq!(said, b"early, late");
        drop(console);
        drop(client);
        daemon.join().expect("no panic");
    }
}

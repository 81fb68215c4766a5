//! A stream of bytes beside the calls: a console, a picture.

use super::error::refusal;
use super::frame::{Frame, Kind, Status};
use super::procedure::Procedure;
use super::{Client, LibvirtError};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long the daemon may take to confirm the end of a stream that is given up.
const CONFIRM: Duration = Duration::from_secs(10);

/// A stream that a call has opened. It takes the whole connection: other calls wait until it is dropped.
///
/// However it ends, the daemon's confirmation is waited for. A libvirtd 9.0 that cannot send it, because the connection
/// is gone, closes the client while it holds the client's lock, which the closing takes too (`daemonStreamEvent`,
/// `remoteClientFreePrivateCallbacks`): it then answers nobody any more.
#[derive(Debug)]
pub struct Stream<'a> {
    client: &'a mut Client,
    procedure: Procedure,
    serial: u32,
    /// The daemon has not confirmed its end.
    open: bool,
    /// We have said that it ends.
    ending: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(client: &'a mut Client, procedure: Procedure, serial: u32) -> Self {
        Self { client, procedure, serial, open: true, ending: false }
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
                Status::Continue => self.finish(Status::Ok, deadline)?,
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
        if self.ending {
            return Ok(());
        }
        self.ending = true;
        let frame = self.frame(status, Vec::new());
        self.client.send(&frame, self.procedure.name, deadline)
    }
}

impl Drop for Stream<'_> {
    /// Gives the stream up where it has not ended.
    fn drop(&mut self) {
        let deadline = Instant::now() + CONFIRM;
        if self.open && self.finish(Status::Error, deadline).is_ok() {
            // What the guest still says is lost with the stream.
            while let Some(left) = deadline.checked_duration_since(Instant::now())
                && matches!(self.read(left), Ok(Some(_)))
            {}
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
            if call.kind == Kind::Stream {
                if matches!(call.status, Status::Error) {
                    send(of(Kind::Stream, Status::Continue, b"lost"));
                }
                if call.payload.is_empty() {
                    send(of(Kind::Stream, Status::Ok, b""));
                }
            } else if call.procedure == procedure::OPEN_CONSOLE.number {
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

    const PATIENCE: Duration = Duration::from_secs(10);

    fn with_console(run: impl FnOnce(Stream<'_>)) -> Client {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        std::thread::spawn(move || hasty(theirs));
        let mut client = Client::over(ours, "qemu:///system", PATIENCE).expect("it opens");
        let domain = Domain { name: "a".to_owned(), uuid: [0; 16], id: 1 };
        run(client.console(&domain, None).expect("it has one"));
        client
    }

    #[test]
    fn what_comes_before_the_reply_is_not_lost() {
        with_console(|mut console| {
            let mut said = Vec::new();
            while let Some(bytes) = console.read(PATIENCE).expect("in time") {
                said.extend(bytes);
            }
            assert_eq!(said, b"early, late");
        });
    }

    #[test]
    fn a_stream_is_over_when_the_daemon_has_confirmed_its_end() {
        let still_comes =
            |client: &mut Client| client.receive("nothing", Instant::now() + Duration::from_millis(50));
        for given_up in [true, false] {
            let mut client =
                with_console(
                    |mut console| {
                        while !given_up && console.read(PATIENCE).expect("in time").is_some() {}
                    },
                );
            assert!(matches!(still_comes(&mut client), Err(LibvirtError::Silent { .. })), "{given_up}");
        }
    }
}

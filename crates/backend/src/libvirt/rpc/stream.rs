//! A stream of bytes beside the calls: a console, a picture.

use super::error::refusal;
use super::frame::{Frame, Kind, Status};
use super::procedure::Procedure;
use super::{Client, LibvirtError};
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
            let frame = self.client.receive(what, deadline)?;
            let ours = frame.kind == Kind::Stream
                && (frame.program, frame.procedure, frame.serial)
                    == (self.procedure.program, self.procedure.number, self.serial);
            if !ours {
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

//! A client of libvirt's own protocol over a local socket: no C library, no program per call, a limit of time on
//! everything. The protocol is libvirt's ABI between its library and its daemons of all versions since 0.10.

mod calls;
mod copies;
mod error;
mod frame;
mod procedure;
mod stream;
mod xdr;

pub use calls::{Device, Domain, DomainState, Lifecycle, Migration, Stats, Value};
pub use error::LibvirtError;
pub use stream::Stream;
pub use xdr::Malformed;

use crate::lines::dial;
use error::refusal;
use frame::{Frame, Kind, LENGTH, Status};
use procedure::Procedure;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use xdr::Encoder;

/// How many events are kept for the caller; of more, the oldest are dropped.
const EVENTS_MAX: usize = 1024;
/// How many messages of a stream may come before the reply to the call that opens it. libvirt sends 256 KiB in each.
const EARLY_MAX: usize = 64;
/// After this long a silence a waiting client asks for a sign of life.
const QUIET: Duration = Duration::from_secs(5);

/// A connection to a daemon, past the login and opened.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    patience: Duration,
    serial: u32,
    /// Received and not yet taken apart.
    buffer: Vec<u8>,
    events: VecDeque<Lifecycle>,
    /// What came of a stream before the reply to the call that opened it: the daemon's threads do not wait for each
    /// other.
    early: VecDeque<Frame>,
}

impl Client {
    /// Connects to a daemon's socket, logs in and opens `uri` (`qemu:///system`, `qemu:///session`). `patience` is for
    /// the whole of it, and later for each call.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn connect(path: &Path, uri: &str, patience: Duration) -> Result<Self, LibvirtError> {
        let deadline = Instant::now() + patience;
        let stream =
            dial(path, deadline).map_err(|source| LibvirtError::Connect { path: path.to_owned(), source })?;
        Self::open(stream, uri, patience, deadline)
    }

    /// The same over a connection that exists.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn over(stream: UnixStream, uri: &str, patience: Duration) -> Result<Self, LibvirtError> {
        Self::open(stream, uri, patience, Instant::now() + patience)
    }

    fn open(
        stream: UnixStream,
        uri: &str,
        patience: Duration,
        deadline: Instant,
    ) -> Result<Self, LibvirtError> {
        let mut client = Self {
            stream,
            patience,
            serial: 0,
            buffer: Vec::new(),
            events: VecDeque::new(),
            early: VecDeque::new(),
        };
        client.log_in(deadline)?;
        client.call_by(procedure::CONNECT_OPEN, deadline, |args| {
            args.optional_string(Some(uri)).u32(0);
        })?;
        Ok(client)
    }

    /// Another patience for each of the calls that follow.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Calls a procedure and gives what its reply carries.
    fn call(
        &mut self,
        procedure: Procedure,
        arguments: impl FnOnce(&mut Encoder),
    ) -> Result<Vec<u8>, LibvirtError> {
        self.call_by(procedure, Instant::now() + self.patience, arguments)
    }

    fn call_by(
        &mut self,
        procedure: Procedure,
        deadline: Instant,
        arguments: impl FnOnce(&mut Encoder),
    ) -> Result<Vec<u8>, LibvirtError> {
        let serial = self.send_call(procedure, deadline, arguments)?;
        self.reply(procedure, serial, deadline)
    }

    fn send_call(
        &mut self,
        procedure: Procedure,
        deadline: Instant,
        arguments: impl FnOnce(&mut Encoder),
    ) -> Result<u32, LibvirtError> {
        self.serial = self.serial.wrapping_add(1);
        self.early.clear();
        let mut encoder = Encoder::default();
        arguments(&mut encoder);
        let frame = Frame {
            program: procedure.program,
            procedure: procedure.number,
            kind: Kind::Call,
            serial: self.serial,
            status: Status::Ok,
            payload: encoder.into_bytes(),
        };
        self.send(&frame, procedure.name, deadline)?;
        Ok(self.serial)
    }

    /// The reply to a call. One to an earlier call that was given up is thrown away.
    fn reply(
        &mut self,
        procedure: Procedure,
        serial: u32,
        deadline: Instant,
    ) -> Result<Vec<u8>, LibvirtError> {
        let what = procedure.name;
        loop {
            let frame = self.receive(what, deadline)?;
            let ours = frame.is_of(procedure, serial);
            if ours && frame.kind == Kind::Stream {
                if self.early.len() == EARLY_MAX {
                    let long = u32::try_from(EARLY_MAX).unwrap_or(u32::MAX);
                    return Err(LibvirtError::Malformed { what, source: Malformed::Long(long) });
                }
                self.early.push_back(frame);
                continue;
            }
            if !ours || frame.kind != Kind::Reply {
                self.keep(&frame, deadline)?;
                continue;
            }
            if frame.status == Status::Ok {
                return Ok(frame.payload);
            }
            return Err(match refusal(what, &frame.payload) {
                Ok(refused) => refused,
                Err(source) => LibvirtError::Malformed { what, source },
            });
        }
    }

    /// The domains' changes that came so far, oldest first; they are given once. [`Client::watch`] asks for them.
    pub fn events(&mut self) -> Vec<Lifecycle> {
        self.events.drain(..).collect()
    }

    /// Waits for the next change of a domain; none where there is none in time. A daemon that says nothing at all is
    /// asked for a sign of life.
    ///
    /// # Errors
    /// [`LibvirtError`]: the daemon has gone, or gives no sign of life.
    pub fn next_event(&mut self, patience: Duration) -> Result<Option<Lifecycle>, LibvirtError> {
        let what = "a sign of life";
        let end = Instant::now() + patience;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let now = Instant::now();
            if now >= end {
                return Ok(None);
            }
            match self.receive(what, end.min(now + QUIET)) {
                Ok(frame) => self.keep(&frame, now + self.patience)?,
                Err(LibvirtError::Silent { .. }) if Instant::now() >= end => return Ok(None),
                Err(LibvirtError::Silent { .. }) => self.ping(what)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the daemon for a sign of life; anything that it says is one.
    fn ping(&mut self, what: &'static str) -> Result<(), LibvirtError> {
        let deadline = Instant::now() + self.patience;
        self.send(&sign_of_life(procedure::PING), what, deadline)?;
        let frame = self.receive(what, deadline)?;
        self.keep(&frame, deadline)
    }

    /// What came and answers no call: an event is kept, a question for a sign of life answered.
    fn keep(&mut self, frame: &Frame, deadline: Instant) -> Result<(), LibvirtError> {
        if frame.kind != Kind::Message {
            return Ok(());
        }
        match (frame.program, frame.procedure) {
            (procedure::KEEPALIVE, procedure::PING) => {
                self.send(&sign_of_life(procedure::PONG), "a sign of life", deadline)
            }
            (procedure::REMOTE, procedure::EVENT_LIFECYCLE) => {
                let event = calls::lifecycle(&frame.payload).map_err(|source| LibvirtError::Malformed {
                    what: "the registration for events",
                    source,
                })?;
                if self.events.len() == EVENTS_MAX {
                    self.events.pop_front();
                }
                self.events.push_back(event);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn send(&mut self, frame: &Frame, what: &'static str, deadline: Instant) -> Result<(), LibvirtError> {
        let bytes = frame.to_bytes();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let left = self.left(what, deadline)?;
            self.stream.set_write_timeout(Some(left)).map_err(LibvirtError::Io)?;
            match self.stream.write(rest) {
                Ok(0) => return Err(LibvirtError::Closed(what)),
                Ok(sent) => rest = &rest[sent..],
                Err(error) => self.sort(error, what)?,
            }
        }
        Ok(())
    }

    /// The next message.
    fn receive(&mut self, what: &'static str, deadline: Instant) -> Result<Frame, LibvirtError> {
        let malformed = |source| LibvirtError::Malformed { what, source };
        loop {
            if let Some(length) = self.buffer.first_chunk::<LENGTH>() {
                let whole = LENGTH + frame::rest(*length).map_err(malformed)?;
                if self.buffer.len() >= whole {
                    let frame = Frame::read(&self.buffer[LENGTH..whole]).map_err(malformed)?;
                    self.buffer.drain(..whole);
                    return Ok(frame);
                }
            }
            let left = self.left(what, deadline)?;
            self.stream.set_read_timeout(Some(left)).map_err(LibvirtError::Io)?;
            let mut piece = [0; 64 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(LibvirtError::Closed(what)),
                Ok(read) => self.buffer.extend_from_slice(&piece[..read]),
                Err(error) => self.sort(error, what)?,
            }
        }
    }

    /// Whether a whole message has been received that nobody has taken yet.
    fn holds_message(&self) -> bool {
        !self.early.is_empty()
            || self.buffer.first_chunk::<LENGTH>().is_some_and(|length| {
                frame::rest(*length).is_ok_and(|rest| self.buffer.len() >= LENGTH + rest)
            })
    }

    /// The time left; a socket's time-out of zero would mean none.
    fn left(&self, what: &'static str, deadline: Instant) -> Result<Duration, LibvirtError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LibvirtError::Silent { what, after: self.patience });
        }
        Ok(left.max(Duration::from_millis(1)))
    }

    /// What an error of read or write means; fine where it is worth another try.
    fn sort(&self, error: io::Error, what: &'static str) -> Result<(), LibvirtError> {
        match error.kind() {
            io::ErrorKind::Interrupted => Ok(()),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Err(LibvirtError::Silent { what, after: self.patience })
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Err(LibvirtError::Closed(what)),
            _ => Err(LibvirtError::Io(error)),
        }
    }
}

impl Drop for Client {
    /// Says goodbye, and does not wait for an answer: the daemon takes the end of the connection for the same.
    fn drop(&mut self) {
        let soon = Instant::now() + Duration::from_millis(100);
        let _ = self.send_call(procedure::CONNECT_CLOSE, soon, |_| ());
    }
}

fn sign_of_life(procedure: i32) -> Frame {
    Frame {
        program: procedure::KEEPALIVE,
        procedure,
        kind: Kind::Message,
        serial: 0,
        status: Status::Ok,
        payload: Vec::new(),
    }
}

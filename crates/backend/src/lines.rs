//! Lines over a UNIX socket, with a limit on their length and on the time that everything may take.

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// One end of a conversation in lines.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: UnixStream,
    /// Received and not yet given out.
    buffer: Vec<u8>,
    /// How much of it is known to hold no end of line.
    searched: usize,
    /// Longest line, in bytes.
    limit: usize,
}

/// Why there is no line.
#[derive(Debug)]
pub(crate) enum NoLine {
    /// The peer has closed the connection, perhaps in the middle of a line.
    Closed,
    /// The time is up.
    Silent,
    /// It is longer than the limit.
    TooLong,
    /// The socket gave an error.
    Io(io::Error),
}

impl Lines {
    pub(crate) fn new(stream: UnixStream, limit: usize) -> Self {
        Self { stream, buffer: Vec::new(), searched: 0, limit }
    }

    /// Changes the longest line, in bytes.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The next line, without its end (`\n` or `\r\n`).
    pub(crate) fn next(&mut self, deadline: Instant) -> Result<Vec<u8>, NoLine> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=self.searched + at).collect();
                self.searched = 0;
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > self.limit {
                return Err(NoLine::TooLong);
            }
            self.fill(deadline)?;
        }
    }

    /// So many bytes.
    pub(crate) fn exactly(&mut self, count: usize, deadline: Instant) -> Result<Vec<u8>, NoLine> {
        while self.buffer.len() < count {
            self.fill(deadline)?;
        }
        self.searched = 0;
        Ok(self.buffer.drain(..count).collect())
    }

    /// Throws away everything up to and including the first `byte`.
    pub(crate) fn skip_past(&mut self, byte: u8, deadline: Instant) -> Result<(), NoLine> {
        loop {
            self.searched = 0;
            if let Some(at) = self.buffer.iter().position(|found| *found == byte) {
                self.buffer.drain(..=at);
                return Ok(());
            }
            self.buffer.clear();
            self.fill(deadline)?;
        }
    }

    pub(crate) fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), NoLine> {
        while !bytes.is_empty() {
            let left = remaining(deadline)?;
            self.stream.set_write_timeout(Some(left)).map_err(NoLine::Io)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(NoLine::Closed),
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) => self.sort(error)?,
            }
        }
        Ok(())
    }

    /// Sends an open file. It goes with one blank, which no line of JSON minds before it.
    pub(crate) fn send_file(&mut self, file: BorrowedFd<'_>, deadline: Instant) -> Result<(), NoLine> {
        let files = [file];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&files));
        loop {
            self.stream.set_write_timeout(Some(remaining(deadline)?)).map_err(NoLine::Io)?;
            match sendmsg(&self.stream, &[IoSlice::new(b" ")], &mut ancillary, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(errno) => self.sort(errno.into())?,
            }
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), NoLine> {
        let left = remaining(deadline)?;
        self.stream.set_read_timeout(Some(left)).map_err(NoLine::Io)?;
        let mut piece = [0; 64 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => Err(NoLine::Closed),
            Ok(read) => {
                self.buffer.extend_from_slice(&piece[..read]);
                Ok(())
            }
            Err(error) => self.sort(error),
        }
    }

    /// What an error of read or write means; fine where it is worth another try.
    fn sort(&self, error: io::Error) -> Result<(), NoLine> {
        match error.kind() {
            io::ErrorKind::Interrupted => Ok(()),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(NoLine::Silent),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Err(NoLine::Closed),
            _ => Err(NoLine::Io(error)),
        }
    }
}

/// The time left; a socket's time-out of zero would mean none.
fn remaining(deadline: Instant) -> Result<Duration, NoLine> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(NoLine::Silent) } else { Ok(left.max(Duration::from_millis(1))) }
}

/// Connects without waiting for ever on a peer whose queue is full.
pub(crate) fn dial(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    connected(&SocketAddrUnix::new(path)?, deadline)
}

/// The same where the socket lies in a directory that its peer can write to: no symbolic link is followed, which could
/// lead to somebody else's socket. The path may be of any length.
pub(crate) fn dial_itself(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let opened = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode) != FileType::Socket {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", opened.as_raw_fd()))?;
    connected(&address, deadline)
}

fn connected(address: &SocketAddrUnix, deadline: Instant) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    loop {
        match connect(&socket, address) {
            Ok(()) => break,
            // The queue is full (unix(7)).
            Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// The beginning of bytes that a peer sent, for an error: printable and short.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
    let mut quoted = String::new();
    for letter in text.chars() {
        // Quotation marks are what JSON is made of: as they are.
        if letter == '"' { quoted.push(letter) } else { quoted.extend(letter.escape_debug()) }
    }
    if bytes.len() > 80 {
        quoted.push_str("...");
    }
    quoted
}

//! One conversation with one monitor. The other end may be anything: it may say nothing, half a line, or rubbish.

use super::QUESTIONS;
use super::sockets::{Machine, Socket};
use crate::file::missing;
use crate::limits::millis;
use crate::root::escape_path;
use crate::text::escape;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt};
use serde_json::Value;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use vmwright_model::Missing;

/// Longest greeting, in bytes; QEMU's has some 150.
const GREETING: u64 = 64 * 1024;

/// Most unasked messages between two answers; QEMU sends events at most a few times a second.
const EVENTS: usize = 4096;

/// How often it is looked whether a monitor is free, and how much longer each pause in between is than the one before.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// How QEMU's own refusal begins in a record.
const REFUSED: &str = "QEMU: ";

/// A question and what came of it.
type Told = (&'static str, Result<Vec<u8>, Missing>);

/// Asks everything; why not, where the monitor cannot be asked at all. `bytes` bounds all answers together.
pub(super) fn ask(
    machine: &Machine,
    socket: &Socket,
    bytes: u64,
    deadline: Instant,
) -> Result<Vec<Told>, Missing> {
    let path = socket.path.as_path();
    let address = socket.address.clone().unwrap_or_else(|| path.to_string_lossy().into_owned());
    // Who asks as briefly as we do is waited for.
    if (0..LOOKS).all(|look| {
        std::thread::sleep(PAUSE * look);
        is_held(machine.pid, &address)
    }) {
        let why = "another client holds it, and it serves one at a time";
        return Err(Missing::Failed(format!("not asked: {}: {why}", escape_path(path))));
    }
    let stream = reach(machine, socket)?;
    let mut monitor = Monitor { stream, heard: Vec::new(), left: bytes, deadline, begun: Instant::now() };
    monitor.greet()?;
    let mut told = Vec::with_capacity(QUESTIONS.len());
    let mut over = None;
    for (question, arguments) in QUESTIONS {
        let answer = match &over {
            None => monitor.put(question, *arguments),
            Some(why) => Err(Missing::Failed(format!("not asked: {why}"))),
        };
        // What QEMU refuses is an answer too; silence and rubbish end the conversation.
        if let Err(why) = &answer
            && *why != Missing::Absent
            && !matches!(why, Missing::Failed(text) if text.starts_with(REFUSED))
        {
            over.get_or_insert_with(|| format!("the monitor gave no answer to `{question}`"));
        }
        told.push((*question, answer));
    }
    Ok(told)
}

/// Whether a connection to this socket exists already, by the kernel's list of UNIX sockets: those that were accepted, or
/// wait to be, have the listener's name. To knock all the same would leave a dead client in the queue.
fn is_held(pid: u32, address: &str) -> bool {
    unix_sockets(pid).is_some_and(|list| held(&list, address))
}

/// The kernel's list of UNIX sockets: that of the VMM's own network namespace, where it may be read.
pub(super) fn unix_sockets(pid: u32) -> Option<String> {
    let list = std::fs::read(format!("/proc/{pid}/net/unix")).or_else(|_| std::fs::read("/proc/net/unix"));
    list.ok().map(|list| String::from_utf8_lossy(&list).into_owned())
}

/// Lines are `Num RefCount Protocol Flags Type St Inode Path`; state 03 is `SS_CONNECTED` (`net/unix/af_unix.c`,
/// `unix_seq_show`; `linux/net.h`).
fn held(list: &str, path: &str) -> bool {
    list.lines().any(|line| {
        let Some((fields, rest)) = line.split_once(" /") else { return false };
        path.strip_prefix('/') == Some(rest) && fields.split_whitespace().nth(5) == Some("03")
    })
}

/// Connects to the socket, where it is that of the machine's user and the machine is who listens.
fn reach(machine: &Machine, socket: &Socket) -> Result<OwnedFd, Missing> {
    let path = socket.path.as_path();
    let refused = |why: &str| Missing::Failed(format!("not asked: {}: {why}", escape_path(path)));
    // What is looked at is what is connected to, even where somebody exchanges the path meanwhile.
    let found =
        open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
    let stat = fstat(&found).map_err(missing)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(refused("it is no socket"));
    }
    // A VMM that vmwright runs as another user inherits the socket of who started it.
    let inherited = socket.address.is_some() && stat.st_uid == rustix::process::geteuid().as_raw();
    if stat.st_uid != machine.user && machine.user != 0 && !inherited {
        return Err(refused("it is not the socket of the user whose process names it"));
    }
    let failed = |error: Errno| refused(&crate::file::words(error));
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let stream = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(failed)?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", found.as_raw_fd())).map_err(failed)?;
    connect(&stream, &address).map_err(|error| match error {
        Errno::ACCESS | Errno::PERM => Missing::Denied,
        Errno::CONNREFUSED => refused("nobody listens there"),
        Errno::AGAIN => refused("others wait for it already"),
        other => failed(other),
    })?;
    let peer = sockopt::socket_peercred(&stream).map_err(failed)?;
    match u32::try_from(peer.pid.as_raw_nonzero().get()) {
        Ok(pid) if pid == machine.pid => Ok(stream),
        _ => Err(refused("it is not that process which listens there")),
    }
}

struct Monitor {
    stream: OwnedFd,
    /// What came behind the last line.
    heard: Vec<u8>,
    /// Bytes that may still come.
    left: u64,
    deadline: Instant,
    begun: Instant,
}

impl Monitor {
    fn greet(&mut self) -> Result<(), Missing> {
        let all = std::mem::replace(&mut self.left, GREETING);
        let greeting = self.message()?;
        if greeting.get("QMP").is_none() {
            return Err(not_qmp());
        }
        self.left = all;
        self.say(b"{\"execute\": \"qmp_capabilities\"}\n")?;
        self.answer(&Value::Null, "qmp_capabilities").map(drop)
    }

    fn put(&mut self, question: &str, arguments: Option<&str>) -> Result<Vec<u8>, Missing> {
        let arguments = arguments.map(|text| format!(", \"arguments\": {text}")).unwrap_or_default();
        self.say(format!("{{\"execute\": \"{question}\", \"id\": \"{question}\"{arguments}}}\n").as_bytes())?;
        let value = self.answer(&Value::from(question), question)?;
        // One member a line, so that each can be quoted.
        let mut text = Bounded { text: Vec::new(), most: self.left };
        serde_json::to_writer_pretty(&mut text, &serde_json::json!({ "return": value }))
            .map_err(|_| Missing::TooLarge(self.left))?;
        text.text.push(b'\n');
        Ok(text.text)
    }

    /// The answer with this id; events between are let go.
    fn answer(&mut self, id: &Value, question: &str) -> Result<Value, Missing> {
        for _ in 0..EVENTS {
            let mut message = self.message()?;
            if message.get("event").is_some() || message.get("id").unwrap_or(&Value::Null) != id {
                continue;
            }
            if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            }
            let said = |key: &str| message["error"][key].as_str().unwrap_or_default().to_owned();
            // Not in this QEMU, or not of this machine type.
            let none = ["CommandNotFound", "DeviceNotActive"].contains(&said("class").as_str())
                || ["query-sev", "query-hotpluggable-cpus"].contains(&question);
            let words: String = said("desc").chars().take(200).collect();
            return Err(if none {
                Missing::Absent
            } else {
                Missing::Failed(format!("{REFUSED}{}", escape(words.as_bytes())))
            });
        }
        Err(not_qmp())
    }

    fn message(&mut self) -> Result<Value, Missing> {
        let line = self.line()?;
        let message: Value = serde_json::from_slice(&line).map_err(|_| not_qmp())?;
        if message.is_object() { Ok(message) } else { Err(not_qmp()) }
    }

    fn line(&mut self) -> Result<Vec<u8>, Missing> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.heard[looked..].iter().position(|byte| *byte == b'\n') {
                let behind = self.heard.split_off(looked + end + 1);
                return Ok(std::mem::replace(&mut self.heard, behind));
            }
            looked = self.heard.len();
            self.ready(PollFlags::IN)?;
            let mut buffer = vec![0; 64 * 1024];
            match rustix::io::read(&self.stream, &mut buffer) {
                Ok(0) => return Err(Missing::Failed("the monitor closed the connection".to_owned())),
                Ok(read) => {
                    self.left = self
                        .left
                        .checked_sub(read as u64)
                        .ok_or(Missing::TooLarge(self.heard.len() as u64))?;
                    self.heard.extend_from_slice(&buffer[..read]);
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(missing(error)),
            }
        }
    }

    fn say(&mut self, mut bytes: &[u8]) -> Result<(), Missing> {
        while !bytes.is_empty() {
            self.ready(PollFlags::OUT)?;
            // MSG_NOSIGNAL: whoever has hung up must not end this process.
            match rustix::net::send(&self.stream, bytes, rustix::net::SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(missing(error)),
            }
        }
        Ok(())
    }

    fn ready(&self, what: PollFlags) -> Result<(), Missing> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Missing::TimedOut(millis(self.begun.elapsed())));
            }
            if poll(&mut [PollFd::new(&self.stream, what)], Some(&timespec(left)))
                .is_ok_and(|ready| ready > 0)
            {
                return Ok(());
            }
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) }
}

fn not_qmp() -> Missing {
    Missing::Failed("what listens there does not speak QMP".to_owned())
}

/// A text that may not get longer than `most`: an indented answer can be many times the one that was sent.
struct Bounded {
    text: Vec<u8>,
    most: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.text.len() + bytes.len()) as u64 > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

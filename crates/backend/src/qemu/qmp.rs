//! A client of QEMU's monitor protocol (QMP; `docs/interop/qmp-spec.rst` in QEMU's source).

use super::schema::Schema;
use crate::lines::{Lines, NoLine, dial, quote};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longest message, in bytes. The longest of QEMU 10.0 (`query-qmp-schema`) has less than 1 MiB.
const MESSAGE_MAX: usize = 16 << 20;
/// How many events are kept for the caller; of more, the oldest are dropped.
const EVENTS_MAX: usize = 1024;

/// A connection to a monitor, past the greeting and ready for commands.
#[derive(Debug)]
pub struct Qmp {
    lines: Lines,
    patience: Duration,
    next_id: u64,
    events: VecDeque<Event>,
    version: Version,
}

/// Version of a QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 10 of 10.0.2.
    pub major: u32,
    /// 0 of 10.0.2.
    pub minor: u32,
    /// 2 of 10.0.2.
    pub micro: u32,
}

/// Something that QEMU tells unasked.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `SHUTDOWN`, `STOP`, `GUEST_PANICKED`, ...
    pub name: String,
    /// Its data, an object; null where it has none.
    pub data: Value,
}

/// Why a monitor gave no answer.
#[derive(Debug, Error)]
pub enum QmpError {
    /// What it is to use cannot be opened for it.
    #[error("cannot open `{}` for it", .path.display())]
    Lent {
        /// The file or socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its socket cannot be reached.
    #[error("cannot connect to `{}`", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The other end closed the connection.
    #[error("it closed the connection instead of answering {0}")]
    Closed(String),
    /// Nothing came in time.
    #[error("no answer to {what} within {} s; another client may hold the monitor", .after.as_secs_f32())]
    Silent {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// A message is too long.
    #[error("it sent a message of more than {MESSAGE_MAX} bytes")]
    TooLong,
    /// A line is not JSON.
    #[error("it sent a line that is not JSON: `{0}`")]
    NotJson(String),
    /// A line is JSON, and not of this protocol.
    #[error("it does not speak QMP: `{0}`")]
    NotQmp(String),
    /// The command was refused.
    #[error("it refused `{command}`: {description} ({class})")]
    Refused {
        /// The command.
        command: String,
        /// `GenericError`, `CommandNotFound`, ...
        class: String,
        /// QEMU's own words.
        description: String,
    },
    /// The socket gave an error.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

impl Qmp {
    /// Connects, reads the greeting and asks for no capabilities. `patience` is for the whole of it, and later
    /// for each command.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn connect(path: &Path, patience: Duration) -> Result<Self, QmpError> {
        let stream = dial(path, Instant::now() + patience)
            .map_err(|source| QmpError::Connect { path: path.to_owned(), source })?;
        Self::over(stream, patience)
    }

    /// The same over a connection that exists.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn over(stream: UnixStream, patience: Duration) -> Result<Self, QmpError> {
        Self::negotiated(stream, patience, None)
    }

    /// Connects for commands beside one that hangs ([`Self::execute_out_of_band`]).
    ///
    /// # Errors
    /// [`QmpError`]; refused where the monitor has no such thing.
    pub fn connect_out_of_band(path: &Path, patience: Duration) -> Result<Self, QmpError> {
        let stream = dial(path, Instant::now() + patience)
            .map_err(|source| QmpError::Connect { path: path.to_owned(), source })?;
        Self::negotiated(stream, patience, Some(json!({ "enable": ["oob"] })))
    }

    fn negotiated(
        stream: UnixStream,
        patience: Duration,
        capabilities: Option<Value>,
    ) -> Result<Self, QmpError> {
        let mut lines = Lines::new(stream, MESSAGE_MAX);
        let deadline = Instant::now() + patience;
        let mut message = receive(&mut lines, "the connection", deadline, patience)?;
        // Events that an earlier connection did not take any more come before the greeting.
        while message.contains_key("event") {
            message = receive(&mut lines, "the connection", deadline, patience)?;
        }
        let version = greeting(&message).ok_or_else(|| not_qmp(message))?;
        let mut qmp = Self { lines, patience, next_id: 1, events: VecDeque::new(), version };
        qmp.execute_by("execute", "qmp_capabilities", capabilities, deadline)?;
        Ok(qmp)
    }

    /// The QEMU at the other end.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Executes a command and gives what it returns.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Value, QmpError> {
        self.execute_by("execute", command, arguments, Instant::now() + self.patience)
    }

    /// Executes a command beside one that hangs. The schema says which can be.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn execute_out_of_band(
        &mut self,
        command: &str,
        arguments: Option<Value>,
    ) -> Result<Value, QmpError> {
        self.execute_by("exec-oob", command, arguments, Instant::now() + self.patience)
    }

    /// The same with an open file, which QEMU gets a copy of (`getfd`, `add-fd`).
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn execute_with(
        &mut self,
        command: &str,
        arguments: Value,
        file: BorrowedFd<'_>,
    ) -> Result<Value, QmpError> {
        let deadline = Instant::now() + self.patience;
        self.lines.send_file(file, deadline).map_err(|error| no_line(error, "the file", self.patience))?;
        self.execute_by("execute", command, Some(arguments), deadline)
    }

    /// Gives QEMU an open file; the path by which its other commands reach it.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn lend(&mut self, file: BorrowedFd<'_>) -> Result<String, QmpError> {
        self.lend_as(file, "vmwright")
    }

    /// The same with words that QEMU keeps with it (`opaque` of `query-fdsets`).
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn lend_as(&mut self, file: BorrowedFd<'_>, words: &str) -> Result<String, QmpError> {
        let set = self.execute_with("add-fd", json!({ "opaque": words }), file)?;
        match set["fdset-id"].as_u64() {
            Some(set) => Ok(format!("/dev/fdset/{set}")),
            None => Err(QmpError::NotQmp(quote(set.to_string().as_bytes()))),
        }
    }

    /// What this QEMU understands.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn schema(&mut self) -> Result<Schema, QmpError> {
        Ok(Schema::read(&self.execute("query-qmp-schema", None)?))
    }

    /// The events that came so far, oldest first; they are given once.
    pub fn events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// Waits for an event; it and all earlier ones are given out. None where it has not come in time.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn wait_event(&mut self, name: &str, patience: Duration) -> Result<Option<Event>, QmpError> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some(event) = self.events.pop_front() {
                if event.name == name {
                    return Ok(Some(event));
                }
            }
            match receive(&mut self.lines, name, deadline, patience) {
                Ok(message) => self.keep_event(&message),
                Err(QmpError::Silent { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn execute_by(
        &mut self,
        how: &str,
        command: &str,
        arguments: Option<Value>,
        deadline: Instant,
    ) -> Result<Value, QmpError> {
        let id = self.next_id;
        self.next_id += 1;
        let mut request = json!({ how: command, "id": id });
        if let Some(arguments) = arguments {
            request["arguments"] = arguments;
        }
        let what = format!("`{command}`");
        let mut bytes = request.to_string().into_bytes();
        bytes.push(b'\n');
        self.lines.send(&bytes, deadline).map_err(|error| no_line(error, &what, self.patience))?;
        loop {
            let mut message = receive(&mut self.lines, &what, deadline, self.patience)?;
            // An answer to an earlier command that was given up; an error without id is to our own line.
            let ours = message.get("id").map_or(message.contains_key("error"), |found| *found == json!(id));
            if !ours {
                self.keep_event(&message);
                continue;
            }
            if let Some(value) = message.remove("return") {
                return Ok(value);
            }
            let text = |key: &str| message.get("error")?.get(key)?.as_str().map(str::to_owned);
            let (Some(class), Some(description)) = (text("class"), text("desc")) else {
                return Err(not_qmp(message));
            };
            return Err(QmpError::Refused { command: command.to_owned(), class, description });
        }
    }

    fn keep_event(&mut self, message: &Map<String, Value>) {
        let Some(name) = message.get("event").and_then(Value::as_str) else { return };
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        let data = message.get("data").cloned().unwrap_or(Value::Null);
        self.events.push_back(Event { name: name.to_owned(), data });
    }
}

fn receive(
    lines: &mut Lines,
    what: &str,
    deadline: Instant,
    patience: Duration,
) -> Result<Map<String, Value>, QmpError> {
    let line = lines.next(deadline).map_err(|error| no_line(error, what, patience))?;
    match serde_json::from_slice(&line) {
        Ok(Value::Object(message)) => Ok(message),
        Ok(_) => Err(QmpError::NotQmp(quote(&line))),
        Err(_) => Err(QmpError::NotJson(quote(&line))),
    }
}

fn not_qmp(message: Map<String, Value>) -> QmpError {
    QmpError::NotQmp(quote(Value::Object(message).to_string().as_bytes()))
}

fn no_line(error: NoLine, what: &str, patience: Duration) -> QmpError {
    match error {
        NoLine::Closed => QmpError::Closed(what.to_owned()),
        NoLine::Silent => QmpError::Silent { what: what.to_owned(), after: patience },
        NoLine::TooLong => QmpError::TooLong,
        NoLine::Io(source) => QmpError::Io(source),
    }
}

fn greeting(message: &Map<String, Value>) -> Option<Version> {
    let version = message.get("QMP")?.get("version")?.get("qemu")?;
    let part = |name: &str| u32::try_from(version.get(name)?.as_u64()?).ok();
    Some(Version { major: part("major")?, minor: part("minor")?, micro: part("micro")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::thread::JoinHandle;

    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": ""}, "capabilities": []}}"#;
    const SHORT: Duration = Duration::from_millis(200);

    /// A peer that sends `script`'s first part, and each further part after one line from us.
    fn peer(script: Vec<Vec<u8>>) -> (UnixStream, JoinHandle<Vec<String>>) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let thread = std::thread::spawn(move || {
            let mut reader = BufReader::new(theirs.try_clone().expect("cloned"));
            let mut writer = theirs;
            let mut heard = Vec::new();
            for (at, part) in script.into_iter().enumerate() {
                if at > 0 {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        break;
                    }
                    heard.push(line);
                }
                if writer.write_all(&part).is_err() {
                    break;
                }
            }
            // Holds the connection until we close ours.
            let _ = std::io::copy(&mut reader, &mut std::io::sink());
            heard
        });
        (ours, thread)
    }

    fn text(parts: &[&str]) -> Vec<Vec<u8>> {
        parts.iter().map(|part| format!("{part}\r\n").into_bytes()).collect()
    }

    #[test]
    fn commands_events_and_refusals() {
        let (stream, thread) = peer(text(&[
            &format!("{{\"event\": \"JOB_STATUS_CHANGE\"}}\r\n{GREETING}"),
            r#"{"return": {}, "id": 1}"#,
            "{\"event\": \"STOP\", \"timestamp\": {}}\r\n{\"return\": 9, \"id\": 77}\r\n{\"id\": 2, \"return\": {\"status\": \"paused\"}}",
            r#"{"id": 3, "error": {"class": "CommandNotFound", "desc": "The command x has not been found"}}"#,
            "{\"return\": {}, \"id\": 4}\r\n{\"event\": \"A\"}\r\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}",
        ]));
        let mut qmp = Qmp::over(stream, Duration::from_secs(5)).expect("a greeting");
        assert_eq!(qmp.version(), Version { major: 10, minor: 0, micro: 2 });
        assert_eq!(qmp.execute("query-status", None).expect("an answer"), json!({"status": "paused"}));
        assert_eq!(qmp.events(), [Event { name: "STOP".into(), data: Value::Null }]);
        let refused = qmp.execute("x", Some(json!({"a": 1}))).expect_err("refused").to_string();
        assert_eq!(refused, "it refused `x`: The command x has not been found (CommandNotFound)");
        qmp.execute("quit", None).expect("an answer");
        let event = qmp.wait_event("SHUTDOWN", SHORT).expect("alive").expect("it came");
        assert_eq!(event.data, json!({"guest": true}));
        assert!(qmp.wait_event("RESET", SHORT).expect("alive").is_none());
        drop(qmp);
        let heard = thread.join().expect("the peer");
        assert_eq!(heard[0], "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
        assert_eq!(heard[2], "{\"arguments\":{\"a\":1},\"execute\":\"x\",\"id\":3}\n");
    }

    #[test]
    fn rubbish_half_lines_and_silence_are_told_apart() {
        let told = |script: Vec<Vec<u8>>| {
            let (stream, _thread) = peer(script);
            Qmp::over(stream, SHORT).expect_err("no monitor").to_string()
        };
        assert_eq!(
            told(text(&["SSH-2.0-x\u{1b}[31m"])),
            "it sent a line that is not JSON: `SSH-2.0-x\\u{1b}[31m`"
        );
        assert_eq!(told(text(&["[1]"])), "it does not speak QMP: `[1]`");
        assert_eq!(told(text(&[r#"{"QMP": 3}"#])), "it does not speak QMP: `{\"QMP\":3}`");
        assert_eq!(told(vec![b"\xff\xfe\n".to_vec()]), "it sent a line that is not JSON: `\u{fffd}\u{fffd}`");
        let silence = "within 0.2 s; another client may hold the monitor";
        assert_eq!(told(vec![]), format!("no answer to the connection {silence}"));
        assert_eq!(told(vec![b"{\"QMP\"".to_vec()]), format!("no answer to the connection {silence}"));
        assert_eq!(told(text(&[GREETING])), format!("no answer to `qmp_capabilities` {silence}"));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(told(text(&[&deep])).starts_with("it sent a line that is not JSON"));
    }

    #[test]
    fn a_closed_connection_is_told() {
        for begun in ["", "{\"QMP\": {"] {
            let (ours, mut theirs) = UnixStream::pair().expect("a pair");
            theirs.write_all(begun.as_bytes()).expect("sent");
            drop(theirs);
            let told = Qmp::over(ours, SHORT).expect_err("closed");
            assert!(matches!(told, QmpError::Closed(_)), "{told}");
        }
    }

    #[test]
    fn a_line_without_end_stops_at_the_limit() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let thread = std::thread::spawn(move || {
            let piece = vec![b'x'; 1 << 20];
            while theirs.write_all(&piece).is_ok() {}
        });
        let told = Qmp::over(ours, Duration::from_secs(20)).expect_err("no end");
        assert!(matches!(told, QmpError::TooLong), "{told}");
        thread.join().expect("the peer");
    }

    #[test]
    fn a_flood_of_events_is_bounded_and_drip_fed_bytes_do_not_stretch_the_time() {
        let flood = "{\"event\": \"RTC_CHANGE\"}\n".repeat(3000);
        let (stream, _thread) = peer(vec![
            format!("{GREETING}\n").into_bytes(),
            b"{\"return\": {}, \"id\": 1}\n".to_vec(),
            format!("{flood}{{\"return\": 1, \"id\": 2}}\n").into_bytes(),
        ]);
        let mut qmp = Qmp::over(stream, Duration::from_secs(5)).expect("a greeting");
        qmp.execute("x", None).expect("an answer");
        assert_eq!(qmp.events().len(), EVENTS_MAX);

        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let thread = std::thread::spawn(move || {
            while theirs.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let began = Instant::now();
        assert!(matches!(Qmp::over(ours, SHORT), Err(QmpError::Silent { .. })));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        thread.join().expect("the peer");
    }

    #[test]
    fn no_socket_and_no_room() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let missing = Qmp::connect(&place.path().join("none"), SHORT).expect_err("absent");
        assert!(matches!(missing, QmpError::Connect { .. }), "{missing}");
        let long = Qmp::connect(&place.path().join("x".repeat(200)), SHORT).expect_err("too long");
        assert!(matches!(long, QmpError::Connect { .. }), "{long}");
        // A listener that never accepts: connecting works, the greeting never comes.
        let path = place.path().join("busy");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let silent = Qmp::connect(&path, SHORT).expect_err("nobody there");
        assert!(matches!(silent, QmpError::Silent { .. }), "{silent}");
    }
}

//! A client of the QEMU guest agent protocol (`qga/qapi-schema.json` in QEMU's source). Everything that comes
//! back was written inside the guest: it is data to show or compare, never to obey, and bounded here.

use crate::lines::{Lines, NoLine, dial, quote};
use crate::vsock;
use serde_json::{Value, json};
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;
use vmwright_formats::base64;

/// Longest answer, in bytes. An agent keeps at most 16 MiB of each of a program's two outputs (`GUEST_EXEC_MAX_OUTPUT`
/// of `qga/commands.c`) and sends them as base64 together; of files this client asks for less.
const ANSWER_MAX: usize = 48 << 20;
/// Longest answer to a sync, in bytes: a number. What a guest pours in its place must not be waited for.
const SYNC_MAX: usize = 64 << 10;
/// How much of a file is asked for at a time, in bytes.
const PIECE: usize = 64 * 1024;
/// How many entries of a list are taken.
const LIST_MAX: usize = 1024;
/// Longest text that is kept of a single field, in bytes.
const FIELD_MAX: usize = 256;
/// The byte that begins a synchronised answer, and makes the agent's parser forget what it had. It is in no UTF-8.
const SENTINEL: u8 = 0xff;
/// The command that synchronises.
const SYNC: &str = "guest-sync-delimited";
/// How long the first sync waits for its answer.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A connection to a guest agent.
#[derive(Debug)]
pub struct Agent {
    lines: Lines,
    patience: Duration,
    next_id: u64,
    /// An answer may still be on its way: the next command has to synchronise first.
    out_of_step: bool,
}

/// A guest agent that can be asked, whatever the way to it.
pub(crate) trait Ask {
    /// Executes a command and gives what it returns. Untrusted.
    fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Value, AgentError>;
}

impl Ask for Agent {
    fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Value, AgentError> {
        Self::execute(self, command, arguments)
    }
}

/// A file's bytes over an agent: all of it, which must have no more than `max`, or the first `max`.
pub(crate) fn file(agent: &mut dyn Ask, path: &str, max: usize, whole: bool) -> Result<Vec<u8>, AgentError> {
    let open = agent.execute("guest-file-open", Some(json!({ "path": path, "mode": "r" })))?;
    let handle = open.as_i64().ok_or_else(|| rubbish("guest-file-open", &open))?;
    let bytes = file_rest(agent, path, handle, max, whole);
    // A handle left open stays open in the guest until its agent ends. The file's bytes matter more.
    let closed = agent.execute("guest-file-close", Some(json!({ "handle": handle })));
    let bytes = bytes?;
    closed?;
    Ok(bytes)
}

fn file_rest(
    agent: &mut dyn Ask,
    path: &str,
    handle: i64,
    max: usize,
    whole: bool,
) -> Result<Vec<u8>, AgentError> {
    let mut bytes = Vec::new();
    loop {
        // One more than wanted shows that there is more.
        let count = PIECE.min(max - bytes.len() + usize::from(whole));
        let piece = agent.execute("guest-file-read", Some(json!({ "handle": handle, "count": count })))?;
        let rubbish = || rubbish("guest-file-read", &piece);
        let read = piece["buf-b64"].as_str().and_then(base64::decode).ok_or_else(rubbish)?;
        let end = piece["eof"].as_bool().ok_or_else(rubbish)?;
        if read.len() > count || piece["count"].as_u64() != Some(read.len() as u64) {
            return Err(rubbish());
        }
        bytes.extend_from_slice(&read);
        if bytes.len() > max {
            return Err(AgentError::FileTooLarge { path: path.to_owned(), max });
        }
        // An agent that neither reads nor ends would be asked for ever.
        if end || read.is_empty() || !whole && bytes.len() == max {
            return Ok(bytes);
        }
    }
}

/// What an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentInfo {
    /// Its version, as it says. Untrusted.
    pub version: String,
    /// The commands that it has enabled. Untrusted.
    pub commands: Vec<String>,
}

/// A network interface as the guest has it. Untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestInterface {
    /// Its name.
    pub name: String,
    /// Its MAC address, lower case; none where it has none.
    pub mac: Option<String>,
    /// Its addresses with prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// Why an agent gave no answer.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Its socket cannot be reached.
    #[error("cannot connect to `{}`", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody in the guest listens at the port of its vsock.
    #[error(
        "nothing in the guest listens at port {port} of its vsock (asked for {} s): what should is `qemu-ga \
         --method=vsock-listen --path=4294967295:{port}`; another port is `vsock.agent_port` of the specification",
        .after.as_secs_f32()
    )]
    Unheard {
        /// The port.
        port: u32,
        /// How long was asked.
        after: Duration,
    },
    /// The VMM closed the connection.
    #[error("the connection was closed instead of an answer to `{0}`")]
    Closed(String),
    /// Nothing came in time.
    #[error("no answer to `{command}` within {} s; the agent may not run in the guest (yet)", .after.as_secs_f32())]
    Silent {
        /// The command.
        command: String,
        /// How long.
        after: Duration,
    },
    /// An answer is too long.
    #[error("the answer to `{0}` has more than {ANSWER_MAX} bytes")]
    TooLong(String),
    /// An answer is not what the protocol says.
    #[error("the answer to `{command}` is not understood: `{answer}`")]
    Rubbish {
        /// The command.
        command: String,
        /// The beginning of the answer. Untrusted.
        answer: String,
    },
    /// The agent refused.
    #[error("the agent refused `{command}`: {description}")]
    Refused {
        /// The command.
        command: String,
        /// The agent's own words. Untrusted.
        description: String,
    },
    /// libvirt, which has the agent's line, gave no answer of the agent's.
    #[error("libvirt has no answer of the agent to `{command}`")]
    Through {
        /// The command.
        command: String,
        /// What it said. Part of it may be the guest's words.
        #[source]
        source: crate::libvirt::LibvirtError,
    },
    /// The guest's file is larger than asked for.
    #[error("the guest's file `{path}` has more than {max} bytes")]
    FileTooLarge {
        /// The file.
        path: String,
        /// The limit.
        max: usize,
    },
    /// The socket gave an error.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

impl Agent {
    /// Connects and makes sure that an agent answers. `patience` is for this, and later for each command.
    ///
    /// # Errors
    /// [`AgentError`]; [`AgentError::Silent`] where no agent runs.
    pub fn connect(path: &Path, patience: Duration) -> Result<Self, AgentError> {
        let stream = dial(path, Instant::now() + patience)
            .map_err(|source| AgentError::Connect { path: path.to_owned(), source })?;
        Self::over(stream, patience)
    }

    /// The same through the socket by which a VMM leads to all ports of its guest's vsock (Firecracker's and Cloud
    /// Hypervisor's `docs/vsock.md`).
    ///
    /// # Errors
    /// [`AgentError`]; [`AgentError::Unheard`] where nobody listens at the port.
    pub fn by_vsock(socket: &Path, port: u32, patience: Duration) -> Result<Self, AgentError> {
        let deadline = Instant::now() + patience;
        let lines = vsock::dial(socket, port, deadline, patience)?;
        Self::begin(lines, deadline, patience)
    }

    /// The same over a connection that exists.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn over(stream: UnixStream, patience: Duration) -> Result<Self, AgentError> {
        Self::begin(Lines::new(stream, ANSWER_MAX), Instant::now() + patience, patience)
    }

    fn begin(lines: Lines, deadline: Instant, patience: Duration) -> Result<Self, AgentError> {
        // The ids of clients that came before are on their way perhaps: begin somewhere else each time. 53 bits
        // survive an agent that counts in floating point.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next_id = (u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or(1)) >> 12;
        let mut agent = Self { lines, patience, next_id, out_of_step: true };
        agent.synchronise(deadline)?;
        Ok(agent)
    }

    /// Executes a command and gives what it returns. Untrusted.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Value, AgentError> {
        let deadline = Instant::now() + self.patience;
        if self.out_of_step {
            self.synchronise(deadline)?;
        }
        self.send(command, arguments, deadline)?;
        // Until the whole answer is here.
        self.out_of_step = true;
        let line = self.lines.next(deadline).map_err(|error| self.no_line(error, command))?;
        let answer = understand(command, &line)?;
        self.out_of_step = false;
        answer
    }

    /// Sends a command that gives no answer where it succeeds, such as `guest-shutdown`.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn tell(&mut self, command: &str, arguments: Option<Value>) -> Result<(), AgentError> {
        let deadline = Instant::now() + self.patience;
        if self.out_of_step {
            self.synchronise(deadline)?;
        }
        self.out_of_step = true;
        self.send(command, arguments, deadline)
    }

    /// Makes sure that the agent answers.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn ping(&mut self) -> Result<(), AgentError> {
        self.execute("guest-ping", None).map(drop)
    }

    /// What the agent is and can do.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn info(&mut self) -> Result<AgentInfo, AgentError> {
        let answer = self.execute("guest-info", None)?;
        let rubbish = || rubbish("guest-info", &answer);
        let commands = answer["supported_commands"].as_array().ok_or_else(rubbish)?;
        let enabled = commands.iter().take(LIST_MAX).filter(|command| command["enabled"] == json!(true));
        Ok(AgentInfo {
            version: answer["version"].as_str().map(field).ok_or_else(rubbish)?,
            commands: enabled.filter_map(|command| command["name"].as_str().map(field)).collect(),
        })
    }

    /// The bytes of a file in the guest, at most `max` of them. Untrusted.
    ///
    /// # Errors
    /// [`AgentError`]; [`AgentError::FileTooLarge`] where it has more.
    pub fn file_read(&mut self, path: &str, max: usize) -> Result<Vec<u8>, AgentError> {
        file(self, path, max, true)
    }

    /// A file's first bytes, `max` of them where it has as many. Not one more is read: of a file that is made while it is
    /// read, as `/dev/urandom` is, each byte counts.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn file_head(&mut self, path: &str, max: usize) -> Result<Vec<u8>, AgentError> {
        file(self, path, max, false)
    }

    /// The guest's network interfaces.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn network_interfaces(&mut self) -> Result<Vec<GuestInterface>, AgentError> {
        let answer = self.execute("guest-network-get-interfaces", None)?;
        let list = answer.as_array().ok_or_else(|| rubbish("guest-network-get-interfaces", &answer))?;
        Ok(list.iter().take(LIST_MAX).filter_map(interface).collect())
    }

    /// Sends the sentinel and a numbered sync, and throws away everything before its answer. What is sent before
    /// the guest opens its port is lost, so it is sent again, after longer and longer times: a slow agent would
    /// never catch up with equal ones.
    fn synchronise(&mut self, deadline: Instant) -> Result<(), AgentError> {
        self.out_of_step = true;
        self.lines.set_limit(SYNC_MAX);
        let mut pause = FIRST_PAUSE;
        loop {
            let id = self.next_id;
            self.next_id += 1;
            let sent = self.lines.send(&[SENTINEL], deadline);
            sent.map_err(|error| self.no_line(error, SYNC))?;
            self.send(SYNC, Some(json!({ "id": id })), deadline)?;
            match self.synchronised(id, deadline.min(Instant::now() + pause)) {
                Ok(()) => break,
                Err(NoLine::Silent) if Instant::now() < deadline => pause *= 2,
                Err(error) => return Err(self.no_line(error, SYNC)),
            }
        }
        self.lines.set_limit(ANSWER_MAX);
        self.out_of_step = false;
        Ok(())
    }

    /// Waits for the answer to a sync.
    fn synchronised(&mut self, id: u64, deadline: Instant) -> Result<(), NoLine> {
        loop {
            self.lines.skip_past(SENTINEL, deadline)?;
            let line = self.lines.next(deadline)?;
            // The answer to an earlier sync, perhaps of a client that has gone: ours is still to come.
            let answer = serde_json::from_slice::<Value>(&line).unwrap_or(Value::Null);
            if answer["return"] == json!(id) {
                return Ok(());
            }
        }
    }

    fn send(&mut self, command: &str, arguments: Option<Value>, deadline: Instant) -> Result<(), AgentError> {
        let mut request = json!({ "execute": command });
        if let Some(arguments) = arguments {
            request["arguments"] = arguments;
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(b'\n');
        self.lines.send(&bytes, deadline).map_err(|error| self.no_line(error, command))
    }

    fn no_line(&self, error: NoLine, command: &str) -> AgentError {
        let command = command.to_owned();
        match error {
            NoLine::Closed => AgentError::Closed(command),
            NoLine::Silent => AgentError::Silent { command, after: self.patience },
            NoLine::TooLong => AgentError::TooLong(command),
            NoLine::Io(source) => AgentError::Io(source),
        }
    }
}

/// An answer's value or refusal; rubbish is the outer error, after which nothing in the stream can be trusted.
fn understand(command: &str, line: &[u8]) -> Result<Result<Value, AgentError>, AgentError> {
    let unclear = || AgentError::Rubbish { command: command.to_owned(), answer: quote(line) };
    let mut answer: Value = serde_json::from_slice(line).map_err(|_| unclear())?;
    if let Some(value) = answer.get_mut("return") {
        return Ok(Ok(value.take()));
    }
    let description = answer["error"]["desc"].as_str().ok_or_else(unclear)?;
    Ok(Err(AgentError::Refused { command: command.to_owned(), description: field(description) }))
}

/// The answer's value, from the line that an agent has sent.
pub(crate) fn answer(command: &str, line: &[u8]) -> Result<Value, AgentError> {
    understand(command, line)?
}

fn rubbish(command: &str, answer: &Value) -> AgentError {
    AgentError::Rubbish { command: command.to_owned(), answer: quote(answer.to_string().as_bytes()) }
}

fn interface(value: &Value) -> Option<GuestInterface> {
    let addresses = value["ip-addresses"].as_array().map_or(&[][..], Vec::as_slice);
    let address = |value: &Value| {
        let address = value["ip-address"].as_str()?.parse().ok()?;
        Some((address, u8::try_from(value["prefix"].as_u64()?).ok()?))
    };
    Some(GuestInterface {
        name: field(value["name"].as_str()?),
        mac: value["hardware-address"].as_str().map(|mac| field(&mac.to_ascii_lowercase())),
        addresses: addresses.iter().take(LIST_MAX).filter_map(address).collect(),
    })
}

/// One field's text, bounded, without control characters.
fn field(text: &str) -> String {
    let mut kept = String::new();
    for letter in text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }) {
        if kept.len() + letter.len_utf8() > FIELD_MAX {
            break;
        }
        kept.push(letter);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::thread::JoinHandle;

    const SHORT: Duration = Duration::from_millis(300);

    /// A guest's side: answers syncs as an agent does, and everything else through `answer`, which may send what
    /// it likes. `None` says nothing.
    fn guest(
        mut answer: impl FnMut(&Value) -> Option<Vec<u8>> + Send + 'static,
    ) -> (UnixStream, JoinHandle<usize>) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let thread = std::thread::spawn(move || {
            let mut writer = theirs.try_clone().expect("cloned");
            let mut reader = BufReader::new(theirs);
            let mut syncs = 0;
            loop {
                let mut line = Vec::new();
                if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                    return syncs;
                }
                let begin = line.iter().rposition(|byte| *byte == SENTINEL).map_or(0, |at| at + 1);
                let request: Value = serde_json::from_slice(&line[begin..]).expect("a request");
                let reply = if request["execute"] == "guest-sync-delimited" {
                    syncs += 1;
                    Some(
                        [
                            b"\xff".as_slice(),
                            format!("{}\n", json!({"return": request["arguments"]["id"]})).as_bytes(),
                        ]
                        .concat(),
                    )
                } else {
                    answer(&request)
                };
                if let Some(reply) = reply
                    && writer.write_all(&reply).is_err()
                {
                    return syncs;
                }
            }
        });
        (ours, thread)
    }

    fn line(value: &Value) -> Option<Vec<u8>> {
        Some(format!("{value}\n").into_bytes())
    }

    #[test]
    fn questions_and_answers() {
        let (stream, thread) = guest(|request| {
            line(&match request["execute"].as_str().expect("a command") {
                "guest-ping" => json!({"return": {}}),
                "guest-info" => json!({"return": {"version": "8.0\u{1b}", "supported_commands": [
                    {"name": "guest-ping", "enabled": true}, {"name": "guest-exec", "enabled": false}, 7]}}),
                "guest-network-get-interfaces" => json!({"return": [
                    {"name": "lo"}, 5,
                    {"name": "eth0", "hardware-address": "52:54:00:AA:00:01", "ip-addresses": [
                        {"ip-address": "10.0.0.2", "prefix": 24, "ip-address-type": "ipv4"},
                        {"ip-address": "not one", "prefix": 24}, {"ip-address": "fe80::1", "prefix": 640},
                        {"ip-address": "fe80::2", "prefix": 64}]}]}),
                other => {
                    json!({"error": {"class": "CommandNotFound", "desc": format!("The command {other} has not been found")}})
                }
            })
        });
        let mut agent = Agent::over(stream, Duration::from_secs(5)).expect("it answers");
        agent.ping().expect("it answers");
        let info = agent.info().expect("it answers");
        assert_eq!(info, AgentInfo { version: "8.0\u{fffd}".into(), commands: vec!["guest-ping".into()] });
        let interfaces = agent.network_interfaces().expect("it answers");
        let addresses = vec![("10.0.0.2".parse().expect("v4"), 24), ("fe80::2".parse().expect("v6"), 64)];
        assert_eq!(
            interfaces,
            [
                GuestInterface { name: "lo".into(), mac: None, addresses: vec![] },
                GuestInterface { name: "eth0".into(), mac: Some("52:54:00:aa:00:01".into()), addresses },
            ]
        );
        let refused = agent.execute("guest-set-time", None).expect_err("refused").to_string();
        assert_eq!(
            refused,
            "the agent refused `guest-set-time`: The command guest-set-time has not been found"
        );
        agent.ping().expect("a refusal keeps the step");
        drop(agent);
        assert!(thread.join().expect("the guest") >= 1);
    }

    /// A guest with one open file.
    fn file_guest(content: Vec<u8>) -> UnixStream {
        let mut at = 0;
        let mut open = 0;
        guest(move |request| {
            line(&match request["execute"].as_str().expect("a command") {
                "guest-file-open" if request["arguments"]["path"] == "/f" => {
                    (at, open) = (0, open + 1);
                    json!({"return": 1000})
                }
                "guest-file-read" => {
                    let count = usize::try_from(request["arguments"]["count"].as_u64().expect("a count")).expect("fits");
                    // Short reads, as pipes and proc files give.
                    let end = content.len().min(at + count.min(50_000));
                    let piece = &content[at..end];
                    at = end;
                    json!({"return": {"count": piece.len(), "buf-b64": base64::encode(piece), "eof": at == content.len()}})
                }
                "guest-file-close" => {
                    open -= 1;
                    json!({"return": {}})
                }
                "open-files" => json!({"return": open}),
                _ => json!({"error": {"class": "GenericError", "desc": "failed to open file"}}),
            })
        })
        .0
    }

    #[test]
    fn files_are_read_whole_or_refused_and_always_closed() {
        let content: Vec<u8> = (0..150_000_u32).map(|number| (number * 7 % 251) as u8).collect();
        let mut agent = Agent::over(file_guest(content.clone()), Duration::from_secs(5)).expect("it answers");
        assert_eq!(agent.file_read("/f", 150_000).expect("fits exactly"), content);
        let large = agent.file_read("/f", 149_999).expect_err("one too many");
        assert!(matches!(large, AgentError::FileTooLarge { max: 149_999, .. }), "{large}");
        assert!(matches!(agent.file_read("/none", 9), Err(AgentError::Refused { .. })));
        assert_eq!(agent.execute("open-files", None).expect("it answers"), json!(0));
        let mut empty = Agent::over(file_guest(Vec::new()), Duration::from_secs(5)).expect("it answers");
        assert_eq!(empty.file_read("/f", 0).expect("empty"), b"");
    }

    #[test]
    fn a_lying_file_read_is_refused() {
        for lie in [
            json!({"count": 3, "buf-b64": "AAAA", "eof": "no"}),
            json!({"count": 99, "buf-b64": "AAAA", "eof": true}),
            json!({"count": 3, "buf-b64": "AAA", "eof": true}),
            json!({"count": 3, "buf-b64": "\u{0}\u{0}==", "eof": true}),
            json!({"count": 300_000, "buf-b64": base64::encode(&vec![0; 300_000]), "eof": true}),
            json!([]),
        ] {
            let told = lie.clone();
            let (stream, _thread) = guest(move |request| {
                line(&match request["execute"].as_str() {
                    Some("guest-file-open") => json!({"return": 1}),
                    Some("guest-file-read") => json!({"return": told}),
                    _ => json!({"return": {}}),
                })
            });
            let mut agent = Agent::over(stream, Duration::from_secs(5)).expect("it answers");
            let refused = agent.file_read("/f", 1 << 20).expect_err("a lie");
            assert!(matches!(refused, AgentError::Rubbish { .. }), "{lie}: {refused}");
        }
    }

    #[test]
    fn a_late_answer_is_not_taken_for_the_next() {
        let (stream, thread) = guest(|request| match request["execute"].as_str() {
            Some("slow") => {
                std::thread::sleep(SHORT * 5);
                line(&json!({"return": "late"}))
            }
            Some("rubbish") => Some(b"}{\n{\"return\": \"smuggled\"}\n".to_vec()),
            _ => line(&json!({"return": "in time"})),
        });
        let mut agent = Agent::over(stream, SHORT * 10 / 3).expect("it answers");
        assert!(matches!(agent.execute("slow", None), Err(AgentError::Silent { .. })));
        assert_eq!(agent.execute("quick", None).expect("it answers"), json!("in time"));
        assert!(matches!(agent.execute("rubbish", None), Err(AgentError::Rubbish { .. })));
        assert_eq!(agent.execute("quick", None).expect("it answers"), json!("in time"));
        drop(agent);
        assert!(thread.join().expect("the guest") >= 3);
    }

    #[test]
    fn leftovers_before_the_sync_are_thrown_away() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let thread = std::thread::spawn(move || {
            let mut heard = [0; 4096];
            let read = theirs.read(&mut heard).expect("a sync");
            let mut text = heard[..read].to_vec();
            while text.last() != Some(&b'\n') {
                let read = theirs.read(&mut heard).expect("the rest");
                text.extend_from_slice(&heard[..read]);
            }
            assert_eq!(text[0], SENTINEL);
            let request: Value = serde_json::from_slice(&text[1..]).expect("a request");
            theirs
                .write_all(b"half an old answ\xff{\"return\": 1}\n{\"return\": \"older\"}\n\xffgarbage\n\xff")
                .expect("sent");
            theirs
                .write_all(format!("{}\n", json!({"return": request["arguments"]["id"]})).as_bytes())
                .expect("sent");
        });
        Agent::over(ours, Duration::from_secs(5)).expect("in step");
        thread.join().expect("the guest");
    }

    #[test]
    fn an_agent_that_comes_late_is_found_at_once() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let thread = std::thread::spawn(move || {
            // The port opens after a while, and what came before is lost.
            let mut lost = [0; 4096];
            let mut read = theirs.read(&mut lost).expect("the first sync");
            while lost[read - 1] != b'\n' {
                read = theirs.read(&mut lost).expect("the first sync");
            }
            let mut reader = BufReader::new(theirs.try_clone().expect("cloned"));
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).expect("the second sync");
            let request: Value = serde_json::from_slice(&line[1..]).expect("a request");
            let answer = format!("\n{}\n", json!({"return": request["arguments"]["id"]}));
            theirs.write_all(&[&[SENTINEL], answer.trim_start().as_bytes()].concat()).expect("sent");
        });
        let began = Instant::now();
        Agent::over(ours, Duration::from_secs(60)).expect("in step");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        thread.join().expect("the guest");
    }

    #[test]
    fn silence_and_floods_end() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let silent = Agent::over(ours, SHORT).expect_err("nobody there");
        assert!(matches!(silent, AgentError::Silent { .. }), "{silent}");
        for (sentinel, flood) in [(false, b'x'), (true, b'y')] {
            let (ours, mut theirs) = UnixStream::pair().expect("a pair");
            let thread = std::thread::spawn(move || {
                if sentinel {
                    theirs.write_all(b"\xff").expect("sent");
                }
                let piece = vec![flood; 1 << 20];
                while theirs.write_all(&piece).is_ok() {}
            });
            let began = Instant::now();
            let patience = Duration::from_secs(if sentinel { 60 } else { 2 });
            // Before a sentinel a flood is thrown away until the time is up; after it, it is an overlong line.
            let told = Agent::over(ours, patience).expect_err("a flood");
            assert!(
                matches!(
                    (sentinel, &told),
                    (false, AgentError::Silent { .. }) | (true, AgentError::TooLong(_))
                ),
                "{told}"
            );
            assert!(began.elapsed() < Duration::from_secs(60));
            thread.join().expect("the guest");
        }
    }
}

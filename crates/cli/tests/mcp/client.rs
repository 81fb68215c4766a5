//! A client that speaks lines of JSON, and can misbehave.

use crate::common::Site;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a message may take: an analysis in a build that is not optimised, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct Client {
    pub(crate) child: Child,
    to: Option<ChildStdin>,
    lines: Receiver<String>,
    next: i64,
    /// Notifications that came while something else was waited for.
    pub(crate) told: Vec<Value>,
}

impl Client {
    /// A server that has not been spoken to.
    pub(crate) fn spawn(site: &Site, words: &[&str]) -> Self {
        let mut command = site.command(&[&["mcp"], words].concat());
        command
            .current_dir(site.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, to, lines, next: 0, told: Vec::new() }
    }

    /// A session with the newest protocol that has a handshake.
    pub(crate) fn new(site: &Site, words: &[&str]) -> Self {
        let mut client = Self::spawn(site, words);
        client.begin("2025-11-25");
        client
    }

    /// The handshake; gives the server's answer.
    pub(crate) fn begin(&mut self, version: &str) -> Value {
        let answer = self.ask(
            "initialize",
            json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } }),
        );
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        answer["result"].clone()
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.raw(&message.to_string());
    }

    pub(crate) fn raw(&mut self, line: &str) {
        let to = self.to.as_mut().unwrap();
        // A server that has gone away shows where its answer is waited for.
        let _ = to.write_all(line.as_bytes()).and_then(|()| to.write_all(b"\n"));
    }

    /// Closes the server's input.
    pub(crate) fn hang_up(&mut self) {
        drop(self.to.take());
    }

    /// The next message; none where the server is gone.
    pub(crate) fn read(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no message in {PATIENCE:?}"),
        }
    }

    /// The answer to a request; what comes before is kept in `told`.
    pub(crate) fn answer(&mut self, id: i64) -> Value {
        loop {
            let message = self.read().expect("the server is there");
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
            self.told.push(message);
        }
    }

    /// Sends a request and gives its number.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id)
    }

    /// Calls a tool; the result, or the protocol's error.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        answer.get("result").or_else(|| answer.get("error")).cloned().unwrap_or_default()
    }

    /// Names of the tools there are.
    pub(crate) fn tools(&mut self) -> Vec<String> {
        let list = self.ask("tools/list", json!({}));
        let tools = list["result"]["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Processes that the server has started and that still live.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let id = self.child.id();
        let text = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hang_up();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process lives and is no zombie.
pub(crate) fn lives(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

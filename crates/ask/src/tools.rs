//! vmwright's own server for agents, and the one session with it that a model has.

use crate::Told;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often it is looked whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How long a server may take to answer what is no call.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a cancelled call and a server that is to end may take: a run takes back what it did.
const ENDING: Duration = Duration::from_secs(620);

/// The version of the protocol that is spoken.
const PROTOCOL: &str = "2025-11-25";

/// Why the server cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolsError {
    /// It cannot be started.
    #[error("the server of the tools cannot be started")]
    Start(#[source] std::io::Error),
    /// It does not answer.
    #[error("the server of the tools is gone")]
    Gone,
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
}

/// A tool as the server tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) says: String,
    pub(crate) schema: Value,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    /// As the server gave it; the protocol's error where there is no such tool.
    pub(crate) structured: Value,
    /// Whether it was a call of a tool that there is, with arguments that it takes.
    pub(crate) valid: bool,
    pub(crate) error: bool,
}

/// The session.
pub(crate) struct Tools {
    child: Child,
    to: Option<ChildStdin>,
    lines: Receiver<String>,
    next: u64,
}

impl Tools {
    /// Starts a server with this state and these words, and begins a session.
    pub(crate) fn begin(state: &Path, words: &[String]) -> Result<Self, ToolsError> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("--state").arg(state).arg("mcp").args(words);
        // A Ctrl-C is ours to hear: the server ends when its input does, and its runs take back what they did.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(ToolsError::Start)?;
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut tools = Self { child, to, lines, next: 0 };
        let client = json!({ "name": "vmwright-ask", "version": env!("CARGO_PKG_VERSION") });
        tools.ask(
            "initialize",
            json!({ "protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client }),
        )?;
        tools.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        Ok(tools)
    }

    /// The tools of the mode that the session is in.
    pub(crate) fn list(&mut self) -> Result<Vec<Tool>, ToolsError> {
        let answer = self.ask("tools/list", json!({}))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tool = |one: &Value| Tool {
            name: text(&one["name"]),
            says: text(&one["description"]),
            schema: one["inputSchema"].clone(),
        };
        Ok(answer["result"]["tools"].as_array().into_iter().flatten().map(tool).collect())
    }

    /// Calls a tool and waits for what comes of it; a call that the user stops is cancelled.
    pub(crate) fn call(
        &mut self,
        name: &str,
        arguments: &Value,
        stop: &AtomicBool,
        told: &mut dyn FnMut(Told),
    ) -> Result<Called, ToolsError> {
        let token = self.next + 1;
        let params = json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": token } });
        let id = self.request("tools/call", params);
        loop {
            if stop.load(Ordering::Relaxed) {
                let params = json!({ "requestId": id, "reason": "the user stopped it" });
                self.send(
                    &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
                );
                // A cancelled call is not answered: the server's own end waits for what it has to take back.
                return Err(ToolsError::Stopped);
            }
            let line = match self.lines.recv_timeout(LOOK) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Err(ToolsError::Gone),
            };
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if message["method"] == "notifications/progress" {
                let note = message["params"]["message"].as_str().unwrap_or_default();
                told(Told::Note(format!("    {note}")));
            }
            if message["id"] != id || message.get("method").is_some() {
                continue;
            }
            return Ok(match message.get("result") {
                Some(result) => {
                    let structured = result["structuredContent"].clone();
                    let usage = structured["exit"] == "usage";
                    Called { structured, valid: !usage, error: result["isError"] == true }
                }
                None => Called {
                    structured: json!({ "error": message["error"]["message"] }),
                    valid: false,
                    error: true,
                },
            });
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, ToolsError> {
        let id = self.request(method, params);
        let begun = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if message["id"] == id && message.get("method").is_none() {
                return Ok(message);
            }
        }
        Err(ToolsError::Gone)
    }

    fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    fn send(&mut self, message: &Value) {
        if let Some(to) = &mut self.to {
            // A server that is gone shows where its answer is waited for.
            let _ = to.write_all(format!("{message}\n").as_bytes()).and_then(|()| to.flush());
        }
    }
}

impl Drop for Tools {
    /// Ends the session: the server waits for what its operations take back, and then ends by itself.
    fn drop(&mut self) {
        drop(self.to.take());
        let begun = Instant::now();
        while begun.elapsed() < ENDING {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

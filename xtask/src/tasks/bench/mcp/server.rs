//! A server that speaks MCP over its standard input and output, ours or another, asked one thing after the other.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// How often what takes a millisecond is asked.
const ASKED: usize = 300;

pub(super) struct Server {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u64,
}

impl Server {
    /// Starts one and greets it; `environment` is added to ours.
    pub(super) fn begin(call: &[String], environment: &[(&str, &str)]) -> Result<Self> {
        let (program, words) = call.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.envs(environment.iter().copied());
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let to = child.stdin.take().context("no standard input")?;
        let from = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut server = Self { child, to, from, next: 0 };
        let client = json!({ "name": "bench", "version": "1" });
        server.ask(
            "initialize",
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
        )?;
        server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(server)
    }

    /// Milliseconds of each of many requests, until the answer's last byte is there: what this client then makes of it is
    /// not the server's time.
    pub(super) fn times(&mut self, method: &str, params: &Value) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            self.next += 1;
            let id = self.next;
            let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
            let begun = Instant::now();
            self.send(&message)?;
            let line = self.line()?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            let answer: Value = serde_json::from_str(&line)?;
            ensure!(answer["id"] == id && answer["result"].is_object(), "{method}: {line}");
        }
        Ok(times)
    }

    /// What a request gives.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            // Some servers print what they do between their messages.
            let Ok(message) = serde_json::from_str::<Value>(&self.line()?) else { continue };
            if message["id"] == id {
                if message["error"].is_object() || message["result"]["isError"] == true {
                    bail!("{method}: {message}");
                }
                return Ok(message["result"].clone());
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.from.read_line(&mut line)? > 0, "the server has ended");
        Ok(line)
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        self.to.write_all(format!("{message}\n").as_bytes())?;
        Ok(self.to.flush()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

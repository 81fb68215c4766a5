//! The server for agents: a list of tools, a read of what it keeps, and an analysis beside the command's own. There is no ratio
//! against a Python server for libvirt: PyPI has none that lists a host's domains (vmcluster-mcp manages clusters of its own).

use super::measure::{Figures, middle, once, spread};
use super::{Bench, Site, captures};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

pub(super) const BENCH: Bench = Bench {
    name: "mcp",
    summary: "tools/list and a cached read over MCP, and an analysis beside `vmwright analyze`",
    run,
};

/// How often what takes a millisecond is asked.
const ASKED: usize = 300;

fn run(site: &Site) -> Result<()> {
    let capture = captures::capture(site)?.display().to_string();
    let mut server = Server::begin(&site.vmwright(&["mcp"]))?;
    let analyze = json!({ "name": "analyze", "arguments": { "from": [capture] } });
    let all = server.ask("tools/call", analyze.clone())?["structuredContent"]["all"].clone();
    let uri = all.as_str().context("the analysis is kept nowhere")?;
    tell("tools/list", &server.times("tools/list", &json!({}))?);
    tell("cached read", &server.times("resources/read", &json!({ "uri": uri }))?);
    // By turns, so that a machine that is busy is so for both.
    let call = site.vmwright(&["analyze", "--from", &capture, "--format", "json"]);
    let (mut served, mut alone) = (Vec::new(), Figures::default());
    for _ in 0..site.rounds {
        let begun = Instant::now();
        server.ask("tools/call", analyze.clone())?;
        served.push(begun.elapsed().as_secs_f64() * 1e3);
        once(&call, &mut alone)?;
    }
    println!("  {:24} {} ms", "analyze over MCP", spread(&served));
    println!("  {:24} {} ms", "vmwright analyze", spread(&alone.wall));
    let ratio = middle(&served) / middle(&alone.wall).max(0.001);
    println!("  {:24} {ratio:.2} (of {} rounds, min/median/max)", "ratio of the medians", site.rounds);
    Ok(())
}

/// The middle and the 99th percentile.
fn tell(what: &str, times: &[f64]) {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default();
    println!("  {what:24} p50 {:.2} p99 {:.2} ms", at(50), at(99));
}

struct Server {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u64,
}

impl Server {
    fn begin(call: &[String]) -> Result<Self> {
        let (program, words) = call.split_first().context("no program")?;
        let mut command = Command::new(program);
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
    fn times(&mut self, method: &str, params: &Value) -> Result<Vec<f64>> {
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

    fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let message: Value = serde_json::from_str(&self.line()?)?;
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

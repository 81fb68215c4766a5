//! The server for agents: a list of tools, a read of what it keeps, an analysis beside the command's own, and a list of
//! domains beside a Python server's for libvirt.

mod peer;
mod server;

use super::measure::{Figures, middle, once, spread};
use super::{Bench, Site, captures};
use anyhow::{Context as _, Result};
use serde_json::json;
use server::Server;
use std::time::Instant;

pub(super) const BENCH: Bench = Bench {
    name: "mcp",
    summary: "tools/list, a cached read, an analysis beside `vmwright analyze`, domains beside a Python server",
    run,
};

fn run(site: &Site) -> Result<()> {
    let capture = captures::capture(site)?.display().to_string();
    let mut server = Server::begin(&site.vmwright(&["mcp"]), &[])?;
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
    peer::compare(site)
}

/// The middle and the 99th percentile.
fn tell(what: &str, times: &[f64]) {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default();
    println!("  {what:24} p50 {:.2} p99 {:.2} ms", at(50), at(99));
}

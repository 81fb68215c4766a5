//! The domains of one daemon, listed by our server and by another for libvirt.

use super::super::measure::{middle, spread};
use super::super::{Site, libvirt};
use super::server::Server;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;

/// The variable that holds the command line of the other server: one that speaks over its standard input and output and has a
/// tool `list_domains` or `list_vms`. `{uri}` in it stands for the daemon, which `LIBVIRT_DEFAULT_URI` names as well. Tried:
/// `coolnyx/libvirt-mcp-server` and `pythoninthegrass/libvirt-mcp` from GitHub; PyPI has none.
const VARIABLE: &str = "VMWRIGHT_PEER_LIBVIRT_MCP";

/// How many domains the daemon has.
const DOMAINS: usize = 500;

pub(super) fn compare(site: &Site) -> Result<()> {
    let Ok(call) = std::env::var(VARIABLE) else {
        println!("  SKIPPED domains listed beside another server: {VARIABLE} names none");
        return Ok(());
    };
    let place = site.dir.join("mcp-libvirt");
    crate::daemon::with_daemon(&place, DOMAINS, |uri| {
        let mut begin = libvirt::known(site, &place, uri)?;
        begin.push("mcp".to_owned());
        let mut ours = Server::begin(&begin, &[])?;
        let other: Vec<String> = call.split_whitespace().map(|word| word.replace("{uri}", uri)).collect();
        let mut theirs = Server::begin(&other, &[("LIBVIRT_DEFAULT_URI", uri)])?;
        let listed = theirs.ask("tools/list", json!({}))?;
        let names: Vec<&str> = listed["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        let tool = ["list_domains", "list_vms"].into_iter().find(|tool| names.contains(tool));
        let tool = tool.with_context(|| format!("{other:?} has no tool that lists domains: {names:?}"))?;
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..site.rounds {
            a.push(once(&mut ours, "look_up", json!({ "look": "list" }))?);
            b.push(once(&mut theirs, tool, json!({}))?);
        }
        println!("  {:24} {} ms", "look_up (list)", spread(&a));
        println!("  {:24} {} ms", tool, spread(&b));
        let ratio = middle(&a) / middle(&b).max(0.001);
        println!("  {:24} {ratio:.2} ({DOMAINS} domains)", "ratio of the medians");
        Ok(())
    })
}

/// Milliseconds of one list, which has the last domain in it.
fn once(server: &mut Server, tool: &str, arguments: Value) -> Result<f64> {
    let begun = Instant::now();
    let answer = server.ask("tools/call", json!({ "name": tool, "arguments": arguments }))?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    ensure!(answer.to_string().contains(&format!("many{DOMAINS}")), "{tool} does not list all domains");
    Ok(took)
}

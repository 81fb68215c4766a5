//! A journal of 100,000 entries, and one of 1,000,000: search and append at their 99th percentile. Then one of 10,000, beside
//! private-journal's own search among the same entries as its own files.

use super::measure::{middle, spread};
use super::{Bench, Site};
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result};
use std::path::Path;

pub(super) const BENCH: Bench =
    Bench { name: "journal", summary: "search and append among 100,000 and 1,000,000 journal entries", run };

/// The variable that names the folder `dist` of private-journal-mcp, built (`npm install && npx tsc` in a checkout of
/// `obra/private-journal-mcp`; npm has no package of it).
const VARIABLE: &str = "VMWRIGHT_PEER_PRIVATE_JOURNAL";

/// The caller of the peer's search.
const PEER: &str = include_str!("journal/private_journal.cjs");

fn run(site: &Site) -> Result<()> {
    let folder = site.dir.join("journal");
    for entries in ["100000", "1000000"] {
        println!("  {entries} entries");
        for line in speed(&folder, entries, None)?.lines() {
            println!("    {line}");
        }
    }
    let Ok(dist) = std::env::var(VARIABLE) else {
        println!("  SKIPPED beside private-journal: {VARIABLE} names no folder");
        return Ok(());
    };
    let files = site.dir.join("private-journal");
    let text = speed(&folder, "10000", Some(&files))?;
    let ours = text.lines().find(|line| line.starts_with("search ")).context("no search was measured")?;
    let ours: f64 = ours.split_whitespace().nth(2).context("no figure")?.parse()?;
    let script = site.dir.join("private_journal.cjs");
    std::fs::write(&script, PEER).context("cannot write the peer's caller")?;
    let text = Run::new(["node"]).args([&script]).args([&dist]).args([&files]).text()?;
    let theirs = text.lines().map(|line| Ok(line.parse()?)).collect::<Result<Vec<f64>>>()?;
    println!("  10000 entries, p50 of a search {ours:.3} ms");
    println!("  private-journal          {} ms, least/middle/greatest", spread(&theirs));
    println!("  ratio of the middles     {:.5}", ours / middle(&theirs).max(0.001));
    Ok(())
}

/// What the journal's own example measures; with `files` it writes its entries there too, as private-journal's files.
fn speed(folder: &Path, entries: &str, files: Option<&Path>) -> Result<String> {
    let words =
        ["cargo", "run", "--quiet", "--release", "-p", "vmwright-journal", "--example", "journal_speed"];
    Run::new(words).args(["--"]).args([folder]).args([entries]).args(files).dir(workspace::root()).text()
}

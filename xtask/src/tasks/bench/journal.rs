//! A journal of 100,000 entries, and one of 1,000,000: search and append at their 99th percentile. There is no ratio against
//! private-journal-mcp: npm has no package of that name, and an algorithm of ours after its description would not be it.

use super::{Bench, Site};
use crate::run::Run;
use crate::workspace;
use anyhow::Result;

pub(super) const BENCH: Bench =
    Bench { name: "journal", summary: "search and append among 100,000 and 1,000,000 journal entries", run };

fn run(site: &Site) -> Result<()> {
    let folder = site.dir.join("journal");
    for entries in ["100000", "1000000"] {
        let words =
            ["cargo", "run", "--quiet", "--release", "-p", "vmwright-journal", "--example", "journal_speed"];
        let text =
            Run::new(words).args(["--"]).args([&folder]).args([entries]).dir(workspace::root()).text()?;
        println!("  {entries} entries");
        for line in text.lines() {
            println!("    {line}");
        }
    }
    Ok(())
}

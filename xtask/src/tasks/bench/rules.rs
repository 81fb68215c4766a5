//! One capture, rule by rule: how long the reading of its texts, each rule and the ranking take.

use super::{Bench, Site, captures};
use crate::run::Run;
use crate::workspace;
use anyhow::Result;

pub(super) const BENCH: Bench =
    Bench { name: "rules", summary: "one capture of 1 MB, rule by rule: which take longest", run };

fn run(site: &Site) -> Result<()> {
    captures::capture(site)?;
    let words = ["cargo", "run", "--quiet", "--release", "-p", "vmwright-rules", "--example", "rule_speed"];
    let open = site.dir.join("open");
    let text = Run::new(words).args(["--"]).args([&open]).dir(workspace::root()).text()?;
    print!("{text}");
    Ok(())
}

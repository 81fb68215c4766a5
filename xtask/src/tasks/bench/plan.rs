//! Plans: how long they take to be made and shown, and what the executor adds to the actions themselves.

use super::{Bench, Site};
use crate::run::Run;
use crate::workspace;
use anyhow::Result;

pub(super) const BENCH: Bench = Bench {
    name: "plan",
    summary: "1,000 findings planned and shown; 200 steps beside the bare actions",
    run,
};

fn run(_: &Site) -> Result<()> {
    let words = ["cargo", "run", "--quiet", "--release", "-p", "vmwright-apply", "--example", "plan_speed"];
    let text = Run::new(words).dir(workspace::root()).text()?;
    print!("{text}");
    Ok(())
}

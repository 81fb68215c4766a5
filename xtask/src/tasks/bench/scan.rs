//! All rules' messages in a kernel log of 200 MB, in one thread, and with ten times the messages.

use super::measure::{middle, spread};
use super::{Bench, Site};
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result};

pub(super) const BENCH: Bench = Bench {
    name: "scan",
    summary: "all rules' messages in a 200 MB kernel log, and with ten times as many",
    run,
};

fn run(_: &Site) -> Result<()> {
    let words = ["cargo", "run", "--quiet", "--release", "-p", "vmwright-rules", "--example", "scan_speed"];
    let text = Run::new(words).dir(workspace::root()).text()?;
    let of = |name: &str| -> Result<Vec<f64>> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let speed = |line: &str| line.split_whitespace().next().and_then(|speed| speed.parse().ok());
        lines.map(|line| speed(line).context("a speed")).collect()
    };
    let (rules, tenfold) = (of("rules ")?, of("tenfold ")?);
    println!("  {:24} {} MB/s of processor time", "all rules", spread(&rules));
    println!("  {:24} {} MB/s of processor time", "ten times the rules", spread(&tenfold));
    println!("  {:24} {:.2}", "ratio of the medians", middle(&rules) / middle(&tenfold).max(0.001));
    Ok(())
}

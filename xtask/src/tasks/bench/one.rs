//! One capture of 1 MB with all rules, beside merely unpacking it.

use super::{Bench, Site, captures, measure};
use anyhow::Result;

pub(super) const BENCH: Bench =
    Bench { name: "one", summary: "one capture of 1 MB with all rules, beside unpacking it with tar", run };

fn run(site: &Site) -> Result<()> {
    let capture = captures::capture(site)?.display().to_string();
    let ours = site.vmwright(&["analyze", "--from", &capture, "--format", "json"]);
    let theirs = ["tar", "-xzOf", &capture].map(str::to_owned);
    measure::compare(site.rounds, ("vmwright analyze", &ours), ("tar -xzO", &theirs))
}

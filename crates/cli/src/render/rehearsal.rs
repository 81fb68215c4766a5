//! Rehearsals.

use super::plan::short;
use super::shown;
use std::fmt::Write as _;
use vmwright_engine::Rehearsal;
use vmwright_engine::rehearsal::Verdict;

pub(crate) fn text(made: &Rehearsal) -> String {
    let mut out = format!("rehearsal of plan {}: {}\n", short(&made.plan), shown(&made.title));
    // Writing into a String cannot fail.
    let _ = writeln!(out, "lab: {}", shown(&made.lab));
    if let Some(like) = &made.like {
        let _ = writeln!(out, "like: {}", shown(like));
    }
    for line in &made.stood_in {
        let _ = writeln!(out, "  stood in: {}", shown(line));
    }
    for line in &made.not_copied {
        let _ = writeln!(out, "  not copied: {}", shown(line));
    }
    out.push('\n');
    for step in &made.steps {
        let _ = writeln!(out, "  {}. {}: {}", step.step, step.came, shown(&step.what));
        if let Some(why) = &step.why {
            let _ = writeln!(out, "     {}", shown(why));
        }
    }
    out.push('\n');
    for boot in &made.boots {
        let how = match (boot.up, boot.as_before) {
            (true, false) => "came up",
            (true, true) => "came up by the entry from before",
            (false, _) => "DID NOT COME UP",
        };
        let _ = writeln!(out, "  boot {}: {how} ({} s)", boot.when, boot.seconds);
        for line in boot.console.iter().filter(|_| !boot.up) {
            let _ = writeln!(out, "    | {}", shown(line));
        }
    }
    for reach in &made.reached {
        let how = if reach.reached { "reached" } else { "NOT REACHED" };
        let _ = writeln!(out, "  from outside {}: {how}", reach.when);
    }
    let _ = writeln!(out, "\n{}", made.verdict);
    for line in &made.why {
        let _ = writeln!(out, "  {}", shown(line));
    }
    if made.verdict == Verdict::Pass {
        let _ = writeln!(out, "next: vmwright approve {} --key <your SSH key>", short(&made.plan));
    }
    out
}

//! Plans and runs.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::{PlanMade, RunSummary};
use vmwright_model::RunState;

/// Enough of an id to type.
pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

pub(crate) fn made(made: &PlanMade) -> String {
    let id = short(&made.id);
    let mut out = format!("plan {id}: {}\n", shown(&made.plan.title));
    for (at, step) in made.plan.steps.iter().enumerate() {
        let _ = writeln!(out, "  {}. {}", at + 1, shown(&step.why));
    }
    for left in &made.plan.left {
        let label = if left.starts_with("given up ") { "" } else { "left to a person: " };
        let _ = writeln!(out, "  {label}{}", shown(left));
    }
    let _ = writeln!(out, "kept as {}\nnext: vmwright preview {id}", made.path.display());
    out
}

pub(crate) fn preview(made: &PlanMade) -> String {
    format!("{}next: vmwright approve {} --key <your SSH key>\n", made.preview.to_text(), short(&made.id))
}

pub(crate) fn run(run: &RunSummary) -> String {
    let state = match run.state {
        RunState::Applied => "applied: every step is done and verified",
        RunState::Undone => "taken back: everything is as it was before",
        RunState::UndoIncomplete => "undo incomplete: see the steps",
        RunState::Interrupted => "interrupted: see 'vmwright recover'",
    };
    let mut out = format!("run {}\n", run.run);
    for step in &run.steps {
        let _ = writeln!(out, "  {}", shown(step));
    }
    if let Some(why) = &run.why {
        let _ = writeln!(out, "stopped: {}", shown(why));
    }
    let _ = writeln!(out, "{state}");
    if let Some(seconds) = run.confirm_within {
        let _ = writeln!(
            out,
            "it is taken back in {seconds} s unless you confirm that you still reach this host: vmwright confirm {}",
            run.run
        );
    }
    out
}

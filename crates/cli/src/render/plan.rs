//! Plans and runs.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::{PlanMade, RunSummary, UpgradeChecked};
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

pub(crate) fn upgrade(checked: &UpgradeChecked) -> String {
    let mut out = String::new();
    let programs =
        [("QEMU", &checked.qemu, &checked.qemu_to), ("libvirt", &checked.libvirt, &checked.libvirt_to)];
    for (name, from, to) in programs {
        if let Some(to) = to {
            let from = from.as_deref().unwrap_or("(nothing told which)");
            let _ = writeln!(out, "{name} {from} to {to}");
        }
    }
    for vm in checked.vms.iter().map(String::as_str).chain(["every vm"]) {
        let own: Vec<_> = checked.breaks.iter().filter(|one| one.vm == vm).collect();
        if own.is_empty() && vm == "every vm" {
            continue;
        }
        let state = match (own.iter().any(|one| one.breaks), own.is_empty()) {
            (true, _) => "breaks",
            (false, true) => "nothing known breaks",
            (false, false) => "is warned of",
        };
        let _ = writeln!(out, "\n{}: {state}", shown(vm));
        for one in own {
            let _ = writeln!(out, "  {}", shown(&one.what));
            let _ = writeln!(out, "    at {}", shown(&one.place));
            let _ = writeln!(out, "    mend: {}", shown(&one.mend));
        }
    }
    if checked.vms.is_empty() {
        out.push_str("\nthere is no vm here that could be looked at\n");
    }
    for (head, lines) in [("does otherwise", &checked.changes), ("cannot be told", &checked.unknown)] {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n{head}:");
        }
        for line in lines {
            let _ = writeln!(out, "  {}", shown(line));
        }
    }
    if let Some(plan) = &checked.plan {
        let _ = write!(out, "\n{}", made(plan));
    }
    out
}

pub(crate) fn run(run: &RunSummary) -> String {
    let state = match run.state {
        RunState::Applied => "applied: every step is done and verified",
        RunState::Rebooting => "applied up to the restart of this host, which comes now",
        RunState::AwaitingReboot => "applied for the next boot: restart this host when it suits you",
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
    if let (RunState::Rebooting | RunState::AwaitingReboot, Some(seconds)) = (run.state, run.confirm_within) {
        let _ = writeln!(
            out,
            "behind it you have {seconds} s to go on, or it is taken back: vmwright apply --resume {}",
            run.run
        );
        return out;
    }
    if let Some(seconds) = run.confirm_within {
        let _ = writeln!(
            out,
            "it is taken back in {seconds} s unless you confirm that you still reach this host: vmwright confirm {}",
            run.run
        );
    }
    out
}

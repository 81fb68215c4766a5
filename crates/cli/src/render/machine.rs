//! Machines.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::MachineSummary;

pub(crate) fn list(machines: &[MachineSummary], unread: &[String]) -> String {
    let mut out: String = machines.iter().map(line).collect();
    if machines.is_empty() {
        out.push_str("no machines; 'vmwright vm create examples/web.toml' adds one\n");
    }
    for why in unread {
        let _ = writeln!(out, "not listed: {}", shown(why));
    }
    out
}

pub(crate) fn one(machine: &MachineSummary) -> String {
    let mut out = line(machine);
    if let Some(why) = &machine.stays_root {
        let _ = writeln!(out, "  # {}", shown(why));
    }
    for (option, why) in &machine.argv {
        let _ = writeln!(out, "  {:60} # {}", shown(option), shown(why));
    }
    for one in machine.domain.iter().flat_map(|domain| domain.lines()) {
        let _ = writeln!(out, "  {}", shown(one));
    }
    out
}

fn line(machine: &MachineSummary) -> String {
    let pid = machine.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let accelerator = machine.accelerator.as_deref().unwrap_or("-");
    let (name, state) = (shown(&machine.name), shown(&machine.state));
    format!("{name:20} {state:10} pid {pid:8} {accelerator:4} {}\n", shown(&machine.backend))
}

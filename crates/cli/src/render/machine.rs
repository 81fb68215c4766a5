//! Machines.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::MachineSummary;

pub(crate) fn list(machines: &[MachineSummary]) -> String {
    if machines.is_empty() {
        return "no machines; 'vmwright vm create examples/web.toml' adds one\n".to_owned();
    }
    machines.iter().map(line).collect()
}

pub(crate) fn one(machine: &MachineSummary) -> String {
    let mut out = line(machine);
    for (option, why) in &machine.argv {
        let _ = writeln!(out, "  {:60} # {}", shown(option), shown(why));
    }
    out
}

fn line(machine: &MachineSummary) -> String {
    let pid = machine.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let accelerator = machine.accelerator.as_deref().unwrap_or("-");
    format!("{:20} {:10} pid {pid:8} {accelerator}\n", machine.name, machine.state)
}

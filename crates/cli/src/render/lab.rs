//! Labs.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::LabSummary;

pub(crate) fn list(labs: &[LabSummary]) -> String {
    if labs.is_empty() {
        return "no lab is up; 'vmwright lab up' brings one up\n".to_owned();
    }
    let mut out = String::new();
    for lab in labs {
        let pid = lab.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let memory = lab.memory.map_or_else(|| "-".to_owned(), |mib| format!("{mib} MiB"));
        let without = match lab.without.as_slice() {
            [] => String::new(),
            parts => format!(" without {}", parts.join(", ")),
        };
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "{:20} {:10} pid {pid:8} {:4} {} {memory}{without}",
            shown(&lab.name),
            shown(&lab.state),
            lab.accelerator.as_deref().unwrap_or("-"),
            shown(lab.machine.as_deref().unwrap_or("-")),
        );
        for line in &lab.not_copied {
            let _ = writeln!(out, "  not copied: {}", shown(line));
        }
    }
    out
}

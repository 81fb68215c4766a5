//! One file for each task; its name is the task's.

mod accuracy;
mod bench;
mod ci;
mod debian;
mod demo;
mod docs;
mod fuzz;
mod new_rule;
mod repair;
mod test;
mod tidy;

use anyhow::Result;
use std::fmt::Write as _;
use std::process::ExitCode;

/// A task that users can call.
pub(crate) struct Task {
    /// What is typed.
    pub(crate) name: &'static str,
    /// Its arguments, as the help shows them.
    pub(crate) usage: &'static str,
    /// One line.
    pub(crate) summary: &'static str,
    /// Does it, with the arguments after its name.
    pub(crate) run: fn(&[String]) -> Result<ExitCode>,
}

/// All tasks, as the help lists them.
pub(crate) const TASKS: &[Task] = &[
    demo::TASK,
    test::TASK,
    ci::TASK,
    tidy::TASK,
    accuracy::TASK,
    docs::TASK,
    bench::TASK,
    fuzz::TASK,
    repair::TASK,
    debian::TASK,
    new_rule::TASK,
];

/// What `cargo xtask` prints.
pub(crate) fn help() -> String {
    let mut text = "usage: cargo xtask <task>\n\n".to_owned();
    for task in TASKS {
        let call = format!("{} {}", task.name, task.usage);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<38} {}", call.trim_end(), task.summary);
    }
    text
}

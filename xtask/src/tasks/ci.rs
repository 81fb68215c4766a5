//! `cargo xtask ci`: all that a change must pass, each part timed.

use super::{Task, demo, repair, test, tidy};
use crate::program;
use crate::progress::Step;
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::process::ExitCode;

pub(crate) const TASK: Task = Task {
    name: "ci",
    usage: "",
    summary: "format, lints with warnings denied, tidy, the demo, all tests, a choice of the repair bench",
    run,
};

/// A part's name, and what does it.
type Part = (&'static str, fn() -> Result<()>);

/// The parts, in order: what is quick and often wrong comes first.
const PARTS: [Part; 7] = [
    ("fmt", format),
    ("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("tidy", tidy::check),
    ("build", || program::with_tests().map(drop)),
    // Of the build before: one of its own would compile the program once more.
    ("demo", || demo::demo(program::with_tests)),
    ("test", || test::test(test::WHOLE)),
    ("repair", repair::check),
];

fn run(args: &[String]) -> Result<ExitCode> {
    if let Some(arg) = args.first() {
        bail!("unexpected argument `{arg}`");
    }
    let mut table = String::new();
    let mut failed = Vec::new();
    // A part that fails does not hide what the others say.
    for (name, part) in PARTS {
        let step = Step::begin(name);
        let (word, took) = match part() {
            Ok(()) => ("ok", step.done()),
            Err(error) => {
                failed.push(name);
                ("FAILED", step.failed(&error))
            }
        };
        let took = took.as_secs_f64();
        table.push_str(&format!("{name:<8} {word:<8} {took:>7.1} s\n"));
    }
    print!("\n{table}");
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Cargo formats what modules name in the sources; the build names the rules, so those are given by path.
fn format() -> Result<()> {
    cargo(&["fmt", "--all", "--", "--check"])?;
    let mut rules = Vec::new();
    let catalogue = workspace::root().join("crates/rules/src/catalogue");
    for area in fs::read_dir(&catalogue).with_context(|| format!("cannot read {}", catalogue.display()))? {
        let area = area?.path();
        let files = fs::read_dir(&area).with_context(|| format!("cannot read {}", area.display()))?;
        rules.extend(
            files
                .flatten()
                .map(|file| file.path())
                .filter(|file| file.extension().is_some_and(|it| it == "rs")),
        );
    }
    Run::new(["rustfmt", "--check", "--edition", "2024"]).args(rules).dir(workspace::root()).show()
}

fn cargo(args: &[&str]) -> Result<()> {
    Run::new([workspace::cargo()]).args(args).dir(workspace::root()).show()
}

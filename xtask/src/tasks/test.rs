//! `cargo xtask test`: installs what the tests need, builds it, and runs them all.

mod lanes;

use super::Task;
use crate::progress::Step;
use crate::run::Run;
use crate::{daemons, firmware, guest, install, kernel, program, unpacked, workspace};
use anyhow::{Result, bail};
use std::process::ExitCode;

pub(crate) const TASK: Task = Task {
    name: "test",
    usage: "[CARGO TEST ARGUMENTS]",
    summary: "installs what the tests need and runs them all (or those of `-p PACKAGE`)",
    run,
};

/// The scope of all tests.
pub(crate) const WHOLE: &[&str] = &["--workspace"];

fn run(args: &[String]) -> Result<ExitCode> {
    let scope: Vec<&str> =
        if args.is_empty() { WHOLE.to_vec() } else { args.iter().map(String::as_str).collect() };
    test(&scope)?;
    Ok(ExitCode::SUCCESS)
}

/// Prepares and runs the tests of `scope` (arguments of `cargo test`).
///
/// # Errors
/// When something that they need cannot be had, when they do not build, and when one fails.
pub(crate) fn test(scope: &[&str]) -> Result<()> {
    install::ensure(&[install::FOR_VMS, install::FOR_TESTS].concat())?;
    let programs = unpacked::ensure();
    let kernel = kernel::ensure()?;
    eprintln!("    kernel for test guests: {}", kernel.image.display());
    kernel::ensure_with_generation_id();
    kernel::ensure_with_devices();
    firmware::ensure();
    daemons::ensure();
    guest::ensure()?;
    let cargo = workspace::cargo();
    if scope == WHOLE {
        program::with_tests()?;
    } else {
        let step = Step::begin("building");
        // Tests of one crate call the program of another, which cargo would not build for them.
        Run::new([&cargo, "build", "--workspace", "--bins"]).dir(workspace::root()).show()?;
        Run::new([cargo.as_str(), "test", "--no-run"]).args(scope).dir(workspace::root()).show()?;
        step.done();
    }
    let step = Step::begin("testing");
    let prepared = || {
        let mut run = Run::new([cargo.as_str(), "test"]).dir(workspace::root());
        // Whoever names another kernel means it.
        if std::env::var_os("VMWRIGHT_TEST_KERNEL").is_none() {
            run =
                run.env("VMWRIGHT_TEST_KERNEL", &kernel.image).env("VMWRIGHT_TEST_MODULES", &kernel.modules);
        }
        if let Some(programs) = &programs {
            run = run.env(unpacked::VARIABLE, programs);
        }
        run
    };
    let (good, report) = if scope == WHOLE {
        lanes::run(&prepared, &mut |line| println!("{line}"))?
    } else {
        let mut report = Report::default();
        let run = prepared().args(["--no-fail-fast"]).args(scope).args(SHOWN);
        let status = run.lines(|line| {
            if report.shows(line) {
                println!("{line}");
            }
        })?;
        (status.success(), report)
    };
    step.done();
    println!("\n{}", report.closing());
    if !good {
        bail!("tests failed");
    }
    Ok(())
}

/// What a passing test says is hidden by default, and with it the reason of a skip.
const SHOWN: [&str; 2] = ["--", "--show-output"];

/// Reads the output of `cargo test -- --show-output`: leaves out what passing tests said, but for their skips.
#[derive(Default)]
struct Report {
    inside_successes: bool,
    passed: u64,
    failed: u64,
    skipped: Vec<String>,
}

impl Report {
    /// Whether the line is for the user.
    fn shows(&mut self, line: &str) -> bool {
        if line.starts_with("SKIPPED ") && !self.skipped.iter().any(|known| known == line) {
            self.skipped.push(line.to_owned());
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.inside_successes = false;
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
            return true;
        }
        match line {
            "successes:" => self.inside_successes = true,
            "failures:" => self.inside_successes = false,
            _ => {}
        }
        !self.inside_successes
    }

    /// Both as one.
    fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
        self
    }

    fn closing(&self) -> String {
        let mut text: String = self.skipped.iter().map(|line| format!("{line}\n")).collect();
        text.push_str(&format!(
            "all tests: {} passed, {} failed; {} of the passed could not test everything (SKIPPED above)",
            self.passed,
            self.failed,
            self.skipped.len()
        ));
        text
    }
}

/// `12` of `ok. 12 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> u64 {
    let before = text.find(word).map_or("", |at| &text[..at]);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_of_passing_tests_are_shown_and_the_rest_of_their_words_is_not() {
        let output = "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- a stdout ----\nchatter\n\
                      SKIPPED a: no KVM\n\nsuccesses:\n    a\n    b\n\ntest result: ok. 12 passed; 0 failed; 0 ignored\n\
                      successes:\n\n---- c stdout ----\nSKIPPED a: no KVM\n\nfailures:\n\n---- d stdout ----\nwrong\n\
                      test result: FAILED. 1 passed; 3 failed; 0 ignored";
        let mut report = Report::default();
        let shown: Vec<&str> = output.lines().filter(|line| report.shows(line)).collect();
        assert!(!shown.contains(&"chatter") && shown.contains(&"wrong") && shown.contains(&"test a ... ok"));
        assert_eq!(shown.iter().filter(|line| line.starts_with("test result")).count(), 2);
        assert_eq!(
            report.closing(),
            "SKIPPED a: no KVM\nall tests: 13 passed, 3 failed; 1 of the passed could not test everything (SKIPPED above)"
        );
    }
}

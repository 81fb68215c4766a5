//! All tests of the workspace in two lanes beside each other: some tests mostly wait, for a small guest or for a program that
//! never answers, and cargo runs one test program after the other.
//!
//! Which these are says the crate that has them, in its `Cargo.toml`: `[package.metadata.vmwright] waits = ["hang"]`.

use super::{Report, SHOWN};
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread;

/// Arguments of `cargo test` for each lane. The documentation has no tests, as a tidy test sees to: cargo runs those alone.
#[derive(Debug, PartialEq, Eq)]
struct Lanes {
    busy: Vec<String>,
    waiting: Vec<String>,
}

/// Runs all tests; `prepared` is told `cargo test` with what tests are to know. Whether all passed.
///
/// # Errors
/// When cargo does not start, or does not know the workspace.
pub(super) fn run(prepared: &(dyn Fn() -> Run + Sync), show: &mut dyn FnMut(&str)) -> Result<(bool, Report)> {
    let Lanes { busy, waiting } = lanes(&metadata()?)?;
    let (send, told) = mpsc::channel();
    thread::scope(|scope| {
        let lane = |arguments: Vec<String>, is_busy: bool| {
            let send = send.clone();
            scope.spawn(move || {
                let run = prepared().args(arguments).args(SHOWN);
                run.all_lines(|line| drop(send.send((is_busy, line.to_owned()))))
            })
        };
        let lanes = [lane(busy, true), lane(waiting, false)];
        drop(send);
        let mut printed = Printed::default();
        for (is_busy, line) in told {
            printed.take(is_busy, &line, show);
        }
        let ended = lanes.into_iter().map(|lane| lane.join().expect("a lane does not panic"));
        let good = ended.collect::<Result<Vec<_>>>()?.iter().all(ExitStatus::success);
        Ok((good, printed.end(show)))
    })
}

fn metadata() -> Result<serde_json::Value> {
    let text = Run::new([workspace::cargo().as_str(), "metadata", "--no-deps", "--format-version", "1"])
        .dir(workspace::root())
        .text()?;
    serde_json::from_str(&text).context("what `cargo metadata` says is no JSON")
}

/// Who runs in which lane. Cargo chooses tests by name alone, so those of one name share a lane.
fn lanes(metadata: &serde_json::Value) -> Result<Lanes> {
    let (mut all, mut waiting) = (BTreeSet::new(), BTreeSet::new());
    for package in metadata["packages"].as_array().context("`cargo metadata` names no packages")? {
        let targets = package["targets"].as_array().into_iter().flatten();
        let tests: BTreeSet<&str> = targets
            .filter(|target| target["kind"][0] == "test")
            .filter_map(|test| test["name"].as_str())
            .collect();
        for name in package["metadata"]["vmwright"]["waits"].as_array().into_iter().flatten() {
            match name.as_str().filter(|name| tests.contains(name)) {
                Some(name) => waiting.insert(name),
                None => bail!("{} says that {name} waits, and has no such test", package["name"]),
            };
        }
        all.extend(tests);
    }
    ensure!(!waiting.is_empty(), "no crate says that a test waits");
    let words = |words: &[&str], names: &mut dyn Iterator<Item = &&str>| {
        let named = names.flat_map(|name| ["--test", *name]);
        ["--workspace", "--no-fail-fast"]
            .iter()
            .chain(words)
            .copied()
            .chain(named)
            .map(str::to_owned)
            .collect()
    };
    Ok(Lanes {
        busy: words(&["--lib", "--bins"], &mut all.difference(&waiting)),
        waiting: words(&[], &mut waiting.iter()),
    })
}

/// What is shown of two lanes: the busy one as it comes, and of the waiting one whole test programs, between two of the other.
#[derive(Default)]
struct Printed {
    busy: Report,
    waiting: Report,
    /// Of the test program that the waiting lane is in.
    open: Vec<String>,
    /// Of those that have ended.
    ended: Vec<String>,
    busy_ended: bool,
}

impl Printed {
    fn take(&mut self, is_busy: bool, line: &str, show: &mut dyn FnMut(&str)) {
        let is_result = line.starts_with("test result: ");
        if is_busy {
            if self.busy.shows(line) {
                show(line);
            }
            self.busy_ended = is_result || (self.busy_ended && line.trim().is_empty());
        } else {
            if self.waiting.shows(line) {
                self.open.push(line.to_owned());
            }
            if is_result {
                self.ended.append(&mut self.open);
            }
        }
        if self.busy_ended {
            self.ended.drain(..).for_each(|line| show(&line));
        }
    }

    /// The rest, and both counts as one.
    fn end(mut self, show: &mut dyn FnMut(&str)) -> Report {
        self.ended.append(&mut self.open);
        self.ended.iter().for_each(|line| show(line));
        self.busy.and(self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tests_of(name: &str, tests: &[&str], waits: &[&str]) -> serde_json::Value {
        let targets: Vec<_> = tests.iter().map(|test| json!({ "name": test, "kind": ["test"] })).collect();
        json!({ "name": name, "targets": targets, "metadata": { "vmwright": { "waits": waits } } })
    }

    #[test]
    fn each_test_is_in_one_lane() {
        let packages = json!({ "packages": [tests_of("a", &["whole", "lab"], &["lab"]), tests_of("b", &["quick"], &[])] });
        let lanes = lanes(&packages).unwrap();
        assert_eq!(lanes.busy.join(" "), "--workspace --no-fail-fast --lib --bins --test quick --test whole");
        assert_eq!(lanes.waiting.join(" "), "--workspace --no-fail-fast --test lab");
        let unknown = super::lanes(&json!({ "packages": [tests_of("a", &["whole"], &["hole"])] }));
        assert!(unknown.unwrap_err().to_string().contains("\"hole\" waits"));
    }

    #[test]
    fn every_test_of_the_project_is_in_one_lane() {
        let metadata = metadata().unwrap();
        let Lanes { busy, waiting } = lanes(&metadata).unwrap();
        let in_lane = |name: &str, words: &[String]| words.iter().filter(|word| *word == name).count();
        let targets = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| one["targets"].as_array().unwrap());
        let tests: Vec<_> = targets.filter(|one| one["kind"][0] == "test").collect();
        assert!(tests.len() > 50 && !waiting.is_empty());
        for test in tests {
            let name = test["name"].as_str().unwrap();
            assert_eq!(in_lane(name, &busy) + in_lane(name, &waiting), 1, "{name}");
        }
    }

    #[test]
    fn a_waiting_program_is_shown_whole_between_two_others() {
        let mut printed = Printed::default();
        let mut shown = Vec::new();
        let lines = [
            (true, "test a ... ok"),
            (false, "test w ... ok"),
            (false, "test result: ok. 1 passed; 0 failed"),
            (false, "test x ... FAILED"),
            (true, "test b ... ok"),
            (true, "test result: ok. 2 passed; 0 failed"),
            (true, ""),
            (true, "test c ... ok"),
            (false, "test result: FAILED. 0 passed; 1 failed"),
        ];
        for (is_busy, line) in lines {
            printed.take(is_busy, line, &mut |line| shown.push(line.to_owned()));
        }
        let report = printed.end(&mut |line| shown.push(line.to_owned()));
        assert_eq!((report.passed, report.failed), (3, 1));
        let order: Vec<&str> =
            shown.iter().filter_map(|line| line.strip_prefix("test ")?.split_whitespace().next()).collect();
        assert_eq!(order, ["a", "b", "result:", "w", "result:", "c", "x", "result:"]);
    }
}

//! What the documents say of the tree.

use crate::{assert_none, folder_of, metadata, read, root};
use std::path::Path;
use std::process::Command;

/// Documents whose paths and commands are checked.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/lab.md",
    "docs/microvm.md",
    "docs/review.md",
];

/// Most lines of `ARCHITECTURE.md`: it is read whole.
const ARCHITECTURE_LINES: usize = 200;

/// What a path of the tree begins with; other texts in backticks are no paths.
const TOPS: &[&str] = &["crates/", "xtask/", "examples/", "docs/", ".ci/", ".cargo/"];

#[test]
fn the_architecture_is_short_and_names_every_crate() {
    let text = read(Path::new("ARCHITECTURE.md"));
    let lines = text.lines().count();
    assert!(lines <= ARCHITECTURE_LINES, "{lines} lines, the limit is {ARCHITECTURE_LINES}");
    let missing: Vec<String> = metadata(false)
        .workspace_packages()
        .into_iter()
        .map(folder_of)
        .filter(|name| name != "xtask" && !text.contains(&format!("`crates/{name}`")))
        .map(|name| format!("ARCHITECTURE.md does not name `crates/{name}`"))
        .collect();
    assert_none(&missing);
}

#[test]
fn paths_in_documents_exist() {
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        for path in paths(&read(Path::new(document))) {
            if !root().join(&path).exists() {
                wrong.push(format!("{document}: {path} does not exist"));
            }
        }
    }
    assert_none(&wrong);
}

/// Paths of the tree in backticks, up to the first part that stands for many names (`<area>`, `*`).
fn paths(text: &str) -> Vec<String> {
    let quoted =
        text.split('`').skip(1).step_by(2).filter(|quoted| TOPS.iter().any(|top| quoted.starts_with(top)));
    quoted
        .filter_map(|quoted| quoted.split_whitespace().next())
        .map(|path| {
            path.split('/').take_while(|part| !part.contains(['<', '*', '{'])).collect::<Vec<_>>().join("/")
        })
        .collect()
}

#[test]
fn tasks_in_documents_exist() {
    let help =
        Command::new(env!("CARGO_BIN_EXE_xtask")).arg("help").output().expect("xtask is built for this test");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let tasks: Vec<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(tasks.contains(&"test"), "{help}");
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        for task in named_tasks(&read(Path::new(document))) {
            if !tasks.contains(&task.as_str()) {
                wrong.push(format!("{document}: `cargo xtask {task}` is no task"));
            }
        }
    }
    assert_none(&wrong);
}

/// The words after `cargo xtask`.
fn named_tasks(text: &str) -> Vec<String> {
    text.split("cargo xtask ")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn the_two_licences_are_there() {
    for (file, words) in [
        ("LICENSE-MIT", "Permission is hereby granted, free of charge"),
        ("LICENSE-APACHE", "END OF TERMS AND CONDITIONS"),
    ] {
        assert!(read(Path::new(file)).contains(words), "{file} does not hold its licence");
    }
}

#[test]
fn wrong_paths_and_tasks_would_be_seen() {
    assert_eq!(
        paths(
            "see `crates/rules/src/catalogue/<area>/<problem>.rs`, `crates/x y`, `a/b` and `xtask/src/*.rs`"
        ),
        ["crates/rules/src/catalogue", "crates/x", "xtask/src"]
    );
    assert_eq!(
        named_tasks("`cargo xtask test -p x`, cargo xtask new-rule a/b, cargo xtask <task>"),
        ["test", "new-rule"]
    );
}

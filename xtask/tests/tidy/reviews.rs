//! What `docs/review.md` says of gates: each is there, and what showed it is in the tree.

use crate::{assert_none, read, root, rust_files};
use std::path::Path;

/// The table of gates.
const DOCUMENT: &str = "docs/review.md";

/// What a cell begins with that names no test: the reason, or what the test of the cell before shows too.
const NAMELESS: [&str; 2] = ["not seen: ", "in the same test"];

#[test]
fn the_table_of_gates_is_whole_and_names_tests_that_are_there() {
    let text = read(Path::new(DOCUMENT));
    let code = read(Path::new("crates/review/src/gates/mod.rs"));
    let gates: Vec<&str> = code
        .lines()
        .filter_map(|line| line.split_once(" = \"")?.1.split_once("\" from "))
        .map(|(name, _)| name)
        .collect();
    assert!(gates.contains(&"boot"), "no gates are found in the code");
    let rows: Vec<(String, Vec<String>)> = text.lines().filter_map(row).collect();
    let named: Vec<&str> = rows.iter().map(|(gate, _)| gate.as_str()).collect();
    assert_eq!(named, gates, "{DOCUMENT} has the gates in their order");
    let tests: String = rust_files()
        .iter()
        .filter(|path| {
            path.starts_with("crates") && path.components().any(|part| part.as_os_str() == "tests")
        })
        .map(|path| read(path))
        .collect();
    let is_there =
        |name: &str| tests.contains(&format!("#[test]\nfn {name}()")) || root().join(name).is_file();
    let mut wrong = Vec::new();
    for (gate, cells) in &rows {
        if cells.len() != 2 {
            wrong.push(format!("{gate}: {} cells, and it passes and fails", cells.len()));
        }
        for cell in cells {
            let names = shown_by(cell);
            if names.is_empty() && !NAMELESS.iter().any(|begin| cell.starts_with(begin)) {
                wrong.push(format!("{gate}: `{cell}` names no test"));
            }
            wrong.extend(
                names.iter().filter(|name| !is_there(name)).map(|name| format!("{gate}: no test `{name}`")),
            );
        }
    }
    assert_none(&wrong);
}

/// A gate's row: its name, and what stands in the other cells.
fn row(line: &str) -> Option<(String, Vec<String>)> {
    let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
    let gate = cells.next()?.strip_suffix('`')?.to_owned();
    Some((gate, cells.map(str::to_owned).collect()))
}

/// Names of tests in backticks, and files of proofs.
fn shown_by(cell: &str) -> Vec<&str> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter(|quoted| quoted.starts_with("proofs/") || quoted.matches('_').count() > 2).collect()
}

#[test]
fn cells_are_read() {
    let (gate, cells) =
        row("| `boot` | a guest (`a_guest_that_is_well`) | not seen: `x` |").expect("it is a row");
    assert_eq!((gate.as_str(), cells.len()), ("boot", 2));
    assert_eq!(shown_by(&cells[0]), ["a_guest_that_is_well"]);
    assert!(
        shown_by(&cells[1]).is_empty() && row("|---|---|").is_none() && row("| gate | passes |").is_none()
    );
}

//! Finds the rules: every `src/catalogue/<area>/<problem>.rs` is one. Refuses a rule without documentation or
//! without cases, so that no rule can be added half, and one that is too long to be read at a glance.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// Most lines of a rule's file besides its doc comment: what takes more stands beside it, in a folder of its area.
const LONGEST: usize = 150;

/// What the doc comment of a rule must have, in this order.
const SECTIONS: [&str; 6] =
    ["## What it is", "## Why it happens", "## Confirm", "## Refute", "## Fix", "## References"];

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&root);
    println!("cargo::rerun-if-changed=src/catalogue");
    println!("cargo::rerun-if-changed=cases");
    let mut problems = Vec::new();
    let (mut modules, mut entries) = (String::new(), String::new());
    for area in names(&root.join("src/catalogue"), None) {
        let _ = writeln!(modules, "pub mod {area} {{");
        for problem in names(&root.join("src/catalogue").join(&area), Some("rs")) {
            let file = root.join(format!("src/catalogue/{area}/{problem}.rs"));
            let id = format!("{}/{}", area.replace('_', "-"), problem.replace('_', "-"));
            let text = fs::read_to_string(&file).expect("listed just now");
            problems.extend(documentation(&text).into_iter().map(|what| format!("{id}: {what}")));
            let lines = text.lines().filter(|line| !line.starts_with("//!")).count();
            if lines > LONGEST {
                problems
                    .push(format!("{id}: {lines} lines besides its documentation, the limit is {LONGEST}"));
            }
            for case in ["fires", "quiet", "unknown"] {
                let folder = root.join("cases").join(&id);
                if !names(&folder, None).iter().any(|name| name.starts_with(case)) {
                    problems.push(format!("{id}: no case {}/{case}*/", folder.display()));
                }
            }
            let doc: String = text
                .lines()
                .map_while(|line| line.strip_prefix("//!"))
                .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
                .collect();
            let _ = writeln!(modules, "    #[path = {:?}] pub mod {problem};", file.display().to_string());
            let _ = writeln!(
                entries,
                "    Entry {{ id: {id:?}, doc: {doc:?}, rule: &catalogue::{area}::{problem}::RULE }},"
            );
        }
        modules.push_str("}\n");
    }
    assert!(problems.is_empty(), "\nrules that are not complete:\n  {}\n", problems.join("\n  "));
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let code = format!(
        "#[allow(missing_docs, reason = \"a rule's module is documented by its own text\")]\n\
         pub mod catalogue {{\n{modules}}}\n\n\
         /// Every rule, by id.\npub static CATALOGUE: &[Entry] = &[\n{entries}];\n"
    );
    fs::write(Path::new(&out).join("catalogue.rs"), code).expect("OUT_DIR can be written");
}

/// What a rule's doc comment lacks.
fn documentation(text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    if !text.starts_with("//! # ") {
        missing.push("the first line is not `//! # <what is wrong>`".to_owned());
    }
    let mut from = 0;
    for section in SECTIONS {
        match text[from..].find(&format!("//! {section}\n")) {
            Some(at) => from += at,
            None => missing.push(format!("no section `{section}` in its place")),
        }
    }
    missing
}

/// Names in a folder without their extension, sorted: files with the extension, or folders.
fn names(folder: &Path, extension: Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| match extension {
            Some(wanted) => path.extension().is_some_and(|found| found == wanted),
            None => path.is_dir(),
        })
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

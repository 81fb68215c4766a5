//! `cargo xtask new-rule area/problem`: the files of a new rule, which do not build before they are filled in.

use super::Task;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) const TASK: Task = Task {
    name: "new-rule",
    usage: "area/problem",
    summary: "writes a rule and its case folders, which do not build before they are filled in",
    run,
};

fn run(args: &[String]) -> Result<ExitCode> {
    let [id] = args else { bail!("usage: cargo xtask new-rule area/problem") };
    let written = write(&workspace::root(), id)?;
    for path in &written {
        println!("{}", path.display());
    }
    println!(
        "\nnext: write the rule and take its `compile_error!` away; put the files that a user would paste into the \
         three folders\n(more cases are folders such as `fires-old-qemu`); `cargo test -p vmwright-rules` tells what \
         is still missing."
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes the skeleton below `root` and gives the paths, relative to it.
fn write(root: &Path, id: &str) -> Result<Vec<PathBuf>> {
    let (area, problem) =
        id.split_once('/').filter(|(area, problem)| is_name(area) && is_name(problem)).with_context(
            || format!("`{id}` is not of the form area/problem, in lower case letters, digits and dashes"),
        )?;
    let module = problem.replace('-', "_");
    if is_keyword(&module) || is_keyword(area) {
        bail!("`{id}` has a word of the Rust language as a name; it would not build");
    }
    let rule = PathBuf::from(format!("crates/rules/src/catalogue/{}/{module}.rs", area.replace('-', "_")));
    let cases = PathBuf::from(format!("crates/rules/cases/{id}"));
    for path in [&rule, &cases] {
        if root.join(path).exists() {
            bail!("{} exists already", path.display());
        }
    }
    let mut written = Vec::new();
    let mut dirs = vec![rule.parent().expect("it has folders above").to_owned()];
    dirs.extend(["fires", "quiet", "unknown"].map(|verdict| cases.join(verdict)));
    for dir in &dirs {
        fs::create_dir_all(root.join(dir)).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    fs::write(root.join(&rule), RULE).with_context(|| format!("cannot write {}", rule.display()))?;
    written.push(rule);
    written.extend(dirs.into_iter().skip(1));
    Ok(written)
}

fn is_name(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let mut words = text.split('-');
    words.next().is_some_and(word)
        && words.all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn is_keyword(name: &str) -> bool {
    [
        "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
        "false", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub",
        "ref", "return", "self", "static", "struct", "super", "trait", "true", "type", "unsafe", "use",
        "where", "while", "abstract", "become", "box", "do", "final", "macro", "override", "priv", "try",
        "typeof", "unsized", "virtual", "yield",
    ]
    .contains(&name)
}

/// The sections are those that the build asks for, in its order.
const RULE: &str = r#"//! # What is wrong, one line
//!
//! ## What it is
//!
//! Heard as: what people say who have the problem, in their own words.
//!
//! Known by: messages; names and settings that go with it.
//!
//! ## Why it happens
//!
//! ## Confirm
//!
//! ## Refute
//!
//! ## Fix
//!
//! ## References
//!

use crate::prelude::*;

compile_error!("this rule is a skeleton: write its documentation, signs and cases, then take this line away");

pub const RULE: Rule = Rule {
    level: Level::Error,
    signs: &[
        // The message as the program's source prints it, and which program and versions print it.
    ],
    words: &[],
    explains: &[],
    tells: "",
    remedy: "",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::None,
    ..Rule::NEW
};
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_gets_its_file_and_its_three_cases_once() {
        let root = tempfile::tempdir().unwrap();
        let written = write(root.path(), "vfio/group-not-viable").unwrap();
        assert_eq!(written[0], Path::new("crates/rules/src/catalogue/vfio/group_not_viable.rs"));
        for verdict in ["fires", "quiet", "unknown"] {
            assert!(root.path().join("crates/rules/cases/vfio/group-not-viable").join(verdict).is_dir());
        }
        let before = fs::read_to_string(root.path().join(&written[0])).unwrap();
        assert!(before.contains("compile_error!"));
        let error = write(root.path(), "vfio/group-not-viable").unwrap_err().to_string();
        assert!(error.ends_with("exists already"), "{error}");
    }

    #[test]
    fn the_skeleton_has_the_sections_that_the_build_asks_for() {
        let build = fs::read_to_string(workspace::root().join("crates/rules/build.rs")).unwrap();
        let asked: Vec<&str> = build
            .lines()
            .skip_while(|line| !line.contains("SECTIONS"))
            .take_while(|line| !line.contains("];"))
            .chain(
                build.lines().skip_while(|line| !line.contains("SECTIONS")).find(|line| line.contains("];")),
            )
            .flat_map(|line| line.split('"'))
            .filter(|text| text.starts_with("## "))
            .collect();
        let written: Vec<&str> = RULE
            .lines()
            .filter_map(|line| line.strip_prefix("//! "))
            .filter(|line| line.starts_with("## "))
            .collect();
        assert_eq!(written, asked);
    }

    #[test]
    fn a_name_that_cannot_be_a_rule_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for id in [
            "",
            "vfio",
            "vfio/",
            "/x",
            "a/b/c",
            "Vfio/x",
            "vfio/x_y",
            "vfio/-x",
            "vfio/x-",
            "vfio/../x",
            "cpu/match",
            "4k/x",
            "a/ü",
        ] {
            assert!(write(root.path(), id).is_err(), "{id}");
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}

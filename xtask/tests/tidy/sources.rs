//! What stands in the sources.

use crate::edges::PURE;
use crate::lexer::{code, paths, without_tests};
use crate::{assert_none, files, read, root, rust_files};
use std::path::{Path, PathBuf};

/// Most lines of one Rust file.
const LONGEST: usize = 800;

/// Folders besides the pure crates whose code must be as pure as theirs.
const PURE_FOLDERS: &[&str] = &["crates/review/src/gates", "crates/review/src/reports"];

/// Code that asks the machine through traits alone, and may wait for the answer.
const WAITING_FOLDER: &str = "crates/review/src/gates";

/// What it takes to wait.
const WAITING: &[&str] = &["std::thread", "std::time::Instant"];

/// What pure code may not name: the machine, the clock, other threads.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Plain data in modules that are otherwise impure.
const DATA: &[&str] = &[
    "std::net::AddrParseError",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::process::ExitCode",
];

/// Macros that are never left in.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

fn impurities(source: &str) -> Vec<String> {
    let code = without_tests(&code(source));
    let mut found: Vec<String> = paths(&code)
        .into_iter()
        .filter(|path| {
            IMPURE.iter().any(|module| below(path, module)) && !DATA.iter().any(|data| below(path, data))
        })
        .collect();
    for word in ["print!", "println!", "eprint!", "eprintln!"] {
        if mentions(&code, word) {
            found.push(word.to_owned());
        }
    }
    found.dedup();
    found
}

/// Whether the path is the module, or lies in it.
fn below(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether the code has the word, not as the end of a longer one.
fn mentions(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn is_pure(path: &Path) -> bool {
    let is_test = path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
    let in_crate = PURE.iter().any(|name| path.starts_with(format!("crates/{name}/src")));
    !is_test && (in_crate || PURE_FOLDERS.iter().any(|folder| path.starts_with(folder)))
}

#[test]
fn pure_code_opens_no_file_and_asks_no_clock() {
    let pure: Vec<PathBuf> = rust_files().into_iter().filter(|path| is_pure(path)).collect();
    assert!(pure.len() > 20, "{} files are pure", pure.len());
    let mut wrong = Vec::new();
    for path in pure {
        let found = impurities(&read(&path)).into_iter();
        let may_wait = path.starts_with(WAITING_FOLDER);
        let found = found.filter(|what| !(may_wait && WAITING.iter().any(|module| below(what, module))));
        wrong.extend(found.map(|what| format!("{}: {what}", path.display())));
    }
    assert_none(&wrong);
}

#[test]
fn impure_code_would_be_seen() {
    assert_eq!(impurities("use std::{fmt, fs::File};"), ["std::fs::File"]);
    assert_eq!(impurities("fn f() { std::process::Command::new(x); }"), ["std::process::Command::new"]);
    assert_eq!(impurities("use std::time::{Duration, Instant};"), ["std::time::Instant"]);
    assert_eq!(impurities("fn f() { println!(\"x\") }"), ["println!"]);
    let clean = "use std::net::IpAddr; use std::process::ExitCode; /* std::fs */ fn f() { writeln!(x, \"std::env\"); }\n\
                 #[cfg(test)] mod tests { use std::fs; }";
    assert!(impurities(clean).is_empty(), "{:?}", impurities(clean));
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = rust_files()
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| format!("{}: {lines} lines, the limit is {LONGEST}", path.display()))
        .collect();
    assert_none(&long);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let code = code(&read(&path));
        for word in UNFINISHED.iter().filter(|word| mentions(&code, word)) {
            wrong.push(format!("{}: {word}", path.display()));
        }
    }
    assert_none(&wrong);
    assert!(mentions("fn f() { todo!() }", "todo!") && !mentions("my_todo!()", "todo!"));
}

#[test]
fn no_file_names_a_folder_of_the_machine_that_it_was_written_on() {
    let here = root().display().to_string();
    // A checkout right below the file system's root has too short a name to look for.
    let here = (here.matches('/').count() > 1).then_some(here);
    let wrong: Vec<String> = files()
        .into_iter()
        .filter(|path| {
            let text = read(path);
            names_build_folder(&text) || here.as_ref().is_some_and(|here| text.contains(here.as_str()))
        })
        .map(|path| path.display().to_string())
        .collect();
    assert_none(&wrong);
    let folder = ["", "work", "x"].join("/");
    assert!(names_build_folder(&format!("see {folder}")) && !names_build_folder(&format!("target{folder}")));
}

/// Whether the text has an absolute path below the folder `work` at the top.
fn names_build_folder(text: &str) -> bool {
    let folder = ["", "work", ""].join("/");
    text.match_indices(&folder)
        .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/}*".contains(c)))
}

/// Lines of doc comments that begin an example which rustdoc would run.
fn examples(text: &str) -> impl Iterator<Item = usize> {
    let mut open = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let line = line.trim_start();
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
        let language = comment.trim_start().strip_prefix("```")?;
        open = !open;
        let runs = language.is_empty()
            || ["rust", "ignore", "no_run", "should_panic", "compile_fail"]
                .iter()
                .any(|word| language.contains(word));
        (open && runs).then_some(number)
    })
}

#[test]
fn documentation_has_no_tests() {
    // To build what such a test needs takes minutes more: the libraries have other features there.
    let mut wrong = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        wrong.extend(examples(&text).map(|line| {
            format!(
                "{}:{line}: an example that nobody runs; make it a test, or say what it is (```text)",
                path.display()
            )
        }));
    }
    assert_none(&wrong);
    assert_eq!(examples("/// ```text\n/// a\n/// ```\n//! ```\n//! b\n//! ```\n").collect::<Vec<_>>(), [4]);
}

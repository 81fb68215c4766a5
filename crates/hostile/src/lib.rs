//! Hostile input for everything in vmwright that reads what others wrote. Nothing of this is in the product.
//!
//! - [`targets`]: one entry point for each parser, which takes any bytes and checks what must hold of its answer.
//!   `cargo xtask fuzz` drives them with libFuzzer, and an ordinary test with [`damage`].
//! - [`shapes`]: texts that cost a careless parser quadratic time, and [`linear`]: how time grows with them.
//!
//! `corpus/TARGET/` holds what the fuzzer found to be worth keeping; the ordinary test replays it.

#![allow(
    clippy::unwrap_used,
    reason = "a target that cannot be set up, or that finds something, has to fail"
)]

pub mod damage;
pub mod linear;
pub mod shapes;
pub mod targets;

use std::fs;
use std::path::{Path, PathBuf};

/// Where this crate lies.
fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder in which the corpus of a target is kept.
#[must_use]
pub fn corpus(target: &str) -> PathBuf {
    home().join("corpus").join(target)
}

/// Every file beneath a folder of the tree, by its path below it, sorted; none where there is no such folder.
fn files_beneath(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(one) = open.pop() {
        for path in fs::read_dir(&one).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The sample of each view: its kind and a whole text of it.
#[must_use]
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let files = files_beneath(&home().join("../formats/tests/samples"));
    files
        .into_iter()
        .map(|(name, text)| (name.split('.').next().unwrap_or_default().to_owned(), text))
        .collect()
}

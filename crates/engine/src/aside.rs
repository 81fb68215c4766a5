//! Folders of the state directory for what lasts as long as one operation.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Name of the folder that they lie in.
const FOLDER: &str = "twins";

/// What the names of a process's folders begin with.
fn prefix(process: u32) -> String {
    format!("{process}-")
}

/// The folders that a process has left, with what stands behind its number in their names.
pub(crate) fn left_by(state: &Path, process: u32) -> Vec<(String, PathBuf)> {
    let prefix = prefix(process);
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten().flatten();
    let mut all: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.strip_prefix(&prefix)?.to_owned(), entry.path()))
        })
        .collect();
    all.sort();
    all
}

/// A new private directory below the state directory, of this process.
pub(crate) fn private(state: &Path, name: &str) -> Result<PathBuf, String> {
    // Short: the address of a socket has 107 bytes.
    let place = state.join(FOLDER).join(format!("{}{name}", prefix(std::process::id())));
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    // One of that name is from a process that had the same id and died in between.
    let _ = fs::remove_dir_all(&place);
    make(&place).map_err(|error| format!("cannot make `{}`: {error}", place.display()))?;
    Ok(place)
}

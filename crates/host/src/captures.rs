//! Folders of captures: what a fleet's hosts sent, one beside the other.

use crate::bounded::within;
use crate::capture::INDEX;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a look at a folder may take; a dead network file system does not answer at all.
const TIME: Duration = Duration::from_secs(10);

/// Most captures of one folder.
const CAPTURES: usize = 65_536;

/// What lies at the top of a capture or a sos report that somebody unpacked.
const UNPACKED: [&str; 2] = [INDEX, "sos_commands"];

/// The paths, with each folder of captures replaced by its captures, sorted by name. A folder is one if nothing lies
/// in it but tar archives, by their names, and unpacked captures and sos reports. What cannot be looked at stays as
/// it is: whoever reads it then says why it cannot be read.
#[must_use]
pub fn each_capture(paths: &[PathBuf]) -> Vec<PathBuf> {
    let inside = |path: &PathBuf| {
        let own = path.clone();
        within(TIME, move || captures_in(&own)).ok().flatten().unwrap_or_else(|| vec![path.clone()])
    };
    paths.iter().flat_map(inside).collect()
}

fn captures_in(folder: &Path) -> Option<Vec<PathBuf>> {
    let mut captures = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        if captures.len() == CAPTURES || !is_capture(&entry) {
            return None;
        }
        captures.push(entry.path());
    }
    captures.sort();
    (!captures.is_empty()).then_some(captures)
}

fn is_capture(entry: &DirEntry) -> bool {
    let Ok(kind) = entry.file_type() else { return false };
    if kind.is_dir() {
        return UNPACKED.iter().any(|name| entry.path().join(name).symlink_metadata().is_ok());
    }
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let packed = [".gz", ".xz", ".zst"].iter().find_map(|packing| name.strip_suffix(packing));
    kind.is_file()
        && (packed.unwrap_or(&name).ends_with(".tar") || name.ends_with(".tgz") || name.ends_with(".txz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_of_captures_holds_nothing_else() {
        let captures = folder(&["b.tar.xz", "a.tar.gz", "c.tgz", "d/vmwright.json", "e/sos_commands/x"]);
        let names: Vec<_> = each_capture(&[captures.path().to_owned()])
            .into_iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.tar.gz", "b.tar.xz", "c.tgz", "d", "e"]);
        for other in
            [&["a.tar.gz", "notes.txt"][..], &["messages.gz"], &["vmwright.json", "proc/cpuinfo"], &[]]
        {
            let other = folder(other);
            let path = other.path().to_owned();
            assert_eq!(each_capture(std::slice::from_ref(&path)), [path]);
        }
        let missing = PathBuf::from("/no/such/folder");
        assert_eq!(each_capture(std::slice::from_ref(&missing)), [missing]);
    }
}

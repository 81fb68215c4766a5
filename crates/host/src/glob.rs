//! Patterns of paths: `*` stands for any run of characters inside one component.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Most names that are looked at in one directory.
const NAMES: usize = 65_536;

/// What a pattern stands for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expansion {
    /// Paths that exist, sorted.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether a directory on the way may not be read.
    pub(crate) denied: bool,
    /// Whether there are more than were asked for.
    pub(crate) more: bool,
}

/// What stands in folders, each of which is listed once for all patterns of one collection: hundreds of patterns go through
/// the same few.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders(Arc<Mutex<HashMap<PathBuf, Arc<Listing>>>>);

/// What stands in a folder.
#[derive(Debug, Default)]
struct Listing {
    /// Sorted.
    names: Vec<OsString>,
    /// Whether it may not be read.
    denied: bool,
}

impl Folders {
    fn list(&self, folder: &Path) -> Arc<Listing> {
        // Not held while the folder is read, which may never end.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = known().get(folder) {
            return Arc::clone(listing);
        }
        let listing = Arc::new(match std::fs::read_dir(folder) {
            Ok(entries) => {
                let mut names: Vec<OsString> =
                    entries.flatten().take(NAMES).map(|entry| entry.file_name()).collect();
                names.sort();
                Listing { names, denied: false }
            }
            Err(error) => {
                Listing { names: Vec::new(), denied: error.kind() == io::ErrorKind::PermissionDenied }
            }
        });
        known().insert(folder.to_owned(), Arc::clone(&listing));
        listing
    }
}

/// Expands an absolute pattern to at most `most` paths. As in a shell, `*` does not match a leading dot.
pub(crate) fn expand(pattern: &str, most: usize) -> Expansion {
    expand_in(&Folders::default(), pattern, most)
}

/// [`expand`] by what is known of the folders on the way.
pub(crate) fn expand_in(folders: &Folders, pattern: &str, most: usize) -> Expansion {
    let mut found = Expansion { paths: vec![PathBuf::from("/")], ..Expansion::default() };
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let bases = std::mem::take(&mut found.paths);
        for base in bases {
            if !component.contains('*') {
                found.paths.push(base.join(component));
                continue;
            }
            let listing = folders.list(&base);
            found.denied |= listing.denied;
            found.more |= listing.names.len() == NAMES;
            let fits = |name: &&OsString| matches(component.as_bytes(), name.as_bytes());
            let mut names = listing.names.iter().filter(fits);
            let room = most.saturating_sub(found.paths.len());
            found.paths.extend(names.by_ref().take(room).map(|name| base.join(name)));
            found.more |= names.next().is_some();
        }
    }
    found.paths.retain(|path| match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => {
            found.denied |= error.kind() == io::ErrorKind::PermissionDenied;
            false
        }
    });
    found.paths.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    found
}

/// Whether a name fits one component of a pattern; linear in practice, at worst their product.
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.starts_with(b".") && !pattern.starts_with(b".") {
        return false;
    }
    let (mut at, mut from) = (0, 0);
    // Where the last `*` stood, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if pattern.get(at) == Some(&name[from]) {
            at += 1;
            from += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            at = star_at + 1;
            from = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_in_their_component() {
        for (pattern, name, fits) in [
            ("*", "a", true),
            ("*", ".hidden", false),
            (".h*", ".hidden", true),
            ("cpu*", "cpu12", true),
            ("cpu*", "cp", false),
            ("*a*b", "xaxaxb", true),
            ("*a*b", "xaxaxbc", false),
            ("a**", "a", true),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn directories_are_walked_in_order_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/x/value", "a/x/value", "a/y/other", "c"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "1").unwrap();
        }
        let root = folder.path().to_str().unwrap();
        let found = expand(&format!("{root}/*/x/value"), 10);
        assert_eq!(found.paths, [folder.path().join("a/x/value"), folder.path().join("b/x/value")]);
        assert!(!found.denied && !found.more);
        assert_eq!(expand(&format!("{root}/*/nothing"), 10), Expansion::default());
        let folders = Folders::default();
        let twice = [0, 1].map(|_| expand_in(&folders, &format!("{root}/*/x/value"), 10));
        assert_eq!(twice[0], twice[1], "what is known of the folders is what they hold");
        assert_eq!(twice[0].paths.len(), 2);
        std::fs::create_dir_all(folder.path().join("d/x")).unwrap();
        std::fs::write(folder.path().join("d/x/value"), "1").unwrap();
        assert_eq!(expand_in(&folders, &format!("{root}/*/x/value"), 10), twice[0], "each is listed once");
        std::fs::remove_dir_all(folder.path().join("d")).unwrap();
        let cut = expand(&format!("{root}/*"), 2);
        assert_eq!((cut.paths.len(), cut.more), (2, true));
    }
}

//! Patterns of paths: `*` stands for any run of characters inside one component.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

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

/// Expands an absolute pattern to at most `most` paths. As in a shell, `*` does not match a leading dot.
pub(crate) fn expand(pattern: &str, most: usize) -> Expansion {
    let mut found = Expansion { paths: vec![PathBuf::from("/")], ..Expansion::default() };
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let bases = std::mem::take(&mut found.paths);
        for base in bases {
            if !component.contains('*') {
                found.paths.push(base.join(component));
                continue;
            }
            let entries = match std::fs::read_dir(&base) {
                Ok(entries) => entries,
                Err(error) => {
                    found.denied |= error.kind() == io::ErrorKind::PermissionDenied;
                    continue;
                }
            };
            let mut names: Vec<OsString> =
                entries.flatten().take(NAMES).map(|entry| entry.file_name()).collect();
            found.more |= names.len() == NAMES;
            names.retain(|name| matches(component.as_bytes(), name.as_bytes()));
            names.sort();
            let room = most.saturating_sub(found.paths.len());
            found.more |= names.len() > room;
            found.paths.extend(names.into_iter().take(room).map(|name| base.join(name)));
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
        let cut = expand(&format!("{root}/*"), 2);
        assert_eq!((cut.paths.len(), cut.more), (2, true));
    }
}

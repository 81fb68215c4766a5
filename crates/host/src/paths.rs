//! What lies at paths that a user names: for plans that make what is not there.

use crate::bounded::within_each;
use crate::file::{missing, read_head};
use rustix::fs::{FileType, stat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use vmwright_formats::image_header::{self, HEAD, ImageHeader};

/// How long one path may take to answer: it may lie on a server that is gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// What lies at a path. Symbolic links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lies {
    /// Nothing.
    Nothing,
    /// A regular file.
    File {
        /// Its size, in bytes.
        length: u64,
        /// Its format, told by its first bytes: `raw`, `qcow2`, `vmdk`.
        format: String,
        /// What a guest sees of it, in bytes, where those bytes tell.
        virtual_size: Option<u64>,
        /// Path of what it builds upon, and its format, as its header says; the format is empty where it does not.
        base: Option<(String, String)>,
    },
    /// A directory.
    Directory,
    /// A block device.
    Device,
    /// Something else, or it cannot be looked at: what, a fragment.
    Other(String),
}

/// Looks at each path, and at the directories above it.
#[must_use]
pub fn look_at(paths: &[String]) -> BTreeMap<String, Lies> {
    let mut all: Vec<String> = Vec::new();
    for path in paths.iter().filter(|path| path.starts_with('/')) {
        all.extend(Path::new(path).ancestors().filter_map(Path::to_str).map(str::to_owned));
    }
    all.sort();
    all.dedup();
    let late = |why: vmwright_model::Missing| Lies::Other(format!("not to be looked at: {why}"));
    let mut found = BTreeMap::new();
    within_each(
        || Ok(PATIENCE),
        &all,
        |path: &String| one(path),
        |path, answer| {
            found.insert(path.clone(), answer.unwrap_or_else(late));
        },
    );
    found
}

fn one(path: &str) -> Lies {
    let found = match stat(path) {
        Err(Errno::NOENT) => return Lies::Nothing,
        Err(error) => return Lies::Other(format!("not to be looked at: {}", missing(error))),
        Ok(found) => found,
    };
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => Lies::Directory,
        FileType::BlockDevice => Lies::Device,
        FileType::RegularFile => file(path, u64::try_from(found.st_size).unwrap_or(0)),
        _ => Lies::Other("neither a file nor a block device".to_owned()),
    }
}

fn file(path: &str, length: u64) -> Lies {
    let head = match read_head(Path::new(path), HEAD) {
        Ok(head) => head,
        Err(why) => return Lies::Other(format!("a file that cannot be read: {why}")),
    };
    let (format, virtual_size, base) = match image_header::read(&head) {
        // A raw image ends with its last whole sector.
        ImageHeader::Raw(_) => ("raw".to_owned(), Some(length - length % 512), None),
        ImageHeader::Qcow2(header) => {
            let above = Path::new(path).parent().unwrap_or(Path::new("/"));
            // A relative name is one beside the image.
            let named = |name: &str| {
                above.join(name.strip_prefix("file:").unwrap_or(name)).to_string_lossy().into_owned()
            };
            let base = header.backing.as_deref().map(named);
            let base = base.map(|base| (base, header.backing_format.clone().unwrap_or_default()));
            ("qcow2".to_owned(), Some(header.virtual_size), base)
        }
        ImageHeader::Other(format) => (format.to_owned(), None, None),
        ImageHeader::Broken(why) => return Lies::Other(format!("a broken qcow2 image: {why}")),
    };
    Lies::File { length, format, virtual_size, base }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_what_is_above_them_are_looked_at() {
        let dir = tempfile::tempdir().expect("a directory");
        let above = dir.path().to_str().expect("UTF-8").to_owned();
        std::fs::write(dir.path().join("a.raw"), vec![7; 1025]).expect("written");
        let path = |name: &str| format!("{above}/{name}");
        let paths = [path("a.raw"), path("no/b.qcow2"), path("a.raw/c"), "relative".to_owned()];
        let found = look_at(&paths);
        let raw = Lies::File { length: 1025, format: "raw".to_owned(), virtual_size: Some(1024), base: None };
        assert_eq!(found.get(&path("a.raw")), Some(&raw));
        assert_eq!(
            (found.get(&path("no/b.qcow2")), found.get(&path("no"))),
            (Some(&Lies::Nothing), Some(&Lies::Nothing))
        );
        assert_eq!((found.get(&above), found.get("/")), (Some(&Lies::Directory), Some(&Lies::Directory)));
        assert!(matches!(found.get(&path("a.raw/c")), Some(Lies::Other(_))), "{found:?}");
        assert_eq!(found.get("/dev/null").or(found.get("relative")), None);
    }
}

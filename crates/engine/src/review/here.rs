//! What gates read of this host.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use vmwright_model::Missing;
use vmwright_review::{Host, Neighbour, Owner};

/// The largest file of `/proc` or `/sys` that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The most names of a directory.
const NAMES: usize = 65_536;

/// This host, where no VM of it is looked at from within.
pub(super) struct Here;

impl Host for Here {
    fn file(&self, path: &str) -> Result<Vec<u8>, Missing> {
        head(Path::new(path), LIMIT)
    }

    fn link(&self, path: &str) -> Result<String, Missing> {
        fs::read_link(path).map(|to| to.display().to_string()).map_err(|error| missing(&error))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Missing> {
        let entries = fs::read_dir(path).map_err(|error| missing(&error))?;
        let name = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.take(NAMES).filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn owner(&self, path: &str) -> Result<Owner, Missing> {
        let meta = fs::metadata(path).map_err(|error| missing(&error))?;
        Ok(Owner { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() })
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        Vec::new()
    }

    fn controls(&self) -> Vec<String> {
        Vec::new()
    }

    fn core_cookie(&self, thread: u32) -> Result<u64, Missing> {
        vmwright_host::core_cookie(thread).map_err(|error| match error.raw_os_error() {
            // No such thread (ESRCH).
            Some(3) => Missing::Absent,
            _ => missing(&error),
        })
    }
}

/// A file's first bytes.
pub(super) fn head(path: &Path, limit: u64) -> Result<Vec<u8>, Missing> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| missing(&error))
}

fn missing(error: &std::io::Error) -> Missing {
    match error.kind() {
        ErrorKind::NotFound => Missing::Absent,
        ErrorKind::PermissionDenied => Missing::Denied,
        _ => Missing::Failed(error.to_string()),
    }
}

//! Attributes: small files of `/sys` and `/proc` that hold one value, and links whose last component is one.

use crate::file::missing;
use crate::text::escape;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use vmwright_model::Missing;

/// Longest value in bytes. Sysfs gives a page at most; `status` of a host with thousands of CPUs is longer.
const MOST: u64 = 16 * 1024;

/// The value of an attribute, on one line and without blanks around it; none where it cannot be read.
pub(super) fn value(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(escape(bytes.trim_ascii()))
}

/// Last component of what a link points to: a driver, a group, a node.
pub(super) fn link(path: &Path) -> Option<String> {
    let target = std::fs::read_link(path).ok()?;
    Some(escape(target.file_name()?.as_encoded_bytes()))
}

/// The names in a directory, sorted; at most `most`.
pub(super) fn names(folder: &Path, most: usize) -> Result<Vec<String>, Missing> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| missing(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let plain =
        |name: &OsStr| name.to_str().filter(|name| !name.contains(char::is_control)).map(str::to_owned);
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| plain(&entry.file_name())).take(most).collect();
    names.sort();
    Ok(names)
}

//! Entries of a boot loader whose names count tries: `NAME.conf`, `NAME+LEFT.conf`, `NAME+LEFT-DONE.conf` (The Boot
//! Loader Specification, boot counting).

use super::{cannot, immutable, parent, read_only, stat};
use crate::actions::ActionError;
use rustix::fs::{Dir, RenameFlags, fsync, renameat_with};
use std::os::fd::OwnedFd;

/// How often an entry is tried that nobody has confirmed.
const TRIES: u32 = 1;

/// That an entry has its plain name alone.
pub(crate) fn must_be_plain(entry: &str) -> Result<(), ActionError> {
    let (dir, name) = parent(entry)?;
    match &found(&dir, &name, entry)?[..] {
        [only] if *only == name => {
            read_only(&dir, entry)?;
            immutable(&stat(&dir, entry)?, entry)
        }
        other => Err(drift(entry, "its plain name", other)),
    }
}

/// That an entry has a name with tries alone.
pub(crate) fn must_be_counted(entry: &str) -> Result<(), ActionError> {
    let (dir, name) = parent(entry)?;
    match &found(&dir, &name, entry)?[..] {
        [only] if *only != name => Ok(()),
        other => Err(drift(entry, "a name with tries", other)),
    }
}

/// Gives an entry one try.
pub(crate) fn begin(entry: &str) -> Result<(), ActionError> {
    must_be_plain(entry)?;
    let (dir, name) = parent(entry)?;
    let base = name.strip_suffix(".conf").unwrap_or(&name);
    rename(&dir, &name, &format!("{base}+{TRIES}.conf"), entry)
}

/// Gives an entry its plain name back.
pub(crate) fn end(entry: &str) -> Result<(), ActionError> {
    let (dir, name) = parent(entry)?;
    match &found(&dir, &name, entry)?[..] {
        [only] if *only != name => rename(&dir, only, &name, entry),
        other => Err(drift(entry, "a name with tries", other)),
    }
}

fn rename(dir: &OwnedFd, from: &str, to: &str, entry: &str) -> Result<(), ActionError> {
    renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE)
        .and_then(|()| fsync(dir))
        .map_err(|errno| cannot(entry, "rename", errno))
}

/// The names that an entry has, sorted.
fn found(dir: &OwnedFd, name: &str, entry: &str) -> Result<Vec<String>, ActionError> {
    let base = name.strip_suffix(".conf").unwrap_or(name);
    let all = Dir::read_from(dir).map_err(|errno| cannot(entry, "look beside", errno))?;
    let mut names = Vec::new();
    for one in all {
        let one = one.map_err(|errno| cannot(entry, "look beside", errno))?;
        let Ok(one) = one.file_name().to_str() else { continue };
        if one == name || counts(one, base) {
            names.push(one.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a name is that of `base` with tries.
fn counts(name: &str, base: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix(base)
        .and_then(|rest| rest.strip_prefix('+'))
        .and_then(|rest| rest.strip_suffix(".conf"))
        .is_some_and(|tries| match tries.split_once('-') {
            Some((left, done)) => number(left) && number(done),
            None => number(tries),
        })
}

fn drift(entry: &str, expected: &str, found: &[String]) -> ActionError {
    if found.is_empty() {
        return ActionError::Gone(entry.to_owned());
    }
    ActionError::Drift {
        what: format!("the name of {entry}"),
        expected: expected.to_owned(),
        found: found.join(" and "),
    }
}

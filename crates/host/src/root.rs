//! A host to read from, live or as records that somebody kept, and the calls that the rest of vmwright makes.

use crate::bounded::within;
use crate::limits::Limits;
use crate::text::escape;
use crate::{archive, folder, live};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmwright_model::{Need, Snapshot};

/// How long a look at what a path is may take; a dead network file system does not answer at all.
const ROOT_TIME: Duration = Duration::from_secs(10);

/// Where the sources are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The running host.
    Live,
    /// A folder of records that somebody kept: a capture, or loose files under any names.
    Folder(PathBuf),
    /// An archive of records: what `vmwright capture` or `sos report` wrote, or a tar of loose files; packed with
    /// gzip, xz or Zstandard, or not at all.
    Archive(PathBuf),
}

impl Root {
    /// What lies at `path`: a folder or an archive, told by its content.
    ///
    /// # Errors
    ///
    /// [`CollectError`] where there is nothing, or nothing of these.
    pub fn at(path: &Path) -> Result<Self, CollectError> {
        let failed = |source| CollectError::Archive { path: path.to_owned(), source };
        let own = path.to_owned();
        let told = within(ROOT_TIME, move || match std::fs::metadata(&own) {
            Ok(meta) if meta.is_dir() => Ok(Some(Root::Folder(own))),
            Ok(_) => archive::is_archive(&own).map(|is| is.then_some(Root::Archive(own))),
            Err(error) => Err(error),
        });
        match told {
            Ok(Ok(Some(root))) => Ok(root),
            Ok(Ok(None)) => Err(CollectError::NotArchive(path.to_owned())),
            Ok(Err(error)) => Err(failed(error)),
            Err(why) => Err(failed(io::Error::new(io::ErrorKind::TimedOut, why.to_string()))),
        }
    }
}

/// What the question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name of a VM; none for the host alone.
    pub vm: Option<String>,
    /// vmwright's own state directory, which holds `machines/NAME/`.
    pub state: PathBuf,
}

/// Why nothing could be collected. What one source lacks is in its record instead.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The folder of records is not there.
    #[error("folder {} cannot be opened", .path.display())]
    Folder {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What should be a folder of records is none.
    #[error("{} is not a folder", .0.display())]
    NotFolder(PathBuf),
    /// The archive of records cannot be opened.
    #[error("{} cannot be opened", .path.display())]
    Archive {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What should be an archive of records is none.
    #[error("{} is neither a folder nor a tar archive (plain, gzip, xz or Zstandard)", .0.display())]
    NotArchive(PathBuf),
    /// The host over SSH gave no answer.
    #[error("{target} cannot be read: {why}")]
    Ssh {
        /// The host, as it was named.
        target: String,
        /// Why, in the words of `ssh` where it said something.
        why: String,
    },
    /// A name that no VM can have.
    #[error("`{name}` is no name of a VM: {why}")]
    BadName {
        /// The name, with control characters escaped.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no VM of that name.
    #[error("there is no VM `{name}`{}", known_names(.known))]
    UnknownMachine {
        /// The name asked for.
        name: String,
        /// The names that there are, sorted.
        known: Vec<String>,
    },
    /// The directory of machines may not be read.
    #[error("machines in {} cannot be listed", .path.display())]
    Machines {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() {
        "; there are none".to_owned()
    } else {
        format!("; there are: {}", known.join(", "))
    }
}

/// Reads everything that `needs` name, within `limits`. From a folder everything in it is read and `needs` are
/// ignored, since nobody knows under which names the records were kept; of a sos report `needs` say what is picked
/// out. Records are sorted by source; `taken` is empty but for what `vmwright capture` wrote, which comes back as
/// the snapshot of the live host that it was.
///
/// # Errors
///
/// [`CollectError`] where the question itself cannot be answered.
pub fn collect(
    root: &Root,
    needs: &[Need],
    subject: &Subject,
    limits: &Limits,
) -> Result<Snapshot, CollectError> {
    if let Some(name) = &subject.vm {
        check_name(name)?;
    }
    let mut snapshot = match root {
        Root::Live => live::collect(needs, subject, limits)?,
        Root::Folder(path) => folder::collect(path, limits)?,
        Root::Archive(path) => archive::collect(path, needs, limits)?,
    };
    if subject.vm.is_some() {
        snapshot.vm.clone_from(&subject.vm);
    }
    snapshot.records.sort_by(|a, b| a.source.cmp(&b.source));
    snapshot.records.dedup_by(|a, b| a.source == b.source);
    Ok(snapshot)
}

/// Whether a name can be a part of the name of a record, and of that of a file in a capture: letters, digits, `-`, `_` and
/// `.`, 1 to 64 of them, not starting with a dot or dash.
pub(crate) fn is_plain(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && !name.starts_with(['.', '-']) && name.bytes().all(letters)
}

/// Whether the question can be answered on the running host at all: before it is locked, and before anything else
/// is done for it.
///
/// # Errors
///
/// [`CollectError`], as from [`collect`].
pub fn check(subject: &Subject) -> Result<(), CollectError> {
    if let Some(name) = &subject.vm {
        check_name(name)?;
    }
    live::check(subject)
}

/// What [`collect`] would read, one path, pattern, command or probe a line, sorted. Nothing is read for it.
#[must_use]
pub fn work_list(root: &Root, needs: &[Need], subject: &Subject) -> Vec<String> {
    let mut list = match root {
        Root::Live => live::work_list(needs, subject),
        Root::Folder(path) => vec![format!("every file beneath {}", escape_path(path))],
        Root::Archive(path) => vec![format!("every member of {}", escape_path(path))],
    };
    list.sort();
    list.dedup();
    list
}

/// A path as text of one line.
pub(crate) fn escape_path(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// Longest name of a VM, in bytes: libvirt keeps it in a file of that name and `.xml` (`NAME_MAX` of Linux, 255).
const LONGEST: usize = 251;

/// A name as libvirt takes it (`virDomainDefPostParse`: no slash, no line break), which may have blanks in it. It becomes the
/// name of a file and a part of messages: so it has no control characters, and does not start with a dot or dash.
pub(crate) fn check_name(name: &str) -> Result<(), CollectError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST {
        "it is longer than 251 bytes"
    } else if name.starts_with(['.', '-']) {
        "it starts with a dot or dash"
    } else if name.chars().any(|letter| letter == '/' || letter.is_control()) {
        "it has a slash or a control character"
    } else {
        return Ok(());
    };
    let mut shown = escape(name.as_bytes());
    if let Some((end, _)) = shown.char_indices().nth(80) {
        shown.truncate(end);
        shown.push_str("...");
    }
    Err(CollectError::BadName { name: shown, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_escape_are_refused() {
        for good in ["web", "a", "db-1_test.v2", "win 10 (games)", "é", &"x".repeat(251)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "../etc", "a\0", "a\nb", "a\u{85}b", &"x".repeat(252)] {
            assert!(matches!(check_name(bad), Err(CollectError::BadName { .. })), "{bad:?}");
        }
        let long = check_name(&"\n".repeat(10_000)).unwrap_err().to_string();
        assert!(long.len() < 200 && !long.contains('\n'), "{long}");
    }

    #[test]
    fn unknown_machines_name_the_known_ones() {
        let unknown = |known: &[&str]| {
            let known = known.iter().map(|name| (*name).to_owned()).collect();
            CollectError::UnknownMachine { name: "web".to_owned(), known }.to_string()
        };
        assert_eq!(unknown(&["db", "mail"]), "there is no VM `web`; there are: db, mail");
        assert_eq!(unknown(&[]), "there is no VM `web`; there are none");
    }
}

//! What can go wrong with a journal, told apart by what the user can do about it.

use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use vmwright_model::EntryId;

/// Why a journal could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A later vmwright has written it. Nothing was touched.
    #[error(
        "{path} is a journal of a newer vmwright (version {found} of its layout; this one knows up to {known})"
    )]
    Newer {
        /// The file.
        path: String,
        /// Version found in it.
        found: i64,
        /// Version that this program knows.
        known: i64,
    },
    /// Another program's SQLite file. Nothing was touched.
    #[error("{path} is an SQLite file, but not a journal")]
    NotAJournal {
        /// The file.
        path: String,
    },
    /// A directory, FIFO, socket or device.
    #[error("{path} is not a regular file")]
    NotRegular {
        /// The file.
        path: String,
    },
    /// The file is damaged, or no SQLite file at all.
    #[error("{path} is damaged: {what}")]
    Corrupt {
        /// The file.
        path: String,
        /// What was found.
        what: String,
    },
    /// An entry is not as it was written.
    #[error("{path} was altered at entry {}: {why}", at.0)]
    Broken {
        /// The file.
        path: String,
        /// The first entry that is wrong.
        at: EntryId,
        /// How it is wrong.
        why: String,
    },
    /// No space for the entry. What the journal held is intact.
    #[error("no space left to append to {path}; its old content is intact")]
    Full {
        /// The file.
        path: String,
    },
    /// Others held it for longer than the patience.
    #[error("{path} was locked by another process for more than {waited:?}")]
    Locked {
        /// The file.
        path: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The file, or the folder that it lies in, may not be written.
    #[error("{path} may not be written")]
    ReadOnly {
        /// The file.
        path: String,
    },
    /// A writer was interrupted, and taking its half entry back needs the right to write.
    #[error(
        "{path} was left in the middle of an entry; open it once with the right to write, and it repairs itself"
    )]
    Interrupted {
        /// The file.
        path: String,
    },
    /// The file may not be opened, or its folder does not exist.
    #[error("cannot open {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The entry is too large.
    #[error("entry of {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Size of its canonical form.
        bytes: usize,
        /// [`crate::ENTRY_LIMIT`].
        limit: usize,
    },
    /// There is no entry of this number.
    #[error("no entry {}", id.0)]
    NoSuchEntry {
        /// The number.
        id: EntryId,
    },
    /// Everything else that SQLite can say.
    #[error("cannot {doing} {path}")]
    Sqlite {
        /// The file.
        path: String,
        /// A verb.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// Where a journal lies and how long it is waited for: what an error has to say.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) path: PathBuf,
    pub(crate) patience: Duration,
}

impl Site {
    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::Corrupt { path: self.path(), what: what.into() }
    }

    /// Names what SQLite said.
    pub(crate) fn error(&self, doing: &'static str, source: rusqlite::Error) -> Error {
        use rusqlite::Error as Sql;
        let path = self.path();
        match &source {
            Sql::FromSqlConversionFailure(_, _, why) => self.corrupt(why.to_string()),
            Sql::InvalidColumnType(_, name, found) => self.corrupt(format!("{name} is of type {found}")),
            Sql::Utf8Error(..) => self.corrupt("text that is not UTF-8"),
            Sql::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Error::Full { path },
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    Error::Locked { path, waited: self.patience }
                }
                ErrorCode::NotADatabase => self.corrupt("not an SQLite file"),
                ErrorCode::DatabaseCorrupt => self.corrupt("its pages do not fit together"),
                ErrorCode::ReadOnly if failure.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK => {
                    Error::Interrupted { path }
                }
                ErrorCode::ReadOnly => Error::ReadOnly { path },
                _ => Error::Sqlite { path, doing, source },
            },
            _ => Error::Sqlite { path, doing, source },
        }
    }
}

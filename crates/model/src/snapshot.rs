//! What was read, raw: every source with its bytes, or why there are none.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// What a text is, whatever its name. The value is the name of the view in `vmwright-formats` that reads it
/// (`domain_xml`, `qemu_log`, `kernel_log`, ...); each view defines its own constant beside its parser.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(pub Cow<'static, str>);

impl Kind {
    /// A kind by its name; names are those of the view modules.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Kind(Cow::Borrowed(name))
    }

    /// Text that no view claims. Message patterns are still looked for in it.
    pub const TEXT: Kind = Kind::new("text");
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a source has no bytes. Absence is a fact about the host; everything else is a fact about the reading,
/// and no rule may take it for absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The file or tool does not exist on the host.
    Absent,
    /// The reader may not read it; root, or the named privilege, would.
    Denied,
    /// It did not answer within its time limit, in milliseconds.
    TimedOut(u64),
    /// It is larger than its limit; the size in bytes that was seen.
    TooLarge(u64),
    /// A FIFO, socket, device or directory where a regular file is read.
    NotRegular,
    /// The bytes are not text.
    Binary,
    /// A symbolic link leads out of the root.
    Escapes,
    /// The command ended with an error: status and first line of what it said.
    Failed(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Absent => f.write_str("does not exist"),
            Missing::Denied => f.write_str("permission denied"),
            Missing::TimedOut(ms) => write!(f, "no answer within {ms} ms"),
            Missing::TooLarge(bytes) => write!(f, "larger than the limit ({bytes} bytes)"),
            Missing::NotRegular => f.write_str("not a regular file"),
            Missing::Binary => f.write_str("not text"),
            Missing::Escapes => f.write_str("leads out of the root"),
            Missing::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// One source as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name that evidence quotes: an absolute path on the host, a command line as typed, or the path
    /// inside the folder that was given.
    pub source: String,
    /// What the text is.
    pub kind: Kind,
    /// The bytes, or why there are none.
    pub content: Result<Vec<u8>, Missing>,
    /// Size in bytes of the whole source, where `content` is only its end; lines are then counted from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of: Option<u64>,
}

impl Record {
    /// A record with bytes.
    pub fn new(source: impl Into<String>, kind: Kind, bytes: impl Into<Vec<u8>>) -> Self {
        Self { source: source.into(), kind, content: Ok(bytes.into()), end_of: None }
    }

    /// A record without.
    pub fn missing(source: impl Into<String>, kind: Kind, why: Missing) -> Self {
        Self { source: source.into(), kind, content: Err(why), end_of: None }
    }

    /// What of the source was not read, and why, in words; `None` where all of it was.
    #[must_use]
    pub fn unread(&self) -> Option<String> {
        match (&self.content, self.end_of) {
            (Err(why), _) => Some(why.to_string()),
            (Ok(bytes), Some(whole)) => {
                let (end, whole) = (Size(bytes.len() as u64), Size(whole));
                Some(format!("only the last {end} of {whole} were read; lines are counted from there"))
            }
            (Ok(_), None) => None,
        }
    }
}

/// A size in bytes, in the largest unit of which there is at least one.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(bits, _)| self.0 >> bits > 0) {
            Some((bits, unit)) => write!(f, "{:.1} {unit}", self.0 as f64 / (1u64 << bits) as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// Everything that was read for one analysis, in a fixed order: by source name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Identity of the host that was read (see `HostIdentity`); empty where it is not known.
    pub host_id: String,
    /// When it was read, RFC 3339; empty where it is not known.
    pub taken: String,
    /// Whether the records are a host's own, as `vmwright` read it live, now or for a capture (true), or what
    /// somebody kept of a host (false). On a live host the absence of a file is evidence; in a folder of pasted
    /// files it is not.
    pub live: bool,
    /// The VM that the question is about, if it was named.
    pub vm: Option<String>,
    /// The records, sorted by source.
    pub records: Vec<Record>,
}

impl Snapshot {
    /// The record of a source, if it was asked for.
    #[must_use]
    pub fn record(&self, source: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.source == source)
    }
}

//! What the logs of Rust VMMs have in common.

/// How a message is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VmmLevel {
    /// `TRACE` or `DEBUG`.
    Debug,
    /// `INFO`, or no mark.
    Info,
    /// `WARN`.
    Warn,
    /// `ERROR`, or the message with which the process ends.
    Error,
}

impl VmmLevel {
    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "TRACE" | "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" => Self::Warn,
            "ERROR" => Self::Error,
            _ => return None,
        })
    }
}

/// One message of a VMM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmmMessage {
    /// Line in the text.
    pub line: u32,
    /// Time as written; empty where there is none.
    pub time: String,
    /// Thread that speaks; empty where not written.
    pub thread: String,
    /// How it is marked.
    pub level: VmmLevel,
    /// What is said.
    pub text: String,
}

/// How a Rust process says that it ends: its `main` gave an error, or it panicked.
pub(crate) fn last_words(line: u32, text: &str) -> Option<VmmMessage> {
    let text = text.trim();
    let ends = text.starts_with("Error: ")
        || text.starts_with("Error booting VM")
        || text.starts_with("thread '") && text.contains("' panicked at ");
    ends.then(|| VmmMessage {
        line,
        time: String::new(),
        thread: String::new(),
        level: VmmLevel::Error,
        text: text.to_owned(),
    })
}

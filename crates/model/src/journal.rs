//! What is remembered.

use serde::{Deserialize, Serialize};

/// Number of an entry: its place in the chain, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

/// How far an entry can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// Written, not yet proven.
    Pending,
    /// A run or review proves it.
    Verified,
    /// A later entry says it better.
    Superseded,
    /// The host or its versions have changed since.
    Stale,
}

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// One line.
    pub title: String,
    /// What was seen, done and learned; Markdown.
    pub body: String,
    /// The operation that wrote it: `analyze`, `apply`, `review`, or `note` for people and agents.
    pub operation: String,
    /// Host it was learned on.
    pub host_id: String,
    /// Ids of the rules concerned.
    pub rules: Vec<String>,
    /// Run, review or plan ids that it rests on, and paths of reports.
    pub evidence: Vec<String>,
    /// How far it can be trusted.
    pub state: EntryState,
    /// When it was written, RFC 3339, UTC.
    pub written: String,
    /// The project that it belongs to, as the absolute path of its folder; none for what is known in all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

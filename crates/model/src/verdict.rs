//! What a rule says of a snapshot.

use crate::finding::Finding;
use serde::{Deserialize, Serialize};

/// Fired, quiet, unknown or not applicable. Not known is never a pass and never a fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The problem is there, with proof.
    Fired(Finding),
    /// The rule saw what it needs and the problem is not there.
    Quiet,
    /// The rule did not see enough.
    Unknown {
        /// What is missing, a lower-case fragment.
        why: String,
        /// The source that would tell: a path, or a read-only command to run.
        source: String,
    },
    /// The question does not arise here (no such device, another VMM).
    NotApplicable {
        /// Why, a lower-case fragment.
        why: String,
    },
}

//! What a number or a fixed message means.

use serde::{Deserialize, Serialize};

/// One reading of a number, a name or a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// What kind of thing it is: `Windows stop code`.
    pub of: String,
    /// The number as that kind is written; empty where there is none.
    pub code: String,
    /// Its name, or the message.
    pub name: String,
    /// What it means: a fragment.
    pub means: String,
    /// Rules that tell more.
    pub rules: Vec<String>,
    /// Where that is written down.
    pub source: String,
}

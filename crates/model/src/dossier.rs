//! What is handed over to somebody else: the question, the evidence, what was tried, and what is asked of whom.

use crate::analysis::HostIdentity;
use crate::finding::Evidence;
use crate::investigation::{Outlook, Standing};
use crate::mode::Agent;
use serde::{Deserialize, Serialize};

/// Version of [`Dossier`] as JSON.
pub const DOSSIER_SCHEMA: &str = "vmwright.dossier/1";

/// One hand-over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    /// [`DOSSIER_SCHEMA`].
    pub schema: String,
    /// Who takes it over.
    pub agent: Agent,
    /// Why it goes there, a sentence.
    pub reason: String,
    /// The question, in the user's words.
    pub question: String,
    /// What is asked of whoever takes it over.
    pub asked: String,
    /// The host that it is about.
    pub host: HostIdentity,
    /// The VM that it is about.
    pub vm: Option<String>,
    /// Number of the investigation.
    pub investigation: i64,
    /// How far that is.
    pub state: Outlook,
    /// What it came to, a sentence.
    pub conclusion: String,
    /// The hypotheses, the likeliest first, with their evidence.
    pub findings: Vec<DossierFinding>,
    /// What was read and done so far, in order.
    pub tried: Vec<String>,
    /// What could not be read, with the reason.
    pub unread: Vec<(String, String)>,
    /// What would tell more, the most telling first.
    pub open: Vec<String>,
    /// When it was written, RFC 3339, UTC.
    pub written: String,
}

/// A hypothesis in a hand-over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DossierFinding {
    /// The rule; none where no rule tests it.
    pub rule: Option<String>,
    /// What would be wrong.
    pub statement: String,
    /// How it stands.
    pub standing: Standing,
    /// Why it stands so.
    pub why: String,
    /// 0 to 1, from the evidence alone.
    pub confidence: f64,
    /// How likely it is against the others, 0 to 1.
    pub share: f64,
    /// Quotes for it.
    pub evidence: Vec<Evidence>,
    /// What would refute it.
    pub refute: String,
}

//! What ANALYSIS gives back. Versioned: `schema` grows when a field changes its meaning or goes away.

use crate::finding::{Evidence, Fix, Level};
use crate::grounds::Grounds;
use crate::journal::EntryState;
use crate::mode::{Agent, Mode};
use crate::topology::Topology;
use serde::{Deserialize, Serialize};

/// Version of [`Analysis`] as JSON.
pub const ANALYSIS_SCHEMA: &str = "vmwright.analysis/1";

/// Which host was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostIdentity {
    /// Derived from the machine id and nothing else, hexadecimal; empty where the records do not tell.
    pub id: String,
    /// Host name as the records give it. Untrusted.
    pub name: String,
    /// Kernel release; empty where not read. Untrusted.
    pub kernel: String,
    /// Whether the running host itself was read.
    pub live: bool,
}

/// One cause, as people and agents see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Id of the rule, `area/problem`.
    pub rule: String,
    /// What it is about.
    pub subject: String,
    /// How bad it is.
    pub level: Level,
    /// 0 to 1, computed from the evidence.
    pub confidence: f64,
    /// What is wrong, one line.
    pub title: String,
    /// The quotes that prove it, best first.
    pub evidence: Vec<Evidence>,
    /// Rules whose findings are consequences of this one.
    pub explains: Vec<String>,
    /// The cause that this one is a consequence of, if another in the list explains it.
    pub explained_by: Option<String>,
    /// What would settle it.
    pub fix: Fix,
    /// Who takes it over.
    pub escalation: Option<Agent>,
    /// Why it is believed.
    #[serde(default)]
    pub grounds: Grounds,
}

/// A rule that could not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Id of the rule.
    pub rule: String,
    /// What is missing.
    pub why: String,
    /// The source that would tell.
    pub source: String,
}

/// A source that would decide what is still open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// A path, or a read-only command to run.
    pub source: String,
    /// How much it would decide, against the others in the list; `vmwright_rules::next` says how it is computed.
    pub weight: u32,
    /// The rules that could tell then.
    pub rules: Vec<String>,
}

/// What was looked at before a move and stands in no way of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledOut {
    /// The rule.
    pub rule: String,
    /// Why the question does not arise for this VM; empty where both hosts were compared.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// A finding that the configuration accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// What was found.
    pub cause: Cause,
    /// Why it is left as it is.
    pub reason: String,
    /// The last day on which that counts, `2027-01-31`.
    pub expires: String,
}

/// What the journal already knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalled {
    /// Id of the entry.
    pub entry: String,
    /// Its title.
    pub title: String,
    /// How far it can be trusted; stale where this host has another kernel since.
    #[serde(default = "pending")]
    pub state: EntryState,
}

fn pending() -> EntryState {
    EntryState::Pending
}

/// How the process was locked before it read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// What is in force, one fragment each.
    pub enforced: Vec<String>,
    /// What the kernel could not do, and why.
    pub lacking: Vec<String>,
}

/// The result of `vmwright analyze`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// [`ANALYSIS_SCHEMA`].
    pub schema: String,
    /// Always [`Mode::Analysis`].
    pub mode: Mode,
    /// The question: the user's complaint, or what was asked of the host.
    pub challenge: String,
    /// The host that was read.
    pub host: HostIdentity,
    /// The host that a VM is to move to, if the question was whether it can. Its sources begin with `dst:`.
    pub target: Option<HostIdentity>,
    /// Causes, best first; consequences follow their causes.
    pub causes: Vec<Cause>,
    /// How the host is built, and what VMs are given of it.
    #[serde(default)]
    pub topology: Topology,
    /// Findings that the configuration accepts; they do not count for the exit status.
    pub accepted: Vec<Accepted>,
    /// Rules that could not tell, by id.
    pub unknown: Vec<Unknown>,
    /// What was looked at and stands in no way, if the question was a move; by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ruled_out: Vec<RuledOut>,
    /// What to read next where evidence is short, best first.
    pub next: Vec<Next>,
    /// Sources that could not be read, with the reason.
    pub unread: Vec<(String, String)>,
    /// What the journal already knew.
    pub journal: Vec<Recalled>,
    /// How the process was locked.
    pub sandbox: Sandbox,
}

//! A fired verdict: what is wrong with what, the proof, and what would settle it.

use crate::mode::Agent;
use crate::plan::Action;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; nothing fails.
    Note,
    /// Works, but slowly, unsafely or not for long.
    Warn,
    /// Something does not work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Note => "note",
            Level::Warn => "warning",
            Level::Error => "error",
        })
    }
}

/// The class of thing a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectKind {
    /// The host itself.
    Host,
    /// One VM.
    Vm,
    /// A PCI address, `0000:01:00.0`.
    Pci,
    /// A path on the host.
    Path,
    /// A network interface or bridge.
    Interface,
    /// Something else that has a name (a pool, a network, a process).
    Other,
}

/// What a finding or a step is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its class.
    pub kind: SubjectKind,
    /// Its name; empty for the host.
    pub name: String,
}

impl Subject {
    /// The host itself.
    #[must_use]
    pub fn host() -> Self {
        Self { kind: SubjectKind::Host, name: String::new() }
    }

    /// A subject of any class.
    pub fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SubjectKind::Host => return f.write_str("host"),
            SubjectKind::Vm => "vm",
            SubjectKind::Pci => "pci",
            SubjectKind::Path => "path",
            SubjectKind::Interface => "interface",
            SubjectKind::Other => return f.write_str(&self.name),
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// A quote, byte for byte, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// Name of the record.
    pub source: String,
    /// Line in it, counted from 1. Lines end at `\n`, `\r\n` or a lone `\r`.
    pub line: u32,
    /// The line, or the part of it that proves. Untrusted: a guest or a stranger may have written it.
    pub quote: String,
}

/// How much one piece of evidence says. `vmwright_rules::confidence` documents what each is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Compatible with this cause and with many others.
    Hint,
    /// Usual for this cause, but known from others too.
    Support,
    /// Seldom seen without this cause.
    Strong,
    /// Names this cause and no other.
    Proof,
}

/// One piece of evidence for or against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// The quote; none where the user's complaint alone says it.
    pub evidence: Option<Evidence>,
    /// How much it says.
    pub strength: Strength,
    /// Whether it speaks against the cause.
    pub against: bool,
    /// What it shows, a lower-case fragment.
    pub shows: String,
}

/// May the fix be carried out, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applicability {
    /// Disturbs nothing and loses nothing; still needs an approved plan.
    Safe,
    /// Changes what somebody relies on: the approver must weigh it.
    NeedsApproval,
    /// A person has to do it: firmware set-up, a purchase, a change on another host.
    ManualOnly,
}

/// What carrying it out disturbs. Ordered: an approval names the highest that it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disruption {
    /// Nothing running notices.
    None,
    /// A guest stands still for a moment.
    GuestPause,
    /// A guest is stopped or restarted.
    GuestRestart,
    /// A host service restarts.
    ServiceRestart,
    /// The host reboots.
    HostReboot,
}

impl fmt::Display for Disruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disruption::None => "none",
            Disruption::GuestPause => "guest-pause",
            Disruption::GuestRestart => "guest-restart",
            Disruption::ServiceRestart => "service-restart",
            Disruption::HostReboot => "host-reboot",
        })
    }
}

/// What would settle a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// One sentence for a person.
    pub summary: String,
    /// Typed actions, in order; empty where only a person can act.
    pub actions: Vec<Action>,
    /// May they be carried out.
    pub applicability: Applicability,
    /// What they disturb.
    pub disruption: Disruption,
}

/// A fired verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Id of the rule, `area/problem`.
    pub rule: String,
    /// What it is about.
    pub subject: Subject,
    /// How bad it is.
    pub level: Level,
    /// What is wrong, one line, with the facts of this case.
    pub title: String,
    /// Evidence for and against, best first.
    pub support: Vec<Support>,
    /// Computed from `support`, 0 to 1; no caller sets it.
    pub confidence: f64,
    /// What would settle it.
    pub fix: Fix,
    /// Who takes it over, where it lies outside vmwright's authority.
    pub escalation: Option<Agent>,
    /// Controls of compliance frameworks that it touches, such as `cis:1.5.3`.
    pub controls: Vec<String>,
}

//! The three modes, and the agents that work is handed to.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the program may do at the moment. Each mode is its own process state: ANALYSIS locks itself read-only
/// in the kernel before it reads, and cannot become IMPLEMENTATION afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Reads, judges, ranks, plans; changes neither host nor VM.
    Analysis,
    /// Carries out exactly one approved plan.
    Implementation,
    /// Boots, exercises and measures VMs in scope.
    Review,
}

impl Mode {
    /// The line each mode opens with: `ENTERING ANALYSIS MODE: <what>`.
    #[must_use]
    pub fn banner(self, what: &str) -> String {
        format!("ENTERING {self} MODE: {what}")
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Analysis => "ANALYSIS",
            Mode::Implementation => "IMPLEMENTATION",
            Mode::Review => "REVIEW",
        })
    }
}

/// Who takes over what lies outside vmwright's authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agent {
    /// Zero-trust architecture and compliance-critical settings.
    SecurityEngineer,
    /// Decisions that span several hosts.
    SystemsArchitect,
    /// Host tuning beyond one VM.
    PerformanceEngineer,
    /// Faults inside the kernel, KVM or firmware.
    DebugSpecialist,
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Agent::SecurityEngineer => "security-engineer",
            Agent::SystemsArchitect => "systems-architect",
            Agent::PerformanceEngineer => "performance-engineer",
            Agent::DebugSpecialist => "debug-specialist",
        })
    }
}

//! What a run tells: while it goes, and at its end.

use serde::{Deserialize, Serialize};
use vmwright_model::{RunState, StepState};

/// Version of [`RunReport`] as JSON.
pub const RUN_SCHEMA: &str = "vmwright.run/1";

/// What happens in a run. Steps are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Everything stands as the plan expects; the first step comes next.
    Checked {
        /// How many steps there are.
        steps: usize,
    },
    /// A step begins.
    Doing {
        /// The step.
        step: usize,
        /// What it does.
        what: String,
    },
    /// A step is done, verified, and its findings are settled.
    Done {
        /// The step.
        step: usize,
    },
    /// The run stops.
    Stopped {
        /// The step.
        step: usize,
        /// Why.
        why: String,
    },
    /// What became of a step's subject meanwhile: the step stands as it is done, or taken back.
    Remark {
        /// The step.
        step: usize,
        /// What is so.
        what: String,
    },
    /// A step is being taken back.
    Undoing {
        /// The step.
        step: usize,
        /// What is done for it.
        what: String,
    },
    /// A step was taken back, or turned out to be as before.
    Undone {
        /// The step.
        step: usize,
    },
    /// A step could not be taken back.
    NotUndone {
        /// The step.
        step: usize,
        /// Why.
        why: String,
    },
}

/// What ended a run early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopKind {
    /// Reality was not as the step expects.
    Drift,
    /// The step could not be done, or its own post-condition does not hold.
    Failed,
    /// It was done, but a rule that it should settle still fires.
    NotSettled,
    /// The user asked to stop.
    Interrupted,
    /// The log could not be written, so nothing more was done.
    Log,
}

/// Where and why a run stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The step, from 1.
    pub step: usize,
    /// What kind of reason.
    pub kind: StopKind,
    /// The reason, one line.
    pub why: String,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Counted from 1.
    pub step: usize,
    /// What it does, or for an undo what is done to take it back.
    pub what: String,
    /// Where it stands now.
    pub state: StepState,
    /// What became of its subject meanwhile, where that is more than the step itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// Something that is not as before, and stays so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUndone {
    /// The step, from 1.
    pub step: usize,
    /// What would take it back.
    pub what: String,
    /// Why that was not done.
    pub why: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// Id of the run.
    pub run: String,
    /// Id of the plan.
    pub plan: String,
    /// How it ended.
    pub state: RunState,
    /// The steps, in the plan's order; for an undo those that were begun.
    pub steps: Vec<StepReport>,
    /// Seconds in which somebody has to confirm it, or it is taken back; none where it needs no confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within: Option<u64>,
    /// Why it stopped before its end, if it did.
    pub stopped: Option<Stop>,
    /// What could not be taken back.
    pub not_undone: Vec<NotUndone>,
    /// Path of the log.
    pub log: String,
    /// Why the log lacks its last lines, where it does.
    pub log_incomplete: Option<String>,
    /// What was cut off at the end of the log by an earlier crash.
    pub torn: Option<String>,
    /// `Assisted-By: vmwright (<version> / <short hash>)`.
    pub assisted_by: String,
}

//! One execution of a plan, as its write-ahead log tells it.

use crate::plan::Action;
use serde::{Deserialize, Serialize};

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Not begun.
    Planned,
    /// Done and verified.
    Applied,
    /// Done, then taken back.
    Undone,
    /// Begun, and no record of its end: reality has to be looked at.
    OutcomeUnknown,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Every step applied and verified.
    Applied,
    /// Stopped, and everything done was undone.
    Undone,
    /// Stopped, and something done could not be undone.
    UndoIncomplete,
    /// Every step but the restart of the host is applied; the run goes on behind it.
    Rebooting,
    /// Every step is applied; the run waits for a restart of the host that somebody else does, and goes on behind it.
    AwaitingReboot,
    /// The log ends in the middle.
    Interrupted,
}

/// One line of the write-ahead log, on disk before what it announces happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum RunEvent {
    /// The run begins.
    Began {
        /// Id of the plan.
        plan: String,
        /// Host that it runs on.
        host_id: String,
        /// Who approved the plan, as the allowed signers name them. The approval covers the undo too.
        approved_by: String,
        /// When, RFC 3339, UTC.
        at: String,
        /// `Assisted-By: vmwright (<version> / <short hash>)`.
        assisted_by: String,
    },
    /// The run could lock its user out: it is taken back unless somebody confirms it in time. The last of these counts.
    Guarded {
        /// Id of the boot, as the kernel tells it.
        boot: String,
        /// When the time is over, in seconds since that boot. A clock that is set back changes nothing.
        until: u64,
    },
    /// The host is about to be restarted, or will be by somebody. Behind it the run goes on, or is taken back.
    Rebooting {
        /// Id of the boot that is left.
        boot: String,
        /// How many seconds after the next boot somebody has to have gone on with it.
        within: u64,
        /// The run restarts nothing itself: it waits until somebody else does.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        awaited: bool,
    },
    /// Somebody confirmed that they still reach the host; the run stays.
    Confirmed {
        /// When, RFC 3339, UTC.
        at: String,
    },
    /// The step is about to be done; `undo` takes it back.
    Intent {
        /// Index of the step, from 0.
        step: usize,
        /// The action that takes it back, made from the state found.
        undo: Action,
    },
    /// The step was done and its post-condition holds.
    Done {
        /// Index of the step.
        step: usize,
    },
    /// The run stopped at a step.
    Stopped {
        /// Index of the step.
        step: usize,
        /// Why.
        why: String,
    },
    /// Somebody asked for the run to be undone.
    UndoBegan {
        /// When, RFC 3339, UTC.
        at: String,
        /// Why it may: the approval of the run that is undone.
        allowed_by: String,
        /// `Assisted-By: vmwright (<version> / <short hash>)`.
        assisted_by: String,
    },
    /// The step is about to be undone.
    UndoIntent {
        /// Index of the step.
        step: usize,
    },
    /// The step was undone and the state found before is back.
    UndoDone {
        /// Index of the step.
        step: usize,
    },
    /// The step could not be undone.
    UndoFailed {
        /// Index of the step.
        step: usize,
        /// Why.
        why: String,
    },
    /// The run ended.
    Ended {
        /// How.
        state: RunState,
    },
}

//! Taking a run back later, from its log.

use crate::log::{EVENT, LogError, Wal};
use crate::recover::{beginning, begun};
use crate::report::{NotUndone, RUN_SCHEMA, RunReport, StepReport};
use crate::run::{Context, Point, take_back};
use crate::trust::{self, Untrusted};
use crate::{actions, after_boot, assisted_by, log, net};
use thiserror::Error;
use vmwright_model::{Action, RunEvent, RunState, StepState};
use vmwright_plan::describe::words;

/// Why a run was not taken back. Nothing was changed.
#[derive(Debug, Error)]
pub enum UndoError {
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// vmwright's own directory cannot be relied on.
    #[error("the state directory cannot be relied on")]
    State(#[from] Untrusted),
    /// It was on another host.
    #[error("run {run} was on host `{}`, and this is `{}`", host.escape_debug(), this.escape_debug())]
    OtherHost {
        /// The run.
        run: String,
        /// Its host.
        host: String,
        /// This host.
        this: String,
    },
    /// Everything that it did is taken back already, or it did nothing.
    #[error("run {0} has left nothing that could be undone")]
    Nothing(String),
    /// It was confirmed, or there is time left.
    #[error("run {0} is not to be taken back now")]
    NotDue(String),
    /// The beginning could not be made durable.
    #[error("{0}")]
    Begin(String),
    /// A test let the undo die here.
    #[error("the undo of run {run} was left at {point:?}, as a test asked")]
    Injected {
        /// The run.
        run: String,
        /// Where.
        point: Point,
    },
}

/// Takes back what a run did, the last step first, each only if its state is still as the run left it. The
/// approval of the run covers its undo, so none is asked for; that is recorded in the run's own log, as is
/// everything that is done.
///
/// # Errors
/// [`UndoError`] where nothing was changed. What could not be taken back is in the report.
pub fn undo_run(run: &str, context: &mut Context<'_>) -> Result<RunReport, UndoError> {
    take_back_run(run, None, context)
}

/// As [`undo_run`], for whoever waits for a run's confirmation: only where the time is over and nobody has confirmed it.
///
/// # Errors
/// [`UndoError`]; [`UndoError::NotDue`] where it may stay, or may stay a while longer.
pub fn revert_run(run: &str, context: &mut Context<'_>) -> Result<RunReport, UndoError> {
    take_back_run(run, Some("nobody confirmed the run in time"), context)
}

fn take_back_run(
    run: &str,
    overdue: Option<&str>,
    context: &mut Context<'_>,
) -> Result<RunReport, UndoError> {
    trust::check(context.state)?;
    let _lock = log::lock(context.state)?;
    let log = log::read(context.state, run)?.ok_or_else(|| UndoError::Nothing(run.to_owned()))?;
    trust::check(&log.path)?;
    let Some(began) = beginning(&log) else {
        return Err(UndoError::Nothing(run.to_owned()));
    };
    if began.host_id != context.host_id {
        return Err(UndoError::OtherHost {
            run: run.to_owned(),
            host: began.host_id.to_owned(),
            this: context.host_id.to_owned(),
        });
    }
    let awaiting = net::of_log(run, &log);
    if overdue.is_some() && awaiting.as_ref().is_none_or(|awaiting| awaiting.left.is_some()) {
        return Err(UndoError::NotDue(run.to_owned()));
    }
    // A restart that somebody else does was never approved.
    let restarts = overdue.is_some()
        && awaiting.is_some_and(|awaiting| awaiting.restarted == Some(true) && !awaiting.awaited);
    let all = begun(&log);
    let open: Vec<(usize, Action)> = all
        .iter()
        .filter(|begun| begun.state != StepState::Undone)
        .map(|begun| (begun.step, begun.undo.clone()))
        .collect();
    if open.is_empty() && log.ended() {
        return Err(UndoError::Nothing(run.to_owned()));
    }
    let mut wal = Wal::resume(&log)?;
    wal.reserve((open.len() as u64 + 2) * 2 * EVENT)?;
    let event = RunEvent::UndoBegan {
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        allowed_by: match overdue {
            Some(why) => format!("{why}; the run's own approval by {}", began.approved_by),
            None => format!("the run's own approval by {}", began.approved_by),
        },
        assisted_by: assisted_by(began.plan),
    };
    wal.append(&event).map_err(UndoError::Begin)?;
    let mut not_undone = take_back(&open, &mut wal, context)
        .map_err(|point| UndoError::Injected { run: run.to_owned(), point })?;
    if all.iter().any(|begun| matches!(begun.undo, Action::Reboot { .. } | Action::AwaitReboot { .. }))
        && let Err(error) = after_boot::remove(&context.world(), run)
    {
        let step = all.last().map_or(1, |begun| begun.step + 1);
        let what = format!("take {} away", after_boot::unit(run));
        not_undone.push(NotUndone { step, what, why: error.chain() });
    }
    let state = if not_undone.is_empty() { RunState::Undone } else { RunState::UndoIncomplete };
    // A log that is full was reported by the report's own field.
    let _ = wal.append(&RunEvent::Ended { state });
    let steps = all.iter().map(|begun| StepReport {
        step: begun.step + 1,
        what: words(&begun.undo).does,
        state: if not_undone.iter().any(|left| left.step == begun.step + 1) {
            StepState::OutcomeUnknown
        } else {
            StepState::Undone
        },
        remark: actions::of(&begun.undo).remark(&context.world()),
    });
    let mut report = RunReport {
        schema: RUN_SCHEMA.to_owned(),
        run: run.to_owned(),
        plan: began.plan.to_owned(),
        state,
        steps: steps.collect(),
        confirm_within: None,
        stopped: None,
        log: wal.path(),
        log_incomplete: wal.incomplete(),
        torn: log.torn.clone(),
        assisted_by: assisted_by(began.plan),
        not_undone,
    };
    wal.finish();
    // Nobody reaches a host that came up otherwise than before; the restart that was approved brings it back.
    if restarts
        && state == RunState::Undone
        && let Err(error) = actions::succeed(&context.world(), "systemctl", &["reboot"])
    {
        let step = all.last().map_or(1, |begun| begun.step + 1);
        let what = "restart the host once more".to_owned();
        report.state = RunState::UndoIncomplete;
        report.not_undone.push(NotUndone { step, what, why: error.chain() });
    }
    Ok(report)
}

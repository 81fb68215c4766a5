//! The net under runs that could lock their user out: a run is taken back unless it is confirmed in time.
//!
//! The deadline stands in the run's own log, in seconds since boot, so that neither a clock that is set back nor the death
//! of whoever waits for it makes it forgotten: every later `apply` and `recover` sees it.

use crate::after_boot::Waiting;
use crate::log::{self, EVENT, Log, LogError, Wal};
use crate::trust::{self, Untrusted};
use std::path::Path;
use thiserror::Error;
use vmwright_model::{RunEvent, RunState};

/// Something that waits for the deadline of a run, and takes it back then: a process of its own that outlives this one
/// and the connection that it was started over.
pub trait Net {
    /// How long somebody has to confirm the run after its end, in seconds.
    fn seconds(&self) -> u64;

    /// Begins to wait.
    ///
    /// # Errors
    /// Why it cannot, one line; the run is not begun then.
    fn spread(&self, run: &str) -> Result<(), String>;

    /// The programs that wait for a run behind the restart of the host.
    ///
    /// # Errors
    /// Why there are none, one line.
    fn after_boot(&self, run: &str) -> Result<Waiting, String>;
}

/// A run that is applied or was cut off, and that nobody has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaiting {
    /// Its id.
    pub run: String,
    /// Seconds that are left; none where the time is over, or the host was started anew since.
    pub left: Option<u64>,
    /// Whether it came to its end, so that it can be confirmed.
    pub applied: bool,
    /// Of a run that restarts its host or waits until somebody does, whether that has happened; none of others.
    pub restarted: Option<bool>,
    /// Whether the restart is somebody else's.
    pub awaited: bool,
}

/// Why a run was not confirmed.
#[derive(Debug, Error)]
pub enum ConfirmError {
    /// The log cannot be read or written, or a run or its undo goes on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// vmwright's own directory cannot be relied on.
    #[error("the state directory cannot be relied on")]
    State(#[from] Untrusted),
    /// Nothing waits for it.
    #[error("run {0} does not wait for a confirmation: it was confirmed, taken back, or never needed one")]
    NotAwaited(String),
    /// It restarts its host, and goes on in another way.
    #[error("run {0} restarts this host, and goes on behind that: vmwright apply --resume {0}")]
    Restarts(String),
    /// The run is not at its end.
    #[error("run {0} did not come to its end: undo it")]
    CutOff(String),
    /// The confirmation could not be made durable.
    #[error("{0}")]
    Write(String),
}

/// Lets a run stay.
///
/// # Errors
/// [`ConfirmError`]; nothing was changed then.
pub fn confirm_run(state: &Path, run: &str) -> Result<(), ConfirmError> {
    trust::check(state)?;
    let _lock = log::lock(state)?;
    let log = log::read(state, run)?.ok_or_else(|| ConfirmError::NotAwaited(run.to_owned()))?;
    trust::check(&log.path)?;
    let awaiting = of_log(run, &log).ok_or_else(|| ConfirmError::NotAwaited(run.to_owned()))?;
    if awaiting.restarted.is_some() {
        return Err(ConfirmError::Restarts(run.to_owned()));
    }
    if !awaiting.applied {
        return Err(ConfirmError::CutOff(run.to_owned()));
    }
    let mut wal = Wal::resume(&log)?;
    wal.reserve(EVENT)?;
    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    wal.append(&RunEvent::Confirmed { at }).map_err(ConfirmError::Write)?;
    wal.finish();
    Ok(())
}

/// Whether a run waits for a confirmation, and how long still.
///
/// # Errors
/// [`LogError`].
pub fn awaiting(state: &Path, run: &str) -> Result<Option<Awaiting>, LogError> {
    Ok(log::read(state, run)?.and_then(|log| of_log(run, &log)))
}

/// Every run that waits for a confirmation, oldest first.
///
/// # Errors
/// [`LogError`].
pub fn all_awaiting(state: &Path) -> Result<Vec<Awaiting>, LogError> {
    let mut all = Vec::new();
    for run in log::runs(state)? {
        all.extend(awaiting(state, &run)?);
    }
    Ok(all)
}

pub(crate) fn of_log(run: &str, log: &Log) -> Option<Awaiting> {
    let (mut guarded, mut state, mut restart) = (None, None, None);
    for event in &log.events {
        match event {
            RunEvent::Guarded { boot, until } => guarded = Some((boot, *until)),
            RunEvent::Rebooting { boot, within, awaited } => restart = Some((boot, *within, *awaited)),
            RunEvent::Confirmed { .. } => (guarded, restart) = (None, None),
            RunEvent::Ended { state: ended } => state = Some(*ended),
            _ => {}
        }
    }
    if let Some((boot, within, awaited)) = restart
        && state.is_none()
    {
        let (this, now) = boot_clock();
        // The time runs from the boot; before it, nobody is late.
        let restarted = *boot != this;
        let left = if restarted { within.checked_sub(now).filter(|left| *left > 0) } else { Some(within) };
        let run = run.to_owned();
        return Some(Awaiting { run, left, applied: false, restarted: Some(restarted), awaited });
    }
    let (boot, until) = guarded?;
    if matches!(state, Some(RunState::Undone | RunState::UndoIncomplete)) {
        return None;
    }
    let (this, now) = boot_clock();
    let left = until.checked_sub(now).filter(|left| *left > 0 && *boot == this);
    let applied = state == Some(RunState::Applied);
    Some(Awaiting { run: run.to_owned(), left, applied, restarted: None, awaited: false })
}

/// The event that gives a run so many seconds from now.
pub(crate) fn guarded(seconds: u64) -> RunEvent {
    let (boot, now) = boot_clock();
    RunEvent::Guarded { boot, until: now.saturating_add(seconds) }
}

/// The event that a restart follows, behind which there are so many seconds.
pub(crate) fn rebooting(within: u64, awaited: bool) -> RunEvent {
    RunEvent::Rebooting { boot: boot_clock().0, within, awaited }
}

/// Id of the boot, and the seconds since. Both are there wherever `/proc` is; without it every deadline is over.
fn boot_clock() -> (String, u64) {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let boot = text("/proc/sys/kernel/random/boot_id").trim().to_owned();
    let uptime = text("/proc/uptime");
    let seconds = uptime.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(u64::MAX);
    (boot, seconds)
}

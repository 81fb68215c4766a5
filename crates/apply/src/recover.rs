//! After a crash: which runs ended in the middle, and what is really there.

use crate::actions::{self, World};
use crate::log;
use crate::log::{Log, LogError};
use crate::run::Context;
use crate::trust::{self, Untrusted};
use serde::Serialize;
use std::collections::BTreeMap;
use thiserror::Error;
use vmwright_model::{Action, RunEvent, StepState};
use vmwright_plan::describe::words;
use vmwright_plan::target::{Target, follows, needs};

/// What a look at reality shows about a step that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "found", content = "why")]
pub enum Found {
    /// As before the step.
    Before,
    /// As the step leaves it.
    After,
    /// Neither: half done, changed since by somebody else, or not to be seen.
    OutcomeUnknown(String),
}

/// A step of a run that ended in the middle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundStep {
    /// Counted from 1.
    pub step: usize,
    /// Where the log leaves it.
    pub logged: StepState,
    /// What is there.
    #[serde(flatten)]
    pub found: Found,
    /// What takes it back.
    pub undo: Action,
    /// The same in words.
    pub what: String,
}

/// A run whose log ends in the middle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interrupted {
    /// Its id; `undo_run` with it takes back what it did.
    pub run: String,
    /// Id of its plan; empty where the crash came before anything was announced.
    pub plan: String,
    /// Host that it was on.
    pub host_id: String,
    /// When it began, RFC 3339, UTC.
    pub at: String,
    /// Who approved it.
    pub approved_by: String,
    /// What was cut off at the end of its log, if anything.
    pub torn: Option<String>,
    /// The steps that were begun and not taken back, in the plan's order.
    pub steps: Vec<FoundStep>,
    /// Whether every step can be taken back as things stand. Steps that cannot are left by `undo_run`, and named.
    pub undo_possible: bool,
}

/// Why it cannot be told which runs ended in the middle.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// A log cannot be read, or a run is going on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// vmwright's own directory cannot be relied on.
    #[error("the state directory cannot be relied on")]
    State(#[from] Untrusted),
}

/// The runs that ended in the middle, and for each step that was begun what is really there. Changes nothing.
///
/// # Errors
/// [`RecoverError`]; a run that is going on at the moment is one.
pub fn recover(context: &Context<'_>) -> Result<Vec<Interrupted>, RecoverError> {
    if !context.state.exists() {
        return Ok(Vec::new());
    }
    trust::check(context.state)?;
    let _lock = log::lock(context.state)?;
    let mut interrupted = Vec::new();
    for run in log::runs(context.state)? {
        let Some(log) = log::read(context.state, &run)?.filter(|log| !log.ended()) else {
            continue;
        };
        // It was not cut off: its host is restarted, and somebody goes on with it behind that.
        if crate::net::of_log(&run, &log).is_some_and(|awaiting| awaiting.restarted.is_some()) {
            continue;
        }
        let Some(began) = beginning(&log) else {
            continue;
        };
        // What a log of another host speaks of cannot be seen here.
        let here = began.host_id == context.host_id;
        let world = context.world();
        let open: Vec<Begun> =
            begun(&log).into_iter().filter(|begun| begun.state != StepState::Undone).collect();
        let undos: Vec<&Action> = open.iter().map(|begun| &begun.undo).collect();
        let looks = if here {
            survey(&undos, &world)
        } else {
            let elsewhere = || Found::OutcomeUnknown("the run was on another host".to_owned());
            undos.iter().map(|_| (elsewhere(), false)).collect()
        };
        let undo_possible = here && looks.iter().all(|(_, undoable)| *undoable);
        let steps = open.into_iter().zip(looks).map(|(begun, (found, _))| FoundStep {
            step: begun.step + 1,
            logged: begun.state,
            found,
            what: words(&begun.undo).does,
            undo: begun.undo,
        });
        let steps = steps.collect();
        interrupted.push(Interrupted {
            plan: began.plan.to_owned(),
            host_id: began.host_id.to_owned(),
            at: began.at.to_owned(),
            approved_by: began.approved_by.to_owned(),
            torn: log.torn.clone(),
            run,
            steps,
            undo_possible,
        });
    }
    Ok(interrupted)
}

/// Where reality stands for each of the steps that `undos` take back; and whether each can be taken back when the
/// later ones are.
fn survey(undos: &[&Action], world: &World<'_>) -> Vec<(Found, bool)> {
    let mut looks: Vec<(Found, bool)> = undos.iter().map(|undo| look(undo, world)).collect();
    for at in (0..undos.len()).rev().filter(|at| !looks[*at].1).collect::<Vec<_>>() {
        if already_back(undos, at, world) {
            looks[at] = (Found::Before, true);
            continue;
        }
        // A later step on the same thing hides what this one left; taking that back uncovers it.
        let later = (at + 1..undos.len()).find(|later| overlap(undos[*later], undos[at]));
        let hidden = later.is_some_and(|later| uncovers(&looks[later]) && follows(undos[at], undos[later]));
        // A later step uses what this one made (a card that is a port of a bridge): it is free once that is taken back.
        let used = || {
            (at + 1..undos.len()).any(|later| uncovers(&looks[later]) && uses(undos[later], undos[at], world))
        };
        if hidden || used() {
            looks[at] = (Found::After, true);
        }
    }
    looks
}

/// Whether the step that `undos[at]` takes back is taken back already together with earlier ones on the same
/// thing, so that its own state from before has passed: of two edits of a file, both undone, only the first finds
/// the text from before it.
pub(crate) fn already_back(undos: &[&Action], at: usize, world: &World<'_>) -> bool {
    let mut here = at;
    while let Some(earlier) = (0..here).rev().find(|earlier| overlap(undos[*earlier], undos[here])) {
        if !follows(undos[earlier], undos[here]) {
            return false;
        }
        if actions::of(undos[earlier]).verify(world).is_ok() {
            return true;
        }
        here = earlier;
    }
    false
}

/// Whether a step is there and can be taken back.
fn uncovers((found, undoable): &(Found, bool)) -> bool {
    *undoable && *found != Found::Before
}

fn overlap(a: &Action, b: &Action) -> bool {
    Target::of(a).overlaps(&Target::of(b))
}

/// Whether the step that `later` takes back was built on what the one made that `earlier` takes back.
fn uses(later: &Action, earlier: &Action, world: &World<'_>) -> bool {
    let done = actions::of(later).resume(world);
    done.ok().and_then(|done| needs(&done)).is_some_and(|needed| needed.overlaps(&Target::of(earlier)))
}

/// Where reality stands, seen from what takes one step back; and whether it can be taken back at once.
fn look(undo: &Action, world: &World<'_>) -> (Found, bool) {
    let act = actions::of(undo);
    let Err(not_before) = act.verify(world) else {
        return (Found::Before, true);
    };
    let inverse = match act.resume(world) {
        Err(not_after) => {
            let why = format!("{}; and {}", not_before.chain(), not_after.chain());
            return (Found::OutcomeUnknown(why), false);
        }
        Ok(inverse) => inverse,
    };
    // It can be taken back. Whether it was done wholly says what would be done to take the undo back.
    match actions::of(&inverse).verify(world) {
        Ok(()) => (Found::After, true),
        Err(half) => (Found::OutcomeUnknown(format!("half done: {}", half.chain())), true),
    }
}

/// How a run began.
pub(crate) struct Beginning<'a> {
    pub(crate) plan: &'a str,
    pub(crate) host_id: &'a str,
    pub(crate) approved_by: &'a str,
    pub(crate) at: &'a str,
}

pub(crate) fn beginning(log: &Log) -> Option<Beginning<'_>> {
    match log.events.first() {
        Some(RunEvent::Began { plan, host_id, approved_by, at, .. }) => {
            Some(Beginning { plan, host_id, approved_by, at })
        }
        _ => None,
    }
}

/// A step whose intent is in the log.
pub(crate) struct Begun {
    pub(crate) step: usize,
    pub(crate) undo: Action,
    pub(crate) state: StepState,
}

/// The steps that were begun, in order, each with the state that the log leaves it in.
pub(crate) fn begun(log: &Log) -> Vec<Begun> {
    let mut all: BTreeMap<usize, Begun> = BTreeMap::new();
    for event in &log.events {
        let (step, state) = match event {
            RunEvent::Intent { step, undo } => {
                let begun = Begun { step: *step, undo: undo.clone(), state: StepState::OutcomeUnknown };
                // A step is begun once. In a log that says otherwise the first state found is the one from before.
                all.entry(*step).or_insert(begun);
                continue;
            }
            RunEvent::Done { step } => (step, StepState::Applied),
            RunEvent::UndoIntent { step } | RunEvent::UndoFailed { step, .. } => {
                (step, StepState::OutcomeUnknown)
            }
            RunEvent::UndoDone { step } => (step, StepState::Undone),
            RunEvent::Began { .. }
            | RunEvent::Guarded { .. }
            | RunEvent::Rebooting { .. }
            | RunEvent::Confirmed { .. }
            | RunEvent::Stopped { .. }
            | RunEvent::UndoBegan { .. }
            | RunEvent::Ended { .. } => continue,
        };
        if let Some(begun) = all.get_mut(step) {
            begun.state = state;
        }
    }
    all.into_values().collect()
}

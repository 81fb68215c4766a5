//! A run that restarts its host, or waits until somebody does: what waits for it behind the boot, and how it goes on.
//!
//! Before the restart a unit of systemd is made, `vmwright-after-RUN.service`. After it, the unit reports that the run
//! waits, and then does what a guard does: where nobody goes on with the run in time, it is taken back and the host
//! restarted once more, so that it is as before; a host that somebody else restarted is left to them. Where the boot
//! loader tries an entry once, a host that does not come up at all is as before at its next start. Whoever goes on with the
//! run takes the unit away, and so does whoever takes the run back.

use crate::actions::{self, ActionError, World};
use crate::assisted_by;
use crate::files::{Content, Free};
use crate::log::{self, EVENT, LogError, Wal};
use crate::net::{self, Awaiting};
use crate::recover::{beginning, begun};
use crate::report::{Event, NotUndone, RUN_SCHEMA, RunReport, StepReport, Stop, StopKind};
use crate::run::{Context, Point, take_back};
use crate::trust::{self, Untrusted};
use std::path::Path;
use thiserror::Error;
use vmwright_model::{Action, Plan, RunEvent, RunState, StepState};
use vmwright_plan::describe::words;
use vmwright_plan::intents::BOOTED_BEFORE;
use vmwright_plan::{lasts, plan_id};

/// The programs that the unit runs, each with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Tells which runs wait.
    pub report: Vec<String>,
    /// Waits for somebody to go on with the run, and takes it back else.
    pub guard: Vec<String>,
    /// What both find in their environment.
    pub environment: Vec<(String, String)>,
}

/// Why a run did not go on. Nothing was changed.
#[derive(Debug, Error)]
pub enum ResumeError {
    /// The log cannot be read or written, or a run or its undo goes on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// vmwright's own directory cannot be relied on.
    #[error("the state directory cannot be relied on")]
    State(#[from] Untrusted),
    /// It waits for no restart.
    #[error("run {0} does not wait for a restart: it has ended, was taken back, or never had one")]
    NotWaiting(String),
    /// The restart is still to come.
    #[error("run {0} waits for a restart of the host, which has not been restarted since")]
    NotRestarted(String),
    /// It is not to be let stay before the restart.
    #[error(
        "run {0} restarts this host, or it was restarted; the run goes on behind that: vmwright apply --resume {0}"
    )]
    Restarts(String),
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
    /// The plan is not the run's own.
    #[error("run {run} is of plan {wanted}, and this is {found}")]
    OtherPlan {
        /// The run.
        run: String,
        /// The run's plan.
        wanted: String,
        /// The plan that was given.
        found: String,
    },
    /// What happens could not be written down.
    #[error("{0}")]
    Write(String),
    /// A test let it die here.
    #[error("run {run} was left at {point:?}, as a test asked")]
    Injected {
        /// The run.
        run: String,
        /// Where.
        point: Point,
    },
}

/// Id of the plan of a run.
///
/// # Errors
/// [`LogError`].
pub fn plan_of(state: &Path, run: &str) -> Result<Option<String>, LogError> {
    Ok(log::read(state, run)?.and_then(|log| beginning(&log).map(|began| began.plan.to_owned())))
}

/// Goes on with a run behind the restart of its host: looks whether what it wrote still stands, and whether the findings
/// are settled that it was for. Where not, it is taken back. Whoever calls this reaches the host, so that the run is also
/// confirmed.
///
/// # Errors
/// [`ResumeError`] where nothing was changed.
pub fn resume_run(run: &str, plan: &Plan, context: &mut Context<'_>) -> Result<RunReport, ResumeError> {
    go_on(run, plan, context, &Moment { may: was_restarted, good: came_up })
}

/// Lets a run stay that waits for a restart which somebody else would do, before that: nothing waits for it any more, and
/// the boot loader boots what it made from now on, tried or not. Where that cannot be, the run is taken back.
///
/// # Errors
/// [`ResumeError`] where nothing was changed.
pub fn keep_untried(run: &str, plan: &Plan, context: &mut Context<'_>) -> Result<RunReport, ResumeError> {
    go_on(run, plan, context, &Moment { may: may_be_left, good: end_trials })
}

/// When a run is gone on with.
struct Moment {
    /// Whether that moment has come.
    may: fn(&Awaiting) -> Result<(), ResumeError>,
    /// Ends what the boot loader tries, and says whether the run may stay.
    good: fn(&Plan, &Context<'_>) -> Result<(), Stop>,
}

/// Behind the restart.
fn was_restarted(awaiting: &Awaiting) -> Result<(), ResumeError> {
    let run = awaiting.run.clone();
    match awaiting.restarted {
        Some(true) => Ok(()),
        Some(false) => Err(ResumeError::NotRestarted(run)),
        None => Err(ResumeError::NotWaiting(run)),
    }
}

/// Before a restart that is somebody else's.
fn may_be_left(awaiting: &Awaiting) -> Result<(), ResumeError> {
    let run = awaiting.run.clone();
    match awaiting.restarted {
        Some(false) if awaiting.awaited => Ok(()),
        Some(_) => Err(ResumeError::Restarts(run)),
        None => Err(ResumeError::NotWaiting(run)),
    }
}

/// Goes on with a run, or takes it back.
fn go_on(
    run: &str,
    plan: &Plan,
    context: &mut Context<'_>,
    moment: &Moment,
) -> Result<RunReport, ResumeError> {
    trust::check(context.state)?;
    let _lock = log::lock(context.state)?;
    let not_waiting = || ResumeError::NotWaiting(run.to_owned());
    let log = log::read(context.state, run)?.ok_or_else(not_waiting)?;
    trust::check(&log.path)?;
    let began = beginning(&log).ok_or_else(not_waiting)?;
    let (host, wanted, found) = (began.host_id.to_owned(), began.plan.to_owned(), plan_id(plan));
    if host != context.host_id {
        let (run, this) = (run.to_owned(), context.host_id.to_owned());
        return Err(ResumeError::OtherHost { run, host, this });
    }
    if wanted != found {
        return Err(ResumeError::OtherPlan { run: run.to_owned(), wanted, found });
    }
    (moment.may)(&net::of_log(run, &log).ok_or_else(not_waiting)?)?;
    let last = plan.steps.len().saturating_sub(1);
    let mut wal = Wal::resume(&log)?;
    let open: Vec<(usize, Action)> = begun(&log).into_iter().map(|begun| (begun.step, begun.undo)).collect();
    wal.reserve((open.len() as u64 + 3) * 2 * EVENT)?;
    let mut stopped = None;
    let mut not_undone = Vec::new();
    let state = match (moment.good)(plan, context) {
        Ok(()) => {
            let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            wal.append(&RunEvent::Done { step: last }).map_err(ResumeError::Write)?;
            wal.append(&RunEvent::Confirmed { at }).map_err(ResumeError::Write)?;
            (context.progress)(Event::Done { step: last + 1 });
            RunState::Applied
        }
        Err(stop) => {
            (context.progress)(Event::Stopped { step: stop.step, why: stop.why.clone() });
            // A log that cannot be written any more must not keep the undo from being done: it is reported instead.
            let why = stop.why.chars().take(400).collect();
            let _ = wal.append(&RunEvent::Stopped { step: stop.step - 1, why });
            stopped = Some(stop);
            not_undone = take_back(&open, &mut wal, context)
                .map_err(|point| ResumeError::Injected { run: run.to_owned(), point })?;
            if not_undone.is_empty() { RunState::Undone } else { RunState::UndoIncomplete }
        }
    };
    if let Err(error) = remove(&context.world(), run) {
        let what = format!("take {} away", unit(run));
        not_undone.push(NotUndone { step: last + 1, what, why: error.chain() });
    }
    let _ = wal.append(&RunEvent::Ended { state });
    let left = |at: usize| not_undone.iter().any(|left| left.step == at + 1);
    let steps = plan.steps.iter().enumerate().map(|(at, step)| StepReport {
        step: at + 1,
        what: words(&step.action).does,
        state: match state {
            RunState::Applied => StepState::Applied,
            _ if left(at) => StepState::OutcomeUnknown,
            _ => StepState::Undone,
        },
        // What a restarted host had running is gone.
        remark: None,
    });
    let report = RunReport {
        schema: RUN_SCHEMA.to_owned(),
        run: run.to_owned(),
        plan: wanted.clone(),
        state,
        steps: steps.collect(),
        confirm_within: None,
        stopped,
        not_undone: not_undone.clone(),
        log: wal.path(),
        log_incomplete: wal.incomplete(),
        torn: log.torn.clone(),
        assisted_by: assisted_by(&wanted),
    };
    wal.finish();
    Ok(report)
}

/// Whether what was made was booted, and does what it was for.
fn came_up(plan: &Plan, context: &Context<'_>) -> Result<(), Stop> {
    tried(plan, context)?;
    stands(plan, context)
}

/// Ends what the boot loader tries once, and says whether it was that which was booted.
fn tried(plan: &Plan, context: &Context<'_>) -> Result<(), Stop> {
    const CMDLINE: &str = "/proc/cmdline";
    end_trials(plan, context)?;
    let Some(at) = plan.steps.iter().rposition(|step| is_trial(&step.action)) else { return Ok(()) };
    let stop = |kind, why| Stop { step: at + 1, kind, why };
    let cmdline = context.world().system.read(CMDLINE).map_err(|source| {
        let error = ActionError::Io { path: CMDLINE.to_owned(), what: "read", source };
        stop(StopKind::Failed, error.chain())
    })?;
    if cmdline.split_ascii_whitespace().any(|word| word == BOOTED_BEFORE) {
        let why = "the host booted the entry from before: what was made did not come up".to_owned();
        return Err(stop(StopKind::NotSettled, why));
    }
    Ok(())
}

/// Has the boot loader try nothing any more: it boots what was made.
fn end_trials(plan: &Plan, context: &Context<'_>) -> Result<(), Stop> {
    let world = context.world();
    for (at, step) in plan.steps.iter().enumerate() {
        let Action::BootTrial { trial } = &step.action else { continue };
        let end = Action::BootTrialEnd { trial: trial.clone() };
        let act = actions::of(&end);
        if act.verify(&world).is_err() {
            let undo = act.resume(&world);
            undo.and_then(|undo| act.perform(&world, &undo))
                .and_then(|()| act.verify(&world))
                .map_err(|error| Stop { step: at + 1, kind: StopKind::Failed, why: error.chain() })?;
        }
    }
    Ok(())
}

fn is_trial(action: &Action) -> bool {
    matches!(action, Action::BootTrial { .. })
}

/// Whether what a plan wrote for the boot stands, and its findings are settled. What ended with the last boot, values of
/// its kernel and what ran in it, is no question.
fn stands(plan: &Plan, context: &Context<'_>) -> Result<(), Stop> {
    let world = context.world();
    for (at, step) in plan.steps.iter().enumerate() {
        let stop = |kind, why| Stop { step: at + 1, kind, why };
        if lasts(&step.action) {
            actions::of(&step.action).verify(&world).map_err(|error| stop(StopKind::Drift, error.chain()))?;
        }
        if !step.settles.is_empty() {
            context.check.settled(&step.settles).map_err(|why| stop(StopKind::NotSettled, why))?;
        }
    }
    Ok(())
}

/// Name of the unit that waits for a run.
pub(crate) fn unit(run: &str) -> String {
    format!("vmwright-after-{run}.service")
}

/// Makes the unit, and has it started at boot.
pub(crate) fn install(world: &World<'_>, run: &str, waiting: &Waiting) -> Result<(), ActionError> {
    let (unit, path) = place(world, run)?;
    Free::look(&path)?.create(&text(run, waiting), 0o644)?;
    systemctl(world, &["daemon-reload"])?;
    systemctl(world, &["enable", "--", &unit])
}

/// Takes the unit away; fine where there is none.
pub(crate) fn remove(world: &World<'_>, run: &str) -> Result<(), ActionError> {
    let Ok((unit, path)) = place(world, run) else { return Ok(()) };
    let content = match Content::read(&path) {
        Err(ActionError::Gone(_)) => return Ok(()),
        content => content?,
    };
    systemctl(world, &["disable", "--", &unit])?;
    content.remove()?;
    systemctl(world, &["daemon-reload"])
}

fn place(world: &World<'_>, run: &str) -> Result<(String, String), ActionError> {
    let folder = world.system.units().ok_or(ActionError::NoTool("systemd"))?;
    let unit = unit(run);
    let path = folder.join(&unit).display().to_string();
    Ok((unit, path))
}

fn systemctl(world: &World<'_>, args: &[&str]) -> Result<(), ActionError> {
    actions::succeed(world, "systemctl", args).map(drop)
}

fn text(run: &str, waiting: &Waiting) -> String {
    let command = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let environment: String = waiting
        .environment
        .iter()
        .map(|(name, value)| format!("Environment={}\n", quoted(&format!("{name}={value}"))))
        .collect();
    format!(
        "# Made by vmwright for run {run}, and taken away with it.\n\
         [Unit]\n\
         Description=vmwright: run {run} waits (vmwright apply --resume {run})\n\
         After=local-fs.target network.target\n\
         \n\
         [Service]\n\
         {environment}\
         ExecStartPre=-{}\n\
         ExecStart={}\n\
         Restart=on-failure\n\
         StandardOutput=journal+console\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        command(&waiting.report),
        command(&waiting.guard),
    )
}

/// A word of a command line as systemd.service(5) reads it: no variable and no specifier is replaced in it.
fn quoted(word: &str) -> String {
    let mut out = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '%' | '$' => out.extend([letter, letter]),
            '\n' => out.push_str("\\n"),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_unit_are_taken_as_they_are() {
        assert_eq!(quoted("/a b/%n $HOME \"x\" \\"), "\"/a b/%%n $$HOME \\\"x\\\" \\\\\"");
        let waiting = Waiting {
            report: vec!["/usr/bin/vmwright".into(), "recover".into()],
            guard: vec!["/usr/bin/vmwright".into(), "revert".into(), "r".into()],
            environment: vec![("A".into(), "b c".into())],
        };
        let text = text("r", &waiting);
        for line in [
            "Environment=\"A=b c\"",
            "ExecStartPre=-\"/usr/bin/vmwright\" \"recover\"",
            "ExecStart=\"/usr/bin/vmwright\" \"revert\" \"r\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}

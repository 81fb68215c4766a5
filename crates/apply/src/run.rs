//! The executor: one approved plan, step by step, or back to how it was.

use crate::actions::{self, ActionError, World};
use crate::after_boot;
use crate::approval::{Approved, Ask, Refused};
use crate::log::{EVENT, LogError, Wal};
use crate::net::{self, Net};
use crate::recover::already_back;
use crate::report::{Event, NotUndone, RUN_SCHEMA, RunReport, StepReport, Stop, StopKind};
use crate::system::System;
use crate::trust::{self, Untrusted};
use crate::{Check, Machines, assisted_by, log};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;
use vmwright_model::{Action, Plan, RunEvent, RunState, StepState};
use vmwright_plan::describe::words;
use vmwright_plan::target::built_on_earlier;
use vmwright_plan::{LintError, lint, plan_id};

/// What a run needs of the world.
pub struct Context<'a> {
    /// vmwright's own directory on this host; made if absent.
    pub state: &'a Path,
    /// Id of this host.
    pub host_id: &'a str,
    /// Starts and stops machines.
    pub machines: &'a dyn Machines,
    /// Values of the kernel, and programs: [`crate::Live`] but in tests.
    pub system: &'a dyn System,
    /// Waits for a confirmation of runs that could lock their user out; none where nobody can.
    pub net: Option<&'a dyn Net>,
    /// Asks the rules.
    pub check: &'a dyn Check,
    /// Told what happens.
    pub progress: &'a mut dyn FnMut(Event),
    /// Tests inject faults here; none otherwise.
    pub fault: Option<&'a mut dyn FnMut(Point) -> Fault>,
    /// Set by a signal handler: the run stops before its next step and takes everything back.
    pub interrupted: &'a AtomicBool,
}

impl<'a> Context<'a> {
    pub(crate) fn world(&self) -> World<'a> {
        World { machines: self.machines, host_id: self.host_id, system: self.system, state: self.state }
    }

    fn at(&mut self, point: Point) -> Fault {
        self.fault.as_mut().map_or(Fault::None, |fault| fault(point))
    }
}

/// A boundary of a step, counted from 0, at which a test may inject a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Its expectation holds; the intent is not yet written.
    BeforeIntent(usize),
    /// The intent is on disk; nothing is done.
    AfterIntent(usize),
    /// It is done, not verified.
    AfterDo(usize),
    /// It is verified and its findings are settled; that is not yet on disk.
    AfterVerify(usize),
    /// Its end is on disk.
    AfterDone(usize),
    /// It is about to be taken back; that is on disk.
    AfterUndoIntent(usize),
    /// It was taken back; that is not yet on disk.
    AfterUndo(usize),
    /// Everything is over; the end of the run is not yet on disk.
    BeforeEnd,
}

/// What a test injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The run is left as it stands, as if the process had died.
    Crash,
    /// The next event finds the disk full. Only before an intent.
    LogFull,
}

/// Why a plan was not begun. Nothing was changed.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The plan is not one that may be shown to an approver, let alone carried out.
    #[error("the plan is wrong: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lint(Vec<LintError>),
    /// The approval does not cover it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It was made for another host.
    #[error("the plan is for host `{}`, and this is `{}`", plan.escape_debug(), this.escape_debug())]
    OtherHost {
        /// The host in the plan.
        plan: String,
        /// This host.
        this: String,
    },
    /// vmwright's own directory cannot be relied on.
    #[error("the state directory cannot be relied on")]
    State(#[from] Untrusted),
    /// An earlier run ended in the middle.
    #[error("run {0} ended in the middle: undo it first, so that nobody has to guess what it left")]
    Unresolved(String),
    /// An earlier run waits for a restart of the host, and for somebody to go on with it.
    #[error(
        "run {0} waits for a restart of this host, and goes on behind that (vmwright apply --resume {0}); or undo it first"
    )]
    Restarting(String),
    /// An earlier run still waits for its confirmation, and may be taken back at any moment.
    #[error("run {0} waits for a confirmation: confirm it or undo it first")]
    Unconfirmed(String),
    /// Nothing would take the run back if it locked its user out.
    #[error(
        "nothing could be started that would take the run back if you cannot reach this host any more: {0}"
    )]
    Net(String),
    /// The clock says less than when vmwright last wrote something here: an approval that has ended would hold again.
    #[error(
        "the clock of this host was set back: {file} was written {seconds} s from now; if the clock is right, `touch` that file"
    )]
    ClockBack {
        /// The newest file.
        file: String,
        /// How far in the future it lies.
        seconds: i64,
    },
    /// The log cannot be written or an older one not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The beginning could not be made durable.
    #[error("{0}")]
    Begin(String),
    /// Reality is not as a step expects, already before the first.
    #[error("step {step} cannot be done")]
    Expect {
        /// The step, from 1.
        step: usize,
        /// Why.
        source: ActionError,
    },
    /// The user asked to stop before anything was done.
    #[error("interrupted before the first step")]
    Interrupted,
    /// A test let the run die here.
    #[error("the run {run} was left at {point:?}, as a test asked")]
    Injected {
        /// The run.
        run: String,
        /// Where.
        point: Point,
    },
}

/// Carries out an approved plan. Either every step is applied, verified and has settled its findings, or the run
/// stops at the first that is not and takes back what was done, the last first. What could not be taken back is
/// named in the report.
///
/// # Errors
/// [`ApplyError`] where nothing was done at all. A run that stopped is a report, not an error.
pub fn apply(plan: &Plan, approved: &Approved, context: &mut Context<'_>) -> Result<RunReport, ApplyError> {
    let id = plan_id(plan);
    let now = jiff::Timestamp::now();
    permitted(plan, &id, approved, context, now)?;
    trust::private_dir(context.state)?;
    let runs = context.state.join("runs");
    trust::private_dir(&runs)?;
    let _lock = log::lock(context.state)?;
    clock_goes_on(context.state, now.as_second())?;
    for run in log::runs(context.state)? {
        let Some(log) = log::read(context.state, &run)? else { continue };
        if net::of_log(&run, &log).is_some_and(|awaiting| awaiting.restarted.is_some()) {
            return Err(ApplyError::Restarting(run));
        }
        if !log.ended() {
            return Err(ApplyError::Unresolved(run));
        }
        if net::of_log(&run, &log).is_some() {
            return Err(ApplyError::Unconfirmed(run));
        }
    }
    let room = expect_all(plan, context)?;
    if context.interrupted.load(Ordering::SeqCst) {
        return Err(ApplyError::Interrupted);
    }
    (context.progress)(Event::Checked { steps: plan.steps.len() });

    let (mut wal, run) = Wal::create(&runs, &now.strftime("%Y%m%dT%H%M%SZ").to_string(), &id)?;
    let began = RunEvent::Began {
        plan: id.clone(),
        host_id: context.host_id.to_owned(),
        approved_by: approved.by(),
        at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        assisted_by: assisted_by(&id),
    };
    if let Err(error) = wal.reserve(room) {
        wal.discard();
        return Err(error.into());
    }
    if let Err(why) = wal.append(&began) {
        wal.discard();
        return Err(ApplyError::Begin(why));
    }
    // Before the first step: if this process goes, whoever waits takes back what it did.
    let net = context.net.filter(|_| vmwright_plan::may_lock_out(plan));
    if let Some(net) = net
        && let Err(why) = wal.append(&net::guarded(net.seconds())).and_then(|()| net.spread(&run))
    {
        wal.discard();
        return Err(ApplyError::Net(why));
    }
    execute(plan, &id, run, wal, context)
}

/// A clock that is put right by the network's time moves less than this, in seconds.
const CLOCK_SLACK: i64 = 300;

/// That no record of vmwright's own is from the future.
fn clock_goes_on(state: &Path, now: i64) -> Result<(), ApplyError> {
    use std::os::unix::fs::MetadataExt;
    let mut newest: Option<(i64, String)> = None;
    for folder in ["runs", "approvals"] {
        // What cannot be listed is an error elsewhere; here it only cannot tell the time.
        for entry in std::fs::read_dir(state.join(folder)).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if newest.as_ref().is_none_or(|(time, _)| found.mtime() > *time) {
                newest = Some((found.mtime(), entry.path().display().to_string()));
            }
        }
    }
    match newest {
        Some((time, file)) if time > now + CLOCK_SLACK => {
            Err(ApplyError::ClockBack { file, seconds: time - now })
        }
        _ => Ok(()),
    }
}

/// Everything that can be refused without looking at the host.
fn permitted(
    plan: &Plan,
    id: &str,
    approved: &Approved,
    context: &Context<'_>,
    now: jiff::Timestamp,
) -> Result<(), ApplyError> {
    let errors = lint(plan);
    if !errors.is_empty() {
        return Err(ApplyError::Lint(errors));
    }
    if plan.host_id != context.host_id {
        return Err(ApplyError::OtherHost { plan: plan.host_id.clone(), this: context.host_id.to_owned() });
    }
    let disruption = vmwright_plan::disruption(plan);
    // Whether two were needed, whoever verified it has asked.
    let ask = Ask { plan: id, host_id: context.host_id, disruption, now: now.as_second(), two: false };
    approved.covers(&ask).map_err(ApplyError::Refused)
}

/// Compares reality with what every step expects, as far as that can be seen before the earlier ones are done:
/// lint has shown that a step which builds on another expects what that one leaves. Returns how many bytes the
/// log may need.
fn expect_all(plan: &Plan, context: &Context<'_>) -> Result<u64, ApplyError> {
    let world = context.world();
    let mut largest = 0;
    let mut room = EVENT * 4;
    let mut seen = 0_u64;
    let built_on_earlier = built_on_earlier(plan);
    for (at, step) in plan.steps.iter().enumerate().filter(|(at, _)| !built_on_earlier[*at]) {
        let undo = actions::of(&step.action)
            .expect(&world)
            .map_err(|source| ApplyError::Expect { step: at + 1, source })?;
        let size = vmwright_plan::canonical(&undo).len() as u64;
        largest = largest.max(size);
        room += size;
        seen += 1;
    }
    let count = plan.steps.len() as u64;
    // Six events a step at most; a step that could not be looked at counts like the largest that could.
    Ok(room + count * EVENT * 2 + (count - seen) * largest)
}

/// A run that has begun.
struct Going<'p, 'c, 'w> {
    plan: &'p Plan,
    id: &'p str,
    run: String,
    wal: Wal,
    context: &'c mut Context<'w>,
    /// Steps whose intent is on disk, with what takes them back.
    begun: Vec<(usize, Action)>,
    /// What is to be said of steps besides.
    remarks: Vec<(usize, String)>,
}

fn execute(
    plan: &Plan,
    id: &str,
    run: String,
    wal: Wal,
    context: &mut Context<'_>,
) -> Result<RunReport, ApplyError> {
    let mut going = Going { plan, id, run, wal, context, begun: Vec::new(), remarks: Vec::new() };
    for at in 0..plan.steps.len() {
        match plan.steps[at].action {
            Action::Reboot { left: None } => return going.reboot(at, RunState::Rebooting),
            Action::AwaitReboot { left: None } => return going.reboot(at, RunState::AwaitingReboot),
            _ => {}
        }
        if let Err(halt) = going.step(at) {
            return match halt {
                Halt::Injected(point) => Err(ApplyError::Injected { run: going.run, point }),
                Halt::Stop(kind, why) => going.stop(at, kind, why),
            };
        }
    }
    going.end(RunState::Applied, None, Vec::new())
}

/// Why a step did not come to its end.
enum Halt {
    Stop(StopKind, String),
    Injected(Point),
}

impl Halt {
    fn from_action(error: &ActionError) -> Self {
        let kind = match error {
            ActionError::Drift { .. } | ActionError::Gone(_) | ActionError::Ports { .. } => StopKind::Drift,
            _ => StopKind::Failed,
        };
        Halt::Stop(kind, error.chain())
    }
}

impl Going<'_, '_, '_> {
    fn step(&mut self, at: usize) -> Result<(), Halt> {
        let step = &self.plan.steps[at];
        if self.context.interrupted.load(Ordering::SeqCst) {
            return Err(Halt::Stop(StopKind::Interrupted, "interrupted".to_owned()));
        }
        (self.context.progress)(Event::Doing { step: at + 1, what: words(&step.action).does });
        let world = self.context.world();
        let act = actions::of(&step.action);
        let failed = |error: ActionError| Halt::from_action(&error);
        let undo = act.expect(&world).map_err(failed)?;

        let pretend = match self.fault(Point::BeforeIntent(at))? {
            Fault::LogFull => Some(std::io::Error::from(std::io::ErrorKind::StorageFull)),
            Fault::None | Fault::Crash => None,
        };
        let intent = RunEvent::Intent { step: at, undo: undo.clone() };
        self.wal.append_as(&intent, pretend).map_err(|why| Halt::Stop(StopKind::Log, why))?;
        self.begun.push((at, undo.clone()));
        self.fault(Point::AfterIntent(at))?;

        act.perform(&world, &undo).map_err(failed)?;
        self.fault(Point::AfterDo(at))?;

        // Done, and yet not as it should be: that is a failure of the step, not a drift.
        act.verify(&world).map_err(|error| Halt::Stop(StopKind::Failed, error.chain()))?;
        if !step.settles.is_empty() {
            self.context.check.settled(&step.settles).map_err(|why| Halt::Stop(StopKind::NotSettled, why))?;
        }
        self.fault(Point::AfterVerify(at))?;

        self.log(&RunEvent::Done { step: at }).map_err(|why| Halt::Stop(StopKind::Log, why))?;
        (self.context.progress)(Event::Done { step: at + 1 });
        if let Some(what) = act.remark(&self.context.world()) {
            (self.context.progress)(Event::Remark { step: at + 1, what: what.clone() });
            self.remarks.push((at, what));
        }
        self.fault(Point::AfterDone(at)).map(|_| ())
    }

    /// Has the host restarted, or waits until it is. The run goes on behind it.
    fn reboot(mut self, at: usize, state: RunState) -> Result<RunReport, ApplyError> {
        match self.restart(at, state == RunState::AwaitingReboot) {
            Ok(within) => {
                let mut report = self.end(state, None, Vec::new())?;
                report.confirm_within = Some(within);
                Ok(report)
            }
            Err(Halt::Injected(point)) => Err(ApplyError::Injected { run: self.run, point }),
            Err(Halt::Stop(kind, why)) => self.stop(at, kind, why),
        }
    }

    fn restart(&mut self, at: usize, awaited: bool) -> Result<u64, Halt> {
        if self.context.interrupted.load(Ordering::SeqCst) {
            return Err(Halt::Stop(StopKind::Interrupted, "interrupted".to_owned()));
        }
        let action = &self.plan.steps[at].action;
        (self.context.progress)(Event::Doing { step: at + 1, what: words(action).does });
        let failed = |error: ActionError| Halt::from_action(&error);
        let stop = |kind| move |why: String| Halt::Stop(kind, why);
        let Some(net) = self.context.net else {
            return Err(Halt::Stop(
                StopKind::Failed,
                "nothing would wait for the run behind the restart".to_owned(),
            ));
        };
        let waiting = net.after_boot(&self.run).map_err(stop(StopKind::Failed))?;
        let within = net.seconds();
        let world = self.context.world();
        let undo = actions::of(action).expect(&world).map_err(failed)?;
        self.fault(Point::BeforeIntent(at))?;
        self.log(&RunEvent::Intent { step: at, undo: undo.clone() }).map_err(stop(StopKind::Log))?;
        self.begun.push((at, undo.clone()));
        self.fault(Point::AfterIntent(at))?;
        after_boot::install(&world, &self.run, &waiting).map_err(failed)?;
        self.fault(Point::AfterDo(at))?;
        self.log(&net::rebooting(within, awaited)).map_err(stop(StopKind::Log))?;
        actions::of(action).perform(&world, &undo).map_err(failed)?;
        Ok(within)
    }

    fn fault(&mut self, point: Point) -> Result<Fault, Halt> {
        match self.context.at(point) {
            Fault::Crash => Err(Halt::Injected(point)),
            fault => Ok(fault),
        }
    }

    fn log(&mut self, event: &RunEvent) -> Result<(), String> {
        self.wal.append(event)
    }

    /// Takes back what was done.
    fn stop(mut self, at: usize, kind: StopKind, why: String) -> Result<RunReport, ApplyError> {
        (self.context.progress)(Event::Stopped { step: at + 1, why: why.clone() });
        // A log that cannot be written any more must not keep the undo from being done: it is reported instead.
        let _ = self.log(&RunEvent::Stopped { step: at, why: shorten(&why) });
        let begun = std::mem::take(&mut self.begun);
        let not_undone = match take_back(&begun, &mut self.wal, self.context) {
            Ok(not_undone) => not_undone,
            Err(point) => return Err(ApplyError::Injected { run: self.run, point }),
        };
        self.begun = begun;
        let mut not_undone = not_undone;
        if let Err(error) = after_boot::remove(&self.context.world(), &self.run) {
            let (what, why) = (format!("take {} away", after_boot::unit(&self.run)), error.chain());
            not_undone.push(NotUndone { step: at + 1, what, why });
        }
        let state = if not_undone.is_empty() { RunState::Undone } else { RunState::UndoIncomplete };
        self.end(state, Some(Stop { step: at + 1, kind, why }), not_undone)
    }

    fn end(
        mut self,
        state: RunState,
        stopped: Option<Stop>,
        not_undone: Vec<NotUndone>,
    ) -> Result<RunReport, ApplyError> {
        if self.context.at(Point::BeforeEnd) == Fault::Crash {
            return Err(ApplyError::Injected { run: self.run, point: Point::BeforeEnd });
        }
        let restarts = matches!(state, RunState::Rebooting | RunState::AwaitingReboot);
        if !restarts {
            let _ = self.log(&RunEvent::Ended { state });
        }
        let net = self.context.net.filter(|_| vmwright_plan::may_lock_out(self.plan));
        let confirm_within = net.filter(|_| state == RunState::Applied).map(Net::seconds);
        if let Some(seconds) = confirm_within {
            // The time counts from now; where that cannot be written, it counts from the beginning.
            let _ = self.log(&net::guarded(seconds));
        }
        let steps = self.plan.steps.iter().enumerate().map(|(at, step)| {
            // Steps are begun in order.
            let begun = at < self.begun.len();
            let left = not_undone.iter().any(|left| left.step == at + 1);
            StepReport {
                step: at + 1,
                what: words(&step.action).does,
                state: match (begun, stopped.is_some()) {
                    (false, _) => StepState::Planned,
                    (true, false) if restarts && at + 1 == self.plan.steps.len() => match state {
                        RunState::AwaitingReboot => StepState::Planned,
                        _ => StepState::OutcomeUnknown,
                    },
                    (true, false) => StepState::Applied,
                    (true, true) if left => StepState::OutcomeUnknown,
                    (true, true) => StepState::Undone,
                },
                remark: self.remarks.iter().find(|(of, _)| *of == at).map(|(_, what)| what.clone()),
            }
        });
        let report = RunReport {
            schema: RUN_SCHEMA.to_owned(),
            run: self.run,
            plan: self.id.to_owned(),
            state,
            steps: steps.collect(),
            confirm_within,
            stopped,
            not_undone,
            log: self.wal.path(),
            log_incomplete: self.wal.incomplete(),
            torn: None,
            assisted_by: assisted_by(self.id),
        };
        self.wal.finish();
        Ok(report)
    }
}

/// Takes back steps, the last first, each only if its state is still the one that it left. A step whose state is
/// already the one from before counts as taken back. One that cannot be taken back does not keep the others, but for
/// what a machine that stays may use: a disk that nothing has written to yet may be written to in the next moment.
pub(crate) fn take_back(
    begun: &[(usize, Action)],
    wal: &mut Wal,
    context: &mut Context<'_>,
) -> Result<Vec<NotUndone>, Point> {
    let mut left = Vec::new();
    let undos: Vec<&Action> = begun.iter().map(|(_, undo)| undo).collect();
    let mut staying: Option<&str> = None;
    for (at, (step, undo)) in begun.iter().enumerate().rev() {
        let what = words(undo).does;
        let used =
            staying.filter(|_| takes_away(undo) && actions::of(undo).verify(&context.world()).is_err());
        let why = match used {
            Some(machine) => format!("machine {machine}, which stays, may use it"),
            None => match take_one_back(*step, &undos, at, wal, context)? {
                Ok(()) => {
                    let _ = wal.append(&RunEvent::UndoDone { step: *step });
                    (context.progress)(Event::Undone { step: step + 1 });
                    continue;
                }
                Err(error) => {
                    staying = machine_of(undo).or(staying);
                    error.chain()
                }
            },
        };
        let _ = wal.append(&RunEvent::UndoFailed { step: *step, why: shorten(&why) });
        (context.progress)(Event::NotUndone { step: step + 1, why: why.clone() });
        left.push(NotUndone { step: step + 1, what, why });
    }
    left.reverse();
    Ok(left)
}

/// The machine that stays where this cannot be done.
fn machine_of(undo: &Action) -> Option<&str> {
    match undo {
        Action::MachineStop { machine } | Action::MachineDelete { machine, .. } => Some(machine),
        _ => None,
    }
}

/// Whether a disk or a link that a machine could use is gone afterwards. A file can be written anew as the plan has it.
fn takes_away(undo: &Action) -> bool {
    matches!(
        undo,
        Action::ImageRemove { .. }
            | Action::ImageCopyRemove { .. }
            | Action::ImageOverlayRemove { .. }
            | Action::TapRemove { .. }
            | Action::BridgeRemove { .. }
            | Action::OvsBridgeRemove { .. }
    )
}

fn take_one_back(
    step: usize,
    undos: &[&Action],
    at: usize,
    wal: &mut Wal,
    context: &mut Context<'_>,
) -> Result<Result<(), ActionError>, Point> {
    let world = context.world();
    let undo = undos[at];
    let act = actions::of(undo);
    if act.verify(&world).is_ok() {
        return Ok(act.sweep(&world));
    }
    let inverse = match act.resume(&world) {
        Ok(inverse) => inverse,
        Err(_) if already_back(undos, at, &world) => return Ok(act.sweep(&world)),
        Err(error) => return Ok(Err(error)),
    };
    (context.progress)(Event::Undoing { step: step + 1, what: words(undo).does });
    // Recovery looks at reality, so an undo without its line on disk is not lost: go on where the disk is full.
    let _ = wal.append(&RunEvent::UndoIntent { step });
    if context.at(Point::AfterUndoIntent(step)) == Fault::Crash {
        return Err(Point::AfterUndoIntent(step));
    }
    let done =
        act.perform(&world, &inverse).and_then(|()| act.verify(&world)).and_then(|()| act.sweep(&world));
    if context.at(Point::AfterUndo(step)) == Fault::Crash {
        return Err(Point::AfterUndo(step));
    }
    Ok(done)
}

/// A reason that fits the room which is set aside for an event.
fn shorten(why: &str) -> String {
    why.chars().take(400).collect()
}

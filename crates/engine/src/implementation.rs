//! IMPLEMENTATION: carries out exactly an approved plan, verifies each step by the rule that it settles, and
//! takes runs back.

use crate::analysis::read;
use crate::backends::{self, Chosen, Other};
use crate::guard::{self, Guards};
use crate::{
    Approve, Environment, Error, Outcome, PlanMade, Progress, RunSummary, asks, machines, memory, plans,
    rehearse,
};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vmwright_apply::commit::{About, Trees, commit};
use vmwright_apply::recover::Found;
use vmwright_apply::report::{Event, RunReport};
use vmwright_apply::{
    Approved, Ask, Check, Context, MachineError, MachineRecord, MachineState, Machines, Net, Plugged,
    Presence, ResumeError, Seat, Standing, UndoError,
};
use vmwright_backend::libvirt::places::{self, Stands};
use vmwright_backend::libvirt::{Connection, Kept, Libvirt, NotLocal};
use vmwright_backend::qemu::Qemu;
use vmwright_backend::request::Migrate;
use vmwright_backend::store::{self, StoreError};
use vmwright_backend::{Request, Unwatched};
use vmwright_host::{HostId, Root, Subject};
use vmwright_model::plan::{APPROVAL_SCHEMA, DomainEdit, QmpValue, Settles};
use vmwright_model::{Approval, EntryState, Mode, Plan, RunState, Snapshot, StepState, Verdict};
use vmwright_plan::{NamedPlans, Protected};
use vmwright_rules::confidence::stands_without_words;
use vmwright_rules::{Reading, entry, ranking};

/// Has a person sign a plan.
pub(crate) fn approve(what: &Approve, environment: &Environment) -> Result<Outcome, Error> {
    let made = plans::load(&what.plan, environment)?;
    let host = vmwright_host::host_id(&environment.state).map_err(Error::Identity)?;
    if made.plan.host_id != host.id {
        return Err(Error::OtherHost { plan: made.plan.host_id, this: host.id });
    }
    // Nobody is asked to sign what would be refused.
    let problems = vmwright_plan::lint(&made.plan);
    if !problems.is_empty() {
        return Err(Error::Lint(problems.iter().map(ToString::to_string).collect()));
    }
    unprotected(&made.plan, environment)?;
    rehearse::policy::check(&made, environment)?;
    let expires = Timestamp::now().as_second().saturating_add(what.valid_for);
    let approval = Approval {
        schema: APPROVAL_SCHEMA.to_owned(),
        plan: made.id.clone(),
        host_id: host.id,
        ceiling: what.ceiling.unwrap_or_else(|| vmwright_plan::disruption(&made.plan)),
        expires,
        principal: what.principal.clone(),
    };
    let two = two_persons(&made.plan, environment)?;
    let ask = Ask {
        plan: &made.id,
        host_id: &approval.host_id,
        disruption: vmwright_plan::disruption(&made.plan),
        now: Timestamp::now().as_second(),
        two: false,
    };
    // Somebody else has signed, and it holds: this is the second signature.
    let first = vmwright_apply::verify(&ask, &environment.state, &environment.config);
    let seat = match first {
        Ok(first) if two && first.approval().principal != approval.principal => Seat::Second,
        _ => Seat::First,
    };
    vmwright_apply::sign(&approval, seat, &what.key, &environment.state).map_err(Error::Sign)?;
    let expires = Timestamp::from_second(expires).map(|time| time.to_string()).unwrap_or_default();
    let ask = Ask { two, ..ask };
    let missing = vmwright_apply::verify(&ask, &environment.state, &environment.config).err();
    let waits_for = missing.map(|refused| crate::error::chain(&refused));
    Ok(Outcome::Approved { plan: made.id, principal: approval.principal, expires, waits_for })
}

/// Whether two people have to approve a plan. A list that others may write to, or that cannot be read, lets nothing
/// through.
fn two_persons(plan: &Plan, environment: &Environment) -> Result<bool, Error> {
    let Some((path, text)) = administrators(environment, "two-persons")? else { return Ok(false) };
    let rule = NamedPlans::read(&text).map_err(|line| Error::PersonsList { path, line })?;
    Ok(rule.names(plan))
}

/// A list of the administrator's, which nobody else may write to; none where there is none.
pub(crate) fn administrators(
    environment: &Environment,
    name: &str,
) -> Result<Option<(PathBuf, String)>, Error> {
    let path = environment.config.join(name);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|source| Error::File { path: path.clone(), source })?,
    };
    vmwright_apply::trust::check(&path).map_err(Error::Untrusted)?;
    Ok(Some((path, text)))
}

/// That a plan disturbs nothing which the list of the administrator protects. A list that others may write to, or that
/// cannot be read, protects everything.
fn unprotected(plan: &Plan, environment: &Environment) -> Result<(), Error> {
    let Some((path, text)) = administrators(environment, "protected")? else { return Ok(()) };
    let protected = Protected::read(&text).map_err(|line| Error::ProtectedList { path, line })?;
    match protected.against(plan) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(Error::Lint(errors.iter().map(ToString::to_string).collect())),
    }
}

/// The approval of a plan on this host, if it holds now.
fn approved(made: &PlanMade, environment: &Environment) -> Result<(HostId, Approved), Error> {
    unprotected(&made.plan, environment)?;
    rehearse::policy::check(made, environment)?;
    let host = vmwright_host::host_id(&environment.state).map_err(Error::Identity)?;
    let ask = Ask {
        plan: &made.id,
        host_id: &host.id,
        disruption: vmwright_plan::disruption(&made.plan),
        now: Timestamp::now().as_second(),
        two: two_persons(&made.plan, environment)?,
    };
    let approved =
        vmwright_apply::verify(&ask, &environment.state, &environment.config).map_err(Error::Refused)?;
    Ok((host, approved))
}

/// Whether a person's signature allows a plan.
pub(crate) fn approval(plan: &str, environment: &Environment) -> Result<Outcome, Error> {
    let made = plans::load(plan, environment)?;
    let (_, approved) = approved(&made, environment)?;
    let approval = approved.approval();
    let expires = Timestamp::from_second(approval.expires).map(|time| time.to_string()).unwrap_or_default();
    Ok(Outcome::Approval {
        plan: made.id,
        title: made.plan.title,
        principal: approved.by(),
        ceiling: approval.ceiling,
        expires,
    })
}

/// Carries out an approved plan.
pub(crate) fn apply(
    plan: &str,
    confirm_within: u64,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let made = plans::load(plan, environment)?;
    progress(Progress::Banner(Mode::Implementation.banner(&format!(
        "plan {}: {}",
        short(&made.id),
        made.plan.title
    ))));
    let (host, approved) = approved(&made, environment)?;
    progress(Progress::Note(format!("approved by {}", approved.by())));
    let guards = Guards { environment, seconds: confirm_within };
    let report = with_context(environment, &host.id, Some(&made.plan), Some(&guards), progress, |context| {
        vmwright_apply::apply(&made.plan, &approved, context).map_err(|error| Error::Apply(Box::new(error)))
    })?;
    if report.state == RunState::Applied {
        committed(&made, &report.run, Some(&approved.by()), environment, progress);
    }
    remember(&report, &made, &host.id, environment, progress);
    Ok(Outcome::Run(summary(report, false)))
}

/// Commits what a run changed or took back in the work trees that the administrator names. A run stands or falls without.
fn committed(
    made: &PlanMade,
    run: &str,
    approved_by: Option<&str>,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let title = match approved_by {
        Some(_) => made.plan.title.clone(),
        None => format!("Take back: {}", made.plan.title),
    };
    let about = About { plan_id: &made.id, run, title: &title, approved_by };
    let trees = match administrators(environment, "commit") {
        Ok(None) => return,
        Ok(Some((path, text))) => {
            Trees::read(&text).map_err(|line| format!("{}: line {line} is no plain path", path.display()))
        }
        Err(error) => Err(crate::error::chain(&error)),
    };
    match trees {
        Ok(trees) => {
            for line in commit(&vmwright_apply::Live, &trees, &made.plan, &about) {
                progress(Progress::Note(line));
            }
        }
        Err(why) => progress(Progress::Note(format!("not committed: {why}"))),
    }
}

/// Goes on with a run behind the restart of the host.
pub(crate) fn resume(
    run: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    go_on(run, "behind the restart", vmwright_apply::resume_run, environment, progress)
}

/// Goes on with a run, `when` and as `how` says.
fn go_on(
    run: &str,
    when: &str,
    how: fn(&str, &Plan, &mut Context<'_>) -> Result<RunReport, ResumeError>,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let host = vmwright_host::host_id(&environment.state).map_err(Error::Identity)?;
    let of = vmwright_apply::after_boot::plan_of(&environment.state, run);
    let of = of.map_err(|error| Error::Resume(Box::new(error.into())))?;
    let of = of.ok_or_else(|| Error::Resume(Box::new(ResumeError::NotWaiting(run.to_owned()))))?;
    let made = plans::load(&of, environment)?;
    progress(Progress::Banner(Mode::Implementation.banner(&format!(
        "run {run} {when}, plan {}: {}",
        short(&made.id),
        made.plan.title
    ))));
    let report = with_context(environment, &host.id, Some(&made.plan), None, progress, |context| {
        how(run, &made.plan, context).map_err(|error| Error::Resume(Box::new(error)))
    })?;
    if report.state != RunState::Applied {
        progress(Progress::Note(
            "the host runs what it booted; restart it once more to have it as before".to_owned(),
        ));
    } else {
        committed(&made, run, Some("whoever approved the run"), environment, progress);
    }
    remember(&report, &made, &host.id, environment, progress);
    Ok(Outcome::Run(summary(report, false)))
}

/// Lets a run stay that waits for a confirmation.
pub(crate) fn confirm(
    run: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let awaiting = vmwright_apply::net::awaiting(&environment.state, run);
    if awaiting.map_err(|error| Error::Confirm(Box::new(error.into())))?.is_some_and(|run| run.awaited) {
        return go_on(run, "before the restart", vmwright_apply::keep_untried, environment, progress);
    }
    vmwright_apply::confirm_run(&environment.state, run).map_err(|error| Error::Confirm(Box::new(error)))?;
    let host = vmwright_host::host_id(&environment.state).map_err(Error::Identity)?;
    let entry = memory::entry("apply", format!("run {run} confirmed"), String::new(), &host.id);
    note(memory::append(entry, environment), progress);
    Ok(Outcome::Confirmed { run: run.to_owned() })
}

/// Takes a run back.
pub(crate) fn undo(
    run: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    progress(Progress::Banner(Mode::Implementation.banner(&format!("undo of run {run}"))));
    take_back(run, vmwright_apply::undo_run, "taken back", environment, progress)
}

/// Takes a run back that nobody has confirmed in time.
pub(crate) fn revert(
    run: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    take_back(
        run,
        vmwright_apply::revert_run,
        "taken back: nobody confirmed it in time",
        environment,
        progress,
    )
}

fn take_back(
    run: &str,
    how: fn(&str, &mut Context<'_>) -> Result<RunReport, UndoError>,
    what: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let host = vmwright_host::host_id(&environment.state).map_err(Error::Identity)?;
    let report = with_context(environment, &host.id, None, None, progress, |context| {
        how(run, context).map_err(|error| Error::Undo(Box::new(error)))
    })?;
    // A plan that is not kept any more was the run's all the same; only nothing can be committed of it.
    if report.state == RunState::Undone
        && let Ok(made) = plans::load(&report.plan, environment)
    {
        committed(&made, &report.run, None, environment, progress);
    }
    let title = format!("run {} {what}", report.run);
    let mut entry = memory::entry("undo", title, lines(&report).join("\n"), &host.id);
    entry.evidence = vec![report.log.clone()];
    note(memory::append(entry, environment), progress);
    Ok(Outcome::Run(summary(report, true)))
}

/// Looks at runs that were cut off.
pub(crate) fn recover(environment: &Environment) -> Result<Outcome, Error> {
    let host = vmwright_host::host_id(&environment.state).map_err(Error::Identity)?;
    let cut = with_context(environment, &host.id, None, None, &mut |_| {}, |context| {
        vmwright_apply::recover(context).map_err(|error| Error::Recover(Box::new(error)))
    })?;
    let mut lines = Vec::new();
    let waiting = vmwright_apply::net::all_awaiting(&environment.state)
        .map_err(|error| Error::Recover(Box::new(error.into())))?;
    for run in waiting.iter().filter(|run| run.restarted.is_some()) {
        lines.push(match (run.restarted, run.left) {
            (Some(false), _) if run.awaited => format!(
                "run {0} waits until somebody restarts this host; behind that: vmwright apply --resume {0}, or without it: vmwright confirm {0}",
                run.run
            ),
            (Some(true), Some(left)) => format!(
                "run {0} goes on behind the restart, and is taken back in {left} s unless you do so: vmwright apply --resume {0}",
                run.run
            ),
            (Some(true), None) => format!(
                "run {0} waits behind the restart, and nobody went on with it in time: vmwright apply --resume {0}, or vmwright undo {0}",
                run.run
            ),
            _ => format!(
                "run {0} waits for the restart of this host; behind it: vmwright apply --resume {0}",
                run.run
            ),
        });
    }
    for run in waiting.iter().filter(|run| run.restarted.is_none()) {
        if guard::revive(&run.run, environment) {
            lines.push(format!(
                "run {}: nobody waited for its confirmation any more; that was started anew",
                run.run
            ));
        }
    }
    for run in waiting.iter().filter(|run| run.applied) {
        lines.push(match run.left {
            Some(left) => format!(
                "run {0} is applied, and is taken back in {left} s unless you confirm it: vmwright confirm {0}",
                run.run
            ),
            None => format!(
                "run {0} is applied, and nobody confirmed it in time: vmwright confirm {0}, or vmwright undo {0}",
                run.run
            ),
        });
    }
    for run in cut {
        let next =
            if run.undo_possible { "can be taken back" } else { "cannot be taken back as things stand" };
        lines.push(format!(
            "run {} of plan {}: cut off; it {next}: vmwright undo {}",
            run.run,
            short(&run.plan),
            run.run
        ));
        for step in run.steps {
            let found = match step.found {
                Found::Before => "is as before the step".to_owned(),
                Found::After => "is as the step leaves it".to_owned(),
                Found::OutcomeUnknown(why) => format!("outcome unknown: {why}"),
            };
            lines.push(format!("  step {}: {found}; undone by: {}", step.step, step.what));
        }
    }
    Ok(Outcome::Recovery { lines })
}

fn with_context<T>(
    environment: &Environment,
    host_id: &str,
    plan: Option<&Plan>,
    net: Option<&dyn Net>,
    progress: &mut dyn FnMut(Progress),
    act: impl FnOnce(&mut Context<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let live = Live {
        environment,
        vm: plan.and_then(|plan| plan.vm.as_deref()),
        complaint: plan.map_or("", |plan| &plan.complaint),
    };
    let mut tell = |event: Event| progress(Progress::Note(words(&event)));
    act(&mut Context {
        state: &environment.state,
        host_id,
        machines: &live,
        system: &vmwright_apply::Live,
        net,
        check: &live,
        progress: &mut tell,
        fault: None,
        interrupted: &environment.stop,
    })
}

/// The running host, as the executor asks it.
struct Live<'a> {
    environment: &'a Environment,
    vm: Option<&'a str>,
    /// What the user complained of, where the plan needs it.
    complaint: &'a str,
}

impl Live<'_> {
    fn open(&self, name: &str) -> Result<store::Stored, MachineError> {
        store::open(&self.environment.state, name).map_err(|error| failed(&error))
    }

    /// A machine whose QEMU vmwright itself runs, and whose monitor is therefore its own.
    fn of_qemu(&self, name: &str) -> Result<store::Stored, MachineError> {
        let machine = self.open(name)?;
        match Chosen::of(&machine).map_err(|error| failed(&error))? {
            Chosen::Qemu => Ok(machine),
            other => Err(MachineError(format!("{} has no monitor of QEMU that is vmwright's", other.word()))),
        }
    }

    /// The domain of libvirt that is meant, where vmwright has no machine of this name.
    fn theirs(&self, name: &str) -> Result<Option<Other>, MachineError> {
        match store::open(&self.environment.state, name) {
            Err(StoreError::NotFound(_) | StoreError::BadName(_)) => {
                backends::other(name, self.environment).map_err(|error| failed(&error))
            }
            _ => Ok(None),
        }
    }
}

impl Machines for Live<'_> {
    fn running(&self, name: &str) -> Result<bool, MachineError> {
        if let Some(other) = self.theirs(name)? {
            return Ok(other.domain.condition.state.alive());
        }
        let machine = self.open(name)?;
        let backend = backends::of(&machine).map_err(|error| failed(&error))?;
        Ok(backend.look(&machine).map_err(|error| failed(&error))?.state.alive())
    }

    fn record(&self, name: &str) -> Result<Option<MachineRecord>, MachineError> {
        let machine = match store::open(&self.environment.state, name) {
            Ok(machine) => machine,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let text = store::read_spec(&machine.file(store::SPEC)).map_err(|error| failed(&error))?.0;
        let chosen = Chosen::of(&machine).map_err(|error| failed(&error))?;
        let state = match &chosen {
            Chosen::Libvirt(connection) => {
                let kept = Libvirt::on(connection.clone()).kept(&machine).map_err(|error| failed(&error))?;
                match kept {
                    Kept::Whole => MachineState::Whole,
                    Kept::Nothing => MachineState::Half("libvirt has no domain of it".to_owned()),
                    Kept::Changed => {
                        MachineState::Changed("somebody else changed its domain in libvirt".to_owned())
                    }
                }
            }
            _ => MachineState::Whole,
        };
        Ok(Some(MachineRecord { backend: chosen.word(), text, state }))
    }

    fn create(&self, name: &str, backend: &str, text: &str) -> Result<(), MachineError> {
        machines::create_of(name, backend, text, self.environment).map_err(|error| failed(&error))
    }

    fn delete(&self, name: &str) -> Result<(), MachineError> {
        machines::remove(name, self.environment).map_err(|error| failed(&error))
    }

    fn start(&self, name: &str) -> Result<(), MachineError> {
        if let Some(other) = self.theirs(name)? {
            let started = Libvirt::on(other.connection).start_domain(name);
            return started.map(drop).map_err(|error| failed(&error));
        }
        let machine = self.open(name)?;
        let backend = backends::of(&machine).map_err(|error| failed(&error))?;
        backend.start(&machine).map(drop).map_err(|error| failed(&error))
    }

    fn migrate(&self, name: &str, to: &str) -> Result<(), MachineError> {
        let machine = self.open(name)?;
        let backend = backends::of(&machine).map_err(|error| failed(&error))?;
        let request = Request::Migrate(Migrate::to(asks::place(to).map_err(|error| failed(&error))?));
        vmwright_backend::perform(&*backend, &machine, request, &mut Unwatched)
            .map(drop)
            .map_err(|error| failed(&error))
    }

    fn domain(&self, connection: &str, domain: &str, edits: &[DomainEdit]) -> Result<Standing, MachineError> {
        let libvirt = libvirt(connection)?;
        Ok(match libvirt.standing(domain, edits).map_err(|error| failed(&error))? {
            Stands::Before => Standing::Before,
            Stands::After => Standing::After,
            Stands::Neither(why) => Standing::Neither(why.to_string()),
        })
    }

    fn edit_domain(&self, connection: &str, domain: &str, edits: &[DomainEdit]) -> Result<(), MachineError> {
        libvirt(connection)?.change(domain, edits).map_err(|error| failed(&error))
    }

    fn device(&self, connection: &str, domain: &str, device: &str) -> Result<Plugged, MachineError> {
        let found = libvirt(connection)?.device(domain, device).map_err(|error| failed(&error))?;
        let presence = |there| match there {
            places::Plugged::Absent => Presence::Absent,
            places::Plugged::There => Presence::There,
            places::Plugged::Other(what) => Presence::Other(what),
        };
        Ok(Plugged { running: found.running, live: presence(found.live), kept: presence(found.kept) })
    }

    fn plug(
        &self,
        connection: &str,
        domain: &str,
        device: &str,
        away: bool,
        live_and_kept: (bool, bool),
    ) -> Result<(), MachineError> {
        let plugged = libvirt(connection)?.plug(domain, device, away, live_and_kept);
        plugged.map_err(|error| failed(&error))
    }

    fn value(&self, name: &str, value: &QmpValue) -> Result<u64, MachineError> {
        Qemu::default().value(&self.of_qemu(name)?, value).map_err(|error| failed(&error))
    }

    fn moved(&self, name: &str) -> Result<Option<String>, MachineError> {
        Qemu::default().moved(&self.of_qemu(name)?).map_err(|error| failed(&error))
    }

    fn set_value(&self, name: &str, value: &QmpValue, to: u64) -> Result<(), MachineError> {
        Qemu::default().set_value(&self.of_qemu(name)?, value, to).map_err(|error| failed(&error))
    }

    fn stop(&self, name: &str) -> Result<(), MachineError> {
        if let Some(other) = self.theirs(name)? {
            let stopped = Libvirt::on(other.connection).stop_domain(name, machines::how(false));
            return stopped.map(drop).map_err(|error| failed(&error));
        }
        machines::end(&self.open(name)?, false).map(drop).map_err(|error| failed(&error))
    }
}

fn libvirt(connection: &str) -> Result<Libvirt, MachineError> {
    let connection: Connection = connection.parse().map_err(|error: NotLocal| failed(&error))?;
    Ok(Libvirt::on(connection))
}

fn failed(error: &dyn std::error::Error) -> MachineError {
    MachineError(crate::error::chain(error))
}

/// After how long a rule that still fires is asked again: what a kernel or a VMM counts follows a change after a moment.
const AGAIN: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Check for Live<'_> {
    /// Asks the rules again, on the state of now. The logs are left out: they tell of the start that failed, and
    /// only the next start can add to them. A rule that knows nothing but messages is therefore unknown here;
    /// it is the start of the VM, the plan's last step, that proves it settled.
    fn settled(&self, settles: &[Settles]) -> Result<(), String> {
        if settles.is_empty() {
            return Ok(());
        }
        again(|| self.asked(settles), &self.environment.stop)
    }
}

/// What is told in the end, where it is asked again as long as it is no good, as [`AGAIN`] says. Nobody waits behind `stop`.
fn again(mut ask: impl FnMut() -> Result<(), String>, stop: &AtomicBool) -> Result<(), String> {
    let mut told = ask();
    for pause in AGAIN {
        if told.is_ok() || stop.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(pause);
        told = ask();
    }
    told
}

impl Live<'_> {
    /// What the rules say of the state of now.
    fn asked(&self, settles: &[Settles]) -> Result<(), String> {
        let subject = Subject { vm: self.vm.map(str::to_owned), state: self.environment.state.clone() };
        let mut snapshot =
            read(&Root::Live, &subject, self.environment).map_err(|error| crate::error::chain(&error))?;
        snapshot
            .records
            .retain(|record| !record.kind.0.ends_with("_log") && record.kind.0 != "guest_console");
        settles.iter().try_for_each(|settled| quiet(settled, &snapshot, self.complaint))
    }
}

/// Whether a rule is quiet about a subject. What the complaint says by itself does not count: it was said before, and stays said.
fn quiet(settled: &Settles, snapshot: &Snapshot, complaint: &str) -> Result<(), String> {
    let entry = entry(&settled.rule).ok_or_else(|| format!("no rule {}", settled.rule))?;
    let mut fired =
        ranking::judge(entry, &Reading::new(snapshot, complaint)).into_iter().filter_map(|verdict| {
            match verdict {
                Verdict::Fired(finding) if finding.subject == settled.subject => Some(finding),
                _ => None,
            }
        });
    match fired.find(|finding| complaint.is_empty() || stands_without_words(finding)) {
        Some(finding) => Err(format!("{} still says: {}", settled.rule, finding.title)),
        None => Ok(()),
    }
}

/// Writes what a run teaches: the findings it settled, tied to its log.
fn remember(
    report: &RunReport,
    made: &PlanMade,
    host_id: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let outcome = match report.state {
        RunState::Applied => "applied",
        RunState::Rebooting => "applied up to the restart",
        RunState::AwaitingReboot => "applied, and waits for a restart",
        RunState::Undone => "stopped and taken back",
        RunState::UndoIncomplete => "stopped, and not fully taken back",
        RunState::Interrupted => "cut off",
    };
    let mut body = format!("{}\n", lines(report).join("\n"));
    if let Some(stopped) = &report.stopped {
        body.push_str(&format!("stopped at step {}: {}\n", stopped.step, stopped.why));
    }
    body.push_str(&report.assisted_by);
    let title = format!("plan {} {outcome}: {}", short(&made.id), made.plan.title);
    let mut entry = memory::entry("apply", title, body, host_id);
    let settled = made.plan.steps.iter().flat_map(|step| &step.settles);
    entry.rules = settled.map(|settles| settles.rule.clone()).collect();
    entry.rules.sort();
    entry.rules.dedup();
    let host = vmwright_host::identity(&environment.state);
    entry.evidence = vec![report.log.clone(), made.path.display().to_string()];
    entry.evidence.extend(memory::under(&host, environment));
    if report.state == RunState::Applied {
        entry.state = EntryState::Verified;
    }
    note(memory::append(entry, environment), progress);
}

/// A journal that cannot be written is told; what was done is done, and the run's own log has it.
fn note<T>(written: Result<T, Error>, progress: &mut dyn FnMut(Progress)) {
    if let Err(error) = written {
        progress(Progress::Note(format!("not in the journal: {}", crate::error::chain(&error))));
    }
}

fn summary(report: RunReport, asked_for: bool) -> RunSummary {
    let mut steps = lines(&report);
    steps.extend(
        report.not_undone.iter().map(|one| format!("step {} stays: {} ({})", one.step, one.what, one.why)),
    );
    let why = report.stopped.map(|stop| format!("step {}: {}", stop.step, stop.why));
    let confirm_within = report.confirm_within;
    RunSummary { run: report.run, state: report.state, steps, why, asked_for, confirm_within }
}

fn lines(report: &RunReport) -> Vec<String> {
    let line = |step: &vmwright_apply::report::StepReport| {
        let state = match step.state {
            StepState::Planned
                if step.step == report.steps.len() && report.state == RunState::AwaitingReboot =>
            {
                "to come"
            }
            StepState::Planned => "not begun",
            StepState::Applied => "done",
            StepState::Undone => "taken back",
            StepState::OutcomeUnknown => "outcome unknown",
        };
        let remark = step.remark.as_ref().map(|remark| format!(" ({remark})")).unwrap_or_default();
        format!("{}. {state}: {}{remark}", step.step, step.what)
    };
    report.steps.iter().map(line).collect()
}

fn words(event: &Event) -> String {
    match event {
        Event::Checked { steps } => format!("all {steps} steps find what they expect"),
        Event::Doing { step, what } => format!("step {step}: {what}"),
        Event::Done { step } => format!("step {step}: done and verified"),
        Event::Stopped { step, why } => format!("stopped at step {step}: {why}"),
        Event::Undoing { step, what } => format!("taking step {step} back: {what}"),
        Event::Remark { step, what } => format!("step {step}: {what}"),
        Event::Undone { step } => format!("step {step}: as before"),
        Event::NotUndone { step, why } => format!("step {step} could not be taken back: {why}"),
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::{AGAIN, again, quiet};
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};
    use vmwright_model::plan::Settles;
    use vmwright_model::{Kind, Record, Snapshot, Subject};

    #[test]
    fn what_was_found_by_a_complaint_is_asked_with_it_again() {
        let settled = Settles { rule: "nested/not-exposed".to_owned(), subject: Subject::host() };
        let wanted = "my VMs no longer see svm in /proc/cpuinfo, so nobody can run KVM inside them";
        let of = |nested: &str, complaint: &str| {
            let path = "/sys/module/kvm_amd/parameters/nested";
            let records = vec![
                Record::new(path, Kind::TEXT, nested),
                Record::new("vmms", Kind("vmm_processes".into()), ""),
            ];
            quiet(&settled, &Snapshot { live: true, records, ..Snapshot::default() }, complaint)
        };
        assert_eq!(of("0\n", ""), Ok(()), "nobody wants it");
        let told = of("0\n", wanted).expect_err("it is as it was complained of");
        assert!(told.starts_with("nested/not-exposed still says: "), "{told}");
        assert_eq!(of("1\n", wanted), Ok(()));
        // An error that was pasted into the complaint stays there, whatever became of its cause.
        let pasted = "Could not access KVM kernel module: No such file or directory";
        let nothing = Snapshot::default();
        let found = vmwright_rules::diagnose(&nothing, pasted, &|_| true).findings;
        let one = found.first().expect("its words lead to a cause");
        let settled = Settles { rule: one.rule.clone(), subject: one.subject.clone() };
        assert_eq!(quiet(&settled, &nothing, pasted), Ok(()));
    }

    #[test]
    fn what_follows_a_change_late_is_waited_for() {
        let goes_on = AtomicBool::new(false);
        let (begun, late) = (Instant::now(), Duration::from_millis(600));
        let mut asked = 0;
        let counts = || {
            asked += 1;
            // Never at once, however slow this machine is.
            if asked > 1 && begun.elapsed() >= late { Ok(()) } else { Err("it still fires".to_owned()) }
        };
        assert_eq!(again(counts, &goes_on), Ok(()));
        assert!(begun.elapsed() >= late && asked <= 3, "{asked}");
    }

    #[test]
    fn what_stays_is_told_at_last_and_what_is_good_or_stopped_at_once() {
        let (goes_on, stops) = (AtomicBool::new(false), AtomicBool::new(true));
        let asked = |told: Result<(), String>, stop: &AtomicBool| {
            let (mut times, begun) = (0, Instant::now());
            let ended = again(
                || {
                    times += 1;
                    told.clone()
                },
                stop,
            );
            assert_eq!(ended, told);
            (times, begun.elapsed())
        };
        let fires = || Err("it still fires".to_owned());
        let (times, took) = asked(fires(), &goes_on);
        assert_eq!(times, AGAIN.len() + 1);
        assert!(took >= AGAIN.iter().sum(), "{took:?}");
        assert_eq!(asked(fires(), &stops).0, 1);
        assert_eq!(asked(Ok(()), &goes_on).0, 1);
    }
}

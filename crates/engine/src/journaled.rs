//! What each operation has to do with the journal. One that learns or changes something opens with a search and closes
//! with an entry: by itself, where it knows best what to say, or here.

use crate::{Ask, Environment, Error, Operation, Outcome, Progress, analysis, decide, memory};
use std::panic::resume_unwind;
use std::thread;
use vmwright_model::EntryState;
use vmwright_model::analysis::Recalled;

/// What an operation has to do with the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// It searches and writes by itself.
    Own,
    /// It is searched for and written here, under this line.
    Line(String),
    /// It neither learns nor changes anything: why.
    None(&'static str),
}

/// What an operation has to do with the journal; exhaustive, so that a new one has to be placed.
#[must_use]
pub fn record(operation: &Operation) -> Record {
    const TOLD: Record = Record::None("it tells what vmwright knows of itself");
    const LOOKS: Record = Record::None("it looks at a machine, and the next look may see another");
    const MEMORY: Record = Record::None("it is about the journal itself");
    match operation {
        Operation::Analyze(what) if what.dry_run || what.why.is_some() => TOLD,
        Operation::Capture(what) if what.dry_run => TOLD,
        Operation::Analyze(_)
        | Operation::Capture(_)
        | Operation::Investigate(_)
        | Operation::Escalate(_)
        | Operation::Apply { .. }
        | Operation::Resume { .. }
        | Operation::Confirm { .. }
        | Operation::Revert { .. }
        | Operation::Undo { .. }
        | Operation::Rehearse(_)
        | Operation::Review { .. } => Record::Own,
        Operation::Decide(what) => decide::line(what).map_or(TOLD, Record::Line),
        Operation::Plan { intent } => Record::Line(intent.challenge()),
        Operation::Approve(what) => {
            Record::Line(format!("approval of plan {} by {}", what.plan, what.principal))
        }
        Operation::VmCreate { spec, .. } => Record::Line(format!("a machine made of {}", spec.display())),
        Operation::VmStart { vm } => Record::Line(format!("vm {vm}: started")),
        Operation::VmStop { vm, force: false } => Record::Line(format!("vm {vm}: stopped")),
        Operation::VmStop { vm, force: true } => Record::Line(format!("vm {vm}: stopped by force")),
        Operation::VmDelete { vm } => Record::Line(format!("vm {vm}: deleted")),
        Operation::VmReceive { vm, from, .. } => Record::Line(format!("vm {vm}: received from {from}")),
        Operation::VmAsk { ask: Ask::Snapshots | Ask::Stats { .. } | Ask::Console, .. } => LOOKS,
        Operation::VmAsk { vm, ask } => Record::Line(format!("vm {vm}: {}", name(ask))),
        Operation::Lab { .. } => Record::None("what is done in a lab is thrown away with it"),
        Operation::VmList | Operation::VmShow { .. } | Operation::Recover => LOOKS,
        Operation::Verify { .. } => Record::None("it looks at files that stand for themselves"),
        Operation::Explain { .. }
        | Operation::Rules { .. }
        | Operation::Preview { .. }
        | Operation::Approval { .. }
        | Operation::VmSchema { .. }
        | Operation::Convert { .. } => TOLD,
        Operation::JournalSearch { .. }
        | Operation::JournalList { .. }
        | Operation::JournalShow { .. }
        | Operation::JournalAdd { .. }
        | Operation::JournalVerify
        | Operation::JournalExport { .. }
        | Operation::JournalImport { .. } => MEMORY,
    }
}

/// What is asked of a machine, as it is tagged: `snapshot`, `resize-memory`.
fn name(ask: &Ask) -> String {
    let tagged = serde_json::to_value(ask).ok();
    tagged.and_then(|ask| ask["ask"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// An operation that is under way, and is written when it has ended.
pub(crate) struct Opened {
    /// As the operation is tagged: `vm-start`.
    kind: String,
    line: String,
}

/// Searches for what is about to be done.
pub(crate) fn open(
    operation: &Operation,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Option<Opened> {
    let Record::Line(line) = record(operation) else { return None };
    // A plan is searched for where it is made, behind the lock; a decision behind its banner; a start while it waits.
    if !matches!(operation, Operation::Plan { .. } | Operation::Decide(_) | Operation::VmStart { .. }) {
        tell(analysis::recall(&line, environment, &mut |_| {}), progress);
    }
    let tagged = serde_json::to_value(operation).ok();
    let kind = tagged.and_then(|one| one["operation"].as_str().map(str::to_owned)).unwrap_or_default();
    Some(Opened { kind, line })
}

/// Does what was opened, whose second argument is to be called once it waits: from then on the journal is searched, and what
/// was found is said when both are through. Nothing in it keeps a machine from being started, whoever starts one waits for
/// its guest, and a search beside the launch would hold that up: both fault in pages of one program.
pub(crate) fn beside<T>(
    opened: &Opened,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
    work: impl FnOnce(&mut dyn FnMut(Progress), &mut dyn FnMut()) -> T,
) -> T {
    let search = || analysis::recall(&opened.line, environment, &mut |_| {});
    let (recalled, came) = thread::scope(|scope| {
        let mut searching = None;
        let came = work(progress, &mut || {
            let thread = || thread::Builder::new().name("journal".to_owned()).spawn_scoped(scope, search);
            searching = searching.take().or_else(|| thread().ok());
        });
        // Where it never came to wait, or there can be no more threads, it is searched now.
        let recalled = searching
            .map_or_else(search, |searching| searching.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (recalled, came)
    });
    tell(recalled, progress);
    came
}

/// Says what the journal knows, or why it cannot be read.
fn tell((found, trouble): (Vec<Recalled>, Option<Error>), progress: &mut dyn FnMut(Progress)) {
    for one in found {
        progress(Progress::Note(format!("journal: entry {}: {}", one.entry, one.title)));
    }
    if let Some(error) = trouble {
        progress(Progress::Note(format!("journal: {}", crate::error::chain(&error))));
    }
}

/// Writes what came of it. That it cannot be written is told, and changes nothing of what was done.
pub(crate) fn close(
    opened: Opened,
    came: &Result<Outcome, Error>,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let host = vmwright_host::identity(&environment.state).id;
    let (title, body) = match came {
        Ok(outcome) => (opened.line, told(outcome)),
        Err(error) => (format!("{}: failed", opened.line), crate::error::chain(error)),
    };
    let mut entry = memory::entry(&opened.kind, title, body, &host);
    if let Ok(Outcome::Planned(made)) = came {
        entry.evidence = vec![format!("plan {}", made.id)];
        entry.rules =
            made.plan.steps.iter().flat_map(|step| step.settles.iter().map(|one| one.rule.clone())).collect();
        entry.rules.sort();
        entry.rules.dedup();
    }
    entry.state = EntryState::Pending;
    if let Err(error) = memory::append(entry, environment) {
        progress(Progress::Note(format!("not in the journal: {}", crate::error::chain(&error))));
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Decision(all) => decide::told(all),
        Outcome::Planned(made) => format!("{}; {} steps", made.plan.title, made.plan.steps.len()),
        Outcome::Approved { plan, principal, expires, .. } => {
            format!("plan {plan}, by {principal}, until {expires}")
        }
        Outcome::Machine(machine) => format!("{} is {}; {}", machine.name, machine.state, machine.backend),
        _ => String::new(),
    }
}

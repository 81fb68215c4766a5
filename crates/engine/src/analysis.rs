//! ANALYSIS: locks the process, searches the journal, reads, judges, ranks, and plans. Changes nothing.

use crate::accepted::{self, Acceptances};
use crate::grounds;
use crate::remote::{self, Place};
use crate::why::why;
use crate::{
    Analyze, Environment, Error, Operation, Outcome, Progress, RuleSummary, captures, judging, memory, plans,
    preflight,
};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;
use vmwright_host::sandbox::{self, Purpose};
use vmwright_host::{Limits, Root};
use vmwright_journal::Journal;
use vmwright_model::analysis::{ANALYSIS_SCHEMA, Accepted, Recalled, Sandbox};
use vmwright_model::{
    Analysis, Cause, EntryId, Exit, HostIdentity, Issue, Level, Missing, Mode, Need, Snapshot,
};
use vmwright_rules::{CATALOGUE, Diagnosis, Entry, Reading, diagnose_by, diagnose_reading, entry};

/// Kinds in which everything that cannot be read is worth telling.
const CONFIGURATION: [&str; 2] = ["domain_xml", "machine_spec"];

/// How many issues of one source are told.
const ISSUES: usize = 8;

/// How much of a quoted line the journal keeps, in characters; the place says where the rest is.
const QUOTE: usize = 240;

/// How many entries of the journal an analysis recalls.
const RECALL: usize = 3;

pub(crate) fn analyze(
    what: &Analyze,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    select(what, "")?;
    if what.vm.is_some() && !what.from.is_empty() && what.against.is_none() {
        return Err(Error::Argument(
            "a VM with records goes with a move: `against` names the other host".to_owned(),
        ));
    }
    if let Some(rule) = what.why.as_deref().filter(|rule| entry(rule).is_none()) {
        return Err(unknown_rule(rule));
    }
    let far = remote::target(what.host.as_deref())?;
    let subject = preflight::subject(what, environment);
    if what.dry_run {
        let sources = match far {
            Some(_) => vmwright_host::ssh::work_list(&needs(&Root::Live)),
            None => {
                let mut sources = Vec::new();
                for root in roots(what)? {
                    sources.extend(vmwright_host::work_list(&root, &needs(&root), &subject));
                }
                sources
            }
        };
        return Ok(Outcome::WorkList { sources });
    }
    let acceptances = Acceptances::load(what, environment)?;
    let challenge = challenge(what);
    progress(Progress::Banner(Mode::Analysis.banner(&challenge)));
    let far = far.map(|target| remote::connect(&target, &needs(&Root::Live))).transpose()?;
    let (mut host, sandbox) = enter(what, environment)?;
    judging::prepare();
    let from = vmwright_host::each_capture(&what.from);
    if from.len() > 1 {
        if what.only_one || what.why.is_some() || what.against.is_some() {
            return Err(Error::Several(from.len()));
        }
        // Of several nobody is told what is like them, but for how many there are.
        let _ = recall(&challenge, environment, progress);
        let question = Question { what, challenge: &challenge, acceptances: &acceptances, sandbox: &sandbox };
        return captures::analyze(&question, &from, environment, progress);
    }
    // The journal is searched while the host is read: most of that is waiting for others.
    let (searched, read) = thread::scope(|scope| {
        let search = || search(&challenge, environment);
        let searching = thread::Builder::new().name("journal".to_owned()).spawn_scoped(scope, search);
        let place = far.map_or_else(|| root(from.first()).map(Place::Here), Ok);
        let read = place.and_then(|place| remote::read(place, &subject, environment));
        // Where there can be no more threads, it is searched now.
        let searched = searching.map_or_else(
            |_| search(),
            |searching| searching.join().unwrap_or_else(|panic| resume_unwind(panic)),
        );
        (searched, read)
    });
    let (journal, opened, mut trouble) = tell(searched, progress);
    let mut snapshot = read?;
    snapshot.vm = what.vm.clone().or(snapshot.vm);
    let target = preflight::target(what, environment)?;
    if !host.live {
        // A capture says which host it is of, and so does a host over SSH.
        host = remote::identity(&snapshot);
    }
    let mut reading = Reading::new(&snapshot, &what.complaint);
    let of_target = target.as_ref().map(Reading::of_target);
    if let Some(target) = &of_target {
        reading = reading.against(target);
    }
    preflight::check_vm(&reading)?;
    if let Some(rule) = &what.why {
        let entry = entry(rule).ok_or_else(|| unknown_rule(rule))?;
        return Ok(Outcome::Why(Box::new(why(entry, &reading))));
    }
    let wanted = |entry: &Entry| select(what, entry.id).unwrap_or(false);
    let diagnosis = diagnose_by(&|rules| judging::at_once(rules, &reading), &reading, &wanted);
    let Judged { diagnosis, causes, accepted } = judge(diagnosis, &reading, what, &acceptances);
    if let Err(error) = remember(&challenge, what, &host, &diagnosis, opened, environment) {
        trouble = Some(error);
    }
    let mut unread = unread(&snapshot);
    unread.extend(target.as_ref().map(self::unread).unwrap_or_default().into_iter().map(preflight::named));
    unread.extend(trouble.map(|error| ("journal".to_owned(), crate::error::chain(&error))));
    Ok(Outcome::Analysis(Box::new(Analysis {
        schema: ANALYSIS_SCHEMA.to_owned(),
        mode: Mode::Analysis,
        challenge,
        host,
        topology: vmwright_rules::topology(&reading),
        target: target
            .as_ref()
            .map(|one| HostIdentity { id: one.host_id.clone(), ..HostIdentity::default() }),
        causes,
        accepted,
        unknown: diagnosis.unknown,
        ruled_out: diagnosis.ruled_out,
        next: diagnosis.next,
        unread,
        journal,
        sandbox,
    })))
}

pub(crate) fn preview(plan: &str, environment: &Environment) -> Result<Outcome, Error> {
    Ok(Outcome::Preview(Box::new(plans::load(plan, environment)?)))
}

pub(crate) fn explain(rule: &str) -> Result<Outcome, Error> {
    if rule == accepted::STALE {
        return Ok(Outcome::Explanation { rule: rule.to_owned(), text: accepted::DOC.to_owned() });
    }
    let Some(entry) = entry(rule) else {
        let mut meanings = vmwright_formats::codes::meanings(rule);
        if meanings.is_empty() {
            meanings = vmwright_rules::meanings(rule);
        }
        return match meanings.is_empty() {
            true => Err(unknown_rule(rule)),
            false => Ok(Outcome::Meanings { of: rule.to_owned(), meanings }),
        };
    };
    Ok(Outcome::Explanation { rule: entry.id.to_owned(), text: format!("{}\n", entry.doc.trim_end()) })
}

pub(crate) fn rules(area: Option<&str>) -> Result<Outcome, Error> {
    let wanted = |entry: &&Entry| area.is_none_or(|area| entry.area() == area);
    let rules: Vec<RuleSummary> = CATALOGUE
        .iter()
        .filter(wanted)
        .map(|entry| RuleSummary {
            rule: entry.id.to_owned(),
            title: entry.title().to_owned(),
            level: entry.rule.level,
            tags: entry.rule.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            tells: entry.rule.tells.to_owned(),
        })
        .collect();
    match area {
        Some(area) if rules.is_empty() => Err(unknown_rule(area)),
        _ => Ok(Outcome::Rules { rules }),
    }
}

fn unknown_rule(name: &str) -> Error {
    let known: Vec<&str> = CATALOGUE.iter().flat_map(|entry| [entry.id, entry.area()]).collect();
    let near = vmwright_formats::nearest(name, &known).map(str::to_owned);
    Error::UnknownRule { name: name.to_owned(), near }
}

/// Whether a rule is to be asked. Refuses names that no rule and no area has.
fn select(what: &Analyze, id: &str) -> Result<bool, Error> {
    let names = |entry: &Entry, name: &str| entry.id == name || entry.area() == name;
    for name in what.select.iter().chain(&what.ignore).filter(|_| id.is_empty()) {
        if !CATALOGUE.iter().any(|entry| names(entry, name)) {
            return Err(unknown_rule(name));
        }
    }
    let area = id.split('/').next().unwrap_or("");
    let listed = |list: &[String]| list.iter().any(|name| name == id || name == area);
    Ok((what.select.is_empty() || listed(&what.select)) && !listed(&what.ignore))
}

/// What the rules that were asked for say of a reading, without what the user accepts.
struct Judged {
    diagnosis: Diagnosis,
    causes: Vec<Cause>,
    accepted: Vec<Accepted>,
}

fn judge(
    mut diagnosis: Diagnosis,
    reading: &Reading<'_>,
    what: &Analyze,
    acceptances: &Acceptances,
) -> Judged {
    grounds::lay_open(&mut diagnosis.causes, &diagnosis.findings, reading);
    // Only a live host, asked as a whole, can say that something is no longer there.
    let whole = reading.snapshot().live && reading.target().is_none();
    let quiet = |rule: &str| {
        whole && select(what, rule).unwrap_or(false) && !diagnosis.unknown.iter().any(|one| one.rule == rule)
    };
    let (mut causes, accepted) = acceptances.part(diagnosis.causes.clone());
    causes.extend(acceptances.stale(&diagnosis.causes, what.vm.as_deref(), &quiet));
    Judged { diagnosis, causes, accepted }
}

/// What is asked of each of several captures.
pub(crate) struct Question<'a> {
    pub(crate) what: &'a Analyze,
    pub(crate) challenge: &'a str,
    pub(crate) acceptances: &'a Acceptances,
    pub(crate) sandbox: &'a Sandbox,
}

/// The analysis of one of several captures. The journal is asked and told once, for all of them.
pub(crate) fn of_capture(
    path: &PathBuf,
    question: &Question<'_>,
    environment: &Environment,
) -> Result<Analysis, Error> {
    let subject = vmwright_host::Subject { vm: None, state: environment.state.clone() };
    let snapshot = read(&root(Some(path))?, &subject, environment)?;
    let reading = Reading::new(&snapshot, &question.what.complaint);
    // The other captures have the other processors.
    let diagnosis = diagnose_reading(&reading, &|entry| select(question.what, entry.id).unwrap_or(false));
    let Judged { diagnosis, causes, accepted } =
        judge(diagnosis, &reading, question.what, question.acceptances);
    Ok(Analysis {
        schema: ANALYSIS_SCHEMA.to_owned(),
        mode: Mode::Analysis,
        challenge: question.challenge.to_owned(),
        host: remote::identity(&snapshot),
        target: None,
        causes,
        topology: vmwright_rules::topology(&reading),
        accepted,
        unknown: diagnosis.unknown,
        ruled_out: diagnosis.ruled_out,
        next: diagnosis.next,
        unread: unread(&snapshot),
        journal: Vec::new(),
        sandbox: question.sandbox.clone(),
    })
}

/// Where to read; what lies at a path is looked at, so that the lock has to come before.
fn root(from: Option<&PathBuf>) -> Result<Root, Error> {
    match from {
        Some(path) => Root::at(path).map_err(Error::Collect),
        None => Ok(Root::Live),
    }
}

fn roots(what: &Analyze) -> Result<Vec<Root>, Error> {
    match vmwright_host::each_capture(&what.from) {
        captures if captures.is_empty() => Ok(vec![Root::Live]),
        captures => captures.iter().map(|path| root(Some(path))).collect(),
    }
}

fn challenge(what: &Analyze) -> String {
    if let (Some(to), "") = (&what.against, what.complaint.trim()) {
        let vm = what.vm.as_ref().map_or("every VM".to_owned(), |vm| format!("vm {vm}"));
        return format!("can {vm} move to {}", to.display());
    }
    let first = what.complaint.lines().map(str::trim).find(|line| !line.is_empty());
    match (first, &what.vm, what.from.as_slice()) {
        (Some(line), ..) => line.chars().take(200).collect(),
        (None, None, []) if what.host.is_some() => {
            format!("what is wrong with {}", what.host.as_deref().unwrap_or_default())
        }
        (None, Some(vm), _) => format!("what is wrong with vm {vm}"),
        (None, None, []) => "what is wrong with this host".to_owned(),
        (None, None, [folder]) => format!("what is wrong in {}", folder.display()),
        (None, None, [first, rest @ ..]) => {
            format!("what is wrong in {} and {} more", first.display(), rest.len())
        }
    }
}

/// Locks the process, so that from here on it can only read, and then learns which host this is.
pub(crate) fn enter(what: &Analyze, environment: &Environment) -> Result<(HostIdentity, Sandbox), Error> {
    let here = what.from.is_empty() && what.host.is_none();
    let purpose = if here { Purpose::LiveHost } else { Purpose::Records };
    let sandbox = match environment.kept() {
        Some(state) => sandbox::lock(state, purpose),
        None => sandbox::lock_without_state(purpose),
    };
    let sandbox = sandbox.map_err(Error::Sandbox)?;
    if what.require_sandbox && !sandbox.lacking.is_empty() {
        return Err(Error::SandboxLacking(sandbox.lacking));
    }
    let host = if here { vmwright_host::identity(&environment.state) } else { HostIdentity::default() };
    Ok((host, sandbox))
}

/// Locks the process for an operation of ANALYSIS that does not do so itself, or is refused where it cannot be locked.
pub(crate) fn lock_for(operation: &Operation, environment: &Environment) -> Result<(), Error> {
    if matches!(
        operation,
        Operation::Analyze(_) | Operation::Capture(_) | Operation::Plan { .. } | Operation::Investigate(_)
    ) {
        return Ok(());
    }
    let sandbox = sandbox::lock(&environment.state, Purpose::Records).map_err(Error::Sandbox)?;
    if sandbox.lacking.is_empty() { Ok(()) } else { Err(Error::SandboxLacking(sandbox.lacking)) }
}

/// What the journal already knows of this. A journal that cannot be read is told and stops nothing.
pub(crate) fn recall(
    challenge: &str,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> (Vec<Recalled>, Option<Error>) {
    let (recalled, _, trouble) = tell(search(challenge, environment), progress);
    (recalled, trouble)
}

/// The journal and entries of it, or why it cannot be read.
type Searched = Result<(Journal, Vec<(EntryId, vmwright_model::Entry)>), Error>;

/// The entries that are like the question.
fn search(challenge: &str, environment: &Environment) -> Searched {
    let mut journal = memory::open(environment)?;
    let host = vmwright_host::identity(&environment.state);
    let found = journal.recall(challenge, &host.id, RECALL).map_err(Error::Journal)?;
    let now = memory::under(&host, environment);
    let of_now = |(id, entry)| memory::of_now(&mut journal, id, entry, &host, &now);
    let entries = found.into_iter().map(of_now).collect::<Result<_, _>>()?;
    Ok((journal, entries))
}

/// Says how many there are, and keeps of them what an analysis shows; and the journal, for the entry of this one.
fn tell(
    searched: Searched,
    progress: &mut dyn FnMut(Progress),
) -> (Vec<Recalled>, Option<Journal>, Option<Error>) {
    match searched {
        Ok((journal, entries)) => {
            progress(Progress::Note(match entries.len() {
                0 => "journal: nothing like this yet".to_owned(),
                1 => "journal: 1 entry looks like this".to_owned(),
                n => format!("journal: {n} entries look like this"),
            }));
            let recalled = |(EntryId(id), entry): (EntryId, vmwright_model::Entry)| Recalled {
                entry: id.to_string(),
                title: entry.title,
                state: entry.state,
            };
            (entries.into_iter().map(recalled).collect(), Some(journal), None)
        }
        Err(error) => (Vec::new(), None, Some(error)),
    }
}

/// What is read: what the rules need, and of a running host also what every capture has to hold.
pub(crate) fn needs(root: &Root) -> Vec<Need> {
    let rules = vmwright_rules::needs();
    if *root == Root::Live { vmwright_host::standard::with_rules(rules) } else { rules }
}

/// Reads what [`needs`] names.
pub(crate) fn read(
    root: &Root,
    subject: &vmwright_host::Subject,
    environment: &Environment,
) -> Result<Snapshot, Error> {
    read_with(&[], root, subject, environment)
}

/// As [`read`], and `more` besides.
pub(crate) fn read_with(
    more: &[Need],
    root: &Root,
    subject: &vmwright_host::Subject,
    environment: &Environment,
) -> Result<Snapshot, Error> {
    let mut needs = needs(root);
    needs.extend(more);
    needs.sort_unstable();
    needs.dedup();
    let mut snapshot =
        vmwright_host::collect(root, &needs, subject, &Limits::default()).map_err(Error::Collect)?;
    if *root == Root::Live {
        snapshot.taken = memory::now();
        snapshot.host_id = vmwright_host::identity(&environment.state).id;
    }
    Ok(snapshot)
}

/// Sources that could not be read, or not wholly. That something does not exist is no trouble of the reading.
pub(crate) fn unread(snapshot: &Snapshot) -> Vec<(String, String)> {
    let mut trouble = Vec::new();
    for record in &snapshot.records {
        if record.content != Err(Missing::Absent) {
            trouble.extend(record.unread().map(|why| (record.source.clone(), why)));
        }
        match &record.content {
            // A log has lines that nobody knows; a configuration has none that do not matter.
            Ok(bytes) if CONFIGURATION.contains(&&*record.kind.0) => {
                let issues = vmwright_formats::issues(&record.kind, &String::from_utf8_lossy(bytes));
                let place = |issue: Issue| (format!("{}:{}", record.source, issue.line), issue.what);
                trouble.extend(issues.into_iter().flatten().take(ISSUES).map(place));
            }
            _ => {}
        }
    }
    trouble
}

fn remember(
    challenge: &str,
    what: &Analyze,
    host: &HostIdentity,
    diagnosis: &Diagnosis,
    opened: Option<Journal>,
    environment: &Environment,
) -> Result<(), Error> {
    let about = what.vm.as_ref().map(|vm| format!("vm {vm}: ")).unwrap_or_default();
    let best = diagnosis.causes.iter().take(5);
    let mut body = String::new();
    for cause in best {
        body.push_str(&format!("- {} ({:.0} %): {}\n", cause.rule, cause.confidence * 100.0, cause.title));
        if let Some(quote) = cause.evidence.first() {
            let line: String = quote.quote.chars().take(QUOTE).collect();
            body.push_str(&format!("  {}:{}: {line}\n", quote.source, quote.line));
        }
    }
    let mut entry = memory::entry("analyze", format!("{about}{challenge}"), body, &host.id);
    entry.rules = diagnosis.causes.iter().map(|cause| cause.rule.clone()).collect();
    entry.rules.dedup();
    if host.live {
        entry.evidence = memory::under(host, environment);
    }
    let journal = opened.map_or_else(|| memory::open(environment), Ok)?;
    memory::append_lightly(entry, journal)
}

/// The exit status of an analysis.
pub(crate) fn exit(analysis: &Analysis) -> Exit {
    if analysis.causes.iter().any(|cause| cause.level > Level::Note) {
        Exit::Findings
    } else if analysis.unread.is_empty() {
        Exit::Clean
    } else {
        Exit::Incomplete
    }
}

//! Investigation: hypotheses that compete, told apart by what is read, the most telling source first. ANALYSIS, and no
//! model.
//!
//! `form.rs` says what competes, `reading.rs` reads, `vmwright_rules::weighing` weighs, `kept.rs` keeps it in the
//! journal, so that another process can go on.

mod form;
mod kept;
mod reading;

pub(crate) use kept::load;

use crate::{Analyze, Environment, Error, Outcome, Progress, analysis, remote};
use form::Form;
use reading::Evidence;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vmwright_model::investigation::{
    Change, Hypothesis, INVESTIGATION_SCHEMA, NextProbe, Outlook, ProbeStep, Scope, Standing,
};
use vmwright_model::{Agent, Exit, HostIdentity, Investigation, Mode, Need, Piece};
use vmwright_rules::weighing::{AHEAD, LEAST, SHOWS, expected, factor, shares, told};
use vmwright_rules::{Reading, diagnose_reading, entry, hypotheses};

/// A cause that is less sure than this is not settled, however far ahead it is.
const SURE: f64 = 0.6;

/// What a consequence of another supported hypothesis weighs against a cause of its own.
const CONSEQUENCE: f64 = 0.2;

/// How many looks one call takes at most.
const LOOKS: usize = 64;

/// How many sources are named that could be read next.
const NAMED: usize = 5;

/// How many notes of the caller are kept, and how long each is at most, in characters.
const NOTES: (usize, usize) = (32, 2000);

/// What to investigate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Investigate {
    /// The number of the investigation to go on with; a new one where absent.
    pub resume: Option<i64>,
    /// The question, in the user's words.
    pub complaint: String,
    /// The VM that it is about.
    pub vm: Option<String>,
    /// Folders and archives of files that somebody kept; the running host where empty. Of an investigation that goes on,
    /// more of them.
    pub from: Vec<PathBuf>,
    /// Another host, `ssh://user@host:port`, read over SSH.
    pub host: Option<String>,
    /// Hypotheses of the caller: ids of rules, codes, or words.
    pub hypotheses: Vec<String>,
    /// What the caller noted: kept, and no evidence.
    pub notes: String,
    /// How much is read.
    pub reads: Reads,
    /// What to read first, by the name that the investigation gives it.
    pub probe: Option<String>,
    /// Refuse to read if the kernel cannot lock the process.
    pub require_sandbox: bool,
}

/// How much of what would tell is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// Nothing new: hypotheses, what they predict, and what would tell.
    Nothing,
    /// The most telling source.
    One,
    /// One after the other until the question is settled or nothing is left that would tell.
    #[default]
    All,
}

pub(crate) fn investigate(
    what: &Investigate,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let before = what.resume.map(|number| load(number, environment)).transpose()?;
    let asked = ask(what, before.as_ref())?;
    let far = remote::target(asked.host.as_deref())?;
    progress(Progress::Banner(Mode::Analysis.banner(&asked.complaint)));
    let far = far.map(|target| remote::connect(&target, &analysis::needs(&vmwright_host::Root::Live)));
    let far = far.transpose()?;
    let (host, sandbox) = analysis::enter(&asked, environment)?;
    let (journal, trouble) = analysis::recall(&asked.complaint, environment, progress);
    if let Some(error) = trouble {
        progress(Progress::Note(format!("journal: {}", crate::error::chain(&error))));
    }
    let resumed = before.is_some();
    let mut all = before.unwrap_or_else(|| begun(&asked, host.clone()));
    all.scope = Scope { from: asked.from.clone(), host: asked.host.clone(), vm: asked.vm.clone() };
    (all.journal, all.sandbox) = (journal, sandbox);
    note(&mut all, &what.notes);
    let mut evidence = Evidence::new(&asked, far, environment);
    evidence.again(&all.steps)?;
    let mut form = Form::new(&mut all.hypotheses);
    if !resumed {
        form.of_complaint(&asked.complaint);
        form.of_journal(&all.journal, environment);
    }
    form.of_caller(&what.hypotheses);
    let mut case = Case { all, evidence };
    case.judge();
    if case.evidence.is_records() {
        case.records(what.reads)?;
    } else {
        case.looks(what, environment, progress)?;
    }
    case.conclude();
    let mut all = case.all;
    if !case.evidence.is_here() {
        all.host = remote::identity(case.evidence.snapshot());
    } else if all.host == HostIdentity::default() {
        all.host = host;
    }
    if let Err(error) = kept::keep(&mut all, environment) {
        progress(Progress::Note(format!("not in the journal: {}", crate::error::chain(&error))));
    }
    Ok(Outcome::Investigation(Box::new(all)))
}

/// The question with its scope: of one that goes on as it was, and what is new to it.
fn ask(what: &Investigate, before: Option<&Investigation>) -> Result<Analyze, Error> {
    let mut asked = Analyze {
        complaint: what.complaint.trim().to_owned(),
        vm: what.vm.clone(),
        from: what.from.clone(),
        host: what.host.clone(),
        require_sandbox: what.require_sandbox,
        ..Analyze::default()
    };
    if let Some(before) = before {
        let other = |mine: &Option<String>, its: &Option<String>| mine.is_some() && mine != its;
        if other(&asked.vm, &before.scope.vm) || other(&asked.host, &before.scope.host) {
            return Err(Error::Argument(
                "an investigation that goes on keeps its VM and its host".to_owned(),
            ));
        }
        if before.scope.from.is_empty() && !asked.from.is_empty() {
            return Err(Error::Argument(
                "this investigation reads the running host; records of one belong to another investigation"
                    .to_owned(),
            ));
        }
        asked.complaint.clone_from(&before.challenge);
        (asked.vm, asked.host) = (before.scope.vm.clone(), before.scope.host.clone());
        let more = asked.from.into_iter().filter(|path| !before.scope.from.contains(path));
        asked.from = before.scope.from.iter().cloned().chain(more).collect();
    }
    if asked.complaint.is_empty() {
        return Err(Error::Argument(
            "an investigation needs a question: say what is complained of".to_owned(),
        ));
    }
    if asked.vm.is_some() && !asked.from.is_empty() {
        return Err(Error::Argument("a VM is named on the running host, and not with records".to_owned()));
    }
    Ok(asked)
}

fn begun(asked: &Analyze, host: HostIdentity) -> Investigation {
    Investigation {
        schema: INVESTIGATION_SCHEMA.to_owned(),
        mode: Mode::Analysis,
        investigation: 0,
        challenge: asked.complaint.clone(),
        scope: Scope::default(),
        host,
        state: Outlook::Open,
        hypotheses: Vec::new(),
        other: 1.0,
        steps: Vec::new(),
        next: Vec::new(),
        conclusion: String::new(),
        escalation: None,
        notes: Vec::new(),
        journal: Vec::new(),
        sandbox: vmwright_model::analysis::Sandbox::default(),
    }
}

fn note(all: &mut Investigation, text: &str) {
    let text: String = text.trim().chars().take(NOTES.1).collect();
    if !text.is_empty() && all.notes.len() < NOTES.0 && !all.notes.contains(&text) {
        all.notes.push(text);
    }
}

/// An investigation at work.
struct Case {
    all: Investigation,
    evidence: Evidence,
}

impl Case {
    /// Tests every hypothesis by what was read, takes in what fired besides, and weighs them all. Gives what changed.
    fn judge(&mut self) -> (f64, Vec<Change>) {
        let before: Vec<(String, Standing, f64)> = self.stand();
        let old: Vec<f64> = self.all.hypotheses.iter().map(|one| self.weight(one)).collect();
        let (snapshot, challenge) = (self.evidence.snapshot(), self.all.challenge.clone());
        let reading = Reading::new(snapshot, &challenge);
        let diagnosis = diagnose_reading(&reading, &|_| true);
        Form::new(&mut self.all.hypotheses).of_findings(&diagnosis.findings, &reading);
        let whole = self.evidence.is_whole();
        for one in &mut self.all.hypotheses {
            let looked = self.evidence.looked(one);
            hypotheses::test(one, &reading, looked, whole);
        }
        let mut weights: Vec<f64> = self.all.hypotheses.iter().map(|one| self.weight(one)).collect();
        for (one, weight) in self.all.hypotheses.iter_mut().zip(&mut weights) {
            let of = |cause: &&vmwright_model::Cause| Some(&cause.rule) == one.rule.as_ref();
            let by = diagnosis.causes.iter().find(of).and_then(|cause| cause.explained_by.clone());
            if let Some(by) = by.filter(|_| one.standing == Standing::Supported) {
                *weight *= CONSEQUENCE;
                one.why = format!("{} (a consequence of {by})", one.why);
            }
        }
        // What is new had its weight by origin alone.
        let mut then = old;
        then.extend(self.all.hypotheses.iter().skip(then.len()).map(|one| one.prior));
        let (then, then_other) = shares(&then);
        let (now, other) = shares(&weights);
        let bits = told((&then, then_other), (&now, other));
        for (one, share) in self.all.hypotheses.iter_mut().zip(&now) {
            one.share = *share;
        }
        self.all.other = other;
        let changed = self.changes(&before);
        self.all.hypotheses.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.rule.cmp(&b.rule)));
        (bits, changed)
    }

    fn stand(&self) -> Vec<(String, Standing, f64)> {
        let tested = self.all.hypotheses.iter();
        tested.filter_map(|one| Some((one.rule.clone()?, one.standing, one.share))).collect()
    }

    fn changes(&self, before: &[(String, Standing, f64)]) -> Vec<Change> {
        let change = |one: &Hypothesis| {
            let rule = one.rule.clone()?;
            let was = before.iter().find(|(known, ..)| *known == rule);
            let before = was.map(|(_, standing, _)| *standing);
            (before != Some(one.standing)).then(|| Change {
                rule,
                before,
                standing: one.standing,
                share: (was.map_or(0.0, |(.., share)| *share), one.share),
            })
        };
        self.all.hypotheses.iter().filter_map(change).collect()
    }

    fn weight(&self, one: &Hypothesis) -> f64 {
        let (doubt, credit) = (Piece::left(&one.pieces, false), Piece::left(&one.pieces, true));
        one.prior * factor(one.standing, self.evidence.looked(one), doubt, credit)
    }

    /// Reads a running host, the most telling source first.
    fn looks(
        &mut self,
        what: &Investigate,
        environment: &Environment,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let most = match what.reads {
            Reads::Nothing => 0,
            Reads::One => 1,
            Reads::All => LOOKS,
        };
        let mut first = what.probe.as_deref().filter(|_| most > 0);
        for _ in 0..most {
            let stopped = environment.stop.load(std::sync::atomic::Ordering::Relaxed);
            if stopped
                || first.is_none() && (self.settled() || self.tested() < 1 && !self.all.steps.is_empty())
            {
                break;
            }
            let (needs, name, bits) = match first.take() {
                Some(name) => {
                    let need = reading::named(name).ok_or_else(|| reading::unknown(name))?;
                    (vec![need], name.to_owned(), Some(self.expects(&need)))
                }
                // Nothing was said that a rule knows: what every analysis reads tells what there is to suspect.
                None if self.tested() == 0 => {
                    (analysis::needs(&vmwright_host::Root::Live), reading::EVERYTHING.to_owned(), None)
                }
                None => match self.telling().into_iter().next() {
                    Some((need, bits, _)) => (vec![need], hypotheses::name(&need), Some(bits)),
                    None => break,
                },
            };
            let (read, unread) = self.evidence.look(&needs, environment)?;
            let (told, changed) = self.judge();
            progress(Progress::Note(said(&name, bits, told, &changed)));
            self.all.steps.push(ProbeStep { probe: name, expected: bits, told, read, unread, changed });
            if self.tested() < 2 {
                Form::new(&mut self.all.hypotheses).fill();
                self.judge();
            }
        }
        Ok(())
    }

    /// Reads records, which are there as a whole.
    fn records(&mut self, reads: Reads) -> Result<(), Error> {
        for path in self.evidence.unread_records(&self.all.steps) {
            if reads == Reads::Nothing {
                break;
            }
            let (read, unread) = self.evidence.take(&path)?;
            let (told, changed) = self.judge();
            let probe = path.display().to_string();
            self.all.steps.push(ProbeStep { probe, expected: None, told, read, unread, changed });
        }
        if self.tested() < 2 {
            Form::new(&mut self.all.hypotheses).fill();
            self.judge();
        }
        Ok(())
    }

    /// How many hypotheses rules test.
    fn tested(&self) -> usize {
        self.all.hypotheses.iter().filter(|one| one.rule.is_some()).count()
    }

    fn expects(&self, need: &Need) -> f64 {
        let shares: Vec<f64> = self.all.hypotheses.iter().map(|one| one.share).collect();
        let shows: Vec<f64> = self.all.hypotheses.iter().map(|one| self.evidence.shows(one, need)).collect();
        expected(&shares, self.all.other, &shows)
    }

    /// What a running host still has that would tell, the most telling first, with the rules that it is for.
    fn telling(&self) -> Vec<(Need, f64, Vec<String>)> {
        let mut needs: Vec<Need> = Vec::new();
        for entry in self.all.hypotheses.iter().filter_map(|one| entry(one.rule.as_deref()?)) {
            needs.extend(hypotheses::sources(entry).into_iter().map(|(need, _)| need));
        }
        needs.sort_unstable();
        needs.dedup();
        needs.retain(|need| !self.evidence.has(need));
        let mut all: Vec<(Need, f64, Vec<String>)> = needs
            .into_iter()
            .map(|need| {
                let rules = self.all.hypotheses.iter().filter(|one| self.evidence.shows(one, &need) > 0.0);
                (need, self.expects(&need), rules.filter_map(|one| one.rule.clone()).collect())
            })
            .collect();
        all.retain(|(_, bits, _)| *bits >= LEAST);
        // Of two that tell the same, the one that asks for less.
        let cost = |need: &Need| match need {
            Need::File(_) | Need::Exists(_) => 0,
            Need::Glob(_) => 1,
            Need::Command(_) => 2,
            Need::Probe(_) => 3,
        };
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| (cost(&a.0), a.0).cmp(&(cost(&b.0), b.0))));
        all
    }

    /// What records lack that would tell, by what the rules of open hypotheses name.
    fn lacking(&self) -> Vec<NextProbe> {
        let mut all: Vec<(&str, Vec<String>)> = Vec::new();
        for one in self.all.hypotheses.iter().filter(|one| one.standing == Standing::Open) {
            let Some(entry) = one.rule.as_deref().and_then(entry) else { continue };
            let tells = entry.rule.tells;
            if tells.is_empty() {
                continue;
            }
            match all.iter_mut().find(|(source, _)| *source == tells) {
                Some((_, rules)) => rules.push(entry.id.to_owned()),
                None => all.push((tells, vec![entry.id.to_owned()])),
            }
        }
        let shares: Vec<f64> = self.all.hypotheses.iter().map(|one| one.share).collect();
        let next = |(source, rules): (&str, Vec<String>)| {
            let shows = self.all.hypotheses.iter().map(|one| match &one.rule {
                Some(rule) if rules.contains(rule) => SHOWS,
                _ => 0.0,
            });
            let expected = expected(&shares, self.all.other, &shows.collect::<Vec<_>>());
            NextProbe { probe: source.to_owned(), expected, rules, here: false }
        };
        let mut all: Vec<NextProbe> = all.into_iter().map(next).filter(|one| one.expected >= LEAST).collect();
        all.sort_by(|a, b| b.expected.total_cmp(&a.expected).then_with(|| a.probe.cmp(&b.probe)));
        all
    }

    fn settled(&self) -> bool {
        self.all.hypotheses.first().is_some_and(|first| {
            first.standing == Standing::Supported && first.share >= AHEAD && first.confidence >= SURE
        })
    }

    /// What follows, and what would be next.
    fn conclude(&mut self) {
        let settled = self.settled();
        let mut next = if self.evidence.is_records() {
            self.lacking()
        } else {
            let probe = |(need, expected, rules): (Need, f64, Vec<String>)| NextProbe {
                probe: hypotheses::name(&need),
                expected,
                rules,
                here: true,
            };
            self.telling().into_iter().map(probe).collect()
        };
        next.truncate(NAMED);
        let all = &mut self.all;
        all.state = match (settled, next.is_empty()) {
            (true, _) => Outlook::Settled,
            (false, false) => Outlook::Open,
            (false, true) => Outlook::Undecided,
        };
        all.conclusion = conclusion(all, next.first());
        all.escalation = escalation(all);
        all.next = next;
    }
}

fn conclusion(all: &Investigation, next: Option<&NextProbe>) -> String {
    let count = |standing: Standing| all.hypotheses.iter().filter(|one| one.standing == standing).count();
    let named = |one: &Hypothesis| format!("{}: {}", one.rule.as_deref().unwrap_or("what was said"), one.why);
    let first = all.hypotheses.first().filter(|one| one.standing == Standing::Supported);
    match (all.state, first) {
        (Outlook::Settled, Some(first)) => named(first),
        (Outlook::Open, _) => {
            let (open, refuted) = (count(Standing::Open), count(Standing::Refuted));
            let read = match next {
                Some(next) if next.here => format!("; reading {} would tell most", next.probe),
                Some(next) => format!("; {} is not among the records and would tell most", next.probe),
                None => String::new(),
            };
            let likeliest = first.map_or(String::new(), |first| format!("likeliest is {}; ", named(first)));
            format!("{likeliest}{open} hypotheses are open and {refuted} refuted{read}")
        }
        (_, Some(first)) => format!("likeliest, and not beyond doubt: {}", named(first)),
        (_, None) => {
            "what was read supports none of the hypotheses, and nothing is left that would tell".to_owned()
        }
    }
}

/// Whose it is, where it is not vmwright's: the first supported hypothesis decides by its rule; a question that all known
/// causes leave unanswered is one for whoever debugs.
fn escalation(all: &Investigation) -> Option<Agent> {
    let supported = all.hypotheses.iter().find(|one| one.standing == Standing::Supported);
    match (all.state, supported) {
        (Outlook::Settled, Some(first)) => first.escalation,
        (Outlook::Undecided, Some(first)) => first.escalation.or(Some(Agent::DebugSpecialist)),
        (Outlook::Undecided, None) => Some(Agent::DebugSpecialist),
        _ => None,
    }
}

/// The exit status of an investigation: something is wrong, nothing is, or it is not known yet.
pub(crate) fn exit(all: &Investigation) -> Exit {
    match (all.state, all.hypotheses.first().and_then(|first| first.rule.as_deref())) {
        (Outlook::Settled, Some(rule)) if rule.starts_with("healthy/") => Exit::Clean,
        (Outlook::Settled, _) => Exit::Findings,
        _ => Exit::Incomplete,
    }
}

/// A look in a line.
fn said(name: &str, expected: Option<f64>, told: f64, changed: &[Change]) -> String {
    let bits = expected.map_or(String::new(), |bits| format!(", {bits:.2} bits expected"));
    let mut line = format!("read {name}{bits}, {told:.2} told");
    for change in changed.iter().filter(|change| change.standing != Standing::Open).take(3) {
        let stands = match change.standing {
            Standing::Supported => "supported",
            Standing::Refuted => "refuted",
            Standing::Open | Standing::Untested => continue,
        };
        line.push_str(&format!("; {} is {stands}", change.rule));
    }
    line
}

//! From verdicts to a diagnosis: causes, best first, with their consequences under them.
//!
//! 1. A finding that another one explains stands below it, unless it is much better proven: the cause must
//!    have at least [`NEARLY`] of its consequence's confidence.
//! 2. Otherwise the better proven comes first. A special cause is worth [`SPECIAL`] more than a usual one, a
//!    general one as much less, and each of up to three of the rule's words in the complaint is worth [`WORD`]:
//!    enough to decide between equals and no more.
//! 3. On a running host, and in a report of a whole one, ordinary lines of every kind stand in the logs. Where no word
//!    of the complaint goes with a cause and none of its messages stands in it, what is only usual for it is not enough
//!    there: one piece of strong evidence is.
//!    The same holds where the complaint says that all works and only asks what a message means. That nothing is wrong
//!    is worth [`CONTENT`] more there.
//! 4. Where fewer than three rules fire on what somebody pasted and complains of, the causes whose documentation is
//!    nearest to it follow as suspicions, which nothing proves (see `nearness.rs`); behind a proven cause those of the
//!    same areas alone.
//! 5. Where even the first of them rests on what is merely usual, below [`USUAL`], nearness counts: the nearest rule has
//!    [`NEAR`] more, others their share, and a suspicion begins at [`SUSPECTED`]. What fired then stands behind what is
//!    much nearer. A warning of which the complaint says no word counts as a suspicion there: a weakness that stands
//!    whether there is trouble or not is seldom the trouble.
//! 6. Equal causes stand in the order of their ids.

use crate::catalogue::healthy::no_fault::complaint::{Mood, amiss, mood};
use crate::confidence::THRESHOLD;
use crate::nearness::{self, Near};
use crate::next::next;
use crate::{CATALOGUE, Context, Entry, Rank, Reading, entry};
use vmwright_model::analysis::{Next, RuledOut};
use vmwright_model::{
    Cause, Evidence, Finding, Grounds, Level, Snapshot, Strength, Support, Unknown, Verdict,
};

/// The share of a consequence's confidence that its cause must have.
pub const NEARLY: f64 = 0.6;

/// What a special cause is worth before a usual one.
pub const SPECIAL: f64 = 0.04;

/// What one word of the complaint is worth.
pub const WORD: f64 = 0.02;

/// What it is worth for a machine without a fault that the complaint is of a message and says that all works: enough
/// to stand before the message's own meaning.
pub const CONTENT: f64 = 0.25;

/// From here on the first cause is beyond doubt: one proof.
const PROVEN: f64 = 0.9;

/// Below this the first cause rests on what is usual, and on nothing that is seldom seen without it.
const USUAL: f64 = 0.6;

/// What nearness is worth there, of the nearest rule; others have their share of it.
const NEAR: f64 = 0.4;

/// What a suspicion has there before that: the nearest stands before a finding of one usual message that is less than
/// two fifths as near.
const SUSPECTED: f64 = 0.1;

/// How many quotes a cause shows.
const QUOTES: usize = 6;

/// What all rules together say of a snapshot.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// The findings, best first, as in `causes`.
    pub findings: Vec<Finding>,
    /// The same as people and agents see them.
    pub causes: Vec<Cause>,
    /// Rules that could not tell.
    pub unknown: Vec<Unknown>,
    /// Where the question is a move: what was looked at and stands in no way of it.
    pub ruled_out: Vec<RuledOut>,
    /// What to read next, best first.
    pub next: Vec<Next>,
}

/// Runs every rule that `select` lets through over a snapshot, and ranks what fired.
#[must_use]
pub fn diagnose(snapshot: &Snapshot, complaint: &str, select: &dyn Fn(&Entry) -> bool) -> Diagnosis {
    diagnose_reading(&Reading::new(snapshot, complaint), select)
}

/// [`diagnose`] of what was read already; against another host, if the reading has one.
#[must_use]
pub fn diagnose_reading(reading: &Reading<'_>, select: &dyn Fn(&Entry) -> bool) -> Diagnosis {
    let one_by_one = |entries: &[&'static Entry]| entries.iter().map(|entry| judge(entry, reading)).collect();
    diagnose_by(&one_by_one, reading, select)
}

/// What rules say, each asked with [`judge`], in the order in which they are named. Rules know nothing of each other, so
/// that it makes no difference where and when each is asked.
pub type Judging<'a> = dyn Fn(&[&'static Entry]) -> Vec<Vec<Verdict>> + 'a;

/// [`diagnose_reading`] by a caller who asks the rules himself.
#[must_use]
pub fn diagnose_by(
    judging: &Judging<'_>,
    reading: &Reading<'_>,
    select: &dyn Fn(&Entry) -> bool,
) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    let mut fired: Vec<(f64, Finding)> = Vec::new();
    let content = complaint(reading, |cx| mood(cx) == Mood::Content);
    let entries: Vec<&'static Entry> = CATALOGUE.iter().filter(|entry| select(entry)).collect();
    for (entry, verdicts) in entries.iter().zip(judging(&entries)) {
        for verdict in verdicts {
            match verdict {
                Verdict::Fired(finding) if ordinary(entry, &finding, reading, content) => {}
                Verdict::Fired(finding) => fired.push((score(entry, &finding, reading).sum(), finding)),
                Verdict::Unknown { why, source } => {
                    diagnosis.unknown.push(Unknown { rule: entry.id.to_owned(), why, source });
                }
                Verdict::Quiet if reading.target().is_some() => {
                    diagnosis.ruled_out.push(RuledOut { rule: entry.id.to_owned(), why: String::new() });
                }
                Verdict::NotApplicable { why } if reading.target().is_some() => {
                    diagnosis.ruled_out.push(RuledOut { rule: entry.id.to_owned(), why });
                }
                Verdict::Quiet | Verdict::NotApplicable { .. } => {}
            }
        }
    }
    // A rule judges each VM: what is in the way of one is not ruled out by another.
    diagnosis.ruled_out.retain(|out| !fired.iter().any(|(_, one)| one.rule == out.rule));
    diagnosis.ruled_out.dedup();
    fired.sort_by(|(a, left), (b, right)| {
        b.total_cmp(a).then_with(|| (&left.rule, &left.subject).cmp(&(&right.rule, &right.subject)))
    });
    let explained: Vec<Option<String>> = fired.iter().map(|(_, one)| explained_by(one, &fired)).collect();
    for (at, finding) in order(&fired, &explained) {
        let explains = fired.iter().zip(&explained).filter(|(_, by)| by.as_deref() == Some(&finding.rule));
        let mut explains: Vec<String> = explains.map(|((_, one), _)| one.rule.clone()).collect();
        explains.sort();
        explains.dedup();
        diagnosis.causes.push(cause(&finding, explains, explained[at].clone()));
        diagnosis.findings.push(finding);
    }
    suspect(&mut diagnosis, reading, select);
    diagnosis.next = next(&diagnosis.causes, &diagnosis.unknown, reading);
    diagnosis
}

/// Adds what is near and not proven, where that is a help: see the fourth and fifth rule of the ranking.
fn suspect(diagnosis: &mut Diagnosis, reading: &Reading<'_>, select: &dyn Fn(&Entry) -> bool) {
    let best = diagnosis.findings.first();
    // That nothing is wrong is an answer where it is well founded; else what may be wrong stands behind it.
    let healthy = best.is_some_and(|best| best.rule.starts_with("healthy/"));
    let sound = healthy && best.is_some_and(|best| best.confidence >= USUAL);
    let proven = best.is_some_and(|best| best.confidence >= PROVEN);
    let usual = !healthy && best.is_some_and(|best| best.confidence < USUAL);
    let places = nearness::MOST.saturating_sub(diagnosis.findings.len());
    if sound
        || places == 0 && !usual
        || reading.target().is_some()
        || reading.is_whole_host()
        // A question about a harmless line is not answered with a suspicion.
        || !complaint(reading, amiss)
    {
        return;
    }
    let near = Near::of(reading);
    let known: Vec<&str> = diagnosis.findings.iter().map(|finding| finding.rule.as_str()).collect();
    let areas: Vec<&str> = known.iter().filter_map(|rule| entry(rule)).map(Entry::area).collect();
    let other = |entry: &Entry| {
        select(entry) && !known.contains(&entry.id) && (!proven || areas.contains(&entry.area()))
    };
    let suspicions = near.nearest(reading, &other);
    if !usual {
        for finding in suspicions.into_iter().take(places) {
            diagnosis.causes.push(cause(&finding, Vec::new(), None));
            diagnosis.findings.push(finding);
        }
        return;
    }
    let (causes, findings) = (std::mem::take(&mut diagnosis.causes), std::mem::take(&mut diagnosis.findings));
    let mut all: Vec<(f64, Cause, Finding)> = Vec::new();
    for (at, (cause, finding)) in causes.into_iter().zip(findings).enumerate() {
        let weight = if beside(&finding, reading) { SUSPECTED } else { finding.confidence };
        let place = weight - WORD * at as f64 + NEAR * near.share(&finding.rule);
        all.push((place, cause, finding));
    }
    for finding in suspicions {
        let place = SUSPECTED + NEAR * near.share(&finding.rule);
        all.push((place, cause(&finding, Vec::new(), None), finding));
    }
    all.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    // No finding is left out for a suspicion, and no suspicion stands where nobody looks.
    for (_, cause, finding) in all {
        if finding.confidence >= THRESHOLD || diagnosis.findings.len() < nearness::MOST {
            diagnosis.causes.push(cause);
            diagnosis.findings.push(finding);
        }
    }
}

/// Whether a finding is a mere warning, and the complaint neither has a word of its rule nor is near to it.
fn beside(finding: &Finding, reading: &Reading<'_>) -> bool {
    finding.level != Level::Error
        && entry(&finding.rule).is_some_and(|entry| !is_spoken_of(entry, reading))
        && !reading.near(&finding.rule)
}

/// Whether a word of the rule stands in the complaint.
fn is_spoken_of(entry: &Entry, reading: &Reading<'_>) -> bool {
    entry.rule.words.iter().any(|word| reading.said(word))
}

/// What one rule says: of the host that was read, or of a move to the other one. Nothing where that is the question
/// and the rule has no judgement of it.
#[must_use]
pub fn judge(entry: &'static Entry, reading: &Reading<'_>) -> Vec<Verdict> {
    let context = Context::new(entry, reading);
    match reading.target() {
        None => (entry.rule.check)(&context),
        Some(target) => entry.rule.preflight.map(|judge| judge(&context, target)).unwrap_or_default(),
    }
}

/// Whether the complaint is so, by the words that the rule about healthy machines knows.
fn complaint(reading: &Reading<'_>, is: impl Fn(&Context<'_>) -> bool) -> bool {
    entry("healthy/no-fault").is_some_and(|entry| is(&Context::new(entry, reading)))
}

/// Whether a finding rests on nothing but what is usual, where that is not enough: on a whole host if nobody complained
/// of it, and where the complaint is that all works.
fn ordinary(entry: &Entry, finding: &Finding, reading: &Reading<'_>, content: bool) -> bool {
    let strong = |one: &Support| !one.against && one.strength >= Strength::Strong;
    // What no text shows is one of its messages in the complaint.
    let complained = |one: &Support| !one.against && one.evidence.is_none();
    let unsaid = || {
        reading.is_whole_host() && !finding.support.iter().any(complained) && !is_spoken_of(entry, reading)
    };
    !finding.support.iter().any(strong) && (content && entry.area() != "healthy" || unsaid())
}

/// What the place of a finding among the causes is computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Confidence of the finding.
    pub confidence: f64,
    /// For a special cause, against a general one.
    pub special: f64,
    /// Against findings that are no errors.
    pub level: f64,
    /// For words of the complaint that go with the rule, and for a complaint that says that all works.
    pub words: f64,
}

impl Score {
    /// The sum: the higher, the earlier.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.confidence + self.special + self.level + self.words
    }
}

/// The place of a finding among the causes.
#[must_use]
pub fn score(entry: &Entry, finding: &Finding, reading: &Reading<'_>) -> Score {
    let special = match entry.rule.rank {
        Rank::General => -SPECIAL,
        Rank::Normal => 0.0,
        Rank::Specific => SPECIAL,
    };
    let level = match finding.level {
        Level::Error => 0.0,
        Level::Warn => -SPECIAL,
        Level::Note => -3.0 * SPECIAL,
    };
    let known = |word: &&&str| reading.known().has(entry.id, word);
    let words = entry.rule.words.iter().filter(known).filter(|word| reading.said(word)).take(3).count();
    let healthy = entry.area() == "healthy" && complaint(reading, |cx| mood(cx) == Mood::Content);
    let words = WORD * words as f64 + if healthy { CONTENT } else { 0.0 };
    Score { confidence: finding.confidence, special, level, words }
}

/// The rule of the best proven finding that explains this one. A cycle of explanations is cut at its best.
fn explained_by(finding: &Finding, fired: &[(f64, Finding)]) -> Option<String> {
    let explains = |cause: &Finding, other: &Finding| {
        cause.rule != other.rule
            && entry(&cause.rule).is_some_and(|entry| entry.rule.explains.contains(&other.rule.as_str()))
            && cause.confidence >= NEARLY * other.confidence
    };
    let cause = fired.iter().map(|(_, one)| one).find(|one| explains(one, finding))?;
    let mutual = explains(finding, cause);
    let first = fired.iter().find(|(_, one)| one.rule == cause.rule || one.rule == finding.rule)?;
    (!mutual || first.1.rule == cause.rule).then(|| cause.rule.clone())
}

/// The findings with their causes before them: roots by rank, each followed by what it explains.
fn order(fired: &[(f64, Finding)], explained: &[Option<String>]) -> Vec<(usize, Finding)> {
    let mut done = vec![false; fired.len()];
    let mut ordered = Vec::new();
    // The causes proper first, so that a reader of the first few lines sees different problems; then, below
    // them, the consequences in the order of their causes.
    for at in 0..fired.len() {
        if explained[at].is_none() {
            done[at] = true;
            ordered.push((at, fired[at].1.clone()));
        }
    }
    let mut next = 0;
    while next < ordered.len() {
        let rule = ordered[next].1.rule.clone();
        for at in 0..fired.len() {
            if !done[at] && explained[at].as_deref() == Some(&rule) {
                done[at] = true;
                ordered.push((at, fired[at].1.clone()));
            }
        }
        next += 1;
    }
    let rest = (0..fired.len()).filter(|at| !done[*at]).map(|at| (at, fired[at].1.clone()));
    ordered.extend(rest.collect::<Vec<_>>());
    ordered
}

fn cause(finding: &Finding, explains: Vec<String>, explained_by: Option<String>) -> Cause {
    let quotes = finding.support.iter().filter(|one| !one.against).filter_map(|one| one.evidence.clone());
    let mut evidence: Vec<Evidence> = Vec::new();
    for quote in quotes {
        if !evidence.contains(&quote) && evidence.len() < QUOTES {
            evidence.push(quote);
        }
    }
    Cause {
        rule: finding.rule.clone(),
        subject: finding.subject.to_string(),
        level: finding.level,
        confidence: (finding.confidence * 100.0).round() / 100.0,
        title: finding.title.clone(),
        evidence,
        explains,
        explained_by,
        fix: finding.fix.clone(),
        escalation: finding.escalation,
        grounds: Grounds::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_formats::recognise;
    use vmwright_model::Record;

    #[test]
    fn a_weakness_that_nobody_complains_of_is_beside_the_complaint() {
        let files = [
            ("cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vmx ssbd ibpb md_clear\n"),
            (
                "web.xml",
                "<domain type='kvm'><name>web</name><cpu mode='custom'><model>IvyBridge</model></cpu></domain>\n",
            ),
        ];
        let record = |(name, text): (&str, &str)| Record::new(name, recognise(name, text), text);
        let snapshot = Snapshot { records: files.map(record).to_vec(), ..Snapshot::default() };
        let weakness = entry("mitigation/not-exposed-to-guest").expect("a rule");
        let beside = |complaint: &str| {
            let reading = Reading::new(&snapshot, complaint);
            let fired = judge(weakness, &reading).into_iter().find_map(|verdict| match verdict {
                Verdict::Fired(finding) => Some(finding),
                _ => None,
            });
            beside(&fired.expect("it fires whatever the complaint"), &reading)
        };
        assert!(beside("The balloon never gives memory back although programs have freed it."));
        assert!(!beside("A scanner says that ssbd is not there in the VM."));
    }
}

//! Hypotheses: what may be behind a complaint before anything is read, what each predicts, and how it stands by what
//! was read.

use crate::confidence::weight;
use crate::known::Known;
use crate::ranking::judge;
use crate::{CATALOGUE, Diagnosis, Entry, Reading, diagnose, entry, nearness};
use vmwright_model::investigation::{Hypothesis, Origin, Prediction, Standing};
use vmwright_model::{Finding, Need, Piece, Probe, Snapshot, Strength, Verdict};

/// How many hypotheses a complaint gives at most.
const MOST: usize = 6;

/// How many predictions of one kind a hypothesis shows.
const PREDICTIONS: usize = 3;

/// Where messages stand on a running host, with the kind that the text there is of and its weight against the others.
const LOGS: &[(Need, &str, f64)] = &[
    (Need::Command(&["dmesg"]), "kernel_log", 3.0),
    (Need::Glob("/var/log/libvirt/qemu/*.log"), "qemu_log", 3.0),
    (Need::Probe(Probe::Machine), "qemu_log", 3.0),
    (Need::Glob("/var/log/libvirt/*.log"), "libvirt_log", 1.0),
    (Need::Glob("/var/log/swtpm/libvirt/qemu/*.log"), "text", 1.0),
    (Need::Glob("/var/log/openvswitch/*.log"), "text", 1.0),
    (Need::File("/var/log/audit/audit.log"), "audit_log", 1.0),
    (Need::Probe(Probe::VmmFiles), "firecracker_log", 1.0),
];

/// The weight of a source that a rule names, against those of [`LOGS`].
const NAMED: f64 = 3.0;

/// A rule that may be what a complaint is about.
#[derive(Debug, Clone, Copy)]
pub struct Proposal {
    /// The rule.
    pub entry: &'static Entry,
    /// How near it is, against the nearest, 0 to 1.
    pub nearness: f64,
}

/// The rules that a complaint may be about, the nearest first: those that its own messages and words point to, then
/// those whose documentation it is near to.
#[must_use]
pub fn of_complaint(complaint: &str) -> Vec<Proposal> {
    let mut all: Vec<Proposal> = Vec::new();
    let mut add = |id: &str, nearness: f64| {
        let known = all.iter().any(|one| one.entry.id == id);
        if let Some(entry) = entry(id).filter(|entry| !known && entry.area() != "healthy") {
            all.push(Proposal { entry, nearness });
        }
    };
    let nothing = Snapshot::default();
    let Diagnosis { findings, .. } = diagnose(&nothing, complaint, &|_| true);
    for finding in &findings {
        add(&finding.rule, if finding.confidence >= crate::confidence::THRESHOLD { 1.0 } else { 0.8 });
    }
    for id in nearness::of_complaint(complaint, Known::all()) {
        add(id, 0.7);
    }
    for (entry, near) in nearness::of_complaint_at_length(complaint) {
        add(entry.id, 0.6 * near);
    }
    let reading = Reading::new(&nothing, complaint);
    for entry in CATALOGUE {
        let said = entry.rule.words.iter().filter(|word| reading.said(word)).count();
        if said >= 2 {
            add(entry.id, 0.5);
        }
    }
    all.truncate(MOST);
    all
}

/// The likeliest alternatives to a rule: what it explains or is explained by, then its neighbours in the area, those first
/// that share a source with it, then what has a tag of it.
#[must_use]
pub fn rivals(of: &Entry, most: usize) -> Vec<&'static Entry> {
    let relation = |one: &Entry| {
        let explains = one.rule.explains.contains(&of.id) || of.rule.explains.contains(&one.id);
        let shares = || one.rule.needs.iter().any(|need| of.rule.needs.contains(need));
        let tagged = || one.rule.tags.iter().any(|tag| of.rule.tags.contains(tag));
        match (explains, one.area() == of.area()) {
            (true, _) => 0,
            (false, true) if shares() => 1,
            (false, true) => 2,
            (false, false) if tagged() => 3,
            _ => 4,
        }
    };
    let mut all: Vec<(u8, &Entry)> = CATALOGUE.iter().map(|one| (relation(one), one)).collect();
    all.retain(|(relation, one)| *relation < 4 && one.id != of.id && one.area() != "healthy");
    all.sort_by_key(|(relation, _)| *relation);
    all.into_iter().take(most).map(|(_, one)| one).collect()
}

/// A hypothesis that a rule tests, before anything was read.
#[must_use]
pub fn of_rule(entry: &'static Entry, origin: Origin, prior: f64) -> Hypothesis {
    Hypothesis {
        rule: Some(entry.id.to_owned()),
        statement: entry.title().to_owned(),
        origins: vec![origin],
        prior,
        predicts: predictions(entry),
        standing: Standing::Open,
        why: "nothing was read yet".to_owned(),
        confidence: 0.0,
        share: 0.0,
        pieces: Vec::new(),
        refute: section(entry.doc, "## Refute"),
        escalation: entry.rule.escalation,
    }
}

/// A hypothesis that no rule tests.
#[must_use]
pub fn untested(statement: &str, prior: f64) -> Hypothesis {
    Hypothesis {
        rule: None,
        statement: statement.to_owned(),
        origins: vec![Origin::Caller],
        prior,
        predicts: Vec::new(),
        standing: Standing::Untested,
        why: "no rule tests it, so that it stays what was said".to_owned(),
        confidence: 0.0,
        share: 0.0,
        pieces: Vec::new(),
        refute: String::new(),
        escalation: None,
    }
}

/// The sources of a running host in which a rule's cause would show, with their weights against each other.
#[must_use]
pub fn sources(entry: &Entry) -> Vec<(Need, f64)> {
    let mut all: Vec<(Need, f64)> = entry.rule.needs.iter().map(|need| (*need, NAMED)).collect();
    let signs = entry.rule.signs.iter().filter(|sign| !sign.against);
    let kinds: Vec<&[&str]> = signs.map(|sign| sign.kinds).collect();
    let read = |kind: &str| kinds.iter().any(|kinds| kinds.is_empty() || kinds.contains(&kind));
    // What stands in a guest's console or a tool's output alone may be quoted in any log.
    let anywhere = all.is_empty() && !LOGS.iter().any(|(_, kind, _)| read(kind));
    for (need, _, weight) in LOGS.iter().filter(|(_, kind, _)| anywhere || read(kind)) {
        if !all.iter().any(|(known, _)| known == need) {
            all.push((*need, *weight));
        }
    }
    all
}

/// How a hypothesis stands by a reading. `looked` is the part of its sources that was read, 0 to 1; where the reading
/// is not of a whole host, that nothing was seen refutes nothing.
pub fn test(hypothesis: &mut Hypothesis, reading: &Reading<'_>, looked: f64, whole: bool) {
    let Some(entry) = hypothesis.rule.as_deref().and_then(entry) else { return };
    let verdicts = judge(entry, reading);
    hypothesis.pieces.clear();
    hypothesis.confidence = 0.0;
    if let Some(finding) = best(&verdicts) {
        hypothesis.standing = Standing::Supported;
        hypothesis.why.clone_from(&finding.title);
        hypothesis.confidence = (finding.confidence * 100.0).round() / 100.0;
        hypothesis.pieces = pieces(finding);
        hypothesis.escalation = finding.escalation.or(entry.rule.escalation);
        return;
    }
    let done = whole && looked >= 1.0 - 1e-9;
    let unknown = verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Unknown { why, source } => Some((why, source)),
        _ => None,
    });
    let beside = verdicts.iter().find_map(|verdict| match verdict {
        Verdict::NotApplicable { why } => Some(why),
        _ => None,
    });
    (hypothesis.standing, hypothesis.why) = match (unknown, beside) {
        (Some((why, source)), _) if looked > 0.0 => {
            (Standing::Open, format!("cannot be told: {why}; this would tell: {source}"))
        }
        (None, Some(why)) if done => (Standing::Refuted, why.clone()),
        (None, _) if done => {
            (Standing::Refuted, "all that it would show in was read, and it is not there".to_owned())
        }
        _ if looked <= 0.0 => (Standing::Open, "nothing was read yet".to_owned()),
        _ if whole => {
            (Standing::Open, format!("not seen in what was read, {:.0} % of its sources", 100.0 * looked))
        }
        _ => (Standing::Open, "not seen in what was given".to_owned()),
    };
}

fn best(verdicts: &[Verdict]) -> Option<&Finding> {
    let fired = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Fired(finding) => Some(finding),
        _ => None,
    });
    fired.max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// What a finding was weighed by.
#[must_use]
pub fn pieces(finding: &Finding) -> Vec<Piece> {
    let piece = finding.support.iter().map(|one| Piece {
        strength: one.strength,
        weight: weight(one.strength),
        against: one.against,
        shows: one.shows.clone(),
        evidence: one.evidence.clone(),
    });
    piece.collect()
}

/// The text below a heading of a rule's documentation, up to the next.
#[must_use]
pub fn section(doc: &str, heading: &str) -> String {
    let body = doc.split_once(heading).map_or("", |(_, after)| after);
    body.split("\n## ").next().unwrap_or("").trim().to_owned()
}

/// What would be seen: the rule's strongest messages, and the sources that it judges.
fn predictions(entry: &Entry) -> Vec<Prediction> {
    let mut signs: Vec<_> = entry.rule.signs.iter().filter(|sign| !sign.against).collect();
    signs.sort_by_key(|sign| std::cmp::Reverse(sign.strength));
    let message = |sign: &&crate::Sign| Prediction {
        source: match sign.kinds {
            [] => "a log or a terminal's output".to_owned(),
            kinds => kinds.join(" or ").replace('_', " "),
        },
        shows: format!(
            "`{}`{}",
            sign.text,
            if sign.strength == Strength::Proof { ", which proves it" } else { "" }
        ),
    };
    let mut all: Vec<Prediction> = signs.iter().take(PREDICTIONS).map(message).collect();
    let judged = entry.rule.needs.iter().take(PREDICTIONS);
    all.extend(judged.map(|need| Prediction {
        source: name(need),
        shows: "the state that the rule looks for".to_owned(),
    }));
    if all.is_empty() && !entry.rule.tells.is_empty() {
        let source = entry.rule.tells.to_owned();
        all.push(Prediction { source, shows: "the state that the rule looks for".to_owned() });
    }
    all
}

/// A source as people name it: a path, a pattern, a command as typed, or a probe. No two have the same name.
#[must_use]
pub fn name(need: &Need) -> String {
    match need {
        Need::File(path) | Need::Glob(path) => (*path).to_owned(),
        Need::Exists(path) => format!("whether there is a {path}"),
        Need::Command(words) => words.join(" "),
        Need::Probe(probe) => {
            let word = format!("{probe:?}").chars().fold(String::new(), |mut word, letter| {
                if letter.is_ascii_uppercase() && !word.is_empty() {
                    word.push('-');
                }
                word.push(letter.to_ascii_lowercase());
                word
            });
            format!("probe {word}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use vmwright_formats::recognise;
    use vmwright_model::Record;

    fn ids(complaint: &str) -> Vec<&'static str> {
        of_complaint(complaint).iter().map(|one| one.entry.id).collect()
    }

    #[test]
    fn a_complaint_gives_hypotheses_that_compete() {
        let found = ids("my VM won't start after adding GPU passthrough: group is not viable");
        assert!(found.len() >= 2 && found.contains(&"vfio/group-not-viable"), "{found:?}");
        let found = ids("the guest is very slow when several VMs run, the clock jumps");
        assert!(found.len() >= 2, "{found:?}");
        assert!(ids("").is_empty());
    }

    #[test]
    fn every_rule_has_a_rival_and_sources_of_different_names() {
        let names: Vec<String> = crate::needs().iter().map(name).collect();
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
        let lacking = |entry: &&Entry| {
            rivals(entry, 2).is_empty() || sources(entry).is_empty() || predictions(entry).is_empty()
        };
        let lacking: Vec<&str> = CATALOGUE.iter().filter(lacking).map(|entry| entry.id).collect();
        assert!(lacking.is_empty(), "{lacking:?}");
    }

    #[test]
    fn what_was_read_supports_refutes_and_leaves_open() {
        let lock = entry("storage/image-locked").expect("there is this rule");
        let stand = |text: &str, looked: f64, whole: bool| {
            let record = Record::new("qemu.log", recognise("qemu.log", text), text);
            let snapshot = Snapshot { live: whole, records: vec![record], ..Snapshot::default() };
            let mut one = of_rule(lock, Origin::Complaint, 1.0);
            test(&mut one, &Reading::new(&snapshot, ""), looked, whole);
            one
        };
        let there = stand("qemu: Failed to get \"write\" lock\n", 0.3, true);
        assert_eq!(there.standing, Standing::Supported);
        assert!(there.confidence >= 0.9 && there.pieces[0].evidence.is_some(), "{there:?}");
        let other = "qemu: terminating on signal 15\n";
        assert_eq!(stand(other, 0.3, true).standing, Standing::Open);
        assert_eq!(stand(other, 1.0, true).standing, Standing::Refuted);
        assert_eq!(stand(other, 1.0, false).standing, Standing::Open, "nobody knows what was not pasted");
    }
}

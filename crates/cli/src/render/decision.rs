//! A decision: the choice, how the others stand, who disagrees, and what would change it.

use super::shown;
use std::fmt::Write as _;
use vmwright_model::Decision;
use vmwright_model::decision::{Accord, Change, Fitness, Flip, Ground, Met, Topic, Weighed};

/// How many grounds for and against the choice are told.
const GROUNDS: usize = 4;

/// How many changes that would change it are told.
const FLIPS: usize = 5;

/// A score that speaks for an option, and one that speaks against it, of 0 to 4.
const GOOD: u8 = 3;
const BAD: u8 = 2;

pub(crate) fn text(all: &Decision) -> String {
    let mut out = format!("{}\n", shown(&all.challenge));
    for need in &all.needs {
        let from =
            need.words.as_ref().map(|words| format!(" (you said `{}`)", shown(words))).unwrap_or_default();
        let _ = writeln!(out, "need: {}: {}{from}", need.need, need.says);
    }
    for one in all.criteria.iter().filter(|one| one.given) {
        let _ = writeln!(
            out,
            "weight: {} {}: yours",
            one.criterion,
            one.weights.first().copied().unwrap_or_default()
        );
    }
    out.push('\n');
    let names = all.perspectives.iter().map(|one| format!("{:>12}", one.perspective)).collect::<String>();
    let _ = writeln!(out, "{:20}{:>6}{names}", "", "all");
    for one in &all.options {
        option(one, &mut out);
    }
    out.push('\n');
    if let Some(chosen) = all.options.iter().find(|one| Some(&one.option) == all.choice.as_ref()) {
        let _ = writeln!(out, "{}: {}", chosen.option, chosen.says);
        let grounds =
            |fits: fn(u8) -> bool| chosen.grounds.iter().filter(move |one| fits(one.score)).take(GROUNDS);
        grounds(|score| score >= GOOD).for_each(|one| ground("for", one, &mut out));
        grounds(|score| score <= BAD).for_each(|one| ground("against", one, &mut out));
        out.push('\n');
    }
    for one in all.perspectives.iter().filter(|one| one.lead > 0.0) {
        let by: Vec<&str> = one.dissent.iter().map(String::as_str).take(3).collect();
        let first = one.first.as_deref().unwrap_or_default();
        let (name, lead) = (&one.perspective, 100.0 * one.lead);
        let _ =
            writeln!(out, "dissent: {name} would take {first}, {lead:.0} points better: {}", by.join(", "));
    }
    if let Some(concordance) = all.concordance {
        let _ = writeln!(out, "the perspectives rank alike to {:.0} % (Kendall's W)", 100.0 * concordance);
    }
    for one in all.flips.iter().take(FLIPS) {
        let _ = writeln!(out, "would change it: {}", flip(one));
    }
    if all.flips.len() > FLIPS {
        let _ = writeln!(out, "would change it: {} more", all.flips.len() - FLIPS);
    } else if all.flips.is_empty() && all.choice.is_some() {
        out.push_str("no single weight between an eighth and eight times its own changes it, and no need\n");
    }
    sources(all, &mut out);
    if !all.notes.is_empty() {
        let _ = writeln!(out, "noted: {}", shown(&all.notes));
    }
    let how = match all.accord {
        Accord::Consensus => "consensus",
        Accord::Majority => "majority",
        Accord::Split => "compromise",
        Accord::None => "no choice",
    };
    let _ = writeln!(out, "{how}: {}", all.conclusion);
    out
}

fn option(one: &Weighed, out: &mut String) {
    let percent = |score: &f64| format!("{:.0} %", 100.0 * score);
    let scores = one.scores.iter().map(|score| format!("{:>12}", percent(score))).collect::<String>();
    let _ = writeln!(out, "{:20}{:>6}{scores}", one.option, percent(&one.score));
    for met in one.meets.iter().filter(|met| met.met != Some(true)) {
        let how = match one.standing {
            Fitness::Excluded if met.met.is_some() => "excluded",
            _ => "not known",
        };
        let _ = writeln!(out, "  {how}: {}: {}{}", met.need, met.why, source(met));
    }
}

fn source(met: &Met) -> String {
    if met.source.is_empty() { String::new() } else { format!(" [{}]", met.source) }
}

fn ground(side: &str, one: &Ground, out: &mut String) {
    let _ = writeln!(out, "  {side}: {} {} of 4: {} [{}]", one.criterion, one.score, one.why, one.source);
}

fn flip(one: &Flip) -> String {
    let how = match (one.change, one.factor) {
        (Change::Need, _) | (_, None) => format!("without the need {}", one.of),
        (_, Some(0.0)) => format!("{} not counted", one.of),
        (_, Some(factor)) => format!("{} counted {factor:.2} times as much", one.of),
    };
    format!("{how}: {}", one.then)
}

/// Addresses of the sources that the text names.
fn sources(all: &Decision, out: &mut String) {
    let text = out.clone();
    let named = |name: &str| text.contains(&format!("[{name}]"));
    for (name, address, read) in all.sources.iter().filter(|(name, ..)| named(name)) {
        let _ = writeln!(out, "[{name}] {address} ({read})");
    }
}

/// What there is to decide.
pub(crate) fn topics(topics: &[Topic]) -> String {
    let mut out = String::new();
    for one in topics {
        let _ = writeln!(out, "{}: {}", one.topic, one.question);
        for (head, list) in [("needs", &one.needs), ("criteria", &one.criteria), ("options", &one.options)] {
            let _ = writeln!(out, "  {head}");
            for (name, says) in list {
                let _ = writeln!(out, "    {name:20} {says}");
            }
        }
    }
    out.push_str("for example: vmwright decide \"which storage for a database that must migrate live\"\n");
    out
}

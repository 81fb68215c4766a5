//! An investigation: what was read, how each hypothesis stands, and what would be next.

use super::shown;
use std::fmt::Write as _;
use vmwright_model::investigation::{Hypothesis, Origin, Outlook, ProbeStep, Standing};
use vmwright_model::{Investigation, Piece};

/// How much of a quoted line is shown, in characters.
const WIDTH: usize = 160;

/// How many pieces of evidence a hypothesis shows.
const PIECES: usize = 3;

/// How many hypotheses are told with what they predict and what refutes them, and how many predictions of each.
const AT_LENGTH: (usize, usize) = (3, 2);

pub(crate) fn text(all: &Investigation) -> String {
    let mut out = format!("{}\n", shown(&all.challenge));
    for step in &all.steps {
        self::step(step, &mut out);
    }
    if !all.steps.is_empty() {
        out.push('\n');
    }
    for (at, one) in all.hypotheses.iter().enumerate() {
        hypothesis(at + 1, one, &mut out);
    }
    let _ = writeln!(out, "   none of these: {:.0} %\n", 100.0 * all.other);
    for note in &all.notes {
        let _ = writeln!(out, "noted: {}", shown(note));
    }
    for recalled in &all.journal {
        out.push_str(&super::recalled(recalled));
    }
    for lacking in &all.sandbox.lacking {
        let _ = writeln!(out, "sandbox: {lacking}");
    }
    // What is settled needs nothing more.
    for next in all.next.iter().filter(|_| all.state != Outlook::Settled) {
        let how = if next.here { "next" } else { "bring" };
        let _ = writeln!(
            out,
            "{how}: {} ({:.2} bits expected): {}",
            shown(&next.probe),
            next.expected,
            rules(&next.rules)
        );
    }
    let state = match all.state {
        Outlook::Open => "open",
        Outlook::Settled => "settled",
        Outlook::Undecided => "undecided",
    };
    let _ = writeln!(out, "{state}: {}", shown(&all.conclusion));
    if let Some(agent) = all.escalation {
        let _ = writeln!(out, "hand over to {agent}");
    }
    if all.investigation > 0 {
        let number = all.investigation;
        let _ =
            writeln!(out, "kept as investigation {number}; 'vmwright investigate --resume {number}' goes on");
    }
    out
}

fn rules(rules: &[String]) -> String {
    match rules {
        [first, second, _, more @ ..] => format!("{first}, {second} and {} more", more.len() + 1),
        few => few.join(" and "),
    }
}

fn step(step: &ProbeStep, out: &mut String) {
    let expected = step.expected.map_or(String::new(), |bits| format!("{bits:.2} bits expected, "));
    let sources = if step.read == 1 { "1 source".to_owned() } else { format!("{} sources", step.read) };
    let _ = writeln!(out, "read {}: {sources}; {expected}{:.2} told", shown(&step.probe), step.told);
    for change in step.changed.iter().filter(|change| change.standing != Standing::Open) {
        let (before, behind) = (100.0 * change.share.0, 100.0 * change.share.1);
        let _ = writeln!(
            out,
            "   {} is {} ({before:.0} % -> {behind:.0} %)",
            change.rule,
            standing(change.standing)
        );
    }
    for (source, why) in &step.unread {
        let _ = writeln!(out, "   not read: {}: {}", shown(source), shown(why));
    }
}

fn hypothesis(number: usize, one: &Hypothesis, out: &mut String) {
    let name = match &one.rule {
        Some(rule) => format!("{rule}: {}", shown(&one.statement)),
        None => shown(&one.statement),
    };
    let origins: Vec<&str> = one.origins.iter().map(|origin| self::origin(*origin)).collect();
    let _ = writeln!(out, "{number}. {}, {:.0} %: {name}", standing(one.standing), 100.0 * one.share);
    let _ = writeln!(out, "   from {}; {}", origins.join(", "), shown(&one.why));
    if one.standing == Standing::Supported {
        let _ = writeln!(out, "   confidence {:.0} %", 100.0 * one.confidence);
    }
    one.pieces.iter().take(PIECES).for_each(|piece| self::piece(piece, out));
    if number > AT_LENGTH.0 && one.standing != Standing::Supported {
        return;
    }
    if one.standing == Standing::Open {
        for prediction in one.predicts.iter().take(AT_LENGTH.1) {
            let _ = writeln!(out, "   predicts: {}: {}", prediction.source, prediction.shows);
        }
    }
    if matches!(one.standing, Standing::Open | Standing::Supported) && !one.refute.is_empty() {
        let refute = one.refute.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(out, "   refuted by: {refute}");
    }
}

fn piece(piece: &Piece, out: &mut String) {
    let side = if piece.against { "against" } else { "for" };
    let (place, quote) = match &piece.evidence {
        Some(quote) => (format!("{}:{}", shown(&quote.source), quote.line), clip(&shown(&quote.quote))),
        None => ("the complaint".to_owned(), piece.shows.clone()),
    };
    let _ = writeln!(out, "   {side}: {place}: {quote}");
}

fn clip(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::Supported => "supported",
        Standing::Refuted => "refuted",
        Standing::Untested => "untested",
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Complaint => "the complaint",
        Origin::Journal => "the journal",
        Origin::Evidence => "what was read",
        Origin::Caller => "you",
        Origin::Rival => "its being a rival",
    }
}

//! An answer: what vmwright found, what is not known, and apart from both what a model said.

use super::shown;
use std::fmt::Write as _;
use vmwright_ask::{Asked, Ended, Proof, Said};

/// How much of a quoted line is shown, in characters.
const WIDTH: usize = 160;

pub(crate) fn text(asked: &Asked) -> String {
    let mut out = String::new();
    out.push_str("what vmwright found\n");
    asked.proven.iter().for_each(|one| proof(one, &mut out));
    if asked.proven.is_empty() {
        out.push_str("  nothing that it can prove\n");
    }
    if !asked.open.is_empty() {
        out.push_str("what is not known\n");
        for one in &asked.open {
            let _ = writeln!(out, "  {}", shown(one));
        }
    }
    if let Some(said) = &asked.said {
        self::said(said, &mut out);
    }
    let _ = writeln!(out, "{}", ended(&asked.ended));
    for one in &asked.next {
        let _ = writeln!(out, "next: {}", shown(one));
    }
    out
}

fn proof(one: &Proof, out: &mut String) {
    let sure = one.confidence.map(|confidence| format!(" ({:.0} %)", 100.0 * confidence)).unwrap_or_default();
    let _ = writeln!(out, "  {}: {}{sure}", shown(&one.operation), shown(&one.what));
    if let Some(evidence) = &one.evidence {
        let line: String = shown(evidence).chars().take(WIDTH).collect();
        let _ = writeln!(out, "      {line}");
    }
}

fn said(said: &Said, out: &mut String) {
    let _ = writeln!(out, "what {} said, which proves nothing", shown(&said.model));
    for line in said.text.trim().lines() {
        let _ = writeln!(out, "  > {}", shown(line));
    }
    for doubt in &said.doubts {
        let _ = writeln!(out, "  doubt: {}", shown(doubt));
    }
    if said.refused > 0 {
        let _ = writeln!(out, "  {} of its calls were none that can be made", said.refused);
    }
    let used = said.used;
    let _ = writeln!(out, "  {} steps, {} tokens in, {} out", used.steps, used.tokens_in, used.tokens_out);
}

/// How it ended, in a line.
pub(crate) fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Answered => "ended: with an answer".to_owned(),
        Ended::Limit(which) => format!("ended: at a limit: {}", shown(which)),
        Ended::Broken(why) => format!("ended: the model could not be asked any more: {}", shown(why)),
        Ended::Stopped => "ended: stopped".to_owned(),
    }
}

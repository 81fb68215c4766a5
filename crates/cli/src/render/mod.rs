//! Outcomes as people and programs read them: one file for each format and kind of outcome.

mod analysis;
pub(crate) mod asked;
pub(crate) mod came;
mod capture;
pub(crate) mod captures;
pub(crate) mod concise;
mod decision;
pub(crate) mod error;
mod escalated;
mod evidence;
pub(crate) mod html;
mod investigation;
mod journal;
pub(crate) mod jsonl;
pub(crate) mod junit;
mod lab;
mod machine;
pub(crate) mod markdown;
mod plan;
mod rehearsal;
pub(crate) mod review;
pub(crate) mod sarif;
mod why;

use serde_json::Value;
use sha2::{Digest, Sha256};
use vmwright_engine::{Outcome, Progress, is_unseen};
use vmwright_model::analysis::Recalled;
use vmwright_model::{Analysis, EntryState, Meaning};

/// One JSON document.
pub(crate) fn json(outcome: &Outcome) -> anyhow::Result<String> {
    Ok(inert(&format!("{:#}\n", value(outcome)?)))
}

/// An analysis stands alone, without the envelope: its schema is an interface.
pub(crate) fn value(outcome: &Outcome) -> anyhow::Result<Value> {
    Ok(match outcome {
        Outcome::Analysis(analysis) => serde_json::to_value(analysis)?,
        other => serde_json::to_value(other)?,
    })
}

/// Text for people; `color` where the output is a terminal.
pub(crate) fn text(outcome: &Outcome, color: bool) -> String {
    match outcome {
        Outcome::Analysis(analysis) => analysis::text(analysis, color),
        Outcome::Analyses(made) => captures::all(made),
        Outcome::Investigation(all) => investigation::text(all),
        Outcome::Decision(all) => decision::text(all),
        Outcome::Topics { topics } => decision::topics(topics),
        Outcome::Escalated(made) => escalated::text(made),
        Outcome::Why(why) => why::text(why),
        Outcome::WorkList { sources } => lines(sources),
        Outcome::Captured(captured) => capture::made(captured),
        Outcome::CapturePlan { sources } => capture::planned(sources),
        Outcome::Explanation { text, .. } => text.clone(),
        Outcome::Meanings { meanings, .. } => meanings.iter().map(meaning).collect(),
        Outcome::Rules { rules } => rules
            .iter()
            .map(|rule| format!("{:38} {:8} {}\n", rule.rule, rule.level.to_string(), rule.title))
            .collect(),
        Outcome::Schema { text } => text.clone(),
        Outcome::Converted(made) => made.text.clone(),
        Outcome::Planned(made) => plan::made(made),
        Outcome::Preview(made) => plan::preview(made),
        Outcome::UpgradeChecked(checked) => plan::upgrade(checked),
        Outcome::Approval { plan, title, principal, ceiling, expires } => format!(
            "plan {}: {}\napproved by {} until {expires}, up to disruption {ceiling}\n",
            plan::short(plan),
            shown(title),
            shown(principal)
        ),
        Outcome::Approved { plan, principal, expires, waits_for: None } => {
            format!("approved by {principal} until {expires}\nnext: vmwright apply {}\n", plan::short(plan))
        }
        Outcome::Approved { principal, expires, waits_for: Some(missing), .. } => {
            format!("approved by {principal} until {expires}\nnot let through yet: {}\n", shown(missing))
        }
        Outcome::Run(run) => plan::run(run),
        Outcome::Confirmed { run } => format!("run {run} stays\n"),
        Outcome::Watched { run, reverted: true } => {
            format!("run {run} was taken back: nobody confirmed it in time\n")
        }
        Outcome::Watched { run, reverted: false } => format!("nothing waits for run {run} any more\n"),
        Outcome::Recovery { lines: found } if found.is_empty() => "no run was cut off\n".to_owned(),
        Outcome::Recovery { lines: found } => lines(found),
        Outcome::Review(made) => review::text(made),
        Outcome::Rehearsed(made) => rehearsal::text(made),
        Outcome::Sealed(sealed) => review::sealed(sealed),
        Outcome::Machine(machine) => machine::one(machine),
        Outcome::Labs { labs } => lab::list(labs),
        Outcome::Came(came) => came::text(came, color),
        Outcome::Machines { machines, unread } => machine::list(machines, unread),
        Outcome::Journal { entries } => journal::entries(entries),
        Outcome::JournalExchanged(made) => journal::exchanged(made),
        Outcome::JournalVerified { entries } => format!("the chain of {entries} entries holds\n"),
    }
}

/// What a number or message means, in a paragraph.
fn meaning(one: &Meaning) -> String {
    let name = [one.code.as_str(), one.name.as_str()].map(shown).into_iter().filter(|part| !part.is_empty());
    let name = name.collect::<Vec<_>>().join(" ");
    let mut out = format!("{name}: {}\n  {}; {}\n", one.means, one.of, one.source);
    for rule in &one.rules {
        out.push_str(&format!("  see: vmwright explain {rule}\n"));
    }
    out
}

/// An entry of the journal that looks like the question.
fn recalled(one: &Recalled) -> String {
    let stale =
        if one.state == EntryState::Stale { " (stale: this host has another kernel since)" } else { "" };
    format!("journal: entry {}{stale}: {}\n", one.entry, shown(&one.title))
}

/// A line of progress, for standard error.
pub(crate) fn progress(event: &Progress) -> String {
    match event {
        Progress::Banner(banner) => shown(banner),
        Progress::Analysed(one) => format!("  {} of {}: {}", one.number, one.of, one.from.display()),
        Progress::Note(note) => format!("  {}", shown(note)),
        Progress::Told(told) => format!("  {}", came::told(told)),
        Progress::Counted(counts) => came::statistics(counts),
    }
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Text that a guest, a log or a file controls, safe for a terminal: control characters are shown, not obeyed.
pub(crate) fn shown(untrusted: &str) -> String {
    let mut shown = String::with_capacity(untrusted.len());
    for character in untrusted.chars() {
        match character {
            '\t' => shown.push(' '),
            _ if is_unseen(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

/// The same JSON, with the characters that a reader would obey written as `\uXXXX`. They stand in strings alone.
pub(crate) fn inert(json: &str) -> String {
    let mut inert = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_unseen(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                inert.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            inert.push(character);
        }
    }
    inert
}

/// Untrusted text as text or attribute value of HTML and XML.
fn escaped(untrusted: &str) -> String {
    let mut escaped = String::with_capacity(untrusted.len());
    for character in shown(untrusted).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Who made a report: the version, and the beginning of a hash over what the report tells.
fn assisted_by(analysis: &Analysis) -> String {
    let json = serde_json::to_vec(analysis).expect("an analysis has no keys that are not strings");
    format!("Assisted-By: vmwright ({} / {})", env!("CARGO_PKG_VERSION"), &digest(&json)[..12])
}

/// SHA-256, hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{inert, shown};

    #[test]
    fn control_characters_of_a_guest_do_not_reach_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\tc\u{202e}d"), "a\\u{1b}[2Jb c\\u{202e}d");
    }
    #[test]
    fn json_stays_the_same_json_and_obeys_nobody() {
        let text = "a\u{9b}2J\u{202e}\u{e0041}\u{7f}é\n";
        let json = inert(&serde_json::to_string_pretty(&[text]).unwrap());
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [text]);
        assert!(json.chars().all(|c| c == '\n' || !vmwright_engine::is_unseen(c)), "{json:?}");
        assert!(json.contains('é'));
    }
}

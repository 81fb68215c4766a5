//! Outcomes as people and programs read them: one file for each format and kind of outcome.

mod analysis;
pub(crate) mod error;
mod journal;
mod machine;
mod plan;
mod review;
mod why;

use serde_json::Value;
use vmwright_engine::{Outcome, Progress};

/// One JSON document. An analysis stands alone, without the envelope: its schema is an interface.
pub(crate) fn json(outcome: &Outcome) -> anyhow::Result<String> {
    let value: Value = match outcome {
        Outcome::Analysis(analysis) => serde_json::to_value(analysis)?,
        other => serde_json::to_value(other)?,
    };
    Ok(format!("{value:#}\n"))
}

/// Text for people; `color` where the output is a terminal.
pub(crate) fn text(outcome: &Outcome, color: bool) -> String {
    match outcome {
        Outcome::Analysis(analysis) => analysis::text(analysis, color),
        Outcome::Why(why) => why::text(why),
        Outcome::WorkList { sources } => lines(sources),
        Outcome::Explanation { text, .. } => text.clone(),
        Outcome::Rules { rules } => rules
            .iter()
            .map(|rule| format!("{:38} {:8} {}\n", rule.rule, rule.level.to_string(), rule.title))
            .collect(),
        Outcome::Planned(made) => plan::made(made),
        Outcome::Preview(made) => plan::preview(made),
        Outcome::Approved { plan, principal, expires } => {
            format!("approved by {principal} until {expires}\nnext: vmwright apply {}\n", plan::short(plan))
        }
        Outcome::Run(run) => plan::run(run),
        Outcome::Recovery { lines: found } if found.is_empty() => "no run was cut off\n".to_owned(),
        Outcome::Recovery { lines: found } => lines(found),
        Outcome::Review(made) => review::text(made),
        Outcome::Machine(machine) => machine::one(machine),
        Outcome::Machines { machines } => machine::list(machines),
        Outcome::Journal { entries } => journal::entries(entries),
        Outcome::JournalVerified { entries } => format!("the chain of {entries} entries holds\n"),
    }
}

/// A line of progress, for standard error.
pub(crate) fn progress(event: &Progress) -> String {
    match event {
        Progress::Banner(banner) => banner.clone(),
        Progress::Note(note) => format!("  {note}"),
    }
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Text that a guest, a log or a file controls, safe for a terminal: control characters are shown, not obeyed.
pub(crate) fn shown(untrusted: &str) -> String {
    untrusted
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .flat_map(|c| {
            let escaped = c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let plain = (!escaped).then_some(c);
            plain.into_iter().chain(escaped.then(|| c.escape_unicode()).into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn control_characters_of_a_guest_do_not_reach_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\tc\u{202e}d"), "a\\u{1b}[2Jb c\\u{202e}d");
    }
}

//! Causes and their quotes in the order in which a report tells them.

use super::shown;
use vmwright_model::{Analysis, Applicability, Cause, Evidence, Meaning, Unknown};

/// How much of a quoted line a report shows, in characters. JSON and SARIF hold all of it.
const WIDTH: usize = 2000;

/// Lines of one source, in its order.
pub(super) struct Excerpt<'a> {
    pub(super) source: &'a str,
    pub(super) lines: Vec<Line>,
}

pub(super) struct Line {
    pub(super) number: u32,
    /// Safe to show, and cut where it is very long.
    pub(super) quote: String,
}

/// The quotes by source. Sources stand in the order of their best quote.
pub(super) fn excerpts(quotes: &[Evidence]) -> Vec<Excerpt<'_>> {
    let mut excerpts: Vec<Excerpt<'_>> = Vec::new();
    for quote in quotes {
        let line = Line { number: quote.line, quote: clipped(&quote.quote) };
        match excerpts.iter_mut().find(|excerpt| excerpt.source == quote.source) {
            Some(excerpt) => excerpt.lines.push(line),
            None => excerpts.push(Excerpt { source: &quote.source, lines: vec![line] }),
        }
    }
    for excerpt in &mut excerpts {
        excerpt.lines.sort_by_key(|line| line.number);
    }
    excerpts
}

/// A quote as reports show it.
pub(super) fn clipped(quote: &str) -> String {
    match quote.char_indices().nth(WIDTH) {
        Some((end, _)) => {
            format!("{}... ({} characters more)", shown(&quote[..end]), quote[end..].chars().count())
        }
        None => shown(quote),
    }
}

/// Where the direct consequences of a cause stand in the list; of no cause, the causes proper. What explains a
/// consequence stands before it, so that this is a tree whatever the list says.
pub(super) fn consequences(causes: &[Cause], of: Option<usize>) -> Vec<usize> {
    let parent = |at: usize| {
        let by = causes[at].explained_by.as_ref()?;
        causes[..at].iter().position(|cause| cause.rule == *by)
    };
    (0..causes.len()).filter(|at| parent(*at) == of).collect()
}

/// Rules that could not tell, by what is missing: it is the same for many. Both stand in the order of the rules.
pub(super) fn reasons(unknown: &[Unknown]) -> Vec<(&str, Vec<&Unknown>)> {
    let mut reasons: Vec<(&str, Vec<&Unknown>)> = Vec::new();
    for one in unknown {
        match reasons.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, rules)) => rules.push(one),
            None => reasons.push((&one.why, vec![one])),
        }
    }
    reasons
}

/// What quoted codes and messages mean, a line each; what the title says already is left out.
pub(super) fn meanings(cause: &Cause) -> Vec<String> {
    let telling = cause.grounds.meanings.iter().filter(|one| !cause.title.contains(&one.means));
    let line = |one: &Meaning| {
        let name = [one.code.as_str(), one.name.as_str()].into_iter().filter(|part| !part.is_empty());
        format!("{} means: {} ({})", name.collect::<Vec<_>>().join(" "), one.means, one.of)
    };
    telling.map(line).collect()
}

/// Who carries the fix out.
pub(super) fn by_whom(cause: &Cause) -> String {
    if cause.fix.actions.is_empty() || cause.fix.applicability == Applicability::ManualOnly {
        "by hand".to_owned()
    } else {
        format!("vmwright plan makes the steps; disruption: {}", cause.fix.disruption)
    }
}

/// How many causes there are, and how much is not known.
pub(super) fn counted(analysis: &Analysis) -> String {
    let proper = consequences(&analysis.causes, None).len();
    let following = analysis.causes.len() - proper;
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {}, {} could not tell, {} not read",
        plural(proper, "cause"),
        plural(following, "consequence"),
        plural(analysis.unknown.len(), "rule"),
        plural(analysis.unread.len(), "source"),
    )
}

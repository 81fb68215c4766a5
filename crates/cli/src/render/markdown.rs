//! An analysis as Markdown (CommonMark with GitHub's tables), for a ticket or a merge request.

use super::evidence::{by_whom, consequences, counted, excerpts, meanings, reasons};
use super::{assisted_by, shown};
use std::fmt::Write;
use vmwright_model::analysis::Accepted;
use vmwright_model::{Analysis, Cause, Evidence};

pub(crate) fn text(analysis: &Analysis) -> String {
    let mut out = format!("# Analysis: {}\n\n", prose(&analysis.challenge));
    let _ = writeln!(out, "{}{}.", host(analysis), counted(analysis));
    for (at, index) in consequences(&analysis.causes, None).into_iter().enumerate() {
        let number = format!("{}. ", at + 1);
        cause(&analysis.causes, index, 2, &number, &mut out);
    }
    let accepted = analysis.accepted.iter().map(|one| {
        let Accepted { cause, reason, expires } = one;
        format!(
            "{} about {}: {} (until {expires}: {})",
            code(&cause.rule),
            code(&cause.subject),
            prose(&cause.title),
            prose(reason)
        )
    });
    list("Accepted", accepted, &mut out);
    let next = analysis.next.iter();
    list(
        "What to read next",
        next.map(|one| format!("{}: {}", code(&one.source), prose(&one.rules.join(", ")))),
        &mut out,
    );
    unknown(analysis, &mut out);
    let unread = analysis.unread.iter().map(|(source, why)| format!("{}: {}", code(source), prose(why)));
    list("Not read", unread, &mut out);
    let recalled =
        analysis.journal.iter().map(|one| format!("entry {}: {}", prose(&one.entry), prose(&one.title)));
    list("From the journal", recalled, &mut out);
    let enforced = analysis.sandbox.enforced.iter().map(|one| prose(one));
    let lacking = analysis.sandbox.lacking.iter().map(|one| format!("not in force: {}", prose(one)));
    list("How the process was locked while it read", enforced.chain(lacking), &mut out);
    let _ = writeln!(out, "\n{}", assisted_by(analysis));
    out
}

fn host(analysis: &Analysis) -> String {
    let host = &analysis.host;
    match (host.name.is_empty(), host.kernel.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("Host {}. ", code(&host.name)),
        (false, false) => format!("Host {}, kernel {}. ", code(&host.name), code(&host.kernel)),
    }
}

/// A cause and, below it, what follows from it.
fn cause(causes: &[Cause], index: usize, depth: usize, before: &str, out: &mut String) {
    let cause = &causes[index];
    // Markdown has six levels of headings.
    let hashes = "#".repeat(depth.min(6));
    let _ = writeln!(out, "\n{hashes} {before}{}: {}\n", cause.level, prose(&cause.title));
    let _ = writeln!(
        out,
        "{} about {}, confidence {:.0} %",
        code(&cause.rule),
        code(&cause.subject),
        cause.confidence * 100.0
    );
    evidence(&cause.evidence, out);
    for meaning in meanings(cause) {
        let _ = writeln!(out, "\n{}", prose(&meaning));
    }
    let _ = writeln!(out, "\n**Fix** ({}): {}", by_whom(cause), prose(&cause.fix.summary));
    if let Some(agent) = cause.escalation {
        let _ = writeln!(out, "\n**Hand over to** {agent}");
    }
    for follows in consequences(causes, Some(index)) {
        self::cause(causes, follows, depth + 1, "Consequence: ", out);
    }
}

fn evidence(quotes: &[Evidence], out: &mut String) {
    for excerpt in excerpts(quotes) {
        let last = excerpt.lines.iter().map(|line| line.number).max().unwrap_or(0);
        let width = last.to_string().len();
        let mut block = String::new();
        for line in &excerpt.lines {
            let _ = writeln!(block, "{:>width$} | {}", line.number, line.quote);
        }
        let fence = "`".repeat((longest_run(&block) + 1).max(3));
        let _ = writeln!(out, "\n{}:\n\n{fence}text\n{block}{fence}", code(excerpt.source));
    }
}

fn unknown(analysis: &Analysis, out: &mut String) {
    if analysis.unknown.is_empty() {
        return;
    }
    out.push_str("\n## Could not tell\n");
    for (why, rules) in reasons(&analysis.unknown) {
        let _ = writeln!(out, "\nBecause {}:\n\n| rule | what would tell |\n|---|---|", prose(why));
        for unknown in rules {
            let _ = writeln!(out, "| {} | {} |", prose(&unknown.rule), prose(&unknown.source));
        }
    }
}

fn list(title: &str, entries: impl Iterator<Item = String>, out: &mut String) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "\n## {title}\n");
    for entry in entries {
        let _ = writeln!(out, "- {entry}");
    }
}

/// Untrusted text in a sentence: nothing in it is markup, a link or a formula.
pub(super) fn prose(untrusted: &str) -> String {
    let mut prose = String::with_capacity(untrusted.len());
    let text = shown(untrusted);
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        let escape = match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '|' | '#' | '$' => true,
            // `https://` and `www.` are links without any other mark.
            ':' => text[at..].starts_with("://"),
            '.' => before.eq_ignore_ascii_case(&'w'),
            _ => false,
        };
        if escape {
            prose.push('\\');
        }
        prose.push(character);
        before = character;
    }
    prose
}

/// Untrusted text as a code span, which ends where it should.
pub(super) fn code(untrusted: &str) -> String {
    let text = shown(untrusted);
    if text.trim().is_empty() {
        return "(no name)".to_owned();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{code, prose};

    #[test]
    fn untrusted_text_is_no_markup() {
        assert_eq!(prose("*a* <b> [c](http://d) www.e"), "\\*a\\* \\<b\\> \\[c\\](http\\://d) www\\.e");
        assert_eq!(prose("one\n# two"), "one\\\\u{a}\\# two");
        assert_eq!(prose("vfio: group 3"), "vfio: group 3");
    }

    #[test]
    fn a_code_span_ends_where_it_should() {
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(code(""), "(no name)");
    }
}

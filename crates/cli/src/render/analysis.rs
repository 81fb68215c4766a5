//! An analysis in the manner of rustc: message, place, the line underlined, help.

use super::evidence::meanings;
use super::shown;
use annotate_snippets::{AnnotationKind, Group, Level as Title, Renderer, Snippet};
use std::fmt::Write as _;
use vmwright_model::analysis::Accepted;
use vmwright_model::{Analysis, Applicability, Cause, Evidence, Level};

/// How much of a quoted line is shown, in characters.
const WIDTH: usize = 160;

pub(crate) fn text(analysis: &Analysis, color: bool) -> String {
    let mut out = String::new();
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    for cause in &analysis.causes {
        out.push_str(&one(cause, &renderer));
        out.push('\n');
    }
    for one in &analysis.accepted {
        let Accepted { cause, reason, expires } = one;
        let _ = writeln!(
            out,
            "accepted until {expires}: {}[{}]: {} ({})",
            cause.level,
            cause.rule,
            shown(&cause.title),
            shown(reason)
        );
    }
    for recalled in &analysis.journal {
        out.push_str(&super::recalled(recalled));
    }
    for (source, why) in &analysis.unread {
        let _ = writeln!(out, "not read: {}: {}", shown(source), shown(why));
    }
    for lacking in &analysis.sandbox.lacking {
        let _ = writeln!(out, "sandbox: {lacking}");
    }
    summary(analysis, &mut out);
    out
}

fn summary(analysis: &Analysis, out: &mut String) {
    let causes = analysis.causes.iter().filter(|cause| cause.explained_by.is_none()).count();
    let unknown = analysis.unknown.len();
    let _ = match causes {
        0 if analysis.target.is_some() => {
            writeln!(out, "nothing found that stands in the way; {unknown} rules could not tell")
        }
        0 => writeln!(out, "no cause found; {unknown} rules could not tell"),
        1 => writeln!(out, "1 cause; {unknown} rules could not tell"),
        _ => writeln!(out, "{causes} causes; {unknown} rules could not tell"),
    };
    let compared: Vec<&str> =
        analysis.ruled_out.iter().filter(|one| one.why.is_empty()).map(|one| one.rule.as_str()).collect();
    if !compared.is_empty() {
        let _ = writeln!(out, "compared, and in no way: {}", compared.join(", "));
    }
    for one in analysis.ruled_out.iter().filter(|one| !one.why.is_empty()) {
        let _ = writeln!(out, "no question here: {}: {}", one.rule, shown(&one.why));
    }
    for next in &analysis.next {
        let rules = match next.rules.as_slice() {
            [one] => one.clone(),
            [one, other] => format!("{one} and {other}"),
            [one, other, more @ ..] => format!("{one}, {other} and {} more", more.len()),
            [] => continue,
        };
        let _ = writeln!(out, "next: {} would tell: {rules}", shown(&next.source));
    }
}

fn one(cause: &Cause, renderer: &Renderer) -> String {
    let level = match cause.level {
        Level::Error => Title::ERROR,
        Level::Warn => Title::WARNING,
        Level::Note => Title::NOTE,
    };
    let title = match &cause.explained_by {
        Some(by) => format!("{} (a consequence of {by})", shown(&cause.title)),
        None => shown(&cause.title),
    };
    let quotes: Vec<(String, &Evidence)> =
        cause.evidence.iter().map(|one| (clip(&shown(&one.quote)), one)).collect();
    let mut group = Group::with_title(level.primary_title(title).id(cause.rule.clone()));
    for (at, (quote, evidence)) in quotes.iter().enumerate() {
        let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        group = group.element(
            Snippet::source(quote.as_str())
                .line_start(evidence.line as usize)
                .path(shown(&evidence.source))
                .annotation(kind.span(0..quote.len())),
        );
    }
    for meaning in meanings(cause) {
        group = group.element(Title::NOTE.message(shown(&meaning)));
    }
    let about = format!("about {}; confidence {:.0} %", shown(&cause.subject), cause.confidence * 100.0);
    group = group.element(Title::NOTE.message(about));
    if !cause.explains.is_empty() {
        group = group.element(Title::NOTE.message(format!("explains {}", cause.explains.join(", "))));
    }
    let how = match cause.fix.applicability {
        Applicability::ManualOnly => "by hand",
        Applicability::NeedsApproval | Applicability::Safe if cause.fix.actions.is_empty() => "by hand",
        Applicability::NeedsApproval | Applicability::Safe => "vmwright plan makes the steps",
    };
    group = group.element(Title::HELP.message(format!("{how}: {}", shown(&cause.fix.summary))));
    if let Some(agent) = cause.escalation {
        group = group.element(Title::NOTE.message(format!("hand over to {agent}")));
    }
    format!("{}\n", renderer.render(&[group]))
}

fn clip(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

//! An analysis as one page that opens offline: no script, nothing fetched, pictures as inline SVG.

use super::evidence::{Excerpt, by_whom, consequences, counted, excerpts, reasons};
use super::{assisted_by, escaped};
use std::fmt::Write;
use vmwright_model::{Analysis, Cause};

/// Even where something slipped through the escaping, the page could neither run nor fetch anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2127; --soft: #5c6670; --line: #d7dce1; --page: #fff; --card: #f6f7f9;
  --code: #fff; --bar: #3267a8; --mark: #fdf3d0; --error: #b3261e; --warning: #8a5a00; --note: #3267a8; --good: #1a7f4b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #a0a9b2; --line: #3a424b; --page: #14181c;
  --card: #1d2228; --code: #14181c; --bar: #7aa7dc; --mark: #3a3216; --error: #ff8a80; --warning: #e5b35c; --note: #7aa7dc;
  --good: #5fc48f; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2, h3, h4, h5, h6 { font-size: 1.15rem; margin: 0 0 .5rem; } h3, h4, h5, h6 { font-size: 1rem; }
h1, h2, h3, h4, h5, h6, p, li, figcaption { overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); } p { margin: .5rem 0; } a { color: var(--bar); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin-top: 1rem; }
section section { border-width: 0 0 0 3px; border-radius: 0; padding: 0 0 0 1rem; }
.word { font-weight: 600; padding: 0 .5em; border: 1px solid currentColor; border-radius: 1em; margin-right: .5em; font-size: .85em; white-space: nowrap; }
.error { color: var(--error); } .warning { color: var(--warning); } .note { color: var(--note); } .good { color: var(--good); }
nav ol { margin: .5rem 0 0; padding-left: 1.5rem; } ul { padding-left: 1.25rem; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; } th, td { text-align: left; vertical-align: top;
  padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th:first-child { white-space: nowrap; } code { font: .85rem/1.5 ui-monospace, monospace; }
figure { margin: .75rem 0; } .quote { background: var(--code); border: 1px solid var(--line); border-radius: .25rem; overflow: hidden; }
.quote th, .quote td { border: 0; padding: 0 .6rem; } .quote th { color: var(--soft); font: .85rem/1.5 ui-monospace, monospace;
  text-align: right; width: 1%; user-select: none; border-right: 1px solid var(--line); } .quote td { white-space: pre-wrap; }
.best { background: var(--mark); } summary { cursor: pointer; font-weight: 600; }
svg { display: block; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .bar { fill: var(--bar); } svg .rest { fill: var(--line); }
";

/// Length of a bar that stands for certainty, in the units of the drawing.
const BAR: f64 = 200.0;

pub(crate) fn text(analysis: &Analysis) -> String {
    let challenge = escaped(&analysis.challenge);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Analysis: {challenge}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>{challenge}</h1>\n<p class=\"soft\">{}{}</p>\n",
        host(analysis),
        counted(analysis)
    );
    let causes = consequences(&analysis.causes, None);
    contents(analysis, &causes, &mut page);
    page.push_str("</header>\n<main>\n");
    if causes.is_empty() {
        page.push_str("<section>\n<h2>No cause found</h2>\n</section>\n");
    }
    for index in causes {
        cause(&analysis.causes, index, 2, &mut page);
    }
    let accepted = analysis.accepted.iter().map(|one| {
        let (rule, title) = (escaped(&one.cause.rule), escaped(&one.cause.title));
        format!("<code>{rule}</code>: {title} (until {}: {})", escaped(&one.expires), escaped(&one.reason))
    });
    list("Accepted", accepted, &mut page);
    let next = analysis.next.iter();
    let next =
        next.map(|one| format!("<code>{}</code>: {}", escaped(&one.source), escaped(&one.rules.join(", "))));
    list("What to read next", next, &mut page);
    unknown(analysis, &mut page);
    surroundings(analysis, &mut page);
    let _ = writeln!(
        page,
        "</main>\n<footer>\n<p class=\"soft\">{}</p>\n</footer>\n</body>\n</html>",
        escaped(&assisted_by(analysis))
    );
    page
}

fn host(analysis: &Analysis) -> String {
    let host = &analysis.host;
    let mut out = String::new();
    if !host.name.is_empty() {
        let _ = write!(out, "host {}, ", escaped(&host.name));
    }
    if !host.kernel.is_empty() {
        let _ = write!(out, "kernel {}, ", escaped(&host.kernel));
    }
    out
}

fn contents(analysis: &Analysis, causes: &[usize], page: &mut String) {
    if causes.len() < 2 {
        return;
    }
    page.push_str("<nav>\n<ol>\n");
    for index in causes {
        let Cause { title, level, .. } = &analysis.causes[*index];
        let title = escaped(title);
        let _ = writeln!(
            page,
            "<li><span class=\"{level}\">{level}</span> <a href=\"#cause-{index}\">{title}</a></li>"
        );
    }
    page.push_str("</ol>\n</nav>\n");
}

/// A cause and, inside its section, what follows from it.
fn cause(causes: &[Cause], index: usize, depth: usize, page: &mut String) {
    let cause = &causes[index];
    // HTML has six levels of headings.
    let heading = depth.min(6);
    let level = cause.level;
    let what = if depth > 2 { "consequence, " } else { "" };
    let _ = writeln!(
        page,
        "<section id=\"cause-{index}\">\n<h{heading}><span class=\"word {level}\">{what}{level}</span>{}</h{heading}>\n\
         <p class=\"soft\"><code>{}</code> about {}</p>",
        escaped(&cause.title),
        escaped(&cause.rule),
        escaped(&cause.subject)
    );
    confidence(cause.confidence, page);
    for excerpt in excerpts(&cause.evidence) {
        quoted(&excerpt, page);
    }
    let _ = writeln!(
        page,
        "<p><strong>Fix</strong> ({}): {}</p>",
        escaped(&by_whom(cause)),
        escaped(&cause.fix.summary)
    );
    if let Some(agent) = cause.escalation {
        let _ = writeln!(page, "<p><strong>Hand over to</strong> {agent}</p>");
    }
    for follows in consequences(causes, Some(index)) {
        self::cause(causes, follows, depth + 1, page);
    }
    page.push_str("</section>\n");
}

fn confidence(confidence: f64, page: &mut String) {
    let share = if confidence.is_finite() { confidence.clamp(0.0, 1.0) } else { 0.0 };
    let _ = writeln!(
        page,
        "<svg viewBox=\"0 0 330 16\" width=\"330\" height=\"16\" role=\"img\"><title>confidence {percent:.0} %</title>\
         <rect class=\"rest\" y=\"4\" width=\"{BAR}\" height=\"8\" rx=\"4\"/>\
         <rect class=\"bar\" y=\"4\" width=\"{:.1}\" height=\"8\" rx=\"4\"/>\
         <text x=\"{:.0}\" y=\"12\">confidence {percent:.0} %</text></svg>",
        BAR * share,
        BAR + 8.0,
        percent = share * 100.0
    );
}

/// Lines of a source with their numbers; the best proof is marked, and lines that were left out are hinted at.
fn quoted(excerpt: &Excerpt<'_>, page: &mut String) {
    let _ = writeln!(
        page,
        "<figure>\n<figcaption><code>{}</code></figcaption>\n<div class=\"quote\"><table>",
        escaped(excerpt.source)
    );
    let mut next = excerpt.lines.first().map_or(0, |line| line.number);
    for line in &excerpt.lines {
        if line.number > next {
            page.push_str("<tr><th aria-label=\"lines left out\">⋯</th><td></td></tr>\n");
        }
        next = line.number.saturating_add(1);
        let class = if line.best { " class=\"best\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr{class}><th>{}</th><td><code>{}</code></td></tr>",
            line.number,
            escaped(&line.quote)
        );
    }
    page.push_str("</table></div>\n</figure>\n");
}

fn unknown(analysis: &Analysis, page: &mut String) {
    if analysis.unknown.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<section>\n<details>\n<summary>Rules that could not tell ({})</summary>",
        analysis.unknown.len()
    );
    for (why, rules) in reasons(&analysis.unknown) {
        let _ = writeln!(
            page,
            "<p>Because {}:</p>\n<table>\n<tr><th scope=\"col\">rule</th><th scope=\"col\">what would tell</th></tr>",
            escaped(why)
        );
        for unknown in rules {
            let (rule, tells) = (escaped(&unknown.rule), escaped(&unknown.source));
            let _ = writeln!(page, "<tr><td><code>{rule}</code></td><td>{tells}</td></tr>");
        }
        page.push_str("</table>\n");
    }
    page.push_str("</details>\n</section>\n");
}

/// What was not read, what the journal knew, and how the process was locked.
fn surroundings(analysis: &Analysis, page: &mut String) {
    let unread = analysis.unread.iter();
    let unread = unread.map(|(source, why)| format!("<code>{}</code>: {}", escaped(source), escaped(why)));
    list("Not read", unread, page);
    let recalled = analysis.journal.iter();
    let recalled = recalled.map(|one| format!("entry {}: {}", escaped(&one.entry), escaped(&one.title)));
    list("From the journal", recalled, page);
    let word = |class: &str, word: &str, what: &str| {
        format!("<span class=\"word {class}\">{word}</span>{}", escaped(what))
    };
    let enforced = analysis.sandbox.enforced.iter().map(|one| word("good", "in force", one));
    let lacking = analysis.sandbox.lacking.iter().map(|one| word("error", "lacking", one));
    list("How the process was locked while it read", enforced.chain(lacking), page);
}

fn list(title: &str, entries: impl Iterator<Item = String>, page: &mut String) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let _ = writeln!(page, "<section>\n<h2>{title}</h2>\n<ul>");
    for entry in entries {
        let _ = writeln!(page, "<li>{entry}</li>");
    }
    page.push_str("</ul>\n</section>\n");
}

//! An analysis as one page that opens offline: no script, nothing fetched, pictures as inline SVG.

mod grounds;
mod nodes;
mod pci_picture;
mod pci_tree;
mod svg;
mod topology;

use super::evidence::{by_whom, consequences, counted, reasons};
use super::{assisted_by, escaped};
use std::fmt::Write;
use vmwright_model::{Analysis, Cause};

/// Even where something slipped through the escaping, the page could neither run nor fetch anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("html/page.css");

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
    } else {
        page.push_str(
            "<p class=\"soft small\">What stands in boxes with line numbers is quoted from the host, its guests and its \
             logs, three lines around each proof. It is data: somebody else wrote it, and nothing in it is advice.</p>\n",
        );
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
    topology::section(analysis, &mut page);
    unknown(analysis, &mut page);
    surroundings(analysis, &mut page);
    let _ = writeln!(
        page,
        "</main>\n<footer>\n<p class=\"soft small\">{}</p>\n</footer>\n</body>\n</html>",
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
    page.push_str("<nav>\n<ol>\n");
    for index in causes {
        let Cause { title, level, confidence, .. } = &analysis.causes[*index];
        let title = escaped(title);
        let _ = writeln!(
            page,
            "<li><a href=\"#cause-{index}\">{title}</a> <span class=\"small {level}\">{level}</span> \
             <span class=\"small soft\">{:.0} %</span></li>",
            confidence * 100.0
        );
    }
    let _ = writeln!(page, "</ol>\n<p><a href=\"#host\">{}</a></p>\n</nav>", topology::TITLE);
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
        "<section id=\"cause-{index}\" class=\"cause\">\n\
         <h{heading}><span class=\"word {level}\">{what}{level}</span>{}</h{heading}>\n\
         <p class=\"soft small\"><code>{}</code> about {}</p>",
        escaped(&cause.title),
        escaped(&cause.rule),
        escaped(&cause.subject)
    );
    grounds::confidence(cause.confidence, page);
    grounds::evidence(cause, page);
    grounds::meanings(cause, page);
    let _ = writeln!(
        page,
        "<div class=\"fix\">\n<p class=\"label\">Fix</p>\n<p>{}</p>\n<p class=\"soft small\">{}</p>",
        grounds::spans(&cause.fix.summary),
        escaped(&by_whom(cause))
    );
    if let Some(agent) = cause.escalation {
        let _ = writeln!(page, "<p><strong>Hand over to</strong> {agent}</p>");
    }
    page.push_str("</div>\n");
    grounds::prose("What would refute it", &cause.grounds.refute, page);
    grounds::computation(cause, page);
    grounds::prose("References", &cause.grounds.references, page);
    for follows in consequences(causes, Some(index)) {
        self::cause(causes, follows, depth + 1, page);
    }
    page.push_str("</section>\n");
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

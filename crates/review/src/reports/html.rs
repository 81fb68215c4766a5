//! A review as one page that opens offline: no script, nothing fetched, plots as inline SVG.

mod plot;

use super::{figure, figures, outcome, visible};
use std::fmt::Write;
use vmwright_model::{Cause, Control, Framework, Gate, Review, Table};

/// Even where something slipped through the escaping, the page could neither run nor fetch anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2127; --soft: #5c6670; --line: #d7dce1; --page: #fff; --card: #f6f7f9;
  --bar: #3267a8; --pass: #1a7f4b; --fail: #b3261e; --unknown: #8a5a00; --none: #5c6670; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #a0a9b2; --line: #3a424b; --page: #14181c;
  --card: #1d2228; --bar: #7aa7dc; --pass: #5fc48f; --fail: #ff8a80; --unknown: #e5b35c; --none: #a0a9b2; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
.soft, figcaption, caption { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin-top: 1rem; }
.word { font-weight: 600; padding: 0 .5em; border: 1px solid currentColor; border-radius: 1em; margin-left: .5em; font-size: .85em; }
.pass { color: var(--pass); } .fail { color: var(--fail); } .unknown, .incomplete { color: var(--unknown); }
.not-applicable { color: var(--none); }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .75rem 0; font-size: .9rem; }
caption { text-align: left; } th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th, td:first-child, tbody th { overflow-wrap: normal; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; }
figure { margin: .75rem 0; } svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } svg .bar { fill: var(--bar); } svg .rule { stroke: var(--line); } svg .median { stroke: var(--bar); stroke-dasharray: 4 3; }
";

/// The review as one HTML page.
#[must_use]
pub fn html(review: &Review) -> String {
    let verdict = crate::verdict(review);
    let subject = escape(&crate::subject(review));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Review of {subject}: {verdict}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>Review of {subject}<span class=\"word {verdict}\">{verdict}</span></h1>\n"
    );
    let began =
        if review.began.is_empty() { String::new() } else { format!("began {}", escape(&review.began)) };
    let accelerator = match review.accelerator.as_str() {
        "" => String::new(),
        word => format!("accelerator {}, ", escape(word)),
    };
    let about = format!("{accelerator}{began}");
    let about = about.trim_end_matches(", ");
    let _ = writeln!(page, "<p class=\"soft\">{about}</p>\n</header>\n<main>");
    for gate in &review.gates {
        section(gate, &mut page);
    }
    for framework in &review.frameworks {
        controls(framework, &mut page);
    }
    if let Some(left_out) = super::left_out(review) {
        let _ = writeln!(page, "<p class=\"soft\">{}</p>", escape(&left_out));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn section(gate: &Gate, page: &mut String) {
    let (word, why) = outcome(gate);
    let class = word.replace(' ', "-");
    let _ = writeln!(
        page,
        "<section>\n<h2>{}<span class=\"word {class}\">{word}</span></h2>",
        escape(&gate.name)
    );
    if !why.is_empty() {
        page.push_str("<ul>\n");
        for why in why.split("; ") {
            let _ = writeln!(page, "<li>{}</li>", escape(why));
        }
        page.push_str("</ul>\n");
    }
    plot::stages(gate, page);
    plot::round_trips(gate, page);
    plot::runs(gate, page);
    if figures(gate).next().is_some() {
        page.push_str("<div class=\"wide\"><table>\n<caption>Measurements</caption>\n");
        for measurement in figures(gate) {
            let _ = writeln!(
                page,
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                escape(&measurement.name),
                escape(&figure(measurement))
            );
        }
        page.push_str("</table></div>\n");
    }
    for table in &gate.tables {
        show_table(table, page);
    }
    leads(gate, page);
    if !gate.evidence.is_empty() {
        let _ = write!(page, "<details>\n<summary>Evidence ({} lines)</summary>\n<pre>", gate.evidence.len());
        for line in &gate.evidence {
            let _ = writeln!(page, "{}", escape(line));
        }
        page.push_str("</pre>\n</details>\n");
    }
    page.push_str("</section>\n");
}

/// What may be why a gate failed, and what goes on from there.
fn leads(gate: &Gate, page: &mut String) {
    let finding = |cause: &Cause| vec![cause.rule.clone(), cause.title.clone(), cause.fix.summary.clone()];
    if !gate.leads.is_empty() {
        let table = Table {
            title: "Findings that may be why".to_owned(),
            columns: ["finding", "what is wrong", "fix"].map(str::to_owned).to_vec(),
            rows: gate.leads.iter().map(finding).collect(),
        };
        show_table(&table, page);
    }
    if !gate.next.is_empty() {
        let _ = writeln!(page, "<p class=\"soft\">Next: <code>{}</code></p>", escape(&gate.next.join("; ")));
    }
}

/// What the review says of a framework's controls.
fn controls(framework: &Framework, page: &mut String) {
    let _ = writeln!(
        page,
        "<section>\n<h2>{}</h2>\n<p class=\"soft\">{} Source: {}</p>",
        escape(&framework.title),
        escape(&framework.note),
        escape(&framework.source)
    );
    let row = |control: &Control| {
        let said = [control.state.word(), control.state.why()].join(": ");
        vec![
            control.id.clone(),
            control.demands.clone(),
            said.trim_end_matches(": ").to_owned(),
            control.evidence.join("; "),
        ]
    };
    let table = Table {
        title: "Controls".to_owned(),
        columns: ["control", "demands", "evidence says", "by"].map(str::to_owned).to_vec(),
        rows: framework.controls.iter().map(row).collect(),
    };
    show_table(&table, page);
    page.push_str("</section>\n");
}

fn show_table(table: &Table, page: &mut String) {
    let _ = write!(page, "<div class=\"wide\"><table>\n<caption>{}</caption>\n<tr>", escape(&table.title));
    for column in &table.columns {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(column));
    }
    page.push_str("</tr>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escape(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

/// Text as HTML text or attribute value, with unseen characters made visible.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
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

//! Why a cause is believed, on the page: the quotes among the lines around them, what they mean, and the computation.

use super::super::evidence::{clipped, excerpts};
use super::escaped;
use std::fmt::Write;
use vmwright_model::{Cause, Passage, PassageLine, Piece};

/// Length of a bar that stands for certainty, in the units of the drawing.
const BAR: f64 = 200.0;

pub(super) fn confidence(confidence: f64, page: &mut String) {
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

/// Each source that is quoted, with the lines around its quotes.
pub(super) fn evidence(cause: &Cause, page: &mut String) {
    if cause.evidence.is_empty() {
        page.push_str("<p class=\"soft\">Only the complaint speaks for it: there is no line to quote.</p>\n");
        return;
    }
    page.push_str("<p class=\"label\">Evidence</p>\n");
    for excerpt in excerpts(&cause.evidence) {
        match cause.grounds.passages.iter().find(|passage| passage.source == excerpt.source) {
            Some(passage) => figure(cause, passage, page),
            // Nothing stands around a quote of what is not part of the snapshot.
            None => {
                let line = |line: &super::super::evidence::Line| PassageLine {
                    number: line.number,
                    text: line.quote.clone(),
                    quoted: true,
                };
                let lines = excerpt.lines.iter().map(line).collect();
                figure(cause, &Passage { source: excerpt.source.to_owned(), lines }, page);
            }
        }
    }
}

fn figure(cause: &Cause, passage: &Passage, page: &mut String) {
    let quoted = passage.lines.iter().filter(|line| line.quoted).map(|line| line.number.to_string());
    let quoted: Vec<String> = quoted.collect();
    let _ = writeln!(
        page,
        "<figure>\n<figcaption class=\"small\"><code>{}</code>, line{} {}<span class=\"data\">quoted data</span></figcaption>\n\
         <div class=\"quote\"><table>",
        escaped(&passage.source),
        if quoted.len() == 1 { "" } else { "s" },
        quoted.join(", ")
    );
    let best = cause.evidence.first();
    let mut next = passage.lines.first().map_or(0, |line| line.number);
    for line in &passage.lines {
        if line.number > next {
            page.push_str("<tr><th aria-label=\"lines left out\">⋯</th><td></td></tr>\n");
        }
        next = line.number.saturating_add(1);
        let is_best = best.is_some_and(|best| best.source == passage.source && best.line == line.number);
        let class = match (is_best, line.quoted) {
            (true, _) => " class=\"is best\"",
            (false, true) => " class=\"is\"",
            (false, false) => "",
        };
        let quotes =
            cause.evidence.iter().filter(|one| one.source == passage.source && one.line == line.number);
        let text = match quotes.map(|one| one.quote.as_str()).next().filter(|_| line.quoted) {
            Some(quote) => marked(&line.text, quote),
            None => escaped(&line.text),
        };
        let _ = writeln!(page, "<tr{class}><th>{}</th><td><code>{text}</code></td></tr>", line.number);
    }
    page.push_str("</table></div>\n</figure>\n");
}

/// A line with its quote marked; all of the line where that was cut inside of the quote.
fn marked(line: &str, quote: &str) -> String {
    match line.find(quote).filter(|_| !quote.is_empty()) {
        Some(at) => format!(
            "{}<mark>{}</mark>{}",
            escaped(&line[..at]),
            escaped(quote),
            escaped(&line[at + quote.len()..])
        ),
        None => format!("<mark>{}</mark>", escaped(&clipped(line))),
    }
}

/// What quoted codes and messages mean.
pub(super) fn meanings(cause: &Cause, page: &mut String) {
    if cause.grounds.meanings.is_empty() {
        return;
    }
    page.push_str("<p class=\"label\">What the quoted codes mean</p>\n<ul>\n");
    for one in &cause.grounds.meanings {
        let name = [one.code.as_str(), one.name.as_str()].into_iter().filter(|part| !part.is_empty());
        let name = name.map(|part| format!("<code>{}</code>", escaped(part))).collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            page,
            "<li>{name}: {} <span class=\"soft small\">({}; {})</span></li>",
            escaped(&one.means),
            escaped(&one.of),
            escaped(&one.source)
        );
    }
    page.push_str("</ul>\n");
}

/// The pieces on the scales, and the sum.
pub(super) fn computation(cause: &Cause, page: &mut String) {
    let pieces = &cause.grounds.pieces;
    if pieces.is_empty() {
        return;
    }
    page.push_str(
        "<p class=\"label\">How the confidence is computed</p>\n<table>\n<tr><th scope=\"col\" class=\"weight\">weight</th>\
         <th scope=\"col\">what it shows</th><th scope=\"col\" class=\"where\">where</th></tr>\n",
    );
    for piece in pieces {
        let side = if piece.against { "credit" } else { "doubt" };
        let place = piece.evidence.as_ref().map_or("the complaint".to_owned(), |quote| {
            format!("<code>{}:{}</code>", escaped(&quote.source), quote.line)
        });
        let strength = format!("{:?}", piece.strength).to_lowercase();
        let _ = writeln!(
            page,
            "<tr><td class=\"number\">{strength}{}: takes {:.0} % of the {side}</td><td>{}</td><td>{place}</td></tr>",
            if piece.against { " against" } else { "" },
            piece.weight * 100.0,
            escaped(&piece.shows),
        );
    }
    let (doubt, credit) = (Piece::left(pieces, false), Piece::left(pieces, true));
    let _ = writeln!(
        page,
        "</table>\n<p class=\"small\">Doubt left: {}. Credit left: {}. \
         Confidence: (1 − {doubt:.3}) × {credit:.3} = {:.3}, shown as {:.0} %.</p>",
        product(pieces, false, doubt),
        product(pieces, true, credit),
        (1.0 - doubt) * credit,
        cause.confidence * 100.0
    );
}

/// `0.10 × 0.35 = 0.035`.
fn product(pieces: &[Piece], against: bool, product: f64) -> String {
    let factors = pieces.iter().filter(|piece| piece.against == against);
    let factors: Vec<String> = factors.map(|piece| format!("{:.2}", 1.0 - piece.weight)).collect();
    match factors.len() {
        0 => "1, nothing takes from it".to_owned(),
        1 => factors.concat(),
        _ => format!("{} = {product:.3}", factors.join(" × ")),
    }
}

/// A part of a rule's documentation.
pub(super) fn prose(title: &str, markdown: &str, page: &mut String) {
    if markdown.is_empty() {
        return;
    }
    let _ = writeln!(page, "<p class=\"label\">{title}</p>");
    for block in markdown.split("\n\n") {
        let (mut words, mut items): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
        for line in block.lines() {
            match (line.strip_prefix("- "), items.last_mut()) {
                (Some(item), _) => items.push(item.to_owned()),
                (None, Some(item)) => {
                    item.push(' ');
                    item.push_str(line.trim());
                }
                (None, None) => words.push(line.trim()),
            }
        }
        if !words.is_empty() {
            let _ = writeln!(page, "<p>{}</p>", spans(&words.join(" ")));
        }
        if !items.is_empty() {
            let items: String = items.iter().map(|item| format!("<li>{}</li>\n", spans(item))).collect();
            let _ = writeln!(page, "<ul>\n{items}</ul>");
        }
    }
}

/// Markdown's code spans as HTML; everything else is text.
pub(super) fn spans(markdown: &str) -> String {
    let mut out = String::new();
    let mut rest = markdown;
    while let Some((before, behind)) = rest.split_once('`') {
        let Some((code, after)) = behind.split_once('`') else { break };
        let _ = write!(out, "{}<code>{}</code>", escaped(before), escaped(code));
        rest = after;
    }
    out + &escaped(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_marked_where_it_stands() {
        assert_eq!(marked("  <a> b", "<a>"), "  <mark>&lt;a&gt;</mark> b");
        assert_eq!(
            marked("cut he... (9 characters more)", "cut here and there"),
            "<mark>cut he... (9 characters more)</mark>"
        );
    }

    #[test]
    fn documentation_becomes_paragraphs_lists_and_code() {
        let mut page = String::new();
        prose("T", "one `a<b`\ntwo\n\n- x\n  y\n- `z", &mut page);
        let expect = "<p>one <code>a&lt;b</code> two</p>\n<ul>\n<li>x y</li>\n<li>`z</li>\n</ul>\n";
        assert_eq!(page, format!("<p class=\"label\">T</p>\n{expect}"));
    }
}

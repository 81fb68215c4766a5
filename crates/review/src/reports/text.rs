//! A review for a terminal.

use super::{figure, figures, outcome, visible};
use std::fmt::Write;
use vmwright_model::{Depth, Framework, Gate, Review, Table};

/// The widest that a cell of a table is shown, in characters.
const CELL: usize = 60;

/// The review as lines of text, with the verdict last.
#[must_use]
pub fn text(review: &Review) -> String {
    let mut page = format!("review of {}", visible(&crate::subject(review)));
    if !review.accelerator.is_empty() {
        let _ = write!(page, " under {}", visible(&review.accelerator));
    }
    if !review.began.is_empty() {
        let _ = write!(page, ", began {}", visible(&review.began));
    }
    if review.depth != Depth::Usual {
        let _ = write!(page, ", {}", review.depth);
    }
    page.push('\n');
    for gate in &review.gates {
        show(gate, &mut page);
    }
    for framework in &review.frameworks {
        controls(framework, &mut page);
    }
    let _ = writeln!(page, "\nverdict: {}", crate::verdict(review));
    if let Some(left_out) = super::left_out(review) {
        let _ = writeln!(page, "{left_out}");
    }
    page
}

/// What the review says of a framework's controls, a line each, with its reason below.
fn controls(framework: &Framework, page: &mut String) {
    let _ = writeln!(page, "\n{}\n  {}", visible(&framework.title), visible(&framework.note));
    for control in &framework.controls {
        let _ = writeln!(
            page,
            "  {:<24} {:<23} {}",
            visible(&control.id),
            control.state.word(),
            visible(&control.demands)
        );
        for why in control.state.why().split("; ").filter(|why| !why.is_empty()) {
            let _ = writeln!(page, "  {:<24}   {}", "", visible(why));
        }
    }
}

fn show(gate: &Gate, page: &mut String) {
    let (word, why) = outcome(gate);
    let _ = writeln!(page, "\n{}: {word}", visible(&gate.name));
    // Each thing that is wrong has a line of its own.
    for why in why.split("; ").filter(|why| !why.is_empty()) {
        let _ = writeln!(page, "  {}", visible(why));
    }
    for measurement in figures(gate) {
        let _ = writeln!(page, "  {:<24} {}", visible(&measurement.name), figure(measurement));
    }
    for table in &gate.tables {
        show_table(table, page);
    }
    for cause in &gate.leads {
        let _ = writeln!(page, "  finding {}: {}", visible(&cause.rule), visible(&cause.title));
        let _ = writeln!(page, "    fix: {}", visible(&cause.fix.summary));
    }
    for command in &gate.next {
        let _ = writeln!(page, "  next: {}", visible(command));
    }
    if !gate.evidence.is_empty() {
        page.push_str("  evidence\n");
    }
    for line in &gate.evidence {
        let _ = writeln!(page, "    | {}", visible(line));
    }
}

fn show_table(table: &Table, page: &mut String) {
    let shown = |row: &Vec<String>| row.iter().map(|cell| short(&visible(cell))).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = std::iter::once(&table.columns).chain(&table.rows).map(shown).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let _ = writeln!(page, "  {}", visible(&table.title));
    for row in &rows {
        let mut line = String::from("   ");
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(page, "{}", line.trim_end());
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

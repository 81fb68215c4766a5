//! A review as Markdown, for a ticket or a merge request.

use crate::render::markdown::{code, prose};
use std::fmt::Write;
use vmwright_engine::{ReviewMade, review_subject};
use vmwright_model::{Framework, Gate, Measurement, Table};

pub(crate) fn text(made: &ReviewMade) -> String {
    let review = &made.review;
    let mut out = format!("# Review of {}: {}\n\n", prose(&review_subject(review)), prose(&made.verdict));
    if !review.accelerator.is_empty() {
        let _ = write!(out, "Under {}. ", prose(&review.accelerator));
    }
    let _ = writeln!(out, "Began {}, depth {}.", prose(&review.began), review.depth);
    out.push_str("\n| gate | verdict | why |\n|---|---|---|\n");
    for gate in &review.gates {
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            prose(&gate.name),
            gate.outcome.word(),
            prose(gate.outcome.why())
        );
    }
    if !review.left_out.is_empty() {
        let _ = writeln!(out, "\nNot tried: {}.", prose(&review.left_out.join(", ")));
    }
    for gate in &review.gates {
        section(gate, &mut out);
    }
    for framework in &review.frameworks {
        controls(framework, &mut out);
    }
    out
}

fn section(gate: &Gate, out: &mut String) {
    let said = gate.measurements.is_empty() && gate.tables.is_empty() && gate.evidence.is_empty();
    if said && gate.leads.is_empty() && gate.next.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## {}", prose(&gate.name));
    // Single round trips are for plots; what was run several times is told by its median.
    let told: Vec<&Measurement> =
        gate.measurements.iter().filter(|one| !one.name.contains(" round trip ")).collect();
    if !told.is_empty() {
        out.push_str("\n| measured | figure | runs |\n|---|---|---|\n");
    }
    for one in told {
        let runs = match one.interval {
            Some((low, high)) => format!("{}, median between {low:.4} and {high:.4}", one.samples.len()),
            None if one.samples.is_empty() => "1".to_owned(),
            None => one.samples.len().to_string(),
        };
        let _ = writeln!(out, "| {} | {:.4} {} | {runs} |", prose(&one.name), one.value, prose(&one.unit));
    }
    for table in &gate.tables {
        self::table(table, out);
    }
    if !gate.leads.is_empty() {
        out.push_str("\nFindings that may be why:\n\n");
    }
    for cause in &gate.leads {
        let _ = writeln!(
            out,
            "- {}: {}. Fix: {}",
            code(&cause.rule),
            prose(&cause.title),
            prose(&cause.fix.summary)
        );
    }
    if !gate.next.is_empty() {
        let commands: Vec<String> = gate.next.iter().map(|command| code(command)).collect();
        let _ = writeln!(out, "\nNext: {}.", commands.join(", "));
    }
    if !gate.evidence.is_empty() {
        out.push_str("\nEvidence:\n\n");
        for line in &gate.evidence {
            let _ = writeln!(out, "- {}", code(line));
        }
    }
}

fn table(table: &Table, out: &mut String) {
    let row = |cells: &[String]| cells.iter().map(|cell| format!(" {} |", prose(cell))).collect::<String>();
    let _ = writeln!(
        out,
        "\n{}:\n\n|{}\n|{}",
        prose(&table.title),
        row(&table.columns),
        "---|".repeat(table.columns.len())
    );
    for cells in &table.rows {
        let _ = writeln!(out, "|{}", row(cells));
    }
}

fn controls(framework: &Framework, out: &mut String) {
    let _ = writeln!(
        out,
        "\n## {}\n\n{} Source: {}.",
        prose(&framework.title),
        prose(&framework.note),
        prose(&framework.source)
    );
    out.push_str("\n| control | demands | evidence | why |\n|---|---|---|---|\n");
    for control in &framework.controls {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            prose(&control.id),
            prose(&control.demands),
            control.state.word(),
            prose(control.state.why())
        );
    }
}

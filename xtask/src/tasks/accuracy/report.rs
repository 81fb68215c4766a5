//! The figures of all cases together.

use super::case::Row;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The closing line's figures. A share is none where there is nothing to share.
struct Summary {
    cases: usize,
    top1: Option<f64>,
    top3: Option<f64>,
    quotes: usize,
    quotes_true: Option<f64>,
    healthy: usize,
    false_alarms: Option<f64>,
    silent: usize,
    could_not_tell: usize,
    crashes: usize,
    median_s: f64,
}

fn summary(rows: &[Row]) -> Summary {
    let (healthy, faulty): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.healthy());
    let quotes: Vec<bool> = rows.iter().flat_map(|row| row.quotes.iter().copied()).collect();
    let count = |rows: &[&Row], what: fn(&Row) -> bool| rows.iter().filter(|row| what(row)).count();
    Summary {
        cases: rows.len(),
        top1: share(count(&faulty, |row| row.top1), faulty.len()),
        top3: share(count(&faulty, |row| row.top3), faulty.len()),
        quotes: quotes.len(),
        quotes_true: share(quotes.iter().filter(|stands| **stands).count(), quotes.len()),
        healthy: healthy.len(),
        false_alarms: share(count(&healthy, |row| !row.top1), healthy.len()),
        silent: count(&faulty, |row| row.got.is_empty()),
        could_not_tell: count(&faulty, |row| row.could_not_tell),
        crashes: rows.iter().filter(|row| !row.crash.is_empty()).count(),
        median_s: median(rows.iter().map(|row| row.seconds).collect()),
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    // Numbers of cases are far below the precision of f64.
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

/// What is printed: with `show` also every case that was not named first; always the areas, the pairs that are
/// taken for each other, and the closing line.
pub(super) fn text(rows: &[Row], show: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    if show {
        for row in rows.iter().filter(|row| !row.top1) {
            let got = if row.got.is_empty() { "-".to_owned() } else { row.got.join(", ") };
            let told = if row.could_not_tell { "  (its rule could not tell)" } else { "" };
            let _ = writeln!(out, "{:44} want {:38} got {got}  {}{told}", row.id, row.want, row.crash);
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{:18} {:>6} {:>9} {:>9} {:>7}", "area", "cases", "precision", "recall", "unknown");
    for (area, figures) in areas(rows) {
        let _ = writeln!(
            out,
            "{area:18} {:>6} {:>9} {:>9} {:>7}",
            figures.cases,
            percent(share(figures.right_of_named, figures.named)),
            percent(share(figures.right, figures.cases)),
            percent(share(figures.could_not_tell, figures.cases)),
        );
    }
    let pairs = confusions(rows);
    if !pairs.is_empty() {
        out.push_str("\ntaken for each other (cases: wanted -> named first)\n");
        for ((want, got), count) in pairs {
            let _ = writeln!(out, "{count:>4}: {want} -> {got}");
        }
    }
    let s = summary(rows);
    let _ = writeln!(
        out,
        "\ncases {}  top-1 {}  top-3 {}  quotes true {} of {}  false alarms {} of {}  silent {}  could not tell {}  \
         crashes {}  median {:.0} ms",
        s.cases,
        percent(s.top1),
        percent(s.top3),
        percent(s.quotes_true),
        s.quotes,
        percent(s.false_alarms),
        s.healthy,
        s.silent,
        s.could_not_tell,
        s.crashes,
        s.median_s * 1000.0
    );
    out
}

#[derive(Default)]
struct Area {
    /// Cases whose label is of this area.
    cases: usize,
    /// Of these, how many were named right in first place.
    right: usize,
    /// Cases where a cause of this area was named first.
    named: usize,
    /// Of these, how many rightly.
    right_of_named: usize,
    /// Cases of this area whose own rule said that it could not tell.
    could_not_tell: usize,
}

fn areas(rows: &[Row]) -> BTreeMap<String, Area> {
    let of = |id: &str| id.split('/').next().unwrap_or_default().to_owned();
    let mut areas: BTreeMap<String, Area> = BTreeMap::new();
    for row in rows {
        let wanted = areas.entry(of(&row.want)).or_default();
        wanted.cases += 1;
        wanted.right += usize::from(row.top1);
        wanted.could_not_tell += usize::from(row.could_not_tell);
        if let Some(first) = row.got.first() {
            let named = areas.entry(of(first)).or_default();
            named.named += 1;
            named.right_of_named += usize::from(row.top1);
        }
    }
    areas
}

/// Wanted and first named, where they differ; the most frequent first.
fn confusions(rows: &[Row]) -> Vec<((&str, &str), usize)> {
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.top1) {
        if let Some(first) = row.got.first() {
            *pairs.entry((&row.want, first)).or_default() += 1;
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    pairs
}

/// All of it, for other programs.
pub(super) fn json(rows: &[Row]) -> String {
    let s = summary(rows);
    let value = json!({
        "summary": {
            "cases": s.cases, "top1": s.top1, "top3": s.top3, "quotes": s.quotes, "quotes_true": s.quotes_true,
            "healthy": s.healthy, "false_alarms": s.false_alarms, "silent": s.silent,
            "could_not_tell": s.could_not_tell, "crashes": s.crashes, "median_s": s.median_s,
        },
        "cases": rows.iter().map(|row| json!({
            "id": row.id, "want": row.want, "got": row.got, "crash": row.crash, "top1": row.top1, "top3": row.top3,
            "quotes": row.quotes, "could_not_tell": row.could_not_tell, "secs": row.seconds,
        })).collect::<Vec<Value>>(),
    });
    format!("{value:#}\n")
}

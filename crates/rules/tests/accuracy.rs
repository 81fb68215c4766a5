//! How well the whole catalogue names the causes of the rules' own cases, kept in `ACCURACY.md`.
//!
//! Each `fires` case is diagnosed by all rules together; the rule that it belongs to should be named first. The figures
//! say where rules are taken for each other. How well causes of strangers are named is measured on cases that no rule was
//! written for, elsewhere; here it is estimated: cases with a complaint are diagnosed once more by rules that do not know
//! a part of what they know. `cargo xtask accuracy` writes the file anew.
#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use vmwright_formats::recognise;
use vmwright_model::{Record, Snapshot};
use vmwright_rules::{CATALOGUE, Diagnosis, Forgetting, Reading, diagnose_reading};

/// How many pairs of rules the file names.
const PAIRS: usize = 40;

/// The part of what rules know that they do not know in the estimate: with it the cases of strangers come out about as they
/// do in truth.
const FORGOTTEN: f64 = 0.5;

/// How often the part is drawn.
const DRAWS: u64 = 2;

/// What came of one case.
struct Row {
    /// The rule that it belongs to.
    want: &'static str,
    /// The causes, best first.
    got: Vec<String>,
    /// How many rules of each area could not tell.
    unknown: BTreeMap<String, usize>,
    /// The causes of each draw; none where nobody complains, and so nothing is suspected.
    drawn: Vec<Vec<String>>,
}

impl Row {
    fn is_first(&self, got: &[String]) -> bool {
        got.first().is_some_and(|got| got == self.want)
    }

    fn is_near(&self, got: &[String]) -> bool {
        got.iter().take(3).any(|got| got == self.want)
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn judge(want: &'static str, folder: &Path, draws: &[Forgetting]) -> Row {
    let (mut snapshot, mut complaint) = (Snapshot::default(), String::new());
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(entries(&path));
            continue;
        }
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        if name == "complaint.txt" {
            complaint = text;
        } else {
            snapshot.records.push(Record::new(name, recognise(name, &text), text));
        }
    }
    snapshot.records.sort_by(|a, b| a.source.cmp(&b.source));
    let reading = || Reading::new(&snapshot, &complaint);
    let diagnosis = diagnose_reading(&reading(), &|_| true);
    let mut unknown = BTreeMap::new();
    for one in &diagnosis.unknown {
        *unknown.entry(area(&one.rule).to_owned()).or_default() += 1;
    }
    let causes = |diagnosis: Diagnosis| diagnosis.causes.into_iter().map(|cause| cause.rule).collect();
    let mut row = Row { want, got: causes(diagnosis), unknown, drawn: Vec::new() };
    if !complaint.is_empty() && area(want) != "healthy" {
        let drawn = draws.iter().map(|draw| diagnose_reading(&reading().forgetting(draw), &|_| true));
        row.drawn = drawn.map(causes).collect();
    }
    row
}

/// Every case in which a rule must fire by what one host's records say, in the order of their paths.
fn measure() -> Vec<Row> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let fires = |folder: &PathBuf| {
        folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("fires"))
            && !folder.join("against").exists()
    };
    let cases: Vec<(&'static str, PathBuf)> = CATALOGUE
        .iter()
        .flat_map(|entry| {
            entries(&root.join(entry.id)).into_iter().filter(fires).map(|folder| (entry.id, folder))
        })
        .collect();
    let draws: Vec<Forgetting> = (0..DRAWS).map(|draw| Forgetting::new(draw, FORGOTTEN)).collect();
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some((want, folder)) = cases.get(at)
                {
                    let row = judge(want, folder, &draws);
                    rows.lock().unwrap().push((at, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn area(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}

fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}", part as f64 * 100.0 / whole as f64) }
}

fn report(rows: &[Row]) -> String {
    let first = |row: &Row| row.is_first(&row.got);
    let near = |row: &Row| row.is_near(&row.got);
    let drawn = |fits: &dyn Fn(&Row, &[String]) -> bool, name: &str| -> usize {
        let mine = rows.iter().filter(|row| name.is_empty() || area(row.want) == name);
        mine.map(|row| row.drawn.iter().filter(|got| fits(row, got)).count()).sum()
    };
    let shares = |name: &str| {
        let all = drawn(&|_, _| true, name);
        [drawn(&|row, got| row.is_first(got), name), drawn(&|row, got| row.is_near(got), name)]
            .map(|part| percent(part, all))
    };
    let [estimated, estimated_near] = shares("");
    let count = |fits: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| fits(row)).count();
    let mut out = format!(
        "# What the catalogue makes of its own cases\n\nWritten by `cargo xtask accuracy`. Each case in which a rule must fire is diagnosed by all {} rules.\n\n\
         Of {} cases the rule itself is named first in {} %, and among the first three in {} %.\n\n\
         Unseen: of the {} cases with a complaint, diagnosed by rules that do not know {:.0} % of their messages and words, drawn\n{DRAWS} times, the rule is named first in {estimated} %, and among the first three in {estimated_near} %.\n\n\
         Precision: of the cases where a rule of the area is named first, how many rightly. Recall: of the area's cases, how\nmany are named first. Unknown: of the area's rules, how many could not tell, over all cases. All in percent.\n\n\
         | area | cases | precision | recall | unknown | unseen | in three |\n|---|---:|---:|---:|---:|---:|---:|\n",
        CATALOGUE.len(),
        rows.len(),
        percent(count(&first), rows.len()),
        percent(count(&near), rows.len()),
        count(&|row| !row.drawn.is_empty()),
        FORGOTTEN * 100.0,
    );
    let mut areas: Vec<&str> = CATALOGUE.iter().map(|entry| entry.area()).collect();
    areas.dedup();
    for name in areas {
        let rules = CATALOGUE.iter().filter(|entry| entry.area() == name).count();
        let cases = count(&|row| area(row.want) == name);
        let named = count(&|row| row.got.first().is_some_and(|got| area(got) == name));
        let right = count(&|row| first(row) && area(row.want) == name);
        let unknown: usize = rows.iter().filter_map(|row| row.unknown.get(name)).sum();
        let [unseen, unseen_near] = shares(name);
        let _ = writeln!(
            out,
            "| {name} | {cases} | {} | {} | {} | {unseen} | {unseen_near} |",
            percent(right, named),
            percent(right, cases),
            percent(unknown, rules * rows.len())
        );
    }
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| !first(row)) {
        let got = row.got.first().map_or("nothing", String::as_str);
        *pairs.entry((row.want, got)).or_default() += 1;
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let _ = writeln!(
        out,
        "\n{} pairs are taken for each other; the most frequent:\n\n| cases | the rule | named first |\n|---:|---|---|",
        pairs.len()
    );
    for ((want, got), count) in pairs.iter().take(PAIRS) {
        let _ = writeln!(out, "| {count} | {want} | {got} |");
    }
    out
}

#[test]
fn the_figures_that_are_kept_are_those_of_today() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ACCURACY.md");
    let today = report(&measure());
    if std::env::var_os("VMWRIGHT_KEEP_ACCURACY").is_some() {
        fs::write(&path, &today).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == today, "ACCURACY.md is out of date: run `cargo xtask accuracy`; today:\n{today}");
}

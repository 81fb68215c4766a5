//! Which rules take how long on a folder of files, such as an unpacked capture: for people who write rules.
//!
//! `cargo run --release -p vmwright-rules --example rule_speed FOLDER... [--complaint TEXT]`; `cargo xtask bench rules`
//! calls it. Everything is tried in several rounds and the least is printed, which other programs disturb least.
//! `views` is what a rule takes for the readings of texts that no rule before it has asked for; they are kept, so the
//! rest, `alone`, is what it takes itself.

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};
use vmwright_formats::recognise;
use vmwright_model::{Record, Snapshot};
use vmwright_rules::{CATALOGUE, Reading, diagnose_reading, ranking};

/// How often everything is tried.
const ROUNDS: usize = 15;

/// How many rules are named.
const SHOWN: usize = 25;

fn main() {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut complaint = String::new();
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--complaint" => complaint = args.next().expect("`--complaint` needs a text"),
            folder => folders.push(folder.into()),
        }
    }
    assert!(!folders.is_empty(), "usage: rule_speed FOLDER... [--complaint TEXT]");
    for folder in folders {
        measure(&folder, &complaint);
    }
}

fn measure(folder: &Path, complaint: &str) {
    let mut snapshot = Snapshot::default();
    add(folder, folder, &mut snapshot);
    snapshot.records.sort_by(|a, b| a.source.cmp(&b.source));
    let bytes: usize = snapshot.records.iter().flat_map(|record| &record.content).map(Vec::len).sum();
    println!("{}: {} texts, {:.2} MB", folder.display(), snapshot.records.len(), bytes as f64 / 1e6);
    // What is made once in a process: the automaton of all signs.
    drop(Reading::new(&snapshot, complaint));
    let (mut reading_made, mut ranked) = (f64::INFINITY, f64::INFINITY);
    let mut rules = vec![[f64::INFINITY; 2]; CATALOGUE.len()];
    for _ in 0..ROUNDS {
        let reading = least(&mut reading_made, || Reading::new(&snapshot, complaint));
        for at in 0..2 {
            for (entry, times) in CATALOGUE.iter().zip(&mut rules) {
                least(&mut times[at], || ranking::judge(entry, &reading));
            }
        }
        // The rules once more, and all that comes after them.
        least(&mut ranked, || diagnose_reading(&reading, &|_| true));
    }
    let [first, again] = [0, 1].map(|at| rules.iter().map(|times| times[at]).sum::<f64>());
    println!("  reading          {reading_made:9.3} ms");
    println!("  all rules        {first:9.3} ms, of which views {:.3}", first - again);
    println!("  ranking          {:9.3} ms", (ranked - again).max(0.0));
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by(|a, b| rules[*b][0].total_cmp(&rules[*a][0]));
    for at in order.into_iter().take(SHOWN) {
        let [first, again] = rules[at];
        println!("  {:42} {first:8.3} ms, views {:.3}", CATALOGUE[at].id, (first - again).max(0.0));
    }
}

/// Runs something and keeps its time, in milliseconds, where it is less than what is known.
fn least<T>(known: &mut f64, run: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let made = run();
    *known = known.min(begin.elapsed().as_secs_f64() * 1e3);
    made
}

fn add(root: &Path, folder: &Path, snapshot: &mut Snapshot) {
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            add(root, &path, snapshot);
        } else if path.is_file() {
            let name = path.strip_prefix(root).expect("below it").to_string_lossy().into_owned();
            let bytes = fs::read(&path).expect("files can be read");
            let kind = recognise(&name, &String::from_utf8_lossy(&bytes));
            snapshot.records.push(Record::new(name, kind, bytes));
        }
    }
}

//! What is told of a comparison: kinds of difference, the most frequent first, and every difference in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Differences of many machines, by the machine's name.
#[derive(Default)]
pub(crate) struct Report {
    machines: Vec<(String, Vec<String>)>,
}

impl Report {
    /// Adds a machine. Without a difference it counts as the same.
    pub(crate) fn add(&mut self, name: &str, differences: Vec<String>) {
        self.machines.push((name.to_owned(), differences));
    }

    /// How many machines were compared.
    pub(crate) fn all(&self) -> usize {
        self.machines.len()
    }

    /// How many are the same.
    pub(crate) fn same(&self) -> usize {
        self.machines.iter().filter(|(_, differences)| differences.is_empty()).count()
    }

    /// How many are the same, in tenths of a percent.
    pub(crate) fn per_mille(&self) -> usize {
        self.same() * 1000 / self.all().max(1)
    }

    /// The kinds of difference.
    pub(crate) fn kinds(&self) -> BTreeSet<String> {
        self.machines.iter().flat_map(|(_, differences)| differences).map(|one| kind(one)).collect()
    }

    /// Prints one line for each kind, with an example, and writes every difference to a file.
    pub(crate) fn show(&self, file: &Path, explained: &[(&str, &str)]) {
        let mut kinds: BTreeMap<String, (usize, BTreeSet<&str>, usize, String)> = BTreeMap::new();
        let mut text = String::new();
        for (name, differences) in &self.machines {
            let here: BTreeSet<String> = differences.iter().map(|one| kind(one)).collect();
            for one in &here {
                let entry = kinds.entry(one.clone()).or_default();
                entry.1.insert(name);
                entry.2 += usize::from(here.len() == 1);
            }
            for difference in differences {
                let entry = kinds.entry(kind(difference)).or_default();
                entry.0 += 1;
                if entry.3.is_empty() {
                    entry.3 = format!("{name}: {difference}");
                }
                let _ = writeln!(text, "{name}: {difference}");
            }
        }
        let mut sorted: Vec<_> = kinds.into_iter().collect();
        sorted.sort_by_key(|(_, (facts, machines, ..))| std::cmp::Reverse((machines.len(), *facts)));
        if !sorted.is_empty() {
            println!("machines, of which alone, facts: kind of difference");
        }
        for (kind, (facts, machines, alone, example)) in sorted {
            let why = explained.iter().find(|(known, _)| *known == kind).map_or("", |(_, why)| why);
            println!(
                "{:4} {alone:4} {facts:5}: {kind}{}{why}",
                machines.len(),
                if why.is_empty() { "" } else { ": " }
            );
            println!("                  {}", example.chars().take(300).collect::<String>());
        }
        match fs::write(file, text) {
            Ok(()) => println!("every difference: {}", file.display()),
            Err(error) => println!("{} cannot be written: {error}", file.display()),
        }
    }
}

/// The kind of a difference: an option, and of a device its driver.
fn kind(difference: &str) -> String {
    let mut words = difference.split(' ').skip(1);
    let option = words.next().unwrap_or_default();
    match option {
        "device" => {
            format!("device {}", words.next().unwrap_or_default().split('=').next().unwrap_or_default())
        }
        _ => option.to_owned(),
    }
}

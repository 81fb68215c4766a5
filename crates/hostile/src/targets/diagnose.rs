//! The whole judgement: the records of a snapshot, what the user says of them, all rules. Each record begins with a
//! line `==> NAME <==`, as `head` and `tail` print them; what stands before the first is the complaint. A complaint
//! that begins with `live` makes it the snapshot of a running host.

use super::text;
use crate::files_beneath;
use std::collections::BTreeMap;
use vmwright_formats::recognise;
use vmwright_model::{Record, Snapshot};

/// Complaint and snapshot of an input.
pub(super) fn snapshot(text: &str) -> (String, Snapshot) {
    let mut complaint = String::new();
    let mut records: BTreeMap<String, String> = BTreeMap::new();
    let mut name: Option<String> = None;
    for line in text.split_inclusive('\n') {
        let head = line.trim_end().strip_prefix("==> ").and_then(|rest| rest.strip_suffix(" <=="));
        match (head, &name) {
            (Some(head), _) => {
                // As the reader does: a name is one line of letters that can be shown.
                let plain: String = head.chars().filter(|letter| letter.is_alphanumeric() || (' '..='~').contains(letter)).collect();
                records.entry(plain.clone()).or_default();
                name = Some(plain);
            }
            (None, Some(name)) => records.get_mut(name).expect("made above").push_str(line),
            (None, None) => complaint.push_str(line),
        }
    }
    let live = complaint.starts_with("live");
    let record = |(name, text): (String, String)| Record::new(name.as_str(), recognise(&name, &text), text);
    let records = records.into_iter().map(record).collect();
    (complaint, Snapshot { live, records, ..Snapshot::default() })
}

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let (complaint, snapshot) = snapshot(&text);
    let diagnosis = vmwright_rules::diagnose(&snapshot, &complaint, &|_| true);
    for cause in &diagnosis.causes {
        assert!((0.0..=1.0).contains(&cause.confidence), "{}: {}", cause.rule, cause.confidence);
        for evidence in &cause.evidence {
            let record = snapshot.record(&evidence.source).expect("evidence names a record");
            let body = String::from_utf8_lossy(record.content.as_deref().expect("evidence has a text"));
            let line = vmwright_formats::lines::lines(&body).nth(evidence.line as usize - 1);
            let line = line.unwrap_or_else(|| panic!("{}: no line {}", evidence.source, evidence.line)).1;
            assert!(line.contains(&evidence.quote), "{}: {:?} in {line:?}", cause.rule, evidence.quote);
        }
    }
    assert_eq!(diagnosis.causes.len(), diagnosis.findings.len());
    let topology = vmwright_rules::topology(&vmwright_rules::Reading::new(&snapshot, &complaint));
    assert!(topology.nodes.is_sorted_by_key(|node| node.id));
    assert!(topology.functions.iter().all(|function| !function.address.is_empty()));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    // One case of each area: an input of all is too slow to be worth it.
    let areas = std::fs::read_dir(crate::home().join("../rules/cases")).into_iter().flatten().flatten();
    let mut areas: Vec<_> = areas.map(|area| area.path()).collect();
    areas.sort();
    let mut seeds: Vec<Vec<u8>> = areas.iter().filter_map(|area| {
        let mut cases: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (path, text) in files_beneath(area) {
            let (case, file) = path.rsplit_once('/').unwrap_or(("", &path));
            let seed = cases.entry(case.to_owned()).or_default();
            match file {
                "complaint.txt" => seed.splice(0..0, text).for_each(drop),
                file => seed.extend([format!("==> {file} <==\n").as_bytes(), &text, b"\n"].concat()),
            }
        }
        cases.into_values().filter(|seed| seed.len() < 8 << 10).max_by_key(Vec::len)
    }).collect();
    let all: Vec<u8> = crate::samples().into_iter().flat_map(|(kind, text)| {
        [format!("==> {kind}.txt <==\n").as_bytes(), &text, b"\n"].concat()
    }).collect();
    seeds.push([b"live\n", &all[..]].concat());
    seeds
}

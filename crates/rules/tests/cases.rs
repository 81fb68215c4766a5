//! Every rule's cases: `cases/<area>/<problem>/<fires|quiet|unknown>-*/`, each a folder as a user would paste it.
//!
//! `fires` folders must make the rule fire, `unknown` folders must leave it unknown, `quiet` folders must make
//! it quiet or not applicable. A file `complaint.txt` in a folder is the user's complaint and no evidence.
//! Files below a folder keep their path as source name (`proc/cpuinfo`). A folder `against` in it is the host that a
//! VM is to move to, and the question is whether it can.

use std::fs;
use std::path::{Path, PathBuf};
use vmwright_formats::recognise;
use vmwright_model::{Record, Snapshot, Verdict};
use vmwright_rules::{CATALOGUE, Reading, TARGET, ranking};

struct Case {
    source: Snapshot,
    target: Option<Snapshot>,
    complaint: String,
}

fn case(folder: &Path) -> Case {
    let against = folder.join("against");
    let (source, complaint) = read(folder, &against);
    let target = against.is_dir().then(|| read(&against, Path::new("")).0);
    Case { source, target, complaint }
}

/// The records below a folder but for those below another.
fn read(folder: &Path, without: &Path) -> (Snapshot, String) {
    let mut snapshot = Snapshot::default();
    let mut complaint = String::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path == without {
            continue;
        }
        if path.is_dir() {
            open.extend(entries(&path));
            continue;
        }
        let name =
            path.strip_prefix(folder).expect("found below it").to_str().expect("cases have plain names");
        let text = fs::read_to_string(&path).expect("cases are text");
        if name == "complaint.txt" {
            complaint = text;
        } else {
            snapshot.records.push(Record::new(name, recognise(name, &text), text));
        }
    }
    snapshot.records.sort_by(|a, b| a.source.cmp(&b.source));
    (snapshot, complaint)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_case_gets_the_verdict_that_its_name_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for entry in CATALOGUE {
        for folder in entries(&root.join(entry.id)) {
            let name = folder.file_name().and_then(|name| name.to_str()).expect("cases have plain names");
            let case = case(&folder);
            let target = case.target.as_ref().map(Reading::of_target);
            let reading = Reading::new(&case.source, &case.complaint);
            let reading = match &target {
                Some(target) => reading.against(target),
                None => reading,
            };
            let verdicts = ranking::judge(entry, &reading);
            let fired = verdicts.iter().any(|one| matches!(one, Verdict::Fired(_)));
            let unknown = verdicts.iter().any(|one| matches!(one, Verdict::Unknown { .. }));
            let right = match name.split('-').next() {
                Some("fires") => fired,
                Some("quiet") => !fired && !unknown && !verdicts.is_empty(),
                Some("unknown") => unknown && !fired,
                _ => false,
            };
            if !right {
                let kinds: Vec<_> =
                    case.source.records.iter().map(|one| format!("{} is {}", one.source, one.kind)).collect();
                wrong.push(format!("{}/{name} ({}): {verdicts:#?}", entry.id, kinds.join(", ")));
            }
            for verdict in &verdicts {
                wrong.extend(
                    false_quotes(verdict, &reading).map(|what| format!("{}/{name}: {what}", entry.id)),
                );
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {tried} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried >= 3 * CATALOGUE.len(), "each rule has at least three cases");
}

fn false_quotes<'v>(verdict: &'v Verdict, reading: &'v Reading<'_>) -> impl Iterator<Item = String> + 'v {
    let support = match verdict {
        Verdict::Fired(finding) => finding.support.as_slice(),
        _ => &[],
    };
    support.iter().filter_map(|one| one.evidence.as_ref()).filter_map(move |quote| {
        let (host, source) = match (quote.source.strip_prefix(TARGET), reading.target()) {
            (Some(source), Some(target)) => (target, source),
            _ => (reading, quote.source.as_str()),
        };
        let text = host.texts_named(|name| name == source).next();
        let stands =
            text.and_then(|text| text.line(quote.line)).is_some_and(|line| line.contains(&quote.quote));
        (!stands).then(|| format!("not at {}:{}: {:?}", quote.source, quote.line, quote.quote))
    })
}

#[test]
fn every_id_that_a_rule_names_is_a_rule_or_a_known_cause() {
    for entry in CATALOGUE {
        for other in entry.rule.explains {
            assert!(other.contains('/') && *other != entry.id, "{} explains {other}", entry.id);
        }
        let rule = entry.rule;
        assert!(
            !rule.remedy.is_empty() && !rule.tells.is_empty(),
            "{} has a remedy and says what would tell",
            entry.id
        );
        for sign in rule.signs {
            assert!(
                vmwright_rules::Pattern::anchor(sign.text).len() >= 5,
                "{}: {:?} has no literal of 5 characters",
                entry.id,
                sign.text
            );
        }
    }
}

#[test]
fn every_rule_that_a_decoder_names_is_one() {
    for rule in vmwright_formats::codes::named_rules() {
        assert!(vmwright_rules::entry(rule).is_some(), "{rule}");
    }
}

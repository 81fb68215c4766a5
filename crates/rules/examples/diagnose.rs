//! Prints what the rules say of a folder of pasted files, as JSON: for people who write rules.
//!
//! `cargo run -p vmwright-rules --example diagnose -- FOLDER [COMPLAINT_FILE]`

use std::path::Path;
use std::{env, fs};
use vmwright_formats::recognise;
use vmwright_model::{Record, Snapshot};

fn main() {
    let mut args = env::args().skip(1);
    let folder = args.next().expect("usage: diagnose FOLDER [COMPLAINT_FILE]");
    let complaint = args.next().map(|file| fs::read_to_string(file).expect("the complaint can be read"));
    let mut snapshot = Snapshot::default();
    add(Path::new(&folder), Path::new(&folder), &mut snapshot);
    snapshot.records.sort_by(|a, b| a.source.cmp(&b.source));
    for record in &snapshot.records {
        eprintln!("{} is {}", record.source, record.kind);
    }
    let diagnosis = vmwright_rules::diagnose(&snapshot, complaint.as_deref().unwrap_or(""), &|_| true);
    println!("{}", serde_json::json!({ "causes": diagnosis.causes }));
}

fn add(root: &Path, folder: &Path, snapshot: &mut Snapshot) {
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            add(root, &path, snapshot);
        } else {
            let name = path.strip_prefix(root).expect("below it").to_string_lossy().into_owned();
            let bytes = fs::read(&path).expect("files can be read");
            let kind = recognise(&name, &String::from_utf8_lossy(&bytes));
            snapshot.records.push(Record::new(name, kind, bytes));
        }
    }
}

//! Several captures in one call: a result for each, in their order, whatever one of them is.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Done, Site};
use serde_json::Value;
use std::fs;

const FAULT: &str = "qemu: Failed to get \"write\" lock\n";

/// The lines, read.
fn lines(call: &Done) -> Vec<Value> {
    call.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A call of `analyze` with a `--from` for each of these.
fn analyze(site: &Site, from: &[&str], more: &[&str]) -> Done {
    let paths: Vec<String> = from.iter().map(|name| site.path(name).display().to_string()).collect();
    let mut words = vec!["analyze"];
    words.extend(paths.iter().flat_map(|path| ["--from", path.as_str()]));
    words.extend(more);
    site.call(&words)
}

/// 40 captures as `sos report` lays them out, every third with a fault.
fn fleet(site: &Site) {
    for number in 0..40 {
        let log = if number % 3 == 0 { FAULT } else { "nothing of note\n" };
        site.file(&format!("fleet/host-{number:02}/sos_commands/logs/qemu.log"), log);
    }
}

#[test]
fn each_capture_has_its_line_and_one_that_cannot_be_read_has_its_own() {
    let site = Site::new();
    site.file("bad/qemu.log", FAULT);
    site.file("good/qemu.log", "nothing of note\n");
    site.file("notes.txt", "neither folder nor archive\n");
    let call = analyze(&site, &["good", "notes.txt", "missing", "bad"], &["--format", "jsonl"]);
    assert_eq!(call.status, 1, "{call:#?}");
    let lines = lines(&call);
    let names: Vec<&str> =
        lines.iter().map(|line| line["from"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["good", "notes.txt", "missing", "bad"]);
    assert_eq!(lines[0]["schema"], "vmwright.analysis/1");
    assert_eq!(lines[0]["causes"], Value::Array(Vec::new()));
    assert!(
        lines[1]["error"].as_str().unwrap().contains("neither a folder nor a tar archive"),
        "{}",
        lines[1]
    );
    assert!(lines[2]["error"].as_str().unwrap().contains("No such file"), "{}", lines[2]);
    assert_eq!(lines[3]["causes"][0]["rule"], "storage/image-locked");
    // The same as the analysis of that capture alone.
    let mut alone = analyze(&site, &["bad"], &["--format", "jsonl"]).json();
    for field in ["journal", "challenge", "from"] {
        alone[field] = lines[3][field].clone();
    }
    assert_eq!(alone, lines[3]);
}

#[test]
fn a_folder_of_captures_is_analysed_capture_by_capture_in_order() {
    let site = Site::new();
    fleet(&site);
    let call = analyze(&site, &["fleet"], &["--format", "jsonl"]);
    assert_eq!(call.status, 1, "{call:#?}");
    let lines = lines(&call);
    assert_eq!(lines.len(), 40);
    for (number, line) in lines.iter().enumerate() {
        assert!(line["from"].as_str().unwrap().ends_with(&format!("host-{number:02}")), "{line}");
        assert_eq!(line["causes"].as_array().unwrap().is_empty(), number % 3 != 0, "{line}");
    }
    assert_eq!(analyze(&site, &["fleet"], &["--format", "jsonl"]).out, call.out);
    let entries = site.call(&["journal", "list", "--format", "json"]).json();
    let entries = entries["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "one entry for each call");
    assert!(entries[0].to_string().contains("storage/image-locked in 14"), "{}", entries[0]);
}

#[test]
fn the_exit_status_tells_findings_from_what_was_not_read() {
    let site = Site::new();
    site.file("a/x.log", "nothing of note\n");
    site.file("b/x.log", "nothing of note\n");
    assert_eq!(analyze(&site, &["a", "b"], &[]).status, 0);
    let call = analyze(&site, &["a", "missing"], &[]);
    assert_eq!(call.status, 3, "{call:#?}");
    assert!(call.out.ends_with("2 captures: 0 with findings, 0 read in part, 1 not read\n"), "{}", call.out);
}

#[test]
fn what_has_room_for_one_analysis_refuses_several() {
    let site = Site::new();
    fleet(&site);
    for more in [["--format", "html"], ["--format", "json"], ["--why", "storage/image-locked"]] {
        analyze(&site, &["fleet"], &more).fails(2, &["40 captures"]);
    }
    let concise = analyze(&site, &["fleet"], &["--format", "concise"]);
    assert!(concise.out.lines().all(|line| line.contains("/fleet/host-")), "{}", concise.out);
    assert_eq!(concise.out.lines().count(), 14);
}

#[test]
fn the_lines_go_where_the_output_was_asked_for() {
    let site = Site::new();
    fleet(&site);
    let path =
        site.file("out.jsonl", "what was there before, and is longer than a line of the result".repeat(100));
    let call = analyze(&site, &["fleet"], &["--format", "jsonl", "-o", path.to_str().unwrap()]);
    assert_eq!((call.status, call.out.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 40);
    assert!(!call.err.contains("captures,"), "no progress bar where nobody looks: {}", call.err);
}

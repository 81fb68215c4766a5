//! What the command shows, and that its JSON is the interface it says it is.

mod common;

use common::Site;

#[test]
fn the_first_screen_shows_three_examples_and_where_to_go() {
    let site = Site::new();
    let out = site.call(&[]).ok().out;
    assert_eq!(out.matches("  vmwright analyze").count(), 3, "{out}");
    assert!(out.contains("vmwright --help"));
}

#[test]
fn an_analysis_as_json_has_the_fields_of_its_schema() {
    let site = Site::new();
    let log = site.file("logs/qemu.log", "x\nqemu: Failed to get \"write\" lock\n");
    let complaint = site.file("complaint.txt", "it does not start\n");
    let call = site.call(&[
        "analyze",
        "--from",
        log.parent().unwrap().to_str().unwrap(),
        "--symptom-file",
        complaint.to_str().unwrap(),
        "--format",
        "json",
    ]);
    assert_eq!(call.status, 1, "{call:#?}");
    let analysis = call.json();
    assert_eq!(analysis["schema"], "vmwright.analysis/1");
    assert_eq!(analysis["mode"], "analysis");
    assert_eq!(analysis["challenge"], "it does not start");
    for field in ["host", "causes", "unknown", "journal"] {
        assert!(!analysis[field].is_null(), "{field}");
    }
    let cause = &analysis["causes"][0];
    for field in
        ["rule", "subject", "level", "confidence", "title", "evidence", "explains", "fix", "escalation"]
    {
        assert!(cause.get(field).is_some(), "{field}");
    }
    let quote = &cause["evidence"][0];
    assert_eq!((&quote["source"], &quote["line"]), (&"qemu.log".into(), &2.into()));
    assert_eq!(quote["quote"], "qemu: Failed to get \"write\" lock");
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let site = Site::new();
    let log = site.file("logs/qemu.log", "qemu: Failed to get \"write\" lock\nvfio: group 3 is not viable\n");
    let folder = log.parent().unwrap().to_str().unwrap().to_owned();
    let causes =
        || site.call(&["analyze", "--from", &folder, "--format", "json"]).json()["causes"].to_string();
    assert_eq!(causes(), causes());
}

#[test]
fn analysis_says_how_it_is_locked_and_refuses_to_run_unlocked() {
    let site = Site::new();
    let log = site.file("logs/a.log", "nothing\n");
    let folder = log.parent().unwrap().to_str().unwrap().to_owned();
    let analysis = site.call(&["analyze", "--from", &folder, "--format", "json"]).json();
    let sandbox = &analysis["sandbox"];
    let locked = sandbox["lacking"].as_array().unwrap().is_empty();
    let strict = site.call(&["analyze", "--from", &folder, "--require-sandbox"]);
    if locked {
        assert!(!sandbox["enforced"].as_array().unwrap().is_empty(), "{sandbox}");
        assert!([0, 1, 3].contains(&strict.status), "{strict:#?}");
    } else {
        strict.fails(4, &["refused"]);
    }
}

#[test]
fn a_verdict_shows_its_computation_and_what_would_refute_it() {
    let site = Site::new();
    let log = site.file("logs/qemu.log", "qemu: Failed to get \"write\" lock\n");
    let folder = log.parent().unwrap().to_str().unwrap().to_owned();
    let fired = site.call(&["analyze", "--from", &folder, "--why", "storage/image-locked"]).ok().out;
    for part in [
        "for     proof    0.90  qemu.log:1:",
        "(1 - doubt) x credit",
        "rank among the causes = ",
        "what would refute it",
    ] {
        assert!(fired.contains(part), "{part:?} is not in: {fired}");
    }
    let quiet = site.call(&["analyze", "--from", &folder, "--why", "vfio/code-43"]).ok().out;
    assert!(quiet.contains("vfio/code-43 is quiet"), "{quiet}");
    site.call(&["analyze", "--from", &folder, "--why", "vfio/code-44"]).fails(2, &["vfio/code-43"]);
}

#[test]
fn pasted_files_are_analysed_where_nothing_can_be_kept() {
    let site = Site::new();
    let log = site.file("logs/qemu.log", "qemu: Failed to get \"write\" lock\n");
    let folder = log.parent().unwrap().to_str().unwrap().to_owned();
    let state = site.file("not-a-folder", "");
    let call = |words: &[&str]| {
        let mut command = site.command(words);
        command.env("VMWRIGHT_STATE", &state);
        common::done(command)
    };
    let analysis = call(&["analyze", "--from", &folder, "--format", "json"]);
    assert_eq!(analysis.status, 1, "{analysis:#?}");
    let analysis = analysis.json();
    assert_eq!(analysis["causes"][0]["rule"], "storage/image-locked");
    assert!(analysis["unread"].to_string().contains("nothing is recalled or remembered"), "{analysis}");
    assert!(call(&["explain", "vfio/code-43"]).ok().out.contains("Code 43"));
    call(&["vm", "list"]).fails(2, &["not-a-folder"]);
}

#[test]
fn rules_explain_themselves_and_near_misses_are_named() {
    let site = Site::new();
    let out = site.call(&["explain", "storage/image-locked"]).ok().out;
    for section in ["## What it is", "## Confirm", "## Refute", "## Fix", "## References"] {
        assert!(out.contains(section), "{section}");
    }
    site.call(&["explain", "storage/image-loked"]).fails(2, &["storage/image-locked"]);
    site.call(&["analyze", "--select", "storag"]).fails(2, &["storage"]);
    assert!(site.call(&["rules", "--area", "storage"]).ok().out.contains("storage/image-locked"));
}

#[test]
fn codes_and_messages_are_explained_and_lead_to_rules() {
    let site = Site::new();
    let out = site.call(&["explain", "0x7B"]).ok().out;
    assert!(out.contains("INACCESSIBLE_BOOT_DEVICE") && out.contains("vmwright explain firmware/"), "{out}");
    let line = "qemu-system-x86_64: load of migration failed: Invalid argument";
    let json = site.call(&["explain", line, "--format", "json"]).ok().json();
    assert_eq!(json["meanings"][0]["rules"][0], "migration/machine-mismatch", "{json}");
    assert!(site.call(&["explain", "0xC0000B1200000000"]).ok().out.contains("TDX"));
    let out = site.call(&["explain", "vfio 0000:01:00.0: group 12 is not viable"]).ok().out;
    assert!(
        out.contains("a message that proves it") && out.contains("vmwright explain vfio/group-"),
        "{out}"
    );
    assert!(site.call(&["explain", "CVE-2024-7409"]).ok().out.contains("fixed in 9.1 upstream"));
    site.call(&["explain", "0x7BADC0DE"]).fails(2, &["0x7BADC0DE"]);
}

#[test]
fn a_dry_run_lists_what_would_be_read() {
    let site = Site::new();
    let out = site.call(&["analyze", "--dry-run"]).ok().out;
    assert!(out.contains("/dev/kvm") && out.contains("/etc/passwd"), "{out}");
}

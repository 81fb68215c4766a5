//! Findings that `vmwright.toml` accepts, and what to read next.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;

const LOG: &str = "qemu: Failed to get \"write\" lock\n";

/// A folder with one finding.
fn folder(site: &Site) -> String {
    let log = site.file("logs/qemu.log", LOG);
    log.parent().unwrap().to_str().unwrap().to_owned()
}

fn accept(rule: &str, more: &str, expires: &str) -> String {
    format!("[[accept]]\nrule = \"{rule}\"\n{more}reason = \"a spare copy\"\nexpires = {expires}\n")
}

#[test]
fn what_is_accepted_is_listed_and_does_not_count() {
    let site = Site::new();
    let from = folder(&site);
    assert_eq!(site.call(&["analyze", "--from", &from]).status, 1);
    site.file("config/vmwright.toml", accept("storage/image-locked", "", "2999-12-31"));
    let call = site.call(&["analyze", "--from", &from, "--format", "json"]).ok().json();
    assert_eq!(call["causes"].as_array().unwrap().len(), 0, "{call}");
    let accepted = &call["accepted"][0];
    assert_eq!(accepted["cause"]["rule"], "storage/image-locked");
    assert_eq!((&accepted["reason"], &accepted["expires"]), (&"a spare copy".into(), &"2999-12-31".into()));
    let text = site.call(&["analyze", "--from", &from]).ok().out;
    assert!(text.contains("accepted until 2999-12-31: error[storage/image-locked]"), "{text}");
    let sarif = site.call(&["analyze", "--from", &from, "--format", "sarif"]).ok().json();
    assert_eq!(sarif["runs"][0]["results"][0]["suppressions"][0]["kind"], "external");
    for format in ["markdown", "html", "junit"] {
        let out = site.call(&["analyze", "--from", &from, "--format", format]).ok().out;
        assert!(out.contains("a spare copy"), "{format}: {out}");
    }
}

#[test]
fn an_acceptance_of_another_subject_or_of_yesterday_accepts_nothing() {
    let site = Site::new();
    let from = folder(&site);
    let other =
        site.file("other.toml", accept("storage/image-locked", "subject = \"vm db\"\n", "2999-12-31"));
    assert_eq!(site.call(&["analyze", "--from", &from, "--config", other.to_str().unwrap()]).status, 1);
    let over = site.file("over.toml", accept("storage/image-locked", "", "2001-01-31"));
    let over = over.to_str().unwrap();
    let call = site.call(&["analyze", "--from", &from, "--config", over, "--format", "json"]);
    assert_eq!(call.status, 1);
    let causes = call.json()["causes"].clone();
    assert_eq!(
        (&causes[0]["rule"], &causes[1]["rule"]),
        (&"storage/image-locked".into(), &"acceptance/stale".into())
    );
    assert_eq!((&causes[1]["level"], &causes[1]["evidence"][0]["line"]), (&"note".into(), &2.into()));
    assert_eq!(causes[1]["evidence"][0]["quote"], "rule = \"storage/image-locked\"");
    assert!(site.call(&["explain", "acceptance/stale"]).ok().out.contains("## Fix"));
}

#[test]
fn an_acceptance_whose_finding_is_gone_is_a_note_on_a_live_host_alone() {
    let site = Site::new();
    let from = folder(&site);
    let gone = site.file("gone.toml", accept("healthy/no-fault", "", "2999-12-31"));
    let gone = gone.to_str().unwrap();
    let stale = |words: &[&str]| {
        let words = [words, &["--select", "healthy", "--config", gone, "--format", "json"]].concat();
        site.call(&words).json()["causes"].to_string().contains("no longer found")
    };
    assert!(!stale(&["analyze", "--from", &from]), "pasted files prove nothing");
    assert!(stale(&["analyze"]));
}

#[test]
fn a_wrong_configuration_is_refused_with_line_and_nearest_name() {
    let site = Site::new();
    let from = folder(&site);
    let refused = |text: &str, names: &[&str]| {
        let file = site.file("bad.toml", text);
        site.call(&["analyze", "--from", &from, "--config", file.to_str().unwrap()]).fails(2, names);
    };
    refused("[[acept]]\n", &["bad.toml", "line 1", "acept", "accept"]);
    refused(&accept("storage/image-loked", "", "2999-12-31"), &["line 2", "storage/image-locked"]);
    refused(&accept("storage/image-locked", "sujbect = \"host\"\n", "2999-12-31"), &["line 3", "subject"]);
    refused(&accept("storage/image-locked", "", "\"soon\""), &["line 4", "2027-01-31"]);
    site.call(&["analyze", "--from", &from, "--config", "/nonexistent.toml"])
        .fails(3, &["/nonexistent.toml"]);
}

#[test]
fn what_would_decide_is_named_first() {
    let site = Site::new();
    let state = site.file("host/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro quiet\n");
    let from = state.parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    let words = ["analyze", "--from", &from, "the guest shows Code 43 with the NVIDIA card"];
    let next = site.call(&[&words[..], &["--format", "json"]].concat()).json()["next"].clone();
    assert_eq!(next[0]["source"], "lspci -nnk", "{next}");
    assert!(next[0]["rules"].to_string().contains("vfio/"), "{next}");
    let text = site.call(&words).out;
    assert!(text.contains(&format!("next: {} would tell", next[0]["source"].as_str().unwrap())), "{text}");
}

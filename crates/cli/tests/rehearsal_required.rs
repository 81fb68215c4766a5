//! Plans that an administrator wants rehearsed are neither approved nor applied before that.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// The report of a rehearsal, as 'vmwright rehearse' keeps it.
fn report(site: &Site, plan: &str, verdict: &str, why: &[&str]) {
    let report = json!({
        "schema": "vmwright.rehearsal/1", "plan": plan, "title": "t", "at": "2026-01-01T00:00:00Z", "lab": "l", "like": null,
        "stood_in": [], "not_copied": [], "steps": [], "boots": [], "reached": [], "run": null, "stopped": null,
        "came_back": null, "failed_units": [], "verdict": verdict, "why": why,
    });
    site.file(&format!("state/rehearsals/{plan}.json"), report.to_string());
}

#[test]
fn a_plan_that_was_not_rehearsed_well_is_let_through_nowhere() {
    let site = Site::new();
    let key = site.approver();
    let (plan, image) = site.plan_of_a_mode();
    // It is asked for by what a plan disturbs.
    site.file("config/rehearsal", "disruption none\n");
    site.approve(&plan, &key)
        .fails(4, &["let through once its rehearsal has passed", "it was not rehearsed"]);
    report(&site, &plan, "fail", &["the host would not come up: the kernel stopped"]);
    site.approve(&plan, &key).fails(4, &["failed in its last rehearsal: the host would not come up"]);
    report(&site, &plan, "partly", &["step 1 was not tried: x"]);
    site.approve(&plan, &key).fails(4, &["a part of it was not tried"]);
    site.file("config/rehearsal", "disruption none\npartly\n");
    site.approve(&plan, &key).ok();
    // What was approved before is not applied without it either.
    site.file("config/rehearsal", "disruption none\n");
    site.call(&["apply", &plan]).fails(4, &["a part of it was not tried"]);
    site.call(&["approve", &plan, "--check"]).fails(4, &["a part of it was not tried"]);
    // Another plan's report is none of this one's.
    report(&site, &"0".repeat(64), "pass", &[]);
    let other = site.path(&format!("state/rehearsals/{}.json", "0".repeat(64)));
    let own = site.path(&format!("state/rehearsals/{plan}.json"));
    fs::copy(&other, &own).unwrap();
    site.call(&["apply", &plan]).fails(4, &["it was not rehearsed"]);
    // Nor is one that others may write to.
    report(&site, &plan, "pass", &[]);
    fs::set_permissions(&own, fs::Permissions::from_mode(0o666)).unwrap();
    site.call(&["apply", &plan]).fails(4, &["may write to it"]);
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    // A list that cannot be read lets nothing through.
    site.file("config/rehearsal", "everything\n");
    site.call(&["apply", &plan]).fails(4, &["line 1 is neither"]);
    assert_eq!(fs::metadata(&image).unwrap().permissions().mode() & 0o777, 0, "nothing was changed");
    site.file("config/rehearsal", "disruption none\n");
    site.call(&["apply", &plan]).ok();
    assert_eq!(fs::metadata(&image).unwrap().permissions().mode() & 0o777, 0o640);
}

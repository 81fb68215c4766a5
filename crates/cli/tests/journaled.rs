//! What changes something leaves an entry in the journal, also where it fails, and is found again.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;
use serde_json::Value;

fn entries(site: &Site) -> Vec<(String, String)> {
    let listed = site.call(&["journal", "list", "--limit", "100", "--format", "json"]).ok().json();
    let text = |one: &Value, name: &str| one[1][name].as_str().unwrap().to_owned();
    let all = listed["entries"].as_array().unwrap().iter();
    all.map(|one| (text(one, "operation"), text(one, "title"))).collect()
}

#[test]
fn a_machines_life_is_written() {
    let site = Site::new();
    assert_eq!(site.machine("web", "").status, 0);
    let before = entries(&site).len();
    site.call(&["vm", "list"]).ok();
    site.call(&["vm", "show", "web"]).ok();
    assert_eq!(entries(&site).len(), before, "a look leaves no entry");
    assert_ne!(site.call(&["vm", "kill", "web"]).status, 0, "it does not run");
    assert_ne!(site.call(&["vm", "stop", "web"]).status, 0);
    site.call(&["vm", "clone", "web", "web2"]).ok();
    let again = site.call(&["vm", "delete", "web"]).ok();
    let written = entries(&site);
    let lines: Vec<&str> = written.iter().map(|(_, title)| title.as_str()).collect();
    let last =
        ["vm web: deleted", "vm web: clone", "vm web: stopped: failed", "vm web: stopped by force: failed"];
    assert_eq!(lines[..4], last, "{written:?}");
    assert!(written.last().unwrap().1.starts_with("a machine made of "), "{written:?}");
    assert_eq!(written[0].0, "vm-delete");
    assert!(again.err.contains("journal: entry "), "it opens with what is known of the VM: {again:?}");
    site.call(&["journal", "verify"]).ok();
}

#[test]
fn a_plan_is_written_with_its_id_and_rules() {
    let site = Site::new();
    let made = site.call(&["plan", "harden", "--format", "json"]);
    assert!(made.status < 2, "{made:#?}");
    let plan = made.json()["id"].as_str().unwrap().to_owned();
    let listed = site.call(&["journal", "list", "--format", "json"]).ok().json();
    let entry = &listed["entries"][0][1];
    assert_eq!(
        (&entry["operation"], &entry["evidence"][0]),
        (&"plan".into(), &format!("plan {plan}").into())
    );
}

#[test]
fn a_start_is_searched_for_also_where_it_never_comes_to_wait() {
    let site = Site::new();
    site.machine("web", "[[network]]\nkind = 'bridge'\nbridge = 'vmw-nobr'\n").ok();
    let first = site.call(&["vm", "start", "web"]);
    assert!(first.err.contains("no bridge `vmw-nobr`"), "{first:?}");
    let again = site.call(&["vm", "start", "web"]);
    assert_ne!(again.status, 0);
    assert!(
        again.err.contains("journal: entry ") && again.err.contains("vm web: started: failed"),
        "{again:?}"
    );
}

//! `vmwright plan upgrade-check`: what a newer QEMU would break, and the plan that mends it.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;

const FINDINGS: i32 = 1;
const USAGE: i32 = 2;

#[test]
fn an_old_machine_type_is_told_with_its_line() {
    let site = Site::new();
    let spec = "name = \"old\"\nmachine = \"pc-q35-4.2\"\naccelerator = \"tcg\"\n";
    let path = site.file("old.toml", spec);
    site.call(&["vm", "create", path.to_str().unwrap()]).ok();
    site.machine("new", "").ok();
    let call = site.call(&["plan", "upgrade-check", "--qemu", "10.2", "--format", "json"]);
    assert_eq!(call.status, FINDINGS, "{call:#?}");
    let told = call.json();
    let breaks = told["breaks"].as_array().unwrap();
    assert_eq!(breaks.len(), 1, "{told}");
    assert_eq!((breaks[0]["vm"].as_str(), breaks[0]["breaks"].as_bool()), (Some("old"), Some(true)));
    let place = breaks[0]["place"].as_str().unwrap();
    assert!(place.ends_with("machines/old/machine.toml:2"), "{place}");
    let text = site.call(&["plan", "upgrade-check", "--qemu", "10.2"]).out;
    assert!(text.contains("old: breaks") && text.contains("new: nothing known breaks"), "{text}");
    assert!(text.contains("options, devices and CPU models that QEMU lost after 10.0"), "{text}");
    // Where this host says which QEMU it has, the plan mends it.
    if let Some(plan) = told["plan"]["id"].as_str() {
        let preview = site.call(&["preview", plan]).ok().out;
        assert!(preview.contains("writes `machine = \"pc-q35-"), "{preview}");
    } else {
        assert!(breaks[0]["mend"].as_str().unwrap().contains("-machine help"), "{told}");
    }
    let calm = site.call(&["plan", "upgrade-check", "--qemu", "6.0"]).ok().out;
    assert!(calm.contains("old: nothing known breaks"), "{calm}");
}

#[test]
fn versions_that_are_none_are_refused() {
    let site = Site::new();
    site.call(&["plan", "upgrade-check"]).fails(USAGE, &["--qemu"]);
    for wrong in ["ten", "10", "10.x", "1.2.3.y", "99999.1"] {
        site.call(&["plan", "upgrade-check", "--qemu", wrong])
            .fails(USAGE, &["--qemu", "two numbers, like 10.2"]);
    }
}

//! `vmwright plan migrate`: a move is looked at on both hosts before anybody is asked to approve it.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;

const REFUSED: i32 = 4;
const USAGE: i32 = 2;

/// The host that the rules' own tests move a VM to.
fn target() -> String {
    format!("{}/../rules/tests/preflight/hv2", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_move_that_would_fail_is_refused_with_what_stands_in_the_way() {
    let site = Site::new();
    let disk = site.file("only-here.raw", vec![0; 4096]);
    let more = format!("[[disk]]\npath = {:?}\nformat = \"raw\"\n", disk.to_str().unwrap());
    site.machine("web", &more).ok();
    let call = site.call(&["plan", "migrate", "web", "tcp:hv2:49152", "--against", &target()]);
    call.fails(REFUSED, &["web cannot move to tcp:hv2:49152:", "\n  migration/", "\n  web does not run"]);
    assert!(!site.path("state/plans").exists(), "no plan was kept");
}

#[test]
fn bad_input_names_its_place() {
    let site = Site::new();
    site.machine("web", "").ok();
    let target = target();
    let call =
        |vm: &str, to: &str, against: &str| site.call(&["plan", "migrate", vm, to, "--against", against]);
    call("web", "hv2", &target).fails(USAGE, &["`hv2` is no place for a guest", "tcp:host:port"]);
    call("web", "tcp:hv2:49152", "/nonexistent-host").fails(USAGE, &["/nonexistent-host"]);
    call("wep", "tcp:hv2:49152", &target).fails(USAGE, &["wep"]);
    site.call(&["plan", "migrate", "web", "tcp:hv2:49152"]).fails(USAGE, &["--against"]);
}

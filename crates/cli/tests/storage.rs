//! `vmwright plan storage` and `vmwright plan confidential`.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Site, has};
use serde_json::json;
use std::process::Command;

const REFUSED: i32 = 4;
const USAGE: i32 = 2;

fn img(args: &[&str]) -> String {
    let output = Command::new("qemu-img").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn id(out: &str) -> String {
    let (_, rest) = out.split_once("plan ").unwrap();
    rest.split(':').next().unwrap().to_owned()
}

#[test]
fn a_chain_is_flattened_and_grown_and_taken_back() {
    if !has("a_chain_is_flattened_and_grown_and_taken_back", "qemu-img") {
        return;
    }
    let site = Site::new();
    let key = site.approver();
    let (base, top) = (site.path("base.qcow2"), site.path("top.qcow2"));
    let (base, top) = (base.to_str().unwrap(), top.to_str().unwrap());
    img(&["create", "-q", "-f", "qcow2", base, "1M"]);
    // By a relative name, as people do.
    img(&["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", top]);
    site.machine("web", &format!("[[disk]]\npath = {top:?}\nformat = \"qcow2\"\n")).ok();
    let call = |more: &[&str]| site.call(&[&["plan", "storage", "web"], more].concat());
    call(&["--grow", "2MiB"]).fails(REFUSED, &["builds upon", "base.qcow2: flatten it first (--flatten)"]);
    let apply = |plan: &str| {
        site.approve(plan, &key).ok();
        let out = site.call(&["apply", plan]).ok().out;
        out.lines().find_map(|line| line.strip_prefix("run ")).unwrap().to_owned()
    };
    let flat = apply(&id(&call(&["--flatten"]).ok().out));
    assert!(!img(&["info", top]).contains("backing file"), "{}", img(&["info", top]));
    let grown = apply(&id(&call(&["--grow", "2MiB"]).ok().out));
    assert!(img(&["info", top]).contains("2 MiB"), "{}", img(&["info", top]));
    for run in [grown, flat] {
        site.call(&["undo", &run]).ok();
    }
    assert!(img(&["info", top]).contains("base.qcow2"), "{}", img(&["info", top]));
}

#[test]
fn a_running_disk_is_limited_and_set_free() {
    if !has("a_running_disk_is_limited_and_set_free", "qemu-system-x86_64") {
        return;
    }
    let site = Site::new();
    let key = site.approver();
    let disk = site.file("d.raw", [0; 65536]);
    site.machine("web", &format!("[[disk]]\npath = {disk:?}\nformat = \"raw\"\n")).ok();
    let spec = || std::fs::read_to_string(site.path("state/machines/web/machine.toml")).unwrap();
    let written = spec();
    site.call(&["vm", "start", "web"]).ok();
    // How its writes are kept the guest's firmware decides, whenever it comes to its disk.
    let looked = || {
        let mut disks = site.asked("web", "query-block");
        disks[0]["inserted"]["cache"]["writeback"].take();
        disks
    };
    let before = looked();
    let call = |more: &[&str]| site.call(&[&["plan", "storage", "web"], more].concat());
    let plan = id(&call(&["--limit-bytes", "1MiB", "--limit-requests", "500"]).ok().out);
    site.approve(&plan, &key).ok();
    let out = site.call(&["apply", &plan]).ok().out;
    let run = out.lines().find_map(|line| line.strip_prefix("run ")).unwrap().to_owned();
    let limited = looked();
    let inserted = &limited[0]["inserted"];
    assert_eq!((&inserted["bps"], &inserted["iops"]), (&json!(1 << 20), &json!(500)), "{limited}");
    assert!(spec().contains("1048576"), "{}", spec());
    // Somebody else has set another one meanwhile: it is theirs.
    site.call(&["vm", "limit", "web", "--disk", "0", "--operations", "70"]).ok();
    let undone = site.call(&["undo", &run]);
    assert!(undone.status != 0 && undone.out.contains("requests a second of disk 1"), "{undone:#?}");
    site.call(&["vm", "limit", "web", "--disk", "0", "--operations", "500"]).ok();
    site.call(&["undo", &run]).ok();
    assert_eq!(looked(), before);
    assert_eq!(spec(), written);
    // What is so already, and what has other means, is said.
    call(&["--limit-requests", "0"]).fails(REFUSED, &["nothing to do"]);
    call(&["--snapshot", "before"]).fails(REFUSED, &["is no image in a Ceph pool"]);
}

#[test]
fn bad_input_names_its_place() {
    let site = Site::new();
    site.machine("web", "").ok();
    let call = |more: &[&str]| site.call(&[&["plan"], more].concat());
    call(&["storage", "web"]).fails(USAGE, &["--grow"]);
    call(&["storage", "web", "--trim"]).fails(REFUSED, &["web has no disk 1: it has 0"]);
    call(&["storage", "web", "--grow", "much"]).fails(USAGE, &["--grow much"]);
    call(&["storage", "wep", "--trim"]).fails(USAGE, &["wep"]);
    call(&["network", "mtu", "nope9", "9000"]).fails(REFUSED, &["there is no interface nope9"]);
    call(&["network", "mtu", "lo", "12"]).fails(REFUSED, &["12 is no MTU"]);
    call(&["confidential", "web"]).fails(USAGE, &["--by"]);
    let said = call(&["confidential", "--by", "tdx"]);
    assert!(said.status != 0 && !said.err.contains("panicked"), "{said:#?}");
}

//! `vmwright plan create`: from a specification to a machine, and back.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Site, has};
use std::path::Path;

const REFUSED: i32 = 4;
const USAGE: i32 = 2;

/// A specification of a machine that boots its firmware under TCG, with one disk and what more is given.
fn spec(site: &Site, name: &str, more: &str) -> String {
    let disk = site.path(&format!("disks/{name}/root.qcow2"));
    let text = format!(
        "name = {name:?}\naccelerator = \"tcg\"\nagent = false\n[memory]\nsize = \"64MiB\"\n\
         [[disk]]\npath = {:?}\nformat = \"qcow2\"\n{more}",
        disk.to_str().unwrap()
    );
    site.file(&format!("{name}.toml"), text).to_str().unwrap().to_owned()
}

/// The id of the plan that was made.
fn id(out: &str) -> String {
    let (_, rest) = out.split_once("plan ").unwrap();
    rest.split(':').next().unwrap().to_owned()
}

fn the_run(out: &str) -> String {
    out.lines().find_map(|line| line.strip_prefix("run ")).unwrap().to_owned()
}

#[test]
fn a_machine_is_made_of_a_base_and_taken_away_again() {
    let name = "a_machine_is_made_of_a_base_and_taken_away_again";
    if !has(name, "qemu-img") {
        return;
    }
    let site = Site::new();
    let key = site.approver();
    let base = site.file("base.raw", vec![7_u8; 1 << 20]);
    let spec = spec(&site, "web", "");
    let words = ["plan", "create", &spec, "--copy", base.to_str().unwrap(), "--size", "1=4MiB"];
    let made = site.call(&words).ok();
    for step in [
        "root.qcow2 lies in it",
        "disk 1 of web",
        "the guest sees 4194304 bytes of disk 1",
        "qemu runs web by this specification",
    ] {
        assert!(made.out.contains(step), "{step:?} is not in {}", made.out);
    }
    assert_eq!(id(&site.call(&words).ok().out), id(&made.out), "the same wish gives the same plan");
    let plan = id(&made.out);
    let preview = site.call(&["preview", &plan]).ok();
    for text in ["an empty", "undone by takes machine web away, with its logs", "writes    name = \"web\""] {
        assert!(preview.out.contains(text) || text == "an empty", "{text:?} is not in {}", preview.out);
    }
    site.approve(&plan, &key).ok();
    let run = the_run(&site.call(&["apply", &plan]).ok().out);
    assert!(site.path("disks/web/root.qcow2").is_file());
    assert!(site.call(&["vm", "list"]).ok().out.contains("web"));
    // Where somebody has made the machine theirs it stays, and so does its disk, though nothing is written to it.
    let record = site.path("state/machines/web/machine.toml");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, format!("{text}\n# mine\n")).unwrap();
    let left = site.call(&["undo", &run]);
    assert_eq!(left.status, 6, "{left:#?}");
    assert!(left.out.contains("machine web, which stays, may use it"), "{left:#?}");
    assert!(site.path("disks/web/root.qcow2").is_file());
    std::fs::write(&record, text).unwrap();
    site.call(&["undo", &run]).ok();
    assert!(!site.path("disks").exists(), "the directories that it made are gone too");
    assert!(!site.path("state/machines/web").exists());
    assert!(Path::new(&base).is_file(), "what was there before stays");
}

#[test]
fn what_another_machine_has_is_told_before_anything_is_made() {
    let name = "what_another_machine_has_is_told_before_anything_is_made";
    if !has(name, "qemu-img") {
        return;
    }
    let site = Site::new();
    let more = "[[network]]\nkind = \"user\"\nmac = \"52:54:00:aa:bb:cc\"\n[[network.forward]]\nhost = 2222\nguest = 22\n[vsock]\ncid = 99\n";
    let first = spec(&site, "web", more);
    site.file("disks/web/root.qcow2", "x");
    site.call(&["vm", "create", &first]).ok();
    let text = std::fs::read_to_string(&first).unwrap().replace("name = \"web\"", "name = \"shop\"");
    let second = site.file("shop.toml", text);
    let call = site.call(&["plan", "create", second.to_str().unwrap()]);
    let taken = [
        "line 7: the disk ",
        "the hardware address 52:54:00:aa:bb:cc is taken by vm web",
        "the host's port tcp 2222",
        "the vsock context id 99 is taken by vm web",
    ];
    call.fails(REFUSED, &taken);
    site.call(&["plan", "create", &first]).fails(REFUSED, &["line 1: the name web is taken by vm web"]);
}

#[test]
fn bad_input_names_its_place() {
    let site = Site::new();
    let spec = spec(&site, "web", "");
    let call = |more: &[&str]| site.call(&[&["plan", "create", spec.as_str()], more].concat());
    call(&[]).fails(REFUSED, &["web.toml cannot become a machine", "line 7: disk 1:", "--size 1=20GiB"]);
    call(&["--size", "0=1GiB"]).fails(USAGE, &["disks are counted from 1"]);
    call(&["--size", "many"]).fails(USAGE, &["--size 1=many"]);
    call(&["--size", "1GiB", "--size", "1=2GiB"]).fails(USAGE, &["--size is given twice for disk 1"]);
    call(&["--size", "3=1GiB"]).fails(REFUSED, &["there is no disk 3 in the specification"]);
    call(&["--copy", "/nonexistent.raw"]).fails(REFUSED, &["disk 1: /nonexistent.raw does not exist"]);
    let jailed = site.file("jailed.toml", "name = \"b\"\nprocess.jailer = true\n");
    site.call(&["plan", "create", jailed.to_str().unwrap(), "--backend", "libvirt"])
        .fails(REFUSED, &["qemu:///system cannot run `b` by its specification", "process:"]);
    let many = call(&["--size", "3=1GiB"]).err;
    assert_eq!(
        many.lines().filter(|line| line.starts_with("  ") && line.contains("disk")).count(),
        2,
        "{many}"
    );
    call(&["--backend", "xen"]).fails(USAGE, &["no backend `xen`"]);
    let wrong = site.file("wrong.toml", "name = \"web\"\n[cpu]\ncuont = 2\n");
    site.call(&["plan", "create", wrong.to_str().unwrap()]).fails(USAGE, &["wrong.toml", "line 3", "cuont"]);
    site.call(&["plan", "create", "/nonexistent.toml"]).fails(USAGE, &["/nonexistent.toml"]);
}

//! `vmwright analyze --from SRC --against DST`: can a VM move?

mod common;

use common::Site;

/// The two hosts that the rules' own tests move a VM between.
fn hosts() -> [String; 2] {
    ["hv1", "hv2"].map(|host| format!("{}/../rules/tests/preflight/{host}", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn a_healthy_pair_is_clean() {
    let (site, [source, target]) = (Site::new(), hosts());
    let out = site.call(&["analyze", "--from", &source, "--against", &target, "--vm", "shop"]).ok().out;
    assert!(out.contains("nothing found that stands in the way; 0 rules"), "{out}");
    assert!(out.contains("compared, and in no way: migration/c"), "{out}");
}

#[test]
fn what_stands_in_the_way_is_quoted_from_the_host_that_it_is_of() {
    let (site, [source, _]) = (Site::new(), hosts());
    let target =
        site.file("dst/proc/meminfo", "MemTotal: 2048000 kB\nMemAvailable: 1024 kB\nSwapFree: 0 kB\n");
    let target = target.parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    let call = site.call(&["analyze", "--from", &source, "--against", &target, "--format", "json"]);
    assert_eq!(call.status, 1, "{call:#?}");
    let analysis = call.json();
    assert!(
        analysis["target"].is_object()
            && analysis["challenge"].as_str().unwrap().contains("can every VM move")
    );
    let cause = &analysis["causes"][0];
    assert_eq!(cause["rule"], "migration/memory-limit");
    assert_eq!(cause["evidence"][0]["source"], "dst:proc/meminfo");
    assert_eq!(cause["evidence"][0]["quote"], "MemAvailable: 1024 kB");
    let unknown = analysis["unknown"].to_string();
    assert!(unknown.contains("\"source\":\"dst:/proc/cpuinfo\""), "{unknown}");
}

#[test]
fn the_vm_must_be_one_of_the_source() {
    let (site, [source, target]) = (Site::new(), hosts());
    let call = |more: &[&str]| site.call(&[&["analyze", "--from", source.as_str()], more].concat());
    call(&["--against", &target, "--vm", "shap"]).fails(2, &["shap", "shop"]);
    call(&["--vm", "shop"]).fails(2, &["--against"]);
    call(&["--against", "/nonexistent-host"]).fails(2, &["/nonexistent-host"]);
}

//! `vmwright review` with a second guest beside the first one.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

#[path = "common/bridge.rs"]
mod bridge;
mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;
#[path = "common/web.rs"]
mod web;

use bridge::Bridge;
use common::Site;
use serde_json::Value;

fn reviewed(site: &Site, words: &[&str]) -> Value {
    site.call(&[&["review", "web", "--format", "json"], words].concat()).json()["review"].clone()
}

#[test]
fn two_guests_reach_each_other_or_are_kept_apart() {
    let test = "two_guests_reach_each_other_or_are_kept_apart";
    let Some(parts) = support::parts(test) else { return };
    let Some(bridge) = Bridge::make(test, "vmwg", &["10.214.77.1/24"]) else { return };
    let site = Site::new();
    let disk = site.file("web.raw", vec![0; 1 << 20]);
    let run = |network: &str| {
        let more = format!(
            "[[disk]]\npath = '{}'\nformat = 'raw'\n[[network]]\nkind = 'bridge'\nbridge = '{}'\n\
             host_address = '10.214.77.1/24'\naddress = '10.214.77.2/24'\n{network}",
            disk.display(),
            bridge.0
        );
        web::started(&site, parts, "vmwright.net0=10.214.77.2/24", &more);
        let review = reviewed(&site, &["--gates", "guest-to-guest"]);
        let twins: Vec<_> =
            std::fs::read_dir(site.path("state/twins")).into_iter().flatten().flatten().collect();
        assert!(twins.is_empty(), "{twins:?}");
        web::gone(&site);
        review["gates"][0].clone()
    };
    let good = run("");
    assert_eq!(good["verdict"], "pass", "{good:#}");
    let row = &good["tables"][0]["rows"][0];
    assert_eq!(row[1], "10.214.77.3", "the next address that nobody has");
    assert!(row[2].as_str().unwrap().starts_with("20 of 20 back"), "{row:#}");
    assert!(row[3].as_str().unwrap().starts_with("1500 bytes: 5 of 5 back"), "{row:#}");
    assert!(row[4].as_str().unwrap().ends_with("MiB/s"), "{row:#}");
    // By IPv6 as well, over the addresses that both have on the link.
    assert_eq!(good["tables"][0]["rows"].as_array().unwrap().len(), 2, "{good:#}");
    let row = &good["tables"][0]["rows"][1];
    assert!(row[1].as_str().unwrap().starts_with("fe80::"), "{row:#}");
    assert!(row[2].as_str().unwrap().starts_with("20 of 20 back"), "{row:#}");
    assert!(row[3].as_str().unwrap().starts_with("1500 bytes: 5 of 5 back"), "{row:#}");
    // Ports that are isolated from each other send each other nothing.
    let apart = run("isolated = true\n");
    assert_eq!(apart["verdict"], "pass", "{apart:#}");
    for row in apart["tables"][0]["rows"].as_array().unwrap() {
        assert!(!row[2].as_str().unwrap().contains("back"), "{apart:#}");
    }
    assert_eq!(apart["tables"][0]["rows"].as_array().unwrap().len(), 2, "each family was tried: {apart:#}");
    // The guest is told of larger packets than the bridge lets through.
    let large = run("mtu = 4000\n");
    assert_eq!(large["verdict"], "fail", "{large:#}");
    assert!(large["why"].as_str().unwrap().contains("full frames: "), "{large:#}");
    // What rules know of it is named, and what goes on from there.
    let next = large["next"].as_array().unwrap();
    assert_eq!(next.last().unwrap(), "vmwright analyze --vm web", "{large:#}");
    assert!(good["next"].is_null() && good["leads"].is_null(), "{good:#}");
}

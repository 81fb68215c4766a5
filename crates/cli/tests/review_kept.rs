//! `vmwright review`: what a guest keeps where it goes on. Its MAC and addresses, its processor and what it was told of its flaws;
//! and what guests that go on from one state have in common. Each on a VM that keeps it and one that does not.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

#[path = "common/bridge.rs"]
mod bridge;
mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;
#[path = "common/web.rs"]
mod web;

use bridge::Bridge;
use common::{Done, Site};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::Parts;
use web::gone;

/// A started machine `web` with our probe in its guest.
fn started(site: &Site, parts: &Parts, parameters: &str, more: &str) {
    let path = web::specified(site, parts, parameters, more);
    called(site, &["vm", "create", path.to_str().unwrap()]).ok();
    called(site, &["vm", "start", "web"]).ok();
}

/// What comes of vmwright with the programs of the site's own folder, if there is one.
fn called(site: &Site, words: &[&str]) -> Done {
    let mut command = site.command(words);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", site.path("bin").display()));
    common::done(command)
}

/// Gates of the machine.
fn gates(site: &Site, names: &str) -> Vec<Value> {
    let review =
        called(site, &["review", "web", "--gates", names, "--format", "json"]).json()["review"].clone();
    let list = site.call(&["vm", "list"]).ok().out;
    assert!(list.contains("running"), "{list}");
    review["gates"].as_array().unwrap().clone()
}

/// Changes what the specification demands of the machine, which runs on: that makes no machine.
fn demand(site: &Site, change: impl FnOnce(&str) -> String) {
    let path = site.path("state/machines/web/machine.toml");
    fs::write(&path, change(&fs::read_to_string(&path).unwrap())).unwrap();
}

/// Puts the machine's tap back into its bridge.
fn rejoin(site: &Site, bridge: &Bridge) {
    let record = fs::read_to_string(site.path("state/machines/web/process.json")).unwrap();
    let taps = serde_json::from_str::<Value>(&record).unwrap()["taps"].clone();
    for tap in taps.as_array().unwrap() {
        let words = ["link", "set", tap.as_str().unwrap(), "master", &bridge.0];
        assert!(Command::new("ip").args(words).status().unwrap().success(), "{words:?}");
    }
}

/// What a gate says of one thing.
#[track_caller]
fn says(gate: &Value, name: &str) -> (String, String) {
    let checks = gate["checks"].as_array().unwrap();
    let check =
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {gate:#}"));
    (check["verdict"].as_str().unwrap().to_owned(), check["why"].as_str().unwrap_or_default().to_owned())
}

#[track_caller]
fn passes(gate: &Value, name: &str) {
    assert_eq!(says(gate, name).0, "pass", "{gate:#}");
}

#[track_caller]
fn fails(gate: &Value, name: &str, why: &str) {
    let (verdict, told) = says(gate, name);
    assert!(verdict == "fail" && told.contains(why), "{why}: {verdict} {told}");
}

/// A QEMU in front of which bash does this with its `words`; `$comes` is 1 for one that waits for a guest from elsewhere.
fn another_qemu(site: &Site, script: &str) {
    let real = Command::new("sh").args(["-c", "command -v qemu-system-x86_64"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let script = format!(
        "#!/bin/bash\nwords=(\"$@\")\ncase \" $* \" in *' -incoming '*) comes=1;; *) comes=0;; esac\n\
         processor() {{ for at in \"${{!words[@]}}\"; do [ \"${{words[$at]}}\" = -cpu ] && words[$at+1]+=\",$1\"; done; }}\n\
         {script}\nexec {} \"${{words[@]}}\"\n",
        real.trim()
    );
    fs::create_dir_all(site.path("bin")).unwrap();
    let path = site.file("bin/qemu-system-x86_64", script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The address of the guest's card.
const ADDRESS: &str = "vmwright.net0=10.214.79.2/24";

/// What is looked at behind each move and each restore.
const KEPT: [&str; 3] = ["MAC and address", "processor flaws", "processor"];

#[test]
fn a_guest_that_goes_on_keeps_its_card_and_its_processor() {
    let test = "a_guest_that_goes_on_keeps_its_card_and_its_processor";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let network = |address: &str| format!("[[network]]\nkind = 'user'\naddress = '{address}'\n");
    started(&site, parts, ADDRESS, &network("10.214.79.2/24"));
    let kept = gates(&site, "migration,save-restore");
    for gate in &kept {
        for name in KEPT {
            passes(gate, name);
        }
        passes(gate, "memory");
        assert_eq!(says(gate, "open connection").0, "not-applicable", "nothing leads to the guest");
        // In the guest's own words, before and behind it.
        let tables = gate["tables"].as_array().unwrap();
        let flaws = tables
            .iter()
            .find(|table| table["title"].as_str().unwrap().starts_with("Processor flaws"))
            .unwrap();
        let rows = flaws["rows"].as_array().unwrap();
        let meltdown = rows.iter().find(|row| row[0] == "meltdown").unwrap_or_else(|| panic!("{flaws:#}"));
        assert!(meltdown[1] == meltdown[2] && meltdown[2] == meltdown[3], "{meltdown:#}");
    }
    assert_eq!(kept[0]["verdict"], "pass", "{:#}", kept[0]);
    // Each VMM has a network of its own: two of one MAC do not meet there.
    passes(&kept[1], "side by side");
    let row = &kept[1]["tables"][0]["rows"][0];
    assert!(row[5].as_str().unwrap().contains(" 10.214.79.2/24"), "{row:#}");
    assert!(
        row[5].as_str().unwrap().starts_with(row[6].as_str().unwrap()),
        "guest and VMM tell one MAC: {row:#}"
    );

    // Where it goes on is no `movbe`, which its kernel found at boot and does not use itself.
    another_qemu(&site, "[ $comes = 0 ] || processor movbe=off");
    for gate in gates(&site, "migration") {
        passes(&gate, "processor flaws");
        passes(&gate, "MAC and address");
        fails(&gate, "processor", "has lost what its kernel found at boot: bit 22 of ECX of CPUID 0x1");
        assert_eq!(gate["verdict"], "fail", "{gate:#}");
    }
    gone(&site);
}

#[test]
fn guests_of_one_state_on_one_bridge_are_told_to_be_one_too_many() {
    let test = "guests_of_one_state_on_one_bridge_are_told_to_be_one_too_many";
    let Some(parts) = support::parts(test) else { return };
    let Some(bridge) = Bridge::make(test, "vmwk", &["10.214.79.1/24"]) else { return };
    let site = Site::new();
    let network = format!(
        "[[network]]\nkind = 'bridge'\nbridge = '{}'\nhost_address = '10.214.79.1/24'\naddress = '10.214.79.2/24'\n\
         mac = '52:54:00:79:00:02'\n",
        bridge.0
    );
    let common = "guests that go on from one state all have MAC address 52:54:00:79:00:02 and the address 10.214.79.2/24";
    started(&site, parts, ADDRESS, &network);
    let [moved, restored] = gates(&site, "migration,save-restore").try_into().unwrap();
    // It is the same one that goes on here, with what is its own.
    for gate in [&moved, &restored] {
        passes(gate, "MAC and address");
        passes(gate, "open connection");
    }
    let (verdict, why) = says(&restored, "side by side");
    assert!(
        verdict == "not-applicable" && why.contains(common) && why.contains("one at a time"),
        "{verdict} {why}"
    );
    assert!(restored["evidence"].to_string().contains(common), "{restored:#}");

    demand(&site, |spec| format!("{spec}[review]\nside_by_side = true\n"));
    let restored = &gates(&site, "save-restore")[0];
    fails(restored, "side by side", common);
    fails(restored, "side by side", "on one network they disturb each other");
    // What they should not have in common is not demanded of them.
    assert_eq!(says(restored, "MAC and address").0, "not-applicable", "{restored:#}");
    gone(&site);
}

#[test]
fn guests_that_renew_their_cards_may_run_side_by_side_and_are_not_what_they_were() {
    let test = "guests_that_renew_their_cards_may_run_side_by_side_and_are_not_what_they_were";
    let Some(parts) = support::parts_that_know_when_they_are_restored(test) else { return };
    let Some(bridge) = Bridge::make(test, "vmwm", &["10.215.0.1/16"]) else { return };
    let site = Site::new();
    let side_by_side = "[review]\nside_by_side = true\n";
    let more = format!(
        "[process]\narguments = ['-device', 'vmgenid,guid=auto']\n{side_by_side}[[network]]\nkind = 'bridge'\n\
         bridge = '{}'\nhost_address = '10.215.0.1/16'\naddress = '10.215.0.2/16'\nmac = '52:54:00:79:00:02'\n",
        bridge.0
    );
    started(&site, &parts, "vmwright.net0=10.215.0.2/16 vmwright.renews", &more);
    let restored = &gates(&site, "save-restore")[0];
    passes(restored, "side by side");
    assert_eq!(restored["verdict"], "pass", "{restored:#}");
    let rows = &restored["tables"][0]["rows"];
    assert!(rows[0][5] != rows[1][5] && !rows[0][5].as_str().unwrap().contains("10.215.0.2/16"), "{rows:#}");

    // One that alone takes the place of what was there before is lost to its network with it.
    demand(&site, |spec| spec.replace(side_by_side, ""));
    let restored = &gates(&site, "save-restore")[0];
    fails(
        restored,
        "MAC and address",
        "the guest has no interface with MAC address 52:54:00:79:00:02; it had one before",
    );
    assert_eq!(restored["verdict"], "fail", "{restored:#}");
    gone(&site);
}

#[test]
fn a_processor_that_fights_flaws_no_more_fails_behind_a_move_and_a_restore() {
    let test = "a_processor_that_fights_flaws_no_more_fails_behind_a_move_and_a_restore";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    // TCG has none of these features. What it is forced to claim the guest's kernel believes.
    another_qemu(
        &site,
        "[ $comes = 1 ] && md_clear=off || md_clear=on\nprocessor x-force-features=on,md-clear=$md_clear",
    );
    started(&site, parts, ADDRESS, "[[network]]\nkind = 'user'\naddress = '10.214.79.2/24'\n");
    // The restore first: a guest that was moved has lost it for good.
    for (name, when) in [("save-restore", "guest 1"), ("migration", "on its way there")] {
        let gate = &gates(&site, name)[0];
        let lost =
            format!("{when}: the guest's processor has lost `md_clear`, which what its kernel says of mds");
        fails(gate, "processor flaws", &lost);
        fails(gate, "processor", "`md_clear` (bit 10 of EDX of CPUID 0x7)");
        assert_eq!(gate["verdict"], "fail", "{gate:#}");
        // Nothing else is the matter.
        for name in ["MAC and address", "memory", "guest", "clock"] {
            passes(gate, name);
        }
    }
    gone(&site);
}

#[test]
fn a_connection_that_does_not_outlive_a_move_or_a_restore_fails() {
    let test = "a_connection_that_does_not_outlive_a_move_or_a_restore_fails";
    let Some(parts) = support::parts(test) else { return };
    let Some(bridge) = Bridge::make(test, "vmwl", &["10.214.80.1/24"]) else { return };
    let site = Site::new();
    let network = format!(
        "[[network]]\nkind = 'bridge'\nbridge = '{}'\nhost_address = '10.214.80.1/24'\naddress = '10.214.80.2/24'\n",
        bridge.0
    );
    // Whoever brings another VM up next to it takes its tap from the bridge, and that of the other with it.
    another_qemu(
        &site,
        &format!(
            "[ $comes = 0 ] || for port in /sys/class/net/{}/brif/*; do ip link set \"${{port##*/}}\" nomaster; done",
            bridge.0
        ),
    );
    started(&site, parts, "vmwright.net0=10.214.80.2/24", &network);
    // The restore first: who moves has another tap behind it.
    for (name, when) in [("save-restore", "once the VM goes on"), ("migration", "on its way there")] {
        let gate = &gates(&site, name)[0];
        fails(
            gate,
            "open connection",
            &format!("{when}: the connection from the host to 10.214.80.2, open before, is lost"),
        );
        assert_eq!(gate["verdict"], "fail", "{gate:#}");
        // The guest itself has what it had.
        for kept in KEPT {
            passes(gate, kept);
        }
        rejoin(&site, &bridge);
    }
    gone(&site);
}

//! `vmwright review`: what a guest keeps where it goes on. Its MAC and addresses, its processor and what it was told of its flaws;
//! and what guests that go on from one state have in common. Each on a VM that keeps it and one that does not.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;

use common::Site;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::Parts;

/// A started machine `web` with our probe in its guest.
fn started(site: &Site, parts: &Parts, processor: &str, parameters: &str, more: &str) {
    let initrd = site.file("initrd", &parts.initrd);
    let spec = format!(
        "name = 'web'\n{processor}[memory]\nsize = '192MiB'\n[boot]\nkernel = '{}'\ninitrd = '{}'\n\
         cmdline = 'console=ttyS0 no_timer_check panic=-1 vmwright.net0=10.214.79.2/24 {parameters}'\n{more}",
        parts.kernel.display(),
        initrd.display(),
    );
    let path = site.file("web.toml", spec);
    site.call(&["vm", "create", path.to_str().unwrap()]).ok();
    site.call(&["vm", "start", "web"]).ok();
}

/// Gates of the machine, reviewed with the programs of the site's own folder, if there is one.
fn gates(site: &Site, names: &str) -> Vec<Value> {
    let mut command = site.command(&["review", "web", "--gates", names, "--format", "json"]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", site.path("bin").display()));
    let review = common::done(command).json()["review"].clone();
    let list = site.call(&["vm", "list"]).ok().out;
    assert!(list.contains("running"), "{list}");
    review["gates"].as_array().unwrap().clone()
}

fn gone(site: &Site) {
    site.call(&["vm", "stop", "web", "--force"]).ok();
    site.call(&["vm", "delete", "web"]).ok();
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

/// A QEMU that gives whoever comes from elsewhere a processor without these features, as that of another host would be.
fn another_processor(site: &Site, without: &[&str]) {
    let real = Command::new("sh").args(["-c", "command -v qemu-system-x86_64"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let off: String = without.iter().map(|feature| format!(",{feature}=off")).collect();
    let script = format!(
        "#!/bin/bash\nwords=(\"$@\")\ncase \" $* \" in *' -incoming '*)\n\
         for at in \"${{!words[@]}}\"; do [ \"${{words[$at]}}\" = -cpu ] && words[$at+1]+='{off}'; done;;\nesac\n\
         exec {} \"${{words[@]}}\"\n",
        real.trim()
    );
    fs::create_dir_all(site.path("bin")).unwrap();
    let path = site.file("bin/qemu-system-x86_64", script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

const TCG: &str = "accelerator = 'tcg'\ncpu.model = 'max'\n";

/// What is looked at behind each move and each restore.
const KEPT: [&str; 3] = ["MAC and address", "processor flaws", "processor"];

#[test]
fn a_guest_that_goes_on_keeps_its_card_and_its_processor() {
    let test = "a_guest_that_goes_on_keeps_its_card_and_its_processor";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let network = |address: &str| format!("[[network]]\nkind = 'user'\naddress = '{address}'\n");
    started(&site, parts, TCG, "", &network("10.214.79.2/24"));
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
    another_processor(&site, &["movbe"]);
    for gate in gates(&site, "migration") {
        fails(&gate, "processor", "has lost what its kernel found at boot: bit 22 of ECX of CPUID 0x1");
        assert_eq!(gate["verdict"], "fail", "{gate:#}");
    }
    gone(&site);
}

/// A bridge of the host; it goes with the test.
struct Bridge(String);

impl Bridge {
    fn make() -> Result<Self, String> {
        let bridge = Self(format!("vmwk{}", std::process::id()));
        for words in [
            format!("link add {} type bridge", bridge.0),
            format!("address add 10.214.79.1/24 dev {}", bridge.0),
            format!("link set {} up", bridge.0),
        ] {
            let output = Command::new("ip").args(words.split(' ')).output();
            let output = output.map_err(|error| format!("cannot run ip: {error}"))?;
            if !output.status.success() {
                return Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()));
            }
        }
        Ok(bridge)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).output();
    }
}

#[test]
fn guests_of_one_state_on_one_bridge_are_told_to_be_one_too_many() {
    let test = "guests_of_one_state_on_one_bridge_are_told_to_be_one_too_many";
    let Some(parts) = support::parts(test) else { return };
    let bridge = match Bridge::make() {
        Ok(bridge) => bridge,
        Err(why) => return eprintln!("SKIPPED {test}: no bridge can be made: {why}"),
    };
    let site = Site::new();
    let network = format!(
        "[[network]]\nkind = 'bridge'\nbridge = '{}'\nhost_address = '10.214.79.1/24'\naddress = '10.214.79.2/24'\n\
         mac = '52:54:00:79:00:02'\n",
        bridge.0
    );
    let common = "guests that go on from one state all have MAC address 52:54:00:79:00:02 and the address 10.214.79.2/24";
    started(&site, parts, TCG, "", &network);
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
    gone(&site);

    started(&site, parts, TCG, "", &format!("[review]\nside_by_side = true\n{network}"));
    let restored = &gates(&site, "save-restore")[0];
    fails(restored, "side by side", common);
    fails(restored, "side by side", "on one network they disturb each other");
    passes(restored, "MAC and address");
    gone(&site);
}

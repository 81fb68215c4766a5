//! What the plan for a bridge writes for netplan and NetworkManager is taken by both, and means what was meant: the real
//! `netplan generate` and `nmcli`, which change nothing here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vmwright_formats::View;
use vmwright_formats::ip_addr::IpAddr;
use vmwright_formats::ip_route::IpRoute;
use vmwright_formats::links::Links;
use vmwright_model::Action;
use vmwright_plan::intents::{Network, bridge};

const LINKS: &str = "eth0 ifindex 2\neth0 address 52:54:00:00:00:02\neth9 ifindex 3\n";
const ADDRESSES: &str = "2: eth0: <UP> mtu 1500\n    inet 192.0.2.7/24 scope global eth0\n";
const ROUTES: &str = "default via 192.0.2.1 dev eth0 proto static\n";

/// The texts that are there once the plan is carried out, by path.
fn planned(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    let (links, addresses, routes) =
        (Links::read(LINKS).0, IpAddr::read(ADDRESSES).0, IpRoute::read(ROUTES).0);
    let network = Network {
        id: "h",
        links: &links,
        addresses: &addresses,
        routes: routes.routes.iter().collect(),
        texts: texts.iter().copied().collect(),
        present: texts.iter().map(|(path, _)| *path).collect(),
    };
    let plan = bridge(&network, "br0", "eth0", false).expect("it can");
    let mut after: BTreeMap<String, String> =
        texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    for step in &plan.steps {
        if let Action::FileCreate { path, text, .. } | Action::FileWrite { path, text, .. } = &step.action {
            after.insert(path.clone(), text.clone());
        }
    }
    assert!(after.len() > texts.len() || after.values().any(|text| text.contains("br0")), "{:?}", plan.left);
    after
}

/// A program of the machine, or one that was unpacked for tests, with where its libraries are.
fn program(test: &str, name: &str) -> Option<Command> {
    let unpacked = std::env::var("VMWRIGHT_TEST_PROGRAMS").unwrap_or_default();
    for root in ["/", &unpacked].map(Path::new) {
        let path = root.join(name);
        if path.is_file() {
            let mut command = Command::new(path);
            let libraries =
                ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|below| root.join(below));
            command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).expect("plain paths"));
            return Some(command);
        }
    }
    eprintln!("SKIPPED {test}: no {name}");
    None
}

/// What `netplan generate` makes of a file for systemd-networkd, by name.
fn generated(command: &mut Command, yaml: &str) -> BTreeMap<String, String> {
    let root = tempfile::tempdir().expect("a directory");
    let folder = root.path().join("etc/netplan");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("01.yaml"), yaml).expect("written");
    let said = command.args(["--root-dir"]).arg(root.path()).output().expect("run");
    assert!(said.status.success(), "{}\n{yaml}", String::from_utf8_lossy(&said.stderr));
    let made: Vec<PathBuf> = std::fs::read_dir(root.path().join("run/systemd/network"))
        .expect("it made something")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    made.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("text"))).collect()
}

#[test]
fn netplan_makes_a_bridge_of_what_the_card_had() {
    let test = "netplan_makes_a_bridge_of_what_the_card_had";
    let Some(mut before) = program(test, "usr/libexec/netplan/generate") else { return };
    let Some(mut after) = program(test, "usr/libexec/netplan/generate") else { return };
    let path = "/etc/netplan/01-office.yaml";
    let yaml = "network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    eth0:\n      mtu: 9000\n      # of the office\n      addresses: [192.0.2.7/24]\n      nameservers:\n        addresses: [192.0.2.53]\n      routes:\n      - to: default\n        via: 192.0.2.1\n    eth9:\n      dhcp4: true\n";
    let before = generated(&mut before, yaml);
    let after = generated(&mut after, &planned(&[(path, yaml)])[path]);
    let of = |all: &BTreeMap<String, String>, name: &str| {
        all.get(name).unwrap_or_else(|| panic!("no {name} in {all:?}")).clone()
    };
    assert!(of(&before, "10-netplan-eth0.network").contains("Address=192.0.2.7/24"), "{before:?}");
    let (card, own) = (of(&after, "10-netplan-eth0.network"), of(&after, "10-netplan-br0.network"));
    assert!(card.contains("Bridge=br0") && !card.contains("Address=192.0.2.7"), "{card}");
    for part in ["Address=192.0.2.7/24", "DNS=192.0.2.53", "Gateway=192.0.2.1"] {
        assert!(own.contains(part), "{part} is not in {own}");
    }
    let device = of(&after, "10-netplan-br0.netdev");
    assert!(device.contains("MACAddress=52:54:00:00:00:02") && device.contains("STP=false"), "{device}");
    // The card's own, and other cards, are as before.
    assert_eq!(of(&after, "10-netplan-eth9.network"), of(&before, "10-netplan-eth9.network"));
    assert!(of(&after, "10-netplan-eth0.link").contains("MTUBytes=9000"), "{after:?}");
}

#[test]
fn networkmanager_reads_the_profiles_as_they_are_meant() {
    let test = "networkmanager_reads_the_profiles_as_they_are_meant";
    let path = "/etc/NetworkManager/system-connections/Wired.nmconnection";
    let state = "[device]\nconnection-uuid=1b2e0000-0000-4000-8000-00000000000a\n";
    let profile = "[connection]\nid=Wired\nuuid=1b2e0000-0000-4000-8000-00000000000a\ntype=ethernet\n\n[ethernet]\nmtu=9000\n\n[ipv4]\naddress1=192.0.2.7/24,192.0.2.1\ndns=192.0.2.53;\nmethod=manual\n\n[ipv6]\nmethod=disabled\n";
    let after = planned(&[("/run/NetworkManager/devices/2", state), (path, profile)]);
    let folder = "/etc/NetworkManager/system-connections/vmwright-";
    let (bridge, port) = (format!("{folder}br0.nmconnection"), format!("{folder}br0-eth0.nmconnection"));
    // It prints the profile as it understands it, with a change that every profile takes.
    let read = |path: &str| -> Option<String> {
        let mut command = program(test, "usr/bin/nmcli")?;
        command.args(["--offline", "connection", "modify", "connection.autoconnect-priority", "7"]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("run");
        let mut input = child.stdin.take().expect("piped");
        std::io::Write::write_all(&mut input, after[path].as_bytes()).expect("written");
        drop(input);
        let said = child.wait_with_output().expect("ended");
        assert!(said.status.success(), "{path}: {}", String::from_utf8_lossy(&said.stderr));
        Some(String::from_utf8(said.stdout).expect("text"))
    };
    let Some(bridge) = read(&bridge) else { return };
    for part in [
        "type=bridge",
        "interface-name=br0",
        "stp=false",
        "address1=192.0.2.7/24,192.0.2.1",
        "method=disabled",
    ] {
        assert!(bridge.lines().any(|line| line == part), "{part} is not in {bridge}");
    }
    assert!(bridge.contains("cloned-mac-address=52:54:00:00:00:02"), "{bridge}");
    let port = read(&port).expect("it was there for the other");
    assert!(port.contains("mtu=9000") && port.contains("interface-name=eth0"), "{port}");
    let uuid = bridge.lines().find_map(|line| line.strip_prefix("uuid=")).expect("it has one");
    assert!(port.contains(&format!("={uuid}")), "the port is the bridge's: {port}");
    let own = read(path).expect("it was there for the others");
    assert!(own.contains("autoconnect=false"), "{own}");
}

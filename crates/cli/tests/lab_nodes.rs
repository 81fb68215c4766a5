//! `vmwright lab up --nodes`: hosts that reach each other, each of which goes its own way, beside a lab that they do not reach.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "common/labs.rs"]
mod labs;

use common::has;
use labs::Labs;
use std::fs;
use std::ops::Deref;
use std::path::Path;

/// Labs that share a network.
struct Nodes {
    labs: Labs,
    group: String,
}

impl Deref for Nodes {
    type Target = Labs;

    fn deref(&self) -> &Labs {
        &self.labs
    }
}

impl Nodes {
    fn name(&self, number: u32) -> String {
        format!("{}-{number}", self.group)
    }

    /// What a script in a lab said, which ends well.
    fn script(&self, name: &str, script: &str) -> String {
        let (status, output, errors) = self.labs.script(name, &format!("set -eu\n{script}"));
        assert_eq!(status, 0, "{output}{errors}");
        output.trim().to_owned()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // What a failed test leaves; a lab that is down already says so.
        for name in [self.name(1), self.name(2), self.group.clone()] {
            let _ = self.command(&["down", &name]).output();
        }
    }
}

#[test]
fn nodes_reach_each_other_and_no_other_lab_and_leave_nothing() {
    let test = "nodes_reach_each_other_and_no_other_lab_and_leave_nothing";
    if !has(test, "qemu-system-x86_64") || !has(test, "mmdebstrap") {
        return;
    }
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/vmwright-test/lab");
    fs::create_dir_all(&state).unwrap();
    let state = state.canonicalize().unwrap();
    if fs::read_dir(state.join("lab/templates")).is_ok_and(|mut found| found.next().is_none()) {
        eprintln!("SKIPPED {test}: no lab was up here yet, and three at once would wait for its first boot");
        return;
    }
    let labs = Nodes { labs: Labs { state }, group: format!("nodes-{}", std::process::id()) };
    let [one, two] = [1, 2].map(|number| labs.name(number));
    labs.call(&["up", &labs.group, "--nodes", "9"]).fails(2, &["2..=8"]);
    labs.call(&["up", &labs.group, "--nodes", "2"]).ok();
    // One beside them, from the same state directory.
    labs.call(&["up", &labs.group]).ok();
    labs.call(&["up", &labs.group, "--nodes", "2"]).fails(2, &[&one, "up already"]);
    let listed = labs.call(&["list"]).ok().out;
    assert!([&one, &two, &labs.group].iter().all(|name| listed.contains(*name)), "{listed}");

    let from = |to: &str| format!("ssh -o BatchMode=yes -o ConnectTimeout=60 {to} hostname\n");
    assert_eq!(labs.script(&one, &from(&two)), two);
    assert_eq!(labs.script(&two, &from(&one)), one);
    let identity = "virsh -q capabilities | sed -n 's,.*<uuid>\\(.*\\)</uuid>.*,\\1,p'";
    assert_ne!(labs.script(&one, identity), labs.script(&two, identity), "libvirt tells them apart");
    // The same address in the lab beside them reaches nobody.
    let alone = "ip address add 10.30.0.9/24 dev enp1s0
ip link set enp1s0 up
sleep 2
ssh -o BatchMode=yes -o ConnectTimeout=5 10.30.0.1 true 2>/dev/null && exit 1
ip neighbour show 10.30.0.1";
    let neighbour = labs.script(&labs.group, alone);
    assert!(!neighbour.contains("lladdr"), "{neighbour}");

    // One begins anew while the other runs, and is found again.
    labs.script(&two, "echo mine >/root/mine");
    labs.call(&["reset", &two]).ok();
    assert_eq!(
        labs.script(&one, &format!("ssh -o BatchMode=yes {two} 'test ! -e /root/mine && hostname'")),
        two
    );

    labs.call(&["down", &one]).ok();
    assert!(labs.state.join("lab/wires").join(&labs.group).exists(), "the other one is still at its wire");
    labs.call(&["down", &two]).ok();
    labs.call(&["down", &labs.group]).ok();
    assert!(!labs.state.join("lab/wires").join(&labs.group).exists());
    let listed = labs.call(&["list"]).ok().out;
    assert!(!listed.contains(&labs.group), "{listed}");
}

//! `vmwright lab up --nodes`: hosts that reach each other, each of which goes its own way, beside a lab that they do not reach.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Done, done, has};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Labs of one state directory, which stays for the next run: the image and the first boot in it are what takes long.
struct Labs {
    state: PathBuf,
    group: String,
}

impl Labs {
    fn name(&self, number: u32) -> String {
        format!("{}-{number}", self.group)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmwright"));
        command.arg("lab").args(words).env("VMWRIGHT_STATE", &self.state).stdin(Stdio::null());
        command
    }

    fn call(&self, words: &[&str]) -> Done {
        done(self.command(words))
    }

    /// What a script in a lab said, which ends well.
    fn script(&self, name: &str, script: &str) -> String {
        let words = ["exec", name, "--stdin", "--limit", "120", "--format", "json", "--", "/bin/sh", "-s"];
        let mut command = self.command(&words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("set -eu\n{script}").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(said["status"], 0, "{said}");
        said["output"].as_str().unwrap().trim().to_owned()
    }
}

impl Drop for Labs {
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
    let labs = Labs { state, group: format!("nodes-{}", std::process::id()) };
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

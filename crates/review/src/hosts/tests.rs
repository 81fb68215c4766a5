//! Hosts as their files tell of them.

use super::*;
use crate::scope::{Neighbour, Owner, Says};
use std::collections::BTreeMap;
use vmwright_model::{ControlState, GateOutcome};

/// A host that is nothing but its files.
#[derive(Default)]
struct Files {
    files: BTreeMap<String, String>,
    links: BTreeMap<String, String>,
    cookies: BTreeMap<u32, u64>,
}

impl Host for Files {
    fn file(&self, path: &str) -> Result<Vec<u8>, Missing> {
        self.files.get(path).map(|text| text.clone().into_bytes()).ok_or(Missing::Absent)
    }
    fn link(&self, path: &str) -> Result<String, Missing> {
        self.links.get(path).cloned().ok_or(Missing::Absent)
    }
    fn names(&self, path: &str) -> Result<Vec<String>, Missing> {
        let below = format!("{path}/");
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|file| Some(file.strip_prefix(&below)?.split('/').next()?.to_owned()))
            .collect();
        names.dedup();
        if names.is_empty() { Err(Missing::Absent) } else { Ok(names) }
    }
    fn owner(&self, _: &str) -> Result<Owner, Missing> {
        Err(Missing::Absent)
    }
    fn neighbours(&self) -> Vec<Neighbour> {
        Vec::new()
    }
    fn controls(&self) -> Vec<String> {
        Vec::new()
    }
    fn core_cookie(&self, thread: u32) -> Result<u64, Missing> {
        Ok(self.cookies.get(&thread).copied().unwrap_or(0))
    }
}

impl Rules for Files {
    fn says(&self, _: &str) -> Result<Says, String> {
        Ok(Says::Quiet)
    }
}

impl Files {
    fn put(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    /// A VMM as vmwright starts it.
    fn vmm(&mut self, pid: u32, name: &str, uid: u32) {
        let status = |name: &str| {
            format!(
                "Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t9\t9\t9\t9\nCapEff:\t0000000000000000\n\
                 VmRSS:\t  65536 kB\nVmSwap:\t       0 kB\nSeccomp:\t2\nCpus_allowed_list:\t0-1\n"
            )
        };
        let sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
        let words =
            ["/usr/bin/qemu-system-x86_64", "-name", name, "-m", "256", "-sandbox", sandbox, ""].join("\0");
        // `-name process=` may call it anything.
        self.put(&format!("/proc/{pid}/comm"), "vmwright:web\n");
        self.put(&format!("/proc/{pid}/cmdline"), &words);
        self.put(&format!("/proc/{pid}/status"), &status("qemu-system-x86"));
        self.put(&format!("/proc/{pid}/task/{pid}/status"), &status("qemu-system-x86"));
        self.put(&format!("/proc/{pid}/task/{}/status", pid + 1), &status("CPU 0/KVM"));
    }

    fn review(&self, wanted: &Wanted) -> Result<Review, Unknown> {
        run(
            &HostScope { name: "metal1", host: self, rules: self, began: "2026-01-01T00:00:00Z" },
            wanted,
            &mut |_| {},
        )
    }
}

/// A host with two VMs and two processors on one core.
fn host() -> Files {
    let mut host = Files::default();
    host.vmm(100, "guest=web,debug-threads=on", 64055);
    host.vmm(200, "db", 64055);
    host.put("/proc/1/comm", "systemd\n");
    host.put("/proc/1/cmdline", "/sbin/init\0");
    host.put("/proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n");
    host.put("/proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n");
    host.put("/sys/kernel/mm/ksm/run", "0\n");
    host.put("/sys/kernel/mm/ksm/pages_sharing", "0\n");
    host.put("/sys/devices/system/cpu/smt/active", "1\n");
    for processor in 0..2 {
        host.put(&format!("/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"), "0-1\n");
    }
    host.put("/sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI\n");
    host.put("/sys/devices/system/cpu/vulnerabilities/of_tomorrow", "Not affected\n");
    // Each VM has a cookie of its own.
    host.cookies = BTreeMap::from([(100, 7), (101, 7), (200, 9), (201, 9)]);
    host
}

#[track_caller]
fn why(host: &Files, gate: &str) -> String {
    let wanted = Wanted { gates: vec![gate.to_owned()], ..Wanted::default() };
    match &host.review(&wanted).unwrap().gates[0].outcome {
        GateOutcome::Fail(why) => why.clone(),
        other => panic!("{other:?} is no failure"),
    }
}

#[test]
fn a_host_that_keeps_its_guests_apart_passes() {
    let review = host().review(&Wanted::default()).unwrap();
    let outcomes: Vec<_> =
        review.gates.iter().map(|gate| (gate.name.as_str(), gate.outcome.word())).collect();
    assert_eq!(
        outcomes,
        [("cpu-flaws", "pass"), ("isolation", "pass"), ("known-flaws", "pass"), ("utilisation", "pass")],
        "{review:#?}"
    );
    assert_eq!(crate::subject(&review), "host metal1");
    let rows = &review.gates[1].tables[1].rows;
    assert_eq!((rows[0][0].as_str(), rows[1][0].as_str()), ("web", "db"));
    assert_eq!(
        rows[0][2..5],
        ["uid 64055, gid 9", "2 of 2 threads", "the host has neither AppArmor nor SELinux"]
    );
    let text = crate::reports::text(&review);
    assert!(text.starts_with("review of host metal1, began 2026"), "{text}");
    assert!(crate::reports::html(&review).contains("<h1>Review of host metal1<"));
    assert_eq!(crate::verdict(&review), crate::Verdict::Pass);
}

#[test]
fn each_way_between_guests_fails() {
    let mut shared = host();
    shared.cookies.clear();
    assert!(
        why(&shared, "isolation")
            .contains("web (process 100) and db (process 200) may run on two threads of one core")
    );
    let mut merged = host();
    merged.put("/sys/kernel/mm/ksm/pages_sharing", "512\n");
    assert!(why(&merged, "isolation").contains("KSM has merged 512 pages"));
    let mut root = host();
    root.vmm(100, "web", 0);
    assert!(why(&root, "isolation").starts_with("web (process 100): the VMM runs as root"));
    let mut flawed = host();
    flawed.put("/sys/devices/system/cpu/vulnerabilities/of_tomorrow", "Vulnerable: no microcode\n");
    assert_eq!(why(&flawed, "cpu-flaws"), "it is vulnerable to of_tomorrow (`Vulnerable: no microcode`)");
    let mut full = host();
    full.put("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 1024 kB\n");
    assert!(why(&full, "utilisation").contains("promised 384 MiB that they have not touched yet"));
    assert!(why(&host(), "fips").contains("the host's kernel was built without FIPS mode"));
}

#[test]
fn evidence_of_a_host_is_sorted_by_controls() {
    let wanted =
        Wanted { frameworks: vec!["fips-140".to_owned(), "nist-800-125".to_owned()], ..Wanted::default() };
    let review = host().review(&wanted).unwrap();
    assert!(review.gates.iter().any(|gate| gate.name == "fips"), "the framework asks for it");
    let state = |id: &str| {
        let controls = review.frameworks.iter().flat_map(|framework| &framework.controls);
        controls.into_iter().find(|control| control.id == id).unwrap().state.clone()
    };
    assert_eq!(state("125 4.1 updates"), ControlState::Met);
    assert!(matches!(state("140-3 7.4"), ControlState::NotMet(_)));
    // What only a VM shows is not tested by its host.
    assert!(matches!(state("125 4.2 devices"), ControlState::NotTested(why) if why.contains("was not run")));
}

#[test]
fn gates_of_vms_are_none_of_hosts() {
    let wanted = Wanted { gates: vec!["boot".to_owned()], ..Wanted::default() };
    let error = host().review(&wanted).unwrap_err().to_string();
    assert_eq!(
        error,
        "a host has no gate `boot`; its gates are cpu-flaws, isolation, known-flaws, utilisation, fips"
    );
}

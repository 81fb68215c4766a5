//! `vmwright rehearse`: plans are carried out in a lab that is made like this host, and what would happen is told. The plans
//! are `proofs/rehearsals`, where `{host}`, `{uplink}` and `{kernel}` stand for this host's own.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Done, Site, done, has};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the rehearsals that restart their lab, which take minutes each under TCG: `all`, or some of them with commas.
const WHICH: &str = "VMWRIGHT_TEST_REHEARSALS";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A place to rehearse in: the labs' state directory stays for the next test, because the image and the first boot in it are
/// what takes long.
struct Stage {
    site: Site,
    program: PathBuf,
    state: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let (site, state) = (Site::new(), root().join("target/vmwright-test/lab"));
        fs::create_dir_all(&state).unwrap();
        let program = site.path("vmwright");
        // What a debugger needs makes it three times as large, and each megabyte goes into an emulated lab.
        let stripped =
            Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_vmwright")).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(env!("CARGO_BIN_EXE_vmwright"), &program).unwrap();
        }
        Self { site, program, state }
    }

    fn call(&self, words: &[&str]) -> Done {
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::null());
        command.env("VMWRIGHT_STATE", &self.state).env("VMWRIGHT_CONFIG", self.site.path("config"));
        done(command)
    }

    /// Rehearses a plan of `proofs/rehearsals`; none where no lab can be had here.
    fn rehearse(&self, test: &str, name: &str) -> Option<(i32, Value)> {
        let text = fs::read_to_string(root().join(format!("proofs/rehearsals/{name}.json"))).unwrap();
        let entry = self.site.call(&["journal", "add", "a", "b", "--format", "json"]).ok().json();
        let host = entry["entries"][0][1]["host_id"].as_str().unwrap();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let text =
            text.replace("{host}", host).replace("{uplink}", &uplink()).replace("{kernel}", kernel.trim());
        let path = self.site.file(&format!("{name}.json"), text);
        let made = self.call(&["rehearse", path.to_str().unwrap(), "--format", "json"]);
        // Packages that cannot be had are not the rehearsal's fault.
        let absent =
            ["`mmdebstrap` ended with", "in PATH, which"].iter().any(|words| made.err.contains(words));
        if made.out.is_empty() && absent {
            eprintln!("SKIPPED {test}: {}", made.err.lines().next_back().unwrap_or_default());
            return None;
        }
        let value = made.json();
        println!("{}", made.err);
        assert!(!self.call(&["lab", "list"]).out.contains("rehearsal-"), "the lab is down");
        Some((made.status, value))
    }
}

/// The card of this host's default route, as the kernel lists it; the lab's own name for its card where there is none.
fn uplink() -> String {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let default = routes.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let found =
        default.into_iter().find(|words| words.get(1) == Some(&"00000000")).map(|words| words[0].to_owned());
    found.unwrap_or_else(|| "enp0s27".to_owned())
}

fn why(value: &Value) -> String {
    value["why"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

fn came(value: &Value) -> Vec<&str> {
    value["steps"].as_array().unwrap().iter().map(|step| step["came"].as_str().unwrap()).collect()
}

#[test]
fn a_plan_passes_and_what_cannot_be_tried_does_not() {
    let test = "a_plan_passes_and_what_cannot_be_tried_does_not";
    if !has(test, "qemu-system-x86_64") || !has(test, "mmdebstrap") {
        return;
    }
    let stage = Stage::new();
    let Some((status, value)) = stage.rehearse(test, "harmless") else { return };
    assert_eq!((status, value["verdict"].as_str()), (0, Some("pass")), "{value:#}");
    assert_eq!(came(&value), ["done", "done"]);
    let Some((status, value)) = stage.rehearse(test, "partly") else { return };
    assert_eq!((status, value["verdict"].as_str()), (3, Some("partly")), "{value:#}");
    assert_eq!(came(&value), ["done", "not-rehearsed"]);
    // A bridge change that takes the way to the host is told, and that the run's own net brings it back.
    let Some((status, value)) = stage.rehearse(test, "bridge") else { return };
    assert_eq!((status, value["verdict"].as_str()), (5, Some("fail")), "{value:#}");
    assert!(why(&value).contains("would not be reached any more"), "{value:#}");
    assert_eq!((&value["came_back"], came(&value)), (&Value::Bool(true), vec!["undone"]));
}

#[test]
fn a_host_that_would_not_come_up_is_told() {
    let test = "a_host_that_would_not_come_up_is_told";
    if !has(test, "qemu-system-x86_64") || !has(test, "mmdebstrap") {
        return;
    }
    let which = std::env::var(WHICH).unwrap_or_default();
    let stage = Stage::new();
    for name in ["kernel-parameter", "initramfs"] {
        if which != "all" && !which.split(',').any(|one| one == name) {
            eprintln!("SKIPPED {test}: {WHICH} does not name {name}, which restarts a lab four times");
            continue;
        }
        let Some((status, value)) = stage.rehearse(test, name) else { return };
        assert_eq!((status, value["verdict"].as_str()), (5, Some("fail")), "{value:#}");
        assert!(why(&value).contains("would not come up"), "{value:#}");
        // The boot loader's own net holds: an older entry is booted once the power was cut.
        assert_eq!((&value["came_back"], &value["run"]), (&Value::Bool(true), &"undone".into()), "{value:#}");
        let boots = value["boots"].as_array().unwrap();
        assert!(boots[0]["up"] == true && boots[0]["when"] == "before", "{value:#}");
    }
}

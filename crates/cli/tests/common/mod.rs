//! What the tests of the command share: a state directory of their own, and calls with their outcome.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};
use tempfile::TempDir;

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Checks the exit status and that the error names each of these.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32, names: &[&str]) {
        assert_eq!(self.status, status, "{self:#?}");
        for name in names {
            assert!(self.err.contains(name), "{name:?} is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A vmwright with a state and a configuration of its own.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("vmw").tempdir().unwrap();
        fs::create_dir(dir.path().join("config")).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmwright"));
        command.args(words).stdin(Stdio::null());
        command.env("VMWRIGHT_STATE", self.path("state")).env("VMWRIGHT_CONFIG", self.path("config"));
        command
    }

    pub(crate) fn call(&self, words: &[&str]) -> Done {
        done(self.command(words))
    }

    /// Makes a throw-away key whose owner may approve, and gives the key's path.
    pub(crate) fn approver(&self) -> PathBuf {
        let key = self.path("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status()
            .unwrap();
        assert!(made.success());
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        self.file("config/allowed_signers", format!("tester namespaces=\"approval@vmwright\" {public}"));
        key
    }

    /// A plan that would let a file be read, kept and not approved. Gives its id, and the file, which nobody may read yet.
    pub(crate) fn plan_of_a_mode(&self) -> (String, PathBuf) {
        let image = self.file("images/web.qcow2", "");
        fs::set_permissions(&image, fs::Permissions::from_mode(0o000)).unwrap();
        let entry = self.call(&["journal", "add", "a", "b", "--format", "json"]).ok().json();
        let plan = json!({
            "schema": "vmwright.plan/1", "title": "let the image be read",
            "host_id": entry["entries"][0][1]["host_id"], "vm": null, "left": [],
            "steps": [{
                "subject": { "kind": "path", "name": image }, "why": "test", "disruption": "none", "settles": [],
                "action": { "action": "file-mode", "path": image, "from": 0, "to": 0o640 },
            }],
        });
        let path = self.file("plan.json", plan.to_string());
        let made = self.call(&["preview", path.to_str().unwrap(), "--format", "json"]).ok().json();
        let id = made["id"].as_str().unwrap().to_owned();
        self.file(&format!("state/plans/{id}.json"), plan.to_string());
        (id, image)
    }

    pub(crate) fn approve(&self, plan: &str, key: &Path) -> Done {
        self.call(&["approve", plan, "--key", key.to_str().unwrap(), "--principal", "tester"])
    }

    /// What the running QEMU of a machine says to a question, asked by hand.
    pub(crate) fn asked(&self, vm: &str, command: &str) -> Value {
        let record = fs::read_to_string(self.path(&format!("state/machines/{vm}/process.json"))).unwrap();
        let record: Value = serde_json::from_str(&record).unwrap();
        let mut socket = UnixStream::connect(record["qmp"].as_str().unwrap()).unwrap();
        let lines = BufReader::new(socket.try_clone().unwrap()).lines();
        for command in ["qmp_capabilities", command] {
            // In one piece: a QEMU that is told to quit does not wait for the end of the line.
            socket.write_all(format!("{}\n", json!({ "execute": command })).as_bytes()).unwrap();
        }
        // The greeting, the answer to the first, and what was asked; events may stand between.
        let answers = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        answers.filter_map(|answer| answer.get("return").cloned()).nth(1).unwrap()
    }

    /// A machine that boots its firmware under TCG and nothing else.
    pub(crate) fn machine(&self, name: &str, more: &str) -> Done {
        let spec = format!(
            "name = {name:?}\naccelerator = \"tcg\"\nagent = false\n[memory]\nsize = \"64MiB\"\n{more}"
        );
        let path = self.file(&format!("{name}.toml"), spec);
        self.call(&["vm", "create", path.to_str().unwrap()])
    }
}

impl Drop for Site {
    /// No VM outlives its test, however that ends.
    fn drop(&mut self) {
        for vm in fs::read_dir(self.path("state/machines")).into_iter().flatten().flatten() {
            let name = vm.file_name();
            let _ = self.call(&["vm", "stop", name.to_str().unwrap_or(""), "--force"]);
        }
    }
}

pub(crate) fn done(mut command: Command) -> Done {
    let output = command.output().unwrap();
    Done {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Whether a program is there; says that the test is skipped where it is not.
pub(crate) fn has(test: &str, program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let there = env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !there {
        eprintln!("SKIPPED {test}: {program} is not installed");
    }
    there
}

//! What the tests of the command share: a state directory of their own, and calls with their outcome.
#![allow(dead_code, reason = "each test file uses its own part")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};
use tempfile::TempDir;

/// How a call ended.
#[derive(Debug)]
pub struct Done {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Checks the exit status and that the error names each of these.
    #[track_caller]
    pub fn fails(&self, status: i32, names: &[&str]) {
        assert_eq!(self.status, status, "{self:#?}");
        for name in names {
            assert!(self.err.contains(name), "{name:?} is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A vmwright with a state and a configuration of its own.
pub struct Site {
    pub dir: TempDir,
}

impl Site {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("vmw").tempdir().unwrap();
        fs::create_dir(dir.path().join("config")).unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmwright"));
        command.args(words).stdin(Stdio::null());
        command.env("VMWRIGHT_STATE", self.path("state")).env("VMWRIGHT_CONFIG", self.path("config"));
        command
    }

    pub fn call(&self, words: &[&str]) -> Done {
        done(self.command(words))
    }

    /// Makes a throw-away key whose owner may approve, and gives the key's path.
    pub fn approver(&self) -> PathBuf {
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

    pub fn approve(&self, plan: &str, key: &Path) -> Done {
        self.call(&["approve", plan, "--key", key.to_str().unwrap(), "--principal", "tester"])
    }

    /// A machine that boots its firmware under TCG and nothing else.
    pub fn machine(&self, name: &str, more: &str) -> Done {
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

pub fn done(mut command: Command) -> Done {
    let output = command.output().unwrap();
    Done {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Whether a program is there; says that the test is skipped where it is not.
pub fn has(test: &str, program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let there = env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !there {
        eprintln!("SKIPPED {test}: {program} is not installed");
    }
    there
}

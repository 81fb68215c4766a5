//! Labs of a state directory of the test's own, by the command line.

use super::common::{Done, done};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A state directory for labs, which stays for the next run: the image and the first boot in it are what takes long.
pub(crate) struct Labs {
    pub(crate) state: PathBuf,
}

impl Labs {
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmwright"));
        command.arg("lab").args(words).env("VMWRIGHT_STATE", &self.state).stdin(Stdio::null());
        command
    }

    pub(crate) fn call(&self, words: &[&str]) -> Done {
        done(self.command(words))
    }

    /// Runs a script in a lab, and gives how it ended, and what it said and complained of.
    pub(crate) fn script(&self, name: &str, script: &str) -> (i64, String, String) {
        let words = ["exec", name, "--stdin", "--limit", "120", "--format", "json", "--", "/bin/sh", "-s"];
        let mut command = self.command(&words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        (said["status"].as_i64().unwrap(), text("output"), text("errors"))
    }
}

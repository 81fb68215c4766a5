//! The lab of the bench, by the commands that a user has.

use crate::run::Run;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The snapshot that each fault begins in.
const READY: &str = "ready";

/// A lab that is up. It goes when this goes, unless it is to stay.
pub(crate) struct Lab {
    vmwright: PathBuf,
    state: PathBuf,
    name: String,
    /// The other nodes, of which it is the first.
    others: Vec<String>,
    keep: bool,
}

/// How a program in the lab ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: Option<i64>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Done {
    /// Its last words, for a report.
    pub(crate) fn last(&self) -> String {
        let text = if self.errors.trim().is_empty() { &self.output } else { &self.errors };
        text.trim().lines().last().unwrap_or_default().to_owned()
    }
}

impl Lab {
    /// Brings it up, with its like where it is one node of several.
    pub(crate) fn up(
        vmwright: &Path,
        state: &Path,
        name: &str,
        nodes: Option<u32>,
        keep: bool,
    ) -> Result<Self> {
        let mut names = match nodes {
            Some(count) => (1..=count).map(|number| format!("{name}-{number}")).collect(),
            None => vec![name.to_owned()],
        };
        let others = names.split_off(1);
        let (vmwright, state) = (vmwright.to_owned(), state.to_owned());
        let lab = Self { vmwright, state, name: names.remove(0), others, keep };
        // Those that an earlier bench left.
        for name in lab.names() {
            let _ = lab.command(&["down", name]).output();
        }
        match nodes {
            Some(count) => lab.show(&["up", name, "--nodes", &count.to_string()])?,
            None => lab.show(&["up", name])?,
        }
        Ok(lab)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.others).map(String::as_str)
    }

    /// Puts a program into it. It goes compressed: what an emulated guest's agent takes costs far more than unpacking it.
    pub(crate) fn put_program(&self, from: &Path, to: &str) -> Result<()> {
        let packed = self.state.join(format!("{}.gz", self.name));
        let file = File::create(&packed).with_context(|| format!("cannot write {}", packed.display()))?;
        let done = Command::new("gzip").arg("-c").arg(from).stdout(file).status();
        let done = done.context("cannot run gzip")?;
        ensure!(done.success(), "`gzip -c {}` ended with {done}", from.display());
        self.show(&["cp", &packed.display().to_string(), &format!("{}:{to}.gz", self.name)])?;
        let unpacked = self.script(&format!("gzip -df {to}.gz && chmod 755 {to}"), 120)?;
        ensure!(unpacked.status == Some(0), "{to} cannot be unpacked: {}", unpacked.last());
        Ok(())
    }

    /// Keeps how it is, as what each fault begins in.
    pub(crate) fn ready(&self) -> Result<()> {
        self.names().try_for_each(|name| self.quiet(&["snapshot", name, READY]))
    }

    /// Goes back there.
    pub(crate) fn restore(&self) -> Result<()> {
        self.names().try_for_each(|name| self.quiet(&["restore", name, READY]))
    }

    /// Waits until its system has restarted.
    pub(crate) fn restarted(&self, boot: &str) -> Result<()> {
        for _ in 0..60 {
            self.quiet(&["wait", &self.name])?;
            if self.boot().is_ok_and(|now| now != boot) {
                self.script("systemctl is-system-running --wait; true", 120)?;
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        bail!("the lab has not restarted")
    }

    /// Which boot it is in.
    pub(crate) fn boot(&self) -> Result<String> {
        Ok(self.script("cat /proc/sys/kernel/random/boot_id", 20)?.output)
    }

    /// Runs a script in it.
    pub(crate) fn script(&self, script: &str, limit: u64) -> Result<Done> {
        self.exec(&["/bin/sh", "-s"], Some(script), limit)
    }

    /// Runs vmwright in it.
    pub(crate) fn vmwright(&self, words: &[&str], limit: u64) -> Result<Done> {
        self.exec(&[&["/usr/local/bin/vmwright"], words].concat(), None, limit)
    }

    /// The run that was begun last.
    pub(crate) fn last_run(&self) -> Result<String> {
        let done = self.script("ls -t /var/lib/vmwright/runs | sed -n '1s/[.]jsonl$//p'\n", 60)?;
        let run = done.output.trim();
        ensure!(!run.is_empty(), "no run was begun in the lab: {}", done.last());
        Ok(run.to_owned())
    }

    fn exec(&self, words: &[&str], input: Option<&str>, limit: u64) -> Result<Done> {
        let limit = limit.to_string();
        let mut all = vec!["exec", &self.name, "--limit", &limit, "--format", "json"];
        all.extend(input.map(|_| "--stdin"));
        all.push("--");
        all.extend(words);
        let mut command = self.command(&all);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start vmwright")?;
        if let Some(input) = input {
            // Dropped at the end of the statement, which ends the input.
            child.stdin.take().expect("piped above").write_all(input.as_bytes())?;
        }
        let done = child.wait_with_output()?;
        let value: Value = serde_json::from_slice(&done.stdout).with_context(|| {
            format!("`{}` in the lab: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim())
        })?;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Ok(Done { status: value["status"].as_i64(), output: text("output"), errors: text("errors") })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.vmwright);
        command.arg("lab").args(words).env("VMWRIGHT_STATE", &self.state).stdin(Stdio::null());
        command
    }

    fn show(&self, words: &[&str]) -> Result<()> {
        let run = Run::new([&self.vmwright]).args(["lab"]).args(words);
        run.env("VMWRIGHT_STATE", &self.state).show()
    }

    fn quiet(&self, words: &[&str]) -> Result<()> {
        let done = self.command(words).output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "`vmwright lab {}`: {}", words.join(" "), said.trim());
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.keep {
            let state = self.state.display();
            let name = &self.name;
            println!("the lab stays up: VMWRIGHT_STATE={state} vmwright lab exec {name} -- /bin/sh -c ...");
            return;
        }
        for name in self.names() {
            if let Err(error) = self.quiet(&["down", name]) {
                eprintln!("    the lab {name} is not down: {error:#}");
            }
        }
    }
}

//! The lab of the bench, by the commands that a user has.

use crate::run::Run;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The snapshot that each fault begins in.
const READY: &str = "ready";

/// Where a script lies that is followed, with what it says and how it ended.
const FOLLOWED: &str = "/run/followed";
/// Begins it: standard input is the script.
const BEGIN: &str = "rm -rf DIR; mkdir DIR; cat >DIR/script; : >DIR/output
setsid sh -c 'sh DIR/script >DIR/output 2>DIR/errors </dev/null; echo $? >DIR/status.new; mv DIR/status.new DIR/status' \
    >/dev/null 2>&1 </dev/null & echo $! >DIR/pid";
/// Waits a while for more lines than were seen or for its end, and shows them; the status goes to standard error.
const MORE: &str = "for try in 1 2 3 4 5 6 7 8 9 10; do
    test ! -e DIR/status -a $(wc -l <DIR/output) -le SEEN || break
    sleep 1
done
if test -e DIR/status; then
    tail -n +$((SEEN + 1)) DIR/output
    cat DIR/status >&2
else
    head -n $(wc -l <DIR/output) DIR/output | tail -n +$((SEEN + 1))
fi";
/// Ends it before its time.
const GIVE_UP: &str = "kill -KILL -- -$(cat DIR/pid); cat DIR/errors; echo it has not ended in time";

fn inside(text: &str, directory: &str) -> String {
    text.replace("DIR", directory)
}

fn more(directory: &str, seen: usize) -> String {
    inside(MORE, directory).replace("SEEN", &seen.to_string())
}

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

/// How many times in a row a lab may not answer when a script in it is asked how far it is.
const MISSED: u32 = 3;

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
        // What a debugger needs makes an unoptimised one three times as large. A script stays as it is.
        let bare = self.state.join(format!("{}.bare", self.name));
        let stripped = Command::new("strip").arg("-o").arg(&bare).arg(from).output();
        let from = if stripped.is_ok_and(|done| done.status.success()) { bare.as_path() } else { from };
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

    /// Runs a script in it, and gives each line that it says when it says it. One that has not ended in time is killed.
    pub(crate) fn follow(&self, script: &str, limit: Duration, mut told: impl FnMut(&str)) -> Result<Done> {
        let begun = self.exec(&["/bin/sh", "-c", &inside(BEGIN, FOLLOWED)], Some(script), 60)?;
        ensure!(begun.status == Some(0), "the script cannot be begun: {}", begun.last());
        let begin = Instant::now();
        let (mut output, mut missed) = (String::new(), 0);
        loop {
            let more = match self.script(&more(FOLLOWED, output.lines().count()), 60) {
                Ok(more) => more,
                // One whose processors all emulate guests of its own may answer too late.
                Err(_) if missed < MISSED => {
                    missed += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            missed = 0;
            more.output.lines().for_each(&mut told);
            output.push_str(&more.output);
            let status = more.errors.trim().parse().ok();
            if status.is_some() || begin.elapsed() > limit {
                let end = inside(if status.is_some() { "cat DIR/errors" } else { GIVE_UP }, FOLLOWED);
                return Ok(Done { status, output, errors: self.script(&end, 60)?.output });
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Output;

    fn sh(script: &str, input: &str) -> Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    #[test]
    fn a_script_is_followed_line_by_line_and_to_its_end() {
        let place = std::env::temp_dir().join(format!("vmwright-followed-{}", std::process::id()));
        let place = place.to_str().unwrap();
        let go = format!("{place}.go");
        let script = format!(
            "echo one; printf half; until test -e {go}; do sleep 0.1; done; echo; echo why >&2; exit 3"
        );
        assert!(sh(&inside(BEGIN, place), &script).status.success());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        // What is no whole line yet is not told.
        let first = sh(&more(place, 0), "");
        assert_eq!((text(&first.stdout), text(&first.stderr)), ("one\n".to_owned(), String::new()));
        std::fs::write(&go, "").unwrap();
        // A line and the end are two moments.
        let (mut seen, mut status) = (first.stdout.clone(), String::new());
        while status.is_empty() {
            let next = sh(&more(place, text(&seen).lines().count()), "");
            seen.extend(next.stdout);
            status = text(&next.stderr);
        }
        assert_eq!((text(&seen), status.trim()), ("one\nhalf\n".to_owned(), "3"));
        assert_eq!(std::fs::read_to_string(format!("{place}/errors")).unwrap(), "why\n");

        // One that does not end.
        assert!(sh(&inside(BEGIN, place), "exec sleep 1000").status.success());
        let pid = std::fs::read_to_string(format!("{place}/pid")).unwrap();
        let given_up = sh(&inside(GIVE_UP, place), "");
        assert_eq!(text(&given_up.stdout), "it has not ended in time\n");
        let gone = format!("until ! kill -0 -- -{} 2>/dev/null; do sleep 0.1; done", pid.trim());
        assert!(sh(&format!("timeout 10 sh -c '{gone}'"), "").status.success());
        std::fs::remove_dir_all(place).unwrap();
        std::fs::remove_file(go).unwrap();
    }
}

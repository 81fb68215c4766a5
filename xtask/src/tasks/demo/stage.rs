//! The demo's own directory, its commands as a user would type them, and the clearing away.

use super::CLEAN;
use crate::install;
use crate::run::Run;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The bridge that the example's specification names.
pub(crate) const BRIDGE: &str = "vmwdemo0";

/// Who approves in the story.
const PRINCIPAL: &str = "demo@vmwright";

pub(crate) struct Stage {
    vmwright: PathBuf,
    /// The demo's own directory. Everything lies in it.
    pub(crate) place: PathBuf,
    /// Rules that the analysis of `web` must name.
    pub(crate) causes: Vec<String>,
    run: Option<String>,
    report: Option<PathBuf>,
    cleared: bool,
}

impl Stage {
    /// Makes the directory anew. It lies where any user may pass, since QEMU runs as an unprivileged one.
    pub(crate) fn set(vmwright: PathBuf) -> Result<Self> {
        let own = fs::metadata("/proc/self")?.uid();
        let place = PathBuf::from(format!("/var/tmp/vmwright-demo-{own}"));
        let stage = Self { vmwright, place, causes: Vec::new(), run: None, report: None, cleared: false };
        if let Ok(meta) = fs::symlink_metadata(&stage.place) {
            ensure!(meta.is_dir() && meta.uid() == own, "{} is not ours; remove it", stage.place.display());
            stage.stop_machines();
            open_up(&stage.place)?;
            fs::remove_dir_all(&stage.place)
                .with_context(|| format!("cannot remove {}", stage.place.display()))?;
        }
        fs::DirBuilder::new().mode(0o755).create(&stage.place)?;
        fs::set_permissions(&stage.place, fs::Permissions::from_mode(0o755))?;
        let config = stage.place.join("config");
        fs::DirBuilder::new().mode(0o755).create(&config)?;
        let key = stage.key();
        Run::new(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f"]).args([&key]).show()?;
        let public = fs::read_to_string(key.with_extension("pub"))?;
        let signers = format!("{PRINCIPAL} namespaces=\"approval@vmwright\" {public}");
        fs::write(config.join("allowed_signers"), signers)?;
        fs::set_permissions(config.join("allowed_signers"), fs::Permissions::from_mode(0o644))?;
        Ok(stage)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.place.join("state")
    }

    fn key(&self) -> PathBuf {
        self.place.join("key")
    }

    pub(crate) fn chapter(&self, title: &str) {
        println!("\n=== {title}\n");
    }

    /// Runs a command as a user would type it, shows it with its output, and checks its exit status.
    pub(crate) fn show(&self, words: &[&str], status: i32) -> Result<String> {
        let shown: Vec<String> = words
            .iter()
            .map(|word| if word.contains(' ') { format!("{word:?}") } else { (*word).to_owned() })
            .collect();
        println!("$ vmwright {}", shown.join(" "));
        let done = self.command(words).output()?;
        let text =
            format!("{}{}", String::from_utf8_lossy(&done.stderr), String::from_utf8_lossy(&done.stdout));
        println!("{text}");
        let got = done.status.code();
        ensure!(
            got == Some(status),
            "`vmwright {}` ended with {}; {status} was expected",
            shown.join(" "),
            done.status
        );
        Ok(text)
    }

    /// The outcome of a command as JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Result<Value> {
        let done = self.command(words).args(["--format", "json"]).output()?;
        match serde_json::from_slice(&done.stdout) {
            Ok(value) => Ok(value),
            Err(_) => {
                bail!("`vmwright {}`: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim())
            }
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.vmwright);
        command.args(words).stdin(Stdio::null());
        command.env("VMWRIGHT_STATE", self.state()).env("VMWRIGHT_CONFIG", self.place.join("config"));
        command
    }

    /// Id of the plan for `web`: the same host gives the same plan.
    pub(crate) fn plan(&self) -> Result<String> {
        let made = self.json(&["plan", "--vm", "web"])?;
        made["id"].as_str().map(str::to_owned).context("a plan has an id")
    }

    /// A person signs: here with the throw-away key of the demo.
    pub(crate) fn approve(&self, plan: &str) -> Result<()> {
        let key = self.key().display().to_string();
        self.show(
            &["approve", &plan[..12], "--key", &key, "--principal", PRINCIPAL, "--valid-for", "10m"],
            CLEAN,
        )?;
        Ok(())
    }

    /// Puts the approval of one plan where another's is looked for.
    pub(crate) fn lend_approval(&self, from: &str, to: &str) -> Result<()> {
        println!("(the approval of {} is copied to {}: an attacker's try)\n", &from[..12], &to[..12]);
        let folder = self.state().join("approvals");
        for ending in ["json", "json.sig"] {
            fs::copy(folder.join(format!("{from}.{ending}")), folder.join(format!("{to}.{ending}")))?;
        }
        Ok(())
    }

    /// The path of a copy of a plan with one byte changed.
    pub(crate) fn edited_plan(&self, plan: &str) -> Result<String> {
        let text = fs::read_to_string(self.state().join(format!("plans/{plan}.json")))?;
        let edited = text.replacen("\"title\":\"settle", "\"title\":\"Settle", 1);
        ensure!(text != edited, "the plan's title says what it settles");
        println!("(one byte of the plan is changed)\n");
        let path = self.place.join("edited.json");
        fs::write(&path, edited)?;
        Ok(path.display().to_string())
    }

    /// Carries a plan out, and notes the run.
    pub(crate) fn apply(&mut self, plan: &str) -> Result<()> {
        let text = self.show(&["apply", &plan[..12]], CLEAN)?;
        let run = text.lines().find_map(|line| line.strip_prefix("run ")).context("a run has an id")?;
        self.run = Some(run.trim().to_owned());
        Ok(())
    }

    /// Takes the noted run back.
    pub(crate) fn undo(&mut self) -> Result<()> {
        if let Some(run) = self.run.take() {
            self.show(&["undo", &run], CLEAN)?;
        }
        Ok(())
    }

    /// Reviews a VM. That the host's own CPU has a flaw fails its gate rightly; the other gates must pass.
    pub(crate) fn review(&mut self, vm: &str) -> Result<()> {
        println!("$ vmwright review {vm}");
        let done = self.command(&["review", vm]).output()?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        println!("{}{text}", String::from_utf8_lossy(&done.stderr));
        let report =
            text.lines().find_map(|line| line.strip_prefix("report: ")).context("a review has a report")?;
        let review: Value =
            serde_json::from_str(&fs::read_to_string(Path::new(report).with_extension("json"))?)?;
        let must_pass: &[&str] =
            if install::is_root()? { &["boot", "network", "devices"] } else { &["boot", "devices"] };
        for name in must_pass {
            let gate = review["gates"].as_array().into_iter().flatten().find(|gate| gate["name"] == *name);
            ensure!(gate.is_some_and(|gate| gate["verdict"] == "pass"), "gate {name} did not pass");
        }
        self.report = Some(PathBuf::from(report));
        Ok(())
    }

    /// What the run may change, as text: compared before it and after it was taken back.
    pub(crate) fn digest(&self) -> Result<String> {
        let barred = super::setup::barred(install::is_root()?);
        let mode = fs::metadata(self.place.join(barred.path))?.mode();
        let spec = fs::read_to_string(self.state().join("machines/web/machine.toml"))?;
        let bridge = Path::new("/sys/class/net").join(BRIDGE).exists();
        let machines = self.json(&["vm", "list"])?;
        let states: Vec<String> = machines["machines"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|machine| format!("{} runs: {}", machine["name"], machine["state"] == "running"))
            .collect();
        Ok(format!("{mode:o} {bridge} {states:?} {spec}"))
    }

    /// Stops what runs and proves that nothing is left outside the directory. Gives the report's path.
    pub(crate) fn clear(&mut self) -> Result<PathBuf> {
        self.stop_machines();
        self.cleared = true;
        open_up(&self.place)?;
        let own = self.place.display().to_string();
        for process in fs::read_dir("/proc")?.flatten() {
            let argv = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let argv = String::from_utf8_lossy(&argv).replace('\0', " ");
            ensure!(!(argv.contains("qemu-system") && argv.contains(&own)), "left running: {argv}");
        }
        ensure!(!Path::new("/sys/class/net").join(BRIDGE).exists(), "the bridge {BRIDGE} is left");
        ensure!(!fs::read_to_string("/proc/mounts")?.contains(&own), "a mount is left in {own}");
        self.report.clone().context("the review wrote a report")
    }

    fn stop_machines(&self) {
        for vm in ["web", "holder"] {
            // One that does not run, or was never made, is what is wanted.
            let _ = self.command(&["vm", "stop", vm, "--force"]).output();
        }
    }
}

impl Drop for Stage {
    /// After an error in the middle: nothing stays running, and the run is taken back.
    fn drop(&mut self) {
        if self.cleared {
            return;
        }
        if let Some(run) = self.run.take() {
            let _ = self.command(&["undo", &run]).output();
        }
        self.stop_machines();
    }
}

/// Gives the folder of the images its usual mode back, so that it can be removed without root.
fn open_up(place: &Path) -> Result<()> {
    let images = place.join("images");
    if images.is_dir() {
        fs::set_permissions(&images, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

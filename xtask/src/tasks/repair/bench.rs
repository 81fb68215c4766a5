//! One fault's round trip: restore, break, analyse, plan, approve, apply, look.

use super::fault::Fault;
use super::lab::Lab;
use super::proof::Proof;
use super::state::{State, collateral};
use crate::{guest, install, workspace};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Seconds that an analysis may take in the lab.
const LIMIT: u64 = 240;
/// Seconds that a run may take: an initramfs alone is made in minutes under an emulator.
const RUN: u64 = 900;
/// How long a proof may take: machines of the lab are started in it.
const PROOF: Duration = Duration::from_mins(20);
/// How often a plan may be followed by another: what hid behind one cause shows once that is settled.
const ROUNDS: usize = 3;
/// Who approves.
const PRINCIPAL: &str = "bench@vmwright";
/// A key for the lab alone, made there and thrown away with it.
const SIGNER: &str = "mkdir -p /etc/vmwright
test -e /root/key || ssh-keygen -q -t ed25519 -N '' -C bench -f /root/key
printf '%s namespaces=\"approval@vmwright\" %s\\n' bench@vmwright \"$(cat /root/key.pub)\" >/etc/vmwright/allowed_signers
chmod 644 /etc/vmwright/allowed_signers
/usr/local/bin/vmwright analyze --format concise >/dev/null 2>&1
true";
/// What `works.sh` may call.
const HELP: &str = "set -eu
# A machine runs, or can be started.
runs() {
    test \"$(virsh domstate \"$1\")\" = running || virsh -q start \"$1\"
    sleep 1
    test \"$(virsh domstate \"$1\")\" = running
}
";

/// The lab with vmwright in it, and how it stands when nothing is wrong.
pub(crate) struct Bench {
    lab: Lab,
    healthy: State,
    look: String,
}

/// What came of one fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    pub(crate) name: String,
    /// The rule that should be named.
    pub(crate) cause: String,
    /// The rules that were named, first one first.
    pub(crate) named: Vec<String>,
    pub(crate) repairable: bool,
    /// Whether it works again; none where nothing tells.
    pub(crate) works: Option<bool>,
    /// What was changed and might not.
    pub(crate) collateral: Vec<String>,
    /// The rules that are named as well, of a fault of several causes.
    pub(crate) also: Vec<String>,
    /// What stopped the bench itself.
    pub(crate) stopped: Option<String>,
    /// Whether the lab was broken: else nothing can be said of vmwright.
    pub(crate) broken: bool,
    /// What went otherwise, in words.
    pub(crate) remarks: Vec<String>,
    /// What the time went to, in its order; what came again is one.
    pub(crate) phases: Vec<(&'static str, Duration)>,
    pub(crate) whole: Duration,
}

impl Tried {
    /// Whether the right cause came first.
    pub(crate) fn is_named(&self) -> bool {
        match self.named.first() {
            // Of several causes any may come first, and all are named.
            Some(first) if !self.also.is_empty() => {
                let all = || self.also.iter().chain([&self.cause]);
                all().any(|cause| cause == first) && all().all(|cause| self.named.contains(cause))
            }
            Some(first) => *first == self.cause,
            None => self.cause == "healthy/no-fault",
        }
    }

    /// Does a part of the round trip, and counts its time.
    fn timed<T>(&mut self, phase: &'static str, part: impl FnOnce(&mut Self) -> T) -> T {
        let begin = Instant::now();
        let done = part(self);
        let took = begin.elapsed();
        match self.phases.iter_mut().find(|(name, _)| *name == phase) {
            Some((_, time)) => *time += took,
            None => self.phases.push((phase, took)),
        }
        done
    }

    /// Whether everything was as it should be.
    pub(crate) fn good(&self) -> bool {
        self.stopped.is_none()
            && self.is_named()
            && self.collateral.is_empty()
            && (!self.repairable || self.works != Some(false))
    }
}

/// Says something of a fault, beside which others may be tried.
fn say(fault: &Fault, what: &str) {
    println!("    {}: {what}", fault.name);
}

/// Keeps what vmwright said of a fault, for whoever wants to know why it said so.
fn keep(fault: &Fault, name: &str, text: &str) -> Result<()> {
    let place = workspace::cache().join("repair").join(&fault.name);
    let kept = fs::create_dir_all(&place).and_then(|()| fs::write(place.join(name), text));
    kept.with_context(|| format!("cannot write below {}", place.display()))
}

impl Bench {
    /// Brings the lab up, puts vmwright into it and keeps that. Of several nodes it is the first one.
    pub(crate) fn set(vmwright: &Path, name: &str, nodes: Option<u32>, keep: bool) -> Result<Self> {
        let look = workspace::root().join("faults/state.sh");
        let look =
            std::fs::read_to_string(&look).with_context(|| format!("cannot read {}", look.display()))?;
        let begin = Instant::now();
        let lab = Lab::up(vmwright, &workspace::cache().join("lab"), name, nodes, keep)?;
        lab.put_program(vmwright, "/usr/local/bin/vmwright")?;
        let made = lab.script(SIGNER, LIMIT)?;
        ensure!(made.status == Some(0), "the lab cannot be prepared: {}", made.last());
        let healthy = State::read(&lab.script(&look, 120)?.output);
        println!("the lab is ready after {:.0} s", begin.elapsed().as_secs_f64());
        Ok(Self { lab, healthy, look })
    }

    /// Puts these programs of this machine into the lab, and keeps how it is then, as what each fault begins in.
    pub(crate) fn ready(&self, programs: BTreeSet<&String>) -> Result<()> {
        for program in programs {
            let path = install::find(program).with_context(|| format!("no `{program}` in PATH"))?;
            self.lab.put_program(&path, &format!("/usr/local/bin/{program}"))?;
        }
        self.lab.ready()
    }

    /// Tries one fault. What vmwright gets wrong is in what comes back, and what stopped the bench itself.
    pub(crate) fn try_one(&self, fault: &Fault) -> Tried {
        let begin = Instant::now();
        say(fault, "begins");
        let mut tried = Tried {
            name: fault.name.clone(),
            cause: fault.cause.clone(),
            also: fault.also.clone(),
            repairable: fault.repairable && !fault.is_healthy(),
            ..Tried::default()
        };
        tried.stopped = self.round(fault, &mut tried).err().map(|error| format!("{error:#}"));
        tried.whole = begin.elapsed();
        for remark in tried.remarks.iter().chain(&tried.stopped) {
            say(fault, remark);
        }
        say(fault, &super::report::times(&tried));
        println!("{}", super::report::line(&tried));
        tried
    }

    /// Runs a proof in the lab, and gives whether it ended well.
    pub(crate) fn prove(&self, proof: &Proof) -> Result<bool> {
        let begin = Instant::now();
        let name = &proof.name;
        println!("\n=== {name}");
        for program in &proof.programs {
            let path = match program.as_str() {
                "vmwright-guest" => guest::ensure()?,
                other => install::find(other).with_context(|| format!("no `{other}` in PATH"))?,
            };
            self.lab.put_program(&path, &format!("/usr/local/bin/{program}"))?;
        }
        println!("    {:4.0} s: it begins", begin.elapsed().as_secs_f64());
        let done = self.lab.follow(&format!("set -eu\n{}", proof.script), PROOF, |line| {
            println!("    {:4.0} s: {line}", begin.elapsed().as_secs_f64());
        })?;
        let proved = done.status == Some(0);
        let words = if proved { "proved".to_owned() } else { format!("NOT PROVED: {}", done.last()) };
        println!("{name:32} {words} {:>4.0} s", begin.elapsed().as_secs_f64());
        Ok(proved)
    }

    fn round(&self, fault: &Fault, tried: &mut Tried) -> Result<()> {
        tried.timed("restore", |_| self.lab.restore())?;
        let said = tried.timed("break", |_| self.break_it(fault)).context("it cannot be broken")?;
        ensure!(
            !said.is_empty() || !fault.complaint.contains("{said}"),
            "it is not broken: no error is shown that the user could paste"
        );
        tried.broken = true;
        let complaint = fault.complaint.replace("{said}", &said);
        let broken = tried.timed("state", |_| self.state())?;
        if broken == self.healthy && !fault.is_healthy() {
            tried.remarks.push("nothing that state.sh tells was otherwise once it was broken".to_owned());
        }
        tried.timed("analyze", |tried| self.analyze(fault, &complaint, tried))?;
        say(fault, &format!("named {}", tried.named.first().map_or("nothing", String::as_str)));
        self.repair(fault, &complaint, tried)?;
        let after = tried.timed("state", |_| self.state())?;
        let vm = fault.vm.as_deref();
        tried.collateral = collateral(&self.healthy, &broken, &after, &fault.may_change, vm);
        if let Some(works) = &fault.works {
            let done = tried.timed("works", |_| self.lab.script(&format!("{HELP}{works}"), 90))?;
            tried.works = Some(done.status == Some(0));
            // What works with nothing applied was never broken, and nobody has repaired it.
            let applied = tried.phases.iter().any(|(phase, _)| *phase == "apply");
            tried.broken = !tried.repairable || applied || tried.works == Some(false);
            if done.status != Some(0) {
                tried.remarks.push(format!("it does not work: {}", done.last()));
            }
        }
        Ok(())
    }

    /// Breaks it, and gives the error that a user would see and paste.
    fn break_it(&self, fault: &Fault) -> Result<String> {
        let done = self.lab.script(&format!("set -eu\n{}", fault.breaks), 120)?;
        ensure!(done.status == Some(0), "break.sh ended with {:?}: {}", done.status, done.last());
        let lines = || done.output.lines().map(str::trim).filter(|line| !line.is_empty());
        // virsh says what failed, and below it why.
        let said = match lines().position(|line| line.starts_with("error: ")) {
            Some(first) => lines().skip(first).take(3).collect::<Vec<_>>().join("\n"),
            None => lines().next_back().unwrap_or_default().to_owned(),
        };
        said.lines().for_each(|line| say(fault, line));
        say(fault, "broken");
        if fault.reboots {
            self.reboot()?;
        }
        Ok(said)
    }

    fn reboot(&self) -> Result<()> {
        let boot = self.lab.boot()?;
        // The answer may be lost with the system that gives it.
        let _ = self.lab.script("systemctl reboot", 20);
        self.lab.restarted(&boot)
    }

    fn state(&self) -> Result<State> {
        Ok(State::read(&self.lab.script(&self.look, 120)?.output))
    }

    fn analyze(&self, fault: &Fault, complaint: &str, tried: &mut Tried) -> Result<()> {
        let mut words = vec!["analyze", "--format", "json"];
        words.extend(fault.vm.iter().flat_map(|vm| ["--vm", vm]));
        words.push(complaint);
        let done = self.lab.vmwright(&words, LIMIT)?;
        keep(fault, "analysis.json", &done.output)?;
        let Ok(value) = serde_json::from_str::<Value>(&done.output) else {
            tried.remarks.push(format!("analyze gave no analysis: {}", done.last()));
            return Ok(());
        };
        // Notes are told of a healthy host too.
        let causes = value["causes"].as_array().into_iter().flatten();
        let told = causes.filter(|cause| fault.cause != "healthy/no-fault" || cause["level"] == "error");
        tried.named = told.filter_map(|cause| cause["rule"].as_str().map(str::to_owned)).collect();
        Ok(())
    }

    /// As a user would: a plan of what is found, signed, carried out; and again where more shows then.
    fn repair(&self, fault: &Fault, complaint: &str, tried: &mut Tried) -> Result<()> {
        let mut earlier = Vec::new();
        for _ in 0..ROUNDS {
            let mut words = vec!["plan", "--format", "json"];
            words.extend(fault.vm.iter().flat_map(|vm| ["--vm", vm]));
            // What the user said is of the fault; behind the first repair it is no longer so.
            words.extend(if earlier.is_empty() { vec!["--complaint", complaint] } else { Vec::new() });
            let done = tried.timed("plan", |_| self.lab.vmwright(&words, LIMIT))?;
            let Ok(made) = serde_json::from_str::<Value>(&done.output) else {
                tried.remarks.push(format!("no plan: {}", done.last()));
                return Ok(());
            };
            keep(fault, &format!("plan-{}.json", earlier.len() + 1), &done.output)?;
            let id = made["id"].as_str().unwrap_or_default().to_owned();
            let steps = made["plan"]["steps"].as_array().map_or(0, Vec::len);
            for left in made["plan"]["left"].as_array().into_iter().flatten().filter(|_| earlier.is_empty()) {
                tried.remarks.push(format!("left to a person: {}", left.as_str().unwrap_or_default()));
            }
            if steps == 0 || earlier.contains(&id) {
                return Ok(());
            }
            for step in made["plan"]["steps"].as_array().into_iter().flatten() {
                tried.remarks.push(format!("step: {}", step["why"].as_str().unwrap_or_default()));
            }
            if !self.carry_out(&id, tried)? {
                return Ok(());
            }
            earlier.push(id);
        }
        Ok(())
    }

    /// Whether the plan was carried out.
    fn carry_out(&self, id: &str, tried: &mut Tried) -> Result<bool> {
        let words = ["approve", id, "--key", "/root/key", "--principal", PRINCIPAL, "--valid-for", "1h"];
        let done = tried.timed("approve", |_| self.lab.vmwright(&words, LIMIT))?;
        if done.status != Some(0) {
            tried.remarks.push(format!("approve: {}", done.last()));
            return Ok(false);
        }
        let boot = self.lab.boot()?;
        // Where it restarts the lab, nobody is left to answer.
        let applied = tried.timed("apply", |_| self.lab.vmwright(&["apply", id, "--format", "json"], RUN));
        let value = applied.as_ref().ok().and_then(|done| serde_json::from_str::<Value>(&done.output).ok());
        let state = value.as_ref().and_then(|value| value["state"].as_str()).unwrap_or("unknown").to_owned();
        let run = value.as_ref().and_then(|value| value["run"].as_str()).map(str::to_owned);
        match state.as_str() {
            "applied" => {}
            // A lab that is busy may restart before its answer is fetched.
            "rebooting" | "unknown" if run.is_some() || applied.is_err() => {
                tried.timed("restart", |_| self.lab.restarted(&boot))?;
                let run = run.map_or_else(|| self.lab.last_run(), Ok)?;
                let resumed =
                    tried.timed("apply", |_| self.lab.vmwright(&["apply", "--resume", &run], RUN))?;
                if resumed.status != Some(0) {
                    tried.remarks.push(format!("behind the restart: {}", resumed.last()));
                    return Ok(false);
                }
                return Ok(true);
            }
            _ => {
                let why = value.as_ref().and_then(|value| value["why"].as_str()).map(str::to_owned);
                let last = applied.map_or_else(|error| format!("{error:#}"), |done| done.last());
                tried.remarks.push(format!("apply ended {state}: {}", why.unwrap_or(last)));
                return Ok(false);
            }
        }
        if value.as_ref().is_some_and(|value| value["confirm_within"].is_u64()) {
            let run = run.context("a run has an id")?;
            self.lab.vmwright(&["confirm", &run], 60)?;
        }
        Ok(true)
    }
}

//! The rehearsal itself: the lab is made like the host, the plan is carried out there, and what happens is written down.

use super::hands::{BOOT, Hands, Quiet};
use super::host::Host;
use super::report::{Came, Reach, Rehearsal, Restart, Tried, When};
use super::stage::{self, HEAD, file, word};
use super::stand_in::{Own, left_out, named, reduced};
use crate::asks::Shown;
use serde_json::Value;
use std::time::{Duration, Instant};
use vmwright_backend::Watch as _;
use vmwright_lab::{Boot, Lab, LabError};
use vmwright_model::{Action, Plan};
use vmwright_plan::describe::words;
use vmwright_plan::intents::BOOTED_BEFORE;
use vmwright_plan::target::built_on_earlier;

/// Where vmwright lies in the lab.
const PROGRAM: &str = "/usr/local/bin/vmwright";
/// Its state directory there.
const STATE: &str = "/var/lib/vmwright";
/// Who approves there.
const PRINCIPAL: &str = "rehearsal@lab";
/// A key for this lab alone: it is made there, and gone with it.
const SIGNER: &str = "mkdir -p /etc/vmwright /var/lib/vmwright/plans
chmod 700 /var/lib/vmwright
test -e /root/rehearsal.key || ssh-keygen -q -t ed25519 -N '' -C rehearsal -f /root/rehearsal.key
printf '%s namespaces=\"approval@vmwright\" %s\\n' rehearsal@lab \"$(cat /root/rehearsal.key.pub)\" >/etc/vmwright/allowed_signers
chmod 644 /etc/vmwright/allowed_signers
";
/// How long the lab may take until it is reached after a boot or a change.
const REACH: Duration = Duration::from_secs(45);
/// How long a run in the lab may take, in seconds.
const RUN: u64 = 1800;
/// Seconds for the confirmation of a run that could cut off its user.
const CONFIRM: u64 = 120;
/// The same behind a restart, counted from there: an emulated lab boots slowly.
const CONFIRM_BOOT: u64 = 1200;

struct Play<'p, 's> {
    hands: Hands<'p, 's>,
    rehearsal: &'p mut Rehearsal,
    /// Number of each step of the lab's plan in the whole one, from 0.
    numbers: Vec<usize>,
}

/// Plays a plan in a lab, which is first made `like` the host where all of that was read.
///
/// # Errors
/// [`LabError`] where the lab itself fails; what becomes of the plan is in the rehearsal.
pub(super) fn play(
    plan: &Plan,
    host: &Host<'_>,
    like: bool,
    lab: &Lab,
    rehearsal: &mut Rehearsal,
    shown: &mut Shown<'_>,
) -> Result<(), LabError> {
    let tried = |(at, step): (usize, &vmwright_model::Step)| Tried {
        step: at + 1,
        what: words(&step.action).does,
        came: Came::NotBegun,
        why: None,
    };
    rehearsal.steps = plan.steps.iter().enumerate().map(tried).collect();
    let mut play = Play { hands: Hands::on(lab, shown), rehearsal, numbers: Vec::new() };
    let played = play.all(plan, host, like);
    play.rehearsal.stood_in.append(&mut play.hands.stood_in);
    play.rehearsal.not_copied.append(&mut play.hands.not_copied);
    played
}

/// Whether what an action does is read by the next boot of the host.
fn holds_at_boot(action: &Action) -> bool {
    let path = match action {
        Action::Reboot { .. }
        | Action::AwaitReboot { .. }
        | Action::Regenerate { .. }
        | Action::BootTrial { .. } => return true,
        Action::EditSetting { path, .. }
        | Action::FileWrite { path, .. }
        | Action::FileCreate { path, .. }
        | Action::FileRemove { path, .. } => path,
        _ => return false,
    };
    let libvirt = path.starts_with("/etc/libvirt/");
    (path.starts_with("/etc/") || path.starts_with("/boot/")) && !libvirt
}

impl Play<'_, '_> {
    /// From beginning to end.
    fn all(&mut self, plan: &Plan, host: &Host<'_>, like: bool) -> Result<(), LabError> {
        if !self.put_program()? {
            return Ok(());
        }
        let mut own = self.own()?;
        let (named_plan, told) = named(plan, host.kernel(), &own);
        self.hands.stood_in.extend(told);
        self.hands.network(host)?;
        if like {
            self.hands.dress(host)?;
        }
        let boots = plan.steps.iter().any(|step| holds_at_boot(&step.action));
        let mut unable = self.stage(&named_plan, host, true)?;
        if boots || like {
            self.hands.made_for_boot(&named_plan, host)?;
            if !self.restart(When::Before)? {
                return Ok(());
            }
        }
        let others = self.stage(&named_plan, host, false)?;
        for (one, other) in unable.iter_mut().zip(others) {
            *one = one.take().or(other);
        }
        let failed_before = self.failed_units()?;
        self.reach(When::Before)?;

        own.grub = self.hands.text("/boot/grub/grub.cfg")?;
        let (named_plan, told) = named(&named_plan, None, &own);
        self.hands.stood_in.extend(told);
        let left = left_out(&named_plan, &unable);
        for (tried, why) in self.rehearsal.steps.iter_mut().zip(&left) {
            if why.is_some() {
                (tried.came, tried.why) = (Came::NotRehearsed, why.clone());
            }
        }
        let (lab_plan, numbers) = reduced(&named_plan, &left);
        self.numbers = numbers;
        if lab_plan.steps.is_empty() {
            return Ok(());
        }
        let problems = vmwright_plan::lint(&lab_plan);
        if let Some(problem) = problems.first() {
            self.rehearsal.stopped = Some(format!("what is left of the plan is none: {problem}"));
            return Ok(());
        }
        self.carry_out(&lab_plan, boots)?;
        if self.rehearsal.boots.last().is_none_or(|boot| boot.up) {
            let mut now = self.failed_units()?;
            now.retain(|unit| !failed_before.contains(unit));
            self.rehearsal.failed_units = now;
        }
        Ok(())
    }

    /// Puts this very program into the lab. Whether it runs there.
    fn put_program(&mut self) -> Result<bool, LabError> {
        let program = match std::env::current_exe() {
            Ok(program) => program,
            Err(error) => {
                self.rehearsal.stopped = Some(format!("vmwright does not find its own program: {error}"));
                return Ok(false);
            }
        };
        self.hands.note("putting vmwright into the lab");
        self.hands.lab.put_program(&program, PROGRAM, self.hands.shown)?;
        let ran = self.hands.run(&format!("{PROGRAM} --version"), 60)?;
        if let Err(why) = &ran {
            // As with a C library that is newer than the lab's.
            self.rehearsal.stopped =
                Some(format!("this vmwright does not run in the lab, a Debian 12: {why}"));
        }
        Ok(ran.is_ok())
    }

    /// What the lab is called.
    fn own(&mut self) -> Result<Own, LabError> {
        let kernel = self.hands.run("uname -r", 20)?.unwrap_or_default();
        let id = self.hands.text("/etc/machine-id")?.unwrap_or_default();
        self.rehearsal.lab.push_str(&format!("; Debian 12, kernel {kernel}"));
        Ok(Own { host_id: vmwright_host::identity::of_machine_id(&id), kernel, grub: None })
    }

    /// Makes what steps expect: of those that last, or of the others. Why that cannot be, by step.
    fn stage(
        &mut self,
        plan: &Plan,
        host: &Host<'_>,
        lasting: bool,
    ) -> Result<Vec<Option<String>>, LabError> {
        let earlier = built_on_earlier(plan);
        let mut unable = Vec::new();
        for (step, built) in plan.steps.iter().zip(earlier) {
            if vmwright_plan::lasts(&step.action) != lasting {
                unable.push(None);
                continue;
            }
            if built {
                unable.push(stage::cannot(&step.action));
                continue;
            }
            let mut trouble = None;
            let made = stage::of(&step.action, host, &mut |path| {
                self.hands.text(path).unwrap_or_else(|error| {
                    trouble = Some(error);
                    None
                })
            });
            if let Some(error) = trouble {
                return Err(error);
            }
            unable.push(match made {
                Ok(script) if script.is_empty() => None,
                Ok(script) => self.hands.run(&script, 180)?.err(),
                Err(why) => Some(why),
            });
        }
        Ok(unable)
    }

    /// Restarts the lab, and writes down how. Whether it is up.
    fn restart(&mut self, when: When) -> Result<bool, LabError> {
        let before = self.hands.lab.boot(&mut Quiet(self.hands.shown))?;
        self.hands.note(format!("restarting the lab {when}"));
        // The answer may be lost with the system that gives it.
        let _ = self.hands.run("sync\nsystemctl reboot\n", 10);
        self.follow(&before, when)
    }

    fn follow(&mut self, before: &(String, u64), when: When) -> Result<bool, LabError> {
        let mut restart =
            Restart { when, up: true, as_before: false, seconds: 0, why: None, console: Vec::new() };
        match self.hands.lab.restarted(before, BOOT, &mut Quiet(self.hands.shown))? {
            Boot::Up { seconds } => {
                restart.seconds = seconds;
                let cmdline = self.hands.text("/proc/cmdline")?.unwrap_or_default();
                restart.as_before = cmdline.split_ascii_whitespace().any(|word| word == BOOTED_BEFORE);
                self.hands.note(format!("it is up after {seconds} s"));
            }
            Boot::Dead { why, said, seconds } => {
                self.hands.note(format!("it does not come up: {why}"));
                let last = said.len().saturating_sub(12);
                let console = said[last..].iter().map(|line| line.chars().take(200).collect()).collect();
                restart = Restart { up: false, seconds, why: Some(why), console, ..restart };
            }
        }
        let up = restart.up;
        self.rehearsal.boots.push(restart);
        Ok(up)
    }

    /// Cuts the power of a lab that did not come up, and gives it back. Whether it is up then.
    fn power_cut(&mut self) -> Result<bool, LabError> {
        self.hands.note("cutting its power");
        self.hands.lab.power_cycle()?;
        self.follow(&(String::new(), 0), When::PowerCut)
    }

    /// Knocks at the lab from outside until it answers, and writes down whether it did.
    fn reach(&mut self, when: When) -> Result<bool, LabError> {
        let reached = self.reached_within(REACH)?;
        let told = if reached { "is reached" } else { "is not reached" };
        self.hands.note(format!("the lab {told} from outside {when}"));
        self.rehearsal.reached.push(Reach { when, reached });
        Ok(reached)
    }

    fn reached_within(&mut self, limit: Duration) -> Result<bool, LabError> {
        let begin = Instant::now();
        loop {
            if self.hands.shown.stopped() {
                return Err(LabError::Stopped);
            }
            if self.hands.lab.is_reached()? {
                return Ok(true);
            }
            if begin.elapsed() > limit {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn failed_units(&mut self) -> Result<Vec<String>, LabError> {
        let listed = self.hands.run(
            "timeout 120 systemctl is-system-running --wait >/dev/null || true\nsystemctl list-units --failed --plain --no-legend --no-pager | cut -d' ' -f1\n",
            180,
        )?;
        Ok(listed.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    /// Has the lab's own vmwright carry out the lab's plan, and follows it.
    fn carry_out(&mut self, plan: &Plan, boots: bool) -> Result<(), LabError> {
        let id = vmwright_plan::plan_id(plan);
        let text = String::from_utf8(vmwright_plan::canonical(plan)).expect("JSON is UTF-8");
        let put = format!("{SIGNER}{}", file(&format!("{STATE}/plans/{id}.json"), &text));
        let key = format!(
            "{PROGRAM} approve {id} --key /root/rehearsal.key --principal {PRINCIPAL} --valid-for 1d >/dev/null\n"
        );
        if let Err(why) = self.hands.run(&format!("{put}{key}"), 120)? {
            self.rehearsal.stopped = Some(format!("the lab's plan is not approved: {why}"));
            return Ok(());
        }
        let any = |is: fn(&Action) -> bool| plan.steps.iter().any(|step| is(&step.action));
        let reboots = any(|action| matches!(action, Action::Reboot { .. }));
        let awaits = any(|action| matches!(action, Action::AwaitReboot { .. }));
        let within = if reboots || awaits { CONFIRM_BOOT } else { CONFIRM };
        let before = self.hands.lab.boot(&mut Quiet(self.hands.shown))?;
        self.hands.note(format!("carrying out {} steps in the lab", plan.steps.len()));
        let script = format!("{PROGRAM} apply {id} --confirm-within {within} --format json\n");
        let ran = self.hands.lab.script(&format!("{HEAD}{script}"), RUN, &mut Quiet(self.hands.shown));
        let (value, refused) = match &ran {
            Ok(done) => {
                let said = String::from_utf8_lossy(&done.errors).trim().to_owned();
                (serde_json::from_slice::<Value>(&done.output).ok(), said)
            }
            // Where it restarts the lab, nobody is left to answer.
            Err(_) if reboots => (None, String::new()),
            Err(_) => return ran.map(drop),
        };
        let state = value.as_ref().and_then(|value| value["state"].as_str());
        if let Some(value) = &value {
            self.took(value);
        } else if !reboots || !refused.is_empty() {
            self.refused(&refused);
            return Ok(());
        }
        match state {
            Some("applied") => {
                let guarded = value.as_ref().is_some_and(|value| value["confirm_within"].is_u64());
                let run =
                    value.as_ref().and_then(|value| value["run"].as_str()).unwrap_or_default().to_owned();
                self.applied(&run, guarded, boots)
            }
            None | Some("rebooting") if reboots => self.behind_restart(&before),
            Some("awaiting-reboot") => {
                // The answer may be lost with the system that gives it.
                let _ = self.hands.run("sync\nsystemctl reboot\n", 10);
                self.behind_restart(&before)
            }
            _ => Ok(()),
        }
    }

    /// A run that is applied without a restart of its own.
    fn applied(&mut self, run: &str, guarded: bool, boots: bool) -> Result<(), LabError> {
        let reached = self.reach(When::With)?;
        if guarded && reached {
            if let Err(why) = self.hands.run(&format!("{PROGRAM} confirm {} >/dev/null", word(run)), 60)? {
                self.rehearsal.stopped = Some(format!("the run is not confirmed: {why}"));
            }
        } else if guarded
            && !self.rehearsal.reached.iter().any(|one| one.when == When::Before && !one.reached)
        {
            self.hands.note(format!("waiting whether the run is taken back: {CONFIRM} s"));
            let back = self.reached_within(Duration::from_secs(CONFIRM + 60))?;
            self.rehearsal.came_back = Some(back);
            self.rehearsal.reached.push(Reach { when: When::After, reached: back });
            if back {
                self.rehearsal.run = Some("undone".to_owned());
                self.every_done(Came::Undone);
            }
            return Ok(());
        }
        if !boots {
            return Ok(());
        }
        // What was written for the boot is proved by a boot.
        if self.restart(When::With)? {
            self.reach(When::With)?;
        } else {
            let back = self.power_cut()?;
            self.rehearsal.came_back = Some(back);
        }
        Ok(())
    }

    /// A run that restarts its host, and goes on behind that.
    fn behind_restart(&mut self, before: &(String, u64)) -> Result<(), LabError> {
        let mut up = self.follow(before, When::With)?;
        let as_before = |play: &Self| play.rehearsal.boots.last().is_some_and(|boot| boot.as_before);
        if !up {
            up = self.power_cut()?;
            self.rehearsal.came_back = Some(up);
        } else if as_before(self) {
            self.rehearsal.came_back = Some(true);
        } else {
            self.reach(When::With)?;
        }
        if !up {
            return Ok(());
        }
        let resume = format!(
            "run=$(ls -t {STATE}/runs | sed -n 's/\\.jsonl$//p;s/\\.log$//p' | head -1)\n{PROGRAM} apply --resume \"$run\" --format json\n"
        );
        let done = self.hands.lab.script(&format!("{HEAD}{resume}"), RUN, &mut Quiet(self.hands.shown))?;
        match serde_json::from_slice::<Value>(&done.output) {
            Ok(value) => self.took(&value),
            Err(_) => {
                let said = String::from_utf8_lossy(&done.errors);
                let last = said.trim().lines().last().unwrap_or("nothing tells why");
                self.rehearsal.stopped = Some(format!("the run does not go on behind the restart: {last}"));
            }
        }
        if self.rehearsal.run.as_deref() != Some("applied") && self.rehearsal.came_back == Some(true) {
            self.reach(When::After)?;
        }
        Ok(())
    }

    /// Takes in how a run ended, as vmwright tells it.
    fn took(&mut self, value: &Value) {
        self.rehearsal.run = value["state"].as_str().map(str::to_owned);
        let lines = value["steps"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for line in lines {
            let Some((number, state)) = step_of(line) else { continue };
            let Some(at) = self.numbers.get(number - 1) else { continue };
            self.rehearsal.steps[*at].came = state;
        }
        if let Some(why) = value["why"].as_str() {
            self.failed(why);
        }
    }

    /// A run that was not begun.
    fn refused(&mut self, said: &str) {
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let from = lines.iter().position(|line| line.starts_with("error")).unwrap_or(0);
        let said = lines[from.min(lines.len())..].join(" ");
        let number = said.split("step ").nth(1).and_then(|rest| {
            rest.split_once(" cannot be done").and_then(|(number, _)| number.parse::<usize>().ok())
        });
        match number {
            Some(number) => self.failed(&format!("step {number}: {said}")),
            None => self.rehearsal.stopped = Some(format!("the run was not begun: {said}")),
        }
    }

    /// `step 3: why`, by the numbers of the lab's plan.
    fn failed(&mut self, why: &str) {
        let told = why.strip_prefix("step ").and_then(|rest| rest.split_once(": "));
        let step = told.and_then(|(number, why)| Some((number.parse::<usize>().ok()?, why)));
        match step.and_then(|(number, why)| Some((*self.numbers.get(number.checked_sub(1)?)?, why))) {
            Some((at, why)) => {
                self.rehearsal.stopped = Some(format!("step {}: {why}", at + 1));
                let tried = &mut self.rehearsal.steps[at];
                (tried.came, tried.why) = (Came::Failed, Some(why.to_owned()));
            }
            None => self.rehearsal.stopped = Some(why.to_owned()),
        }
    }

    fn every_done(&mut self, came: Came) {
        for step in self.rehearsal.steps.iter_mut().filter(|step| step.came == Came::Done) {
            step.came = came;
        }
    }
}

/// Number and state of a step, as a run's summary tells them: `3. done: ...`.
fn step_of(line: &str) -> Option<(usize, Came)> {
    let (number, rest) = line.split_once(". ")?;
    let came = match rest.split_once(':')?.0 {
        "done" => Came::Done,
        "taken back" => Came::Undone,
        "not begun" => Came::NotBegun,
        "outcome unknown" => Came::Failed,
        _ => return None,
    };
    let number = number.parse().ok()?;
    (number > 0).then_some((number, came))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_run_are_read_as_they_are_written() {
        assert_eq!(step_of("2. taken back: writes 1"), Some((2, Came::Undone)));
        assert_eq!(step_of("step 2 stays: x (y)"), None);
        assert_eq!(step_of("0. done: x"), None);
    }

    #[test]
    fn what_the_next_boot_reads_is_proved_by_a_boot() {
        let create = |path: &str| Action::FileCreate { path: path.into(), text: String::new(), mode: 0o644 };
        assert!(
            holds_at_boot(&create("/etc/modprobe.d/a.conf"))
                && holds_at_boot(&create("/boot/grub/custom.cfg"))
        );
        assert!(!holds_at_boot(&create("/etc/libvirt/qemu.conf")) && !holds_at_boot(&create("/var/a")));
        assert!(!holds_at_boot(&Action::Sysctl { key: "a".into(), from: "0".into(), to: "1".into() }));
    }
}

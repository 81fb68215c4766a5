//! `boot`: the VM comes up to its agent, on the accelerator that was asked for, in a tolerable time.
//!
//! The stages are firmware, boot loader (where one shows itself), kernel, init and agent. Each is seen by its own line on the
//! serial console, by the VMM's state, or because a later one was seen. Times inside the guest are the guest kernel's own; the time
//! before it is the age of the VMM less the guest's uptime.

use super::{Judged, measurement, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{Session, word};
use crate::wait::Waited;
use serde_json::Value;
use std::time::Duration;
use vmwright_formats::lines::lines;
use vmwright_model::machine::Accelerator;
use vmwright_model::{MachineSpec, Missing};

/// Names of the measurements that the reports plot.
pub(crate) const FIRMWARE: &str = "power-on to kernel";
pub(crate) const KERNEL: &str = "kernel to init";
pub(crate) const INIT: &str = "init to agent";
pub(crate) const TOTAL: &str = "power-on to agent";

/// Lines of the serial console that a failure shows.
const LAST_LINES: usize = 10;

/// The longest that a stage may take to be reached, in seconds since power-on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) kernel: f64,
    pub(crate) init: f64,
    pub(crate) agent: f64,
}

impl Limits {
    /// Under KVM. The kernel: SeaBIOS hands over within 1 s and OVMF within 5 s; a boot menu may wait 5 s more.
    /// The agent: 90 s is what systemd gives one unit to start (`DefaultTimeoutStartSec`).
    const KVM: Self = Self { kernel: 15.0, init: 30.0, agent: 90.0 };

    /// Under TCG. A small guest needs 3 s to its agent on an idle machine; a full distribution runs 10 to 50
    /// times slower than under KVM while its processors are busy, but much of a boot is waiting.
    const TCG: Self = Self { kernel: 60.0, init: 120.0, agent: 300.0 };

    /// The limits of an accelerator; the wider ones where it is not known.
    pub(crate) fn of(accelerator: Option<Accelerator>) -> Self {
        match accelerator {
            Some(Accelerator::Kvm) => Self::KVM,
            Some(Accelerator::Tcg) | None => Self::TCG,
        }
    }
}

/// What was seen.
pub(crate) struct Observed {
    pub(crate) waited: Waited,
    /// What the serial console holds.
    pub(crate) serial: Result<String, Missing>,
    /// `status` of `query-status`.
    pub(crate) status: Result<String, String>,
    /// Age of the VMM and uptime of the guest at one moment, in seconds.
    pub(crate) clock: Option<(f64, f64)>,
    /// Units of the specification, and what systemd in the guest says of each: `active`, `failed`.
    pub(crate) services: Vec<(String, Result<String, String>)>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let vmm = session.scope.vmm;
    // The two clocks are read one right after the other.
    let uptime = session.guest_file("/proc/uptime", 64).ok().and_then(|text| text.split(' ').next()?.parse().ok());
    let age = vmm.process().map(|process| process.age.as_secs_f64());
    Observed {
        waited: session.waited.clone(),
        serial: vmm.serial().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        status: vmm.query("query-status").and_then(|answer| {
            let status = answer.get("status").and_then(Value::as_str).map(str::to_owned);
            status.ok_or_else(|| "query-status: the answer has no `status`".to_owned())
        }),
        clock: age.zip(uptime),
        services: session.scope.spec.review.services.iter().map(|unit| (unit.clone(), service(session, unit))).collect(),
    }
}

/// What systemd says of a unit, in one word (systemctl(1), `is-active`).
fn service(session: &Session<'_>, unit: &str) -> Result<String, String> {
    session.waited.agent.as_ref().map_err(Clone::clone)?;
    let ran = session.scope.guest.run("/usr/bin/systemctl", &["is-active", "--", unit], Duration::from_secs(10));
    let ran = ran.map_err(|error| error.to_string())?;
    let word = String::from_utf8_lossy(&ran.output).lines().next().unwrap_or_default().trim().to_owned();
    if word.is_empty() { Err("systemctl says nothing".to_owned()) } else { Ok(word) }
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut evidence = Vec::new();
    let accelerator = seen.waited.accelerator.as_ref().ok().copied();
    judge_accelerator(seen, spec, aspects.about("accelerator"), &mut evidence);

    let serial = seen.serial.as_deref().unwrap_or_default();
    let console = Console::read(serial);
    let answered = seen.waited.agent.as_ref().ok();
    let timed = stages(seen, &console, accelerator);
    let stages = with_loader(&timed, &console);
    let last = stages.iter().rfind(|stage| stage.how.is_some()).map_or("power-on", |stage| stage.name);
    for stage in &stages {
        evidence.extend(stage.how.clone());
    }

    let limits = Limits::of(accelerator);
    aspects.about("reached");
    let goal = if spec.agent { answered.is_some() } else { console.init.is_some() };
    if let Some(why) = &seen.waited.hopeless {
        aspects.fail(format!("stopped after {last}: {}", quote::line(why)));
    } else if goal {
        aspects.pass();
    } else {
        let asked = seen.waited.asked;
        let missing = match spec.agent {
            true => format!("the {asked} does not answer"),
            false => "no sign of init on the serial console".to_owned(),
        };
        evidence.extend(seen.waited.agent.as_ref().err().filter(|_| spec.agent).map(|why| quote::line(why)));
        let waited = seen.waited.waited.as_secs_f64();
        if !spec.agent && serial.trim().is_empty() {
            aspects.unknown("nothing on the serial console and no agent to ask: how far it booted cannot be told");
        } else if seen.waited.cut_short {
            let limit = limits.agent;
            aspects.unknown(format!(
                "{missing} after {last}, and only {waited:.1} s of the limit of {limit:.0} s were waited"
            ));
        } else {
            aspects.fail(format!("stopped after {last}: {missing} within {waited:.1} s"));
        }
    }
    aspects.about("time");
    for (stage, limit) in timed[1..].iter().zip([limits.kernel, limits.init, limits.agent]) {
        if let Some(at) = stage.at.filter(|at| *at > limit) {
            let under = accelerator.map_or("an unknown accelerator", word);
            aspects.fail(format!("{} came after {at:.1} s, the limit under {under} is {limit:.0} s", stage.name));
        }
    }
    if let Some(wanted) = spec.review.boot_ms {
        aspects.about("required time");
        let wanted = f64::from(wanted) / 1e3;
        match timed[3].at {
            Some(at) => aspects.expect(at <= wanted, || {
                format!("the agent came after {at:.1} s, the specification demands {wanted:.1} s at most")
            }),
            None => aspects.unknown("how long it took to the agent: the boot was not seen, or was another"),
        }
    }
    for (unit, found) in &seen.services {
        aspects.about("services");
        match found {
            Ok(word) => aspects.expect(word == "active", || format!("{unit} is {}", quote::line(word))),
            Err(why) => aspects.unknown(format!("{unit}: {}", quote::line(why))),
        }
    }
    if console.boots > 1 {
        evidence.push(format!("serial console: the kernel started {} times; times are of the last", console.boots));
    }
    if !goal || seen.waited.hopeless.is_some() {
        evidence.extend(match &seen.serial {
            Ok(text) => last_lines(text).map(|line| quote::from("serial console", line)).collect(),
            Err(why) => vec![format!("serial console: {why}")],
        });
    }
    Judged {
        measurements: measurements(&timed),
        evidence,
        tables: vec![stage_table(&stages)],
        ..Judged::of(aspects, "")
    }
}

fn judge_accelerator(seen: &Observed, spec: &MachineSpec, aspects: &mut Aspects, evidence: &mut Vec<String>) {
    match &seen.waited.accelerator {
        Ok(found) => {
            evidence.push(format!("query-kvm: the VM runs under {}", word(*found)));
            aspects.expect(*found == spec.accelerator, || {
                let (found, wanted) = (word(*found), word(spec.accelerator));
                format!("runs under {found}, the specification says {wanted}")
            });
        }
        Err(why) => aspects.unknown(format!("accelerator: {why}")),
    }
}

/// One stage of the boot.
#[derive(Debug, Clone, PartialEq)]
struct Stage {
    name: &'static str,
    /// What shows it; none where it was not reached.
    how: Option<String>,
    /// Seconds since power-on, where that is known.
    at: Option<f64>,
}

/// The stages with the boot loader before the kernel, where it was seen: a kernel that the VMM loads has none.
fn with_loader(timed: &[Stage; 4], console: &Console<'_>) -> Vec<Stage> {
    let mut all = timed.to_vec();
    if let Some(line) = console.loader {
        all.insert(1, Stage { name: "boot loader", at: None, how: Some(quote::from("serial console", from_sign(line))) });
    }
    all
}

/// Firmware, kernel, init and agent.
fn stages(seen: &Observed, console: &Console<'_>, accelerator: Option<Accelerator>) -> [Stage; 4] {
    let answered = seen.waited.agent.as_ref().ok();
    let serial = |line: &str| quote::from("serial console", from_sign(line));
    let agent_how = answered.map(|_| format!("{}: guest-ping answered", seen.waited.asked));
    let implied = |what: &str, later: &Option<String>| later.as_ref().map(|_| format!("{what}: a later stage was seen"));
    let init_how = console.init.map(|(line, _)| serial(line)).or_else(|| implied("init", &agent_how));
    let kernel_how = console.kernel.map(serial).or_else(|| implied("kernel", &init_how));
    let running = seen.status.as_ref().ok().filter(|status| *status == "running" && accelerator.is_some());
    let firmware_how = console
        .firmware
        .map(serial)
        .or_else(|| implied("firmware", &kernel_how))
        .or_else(|| console.loader.map(|_| "firmware: a later stage was seen".to_owned()))
        .or_else(|| running.map(|_| format!("query-status: running, {}", console_says(seen))));

    // After a reboot the age of the VMM says nothing of how long this boot took.
    let start = seen.clock.filter(|_| console.boots <= 1).map(|(age, uptime)| age - uptime).filter(|start| *start >= 0.0);
    let since = |time: Option<f64>| Some(start? + time?);
    let told = console.agent.map(|(_, time)| time);
    let agent_at = since(told).or_else(|| answered?.came_up);
    [
        Stage { name: "firmware", at: start.map(|_| 0.0), how: firmware_how },
        Stage { name: "kernel", at: start.filter(|_| kernel_how.is_some()), how: kernel_how },
        Stage { name: "init", at: since(console.init.and_then(|(_, time)| time)), how: init_how },
        Stage { name: "agent", at: agent_at.filter(|_| agent_how.is_some()), how: agent_how },
    ]
}

/// What a console shows that has no stage's own line.
fn console_says(seen: &Observed) -> String {
    match &seen.serial {
        Ok(text) => match text.lines().rfind(|line| !line.trim().is_empty()) {
            Some(last) => format!("and the serial console has no line of a known stage; its last is `{}`", quote::line(last.trim())),
            None => "nothing on the serial console".to_owned(),
        },
        Err(why) => format!("no serial console to read: {why}"),
    }
}

fn measurements(stages: &[Stage; 4]) -> Vec<vmwright_model::Measurement> {
    let [_, kernel, init, agent] = stages.each_ref().map(|stage| stage.at);
    let between = |from: Option<f64>, to: Option<f64>| Some(to? - from?).filter(|time| *time >= 0.0);
    [(FIRMWARE, kernel), (KERNEL, between(kernel, init)), (INIT, between(init, agent)), (TOTAL, agent)]
        .into_iter()
        .filter_map(|(name, time)| Some(measurement(name, time?, "s")))
        .collect()
}

fn stage_table(stages: &[Stage]) -> vmwright_model::Table {
    let mut table = table("Stages", &["stage", "since power-on", "seen by"]);
    for stage in stages {
        let at = stage.at.map_or_else(|| "not measured".to_owned(), |at| format!("{at:.2} s"));
        let how = stage.how.clone().unwrap_or_else(|| "not seen".to_owned());
        table.rows.push(vec![stage.name.to_owned(), at, how]);
    }
    table
}

/// The stages as the serial console tells them: lines, and seconds of the guest kernel's clock.
struct Console<'a> {
    firmware: Option<&'a str>,
    loader: Option<&'a str>,
    kernel: Option<&'a str>,
    init: Option<(&'a str, Option<f64>)>,
    agent: Option<(&'a str, f64)>,
    /// How often a kernel started.
    boots: usize,
}

/// The first line of every Linux kernel.
const LINUX: &str = "Linux version ";

/// What SeaBIOS, OVMF and iPXE say first.
const FIRMWARE_SAYS: [&str; 5] =
    ["SeaBIOS (version", "UEFI firmware (version", "BdsDxe: ", "TianoCore", "iPXE (http"];

/// What GRUB 2 (its core, its menu, its shells), SYSLINUX and its like and Windows' boot manager say of themselves.
const LOADER_SAYS: [&str; 7] =
    ["Welcome to GRUB!", "GNU GRUB  version", "grub rescue>", "SYSLINUX ", "ISOLINUX ", "EXTLINUX ", "Windows Boot Manager"];

impl<'a> Console<'a> {
    fn read(serial: &'a str) -> Self {
        let mut console = Self { firmware: None, loader: None, kernel: None, init: None, agent: None, boots: 0 };
        let mut systemd = None;
        let mut run = None;
        for (_, line) in lines(serial) {
            if line.contains(LINUX) {
                console.boots += 1;
                (console.kernel, console.init, console.agent) = (Some(line), None, None);
                (systemd, run) = (None, None);
            } else if let Some(time) = probe_time(line, "init") {
                console.init = console.init.or(Some((line, Some(time))));
            } else if let Some(time) = probe_time(line, "agent") {
                console.agent = console.agent.or(Some((line, time)));
            } else if line.contains(": systemd[1]: systemd ") || line.contains("] systemd[1]: systemd ") {
                systemd = systemd.or(Some((line, kernel_time(line))));
            } else if line.contains("] Run /") && line.contains(" as init process") {
                run = run.or(Some((line, kernel_time(line))));
            } else if line.contains("No working init found") {
                // The kernel has announced each program that it tried.
                run = None;
            } else if FIRMWARE_SAYS.iter().any(|says| line.contains(says)) {
                console.firmware = console.firmware.or(Some(line));
            } else if LOADER_SAYS.iter().any(|says| line.contains(says)) {
                console.loader = console.loader.or(Some(line));
            }
        }
        console.init = console.init.or(run).or(systemd);
        console
    }
}

/// The part of a line from where its sign begins: firmware and boot loaders put terminal controls before their own first line
/// and the kernel's.
fn from_sign(line: &str) -> &str {
    let signs = FIRMWARE_SAYS.into_iter().chain(LOADER_SAYS).chain(["[    0.000000] Linux version", LINUX]);
    signs.filter_map(|sign| line.find(sign)).min().map_or(line, |at| &line[at..])
}

/// The time in a line of our own probe, `vmwright-guest: init 1.234`.
fn probe_time(line: &str, stage: &str) -> Option<f64> {
    let rest = line.split_once("vmwright-guest: ")?.1.strip_prefix(stage)?.strip_prefix(' ')?;
    rest.trim().parse().ok().filter(|time: &f64| time.is_finite() && *time >= 0.0)
}

/// The time at the head of a line of the kernel's log, `[    1.234567] ...`.
fn kernel_time(line: &str) -> Option<f64> {
    line.trim_start().strip_prefix('[')?.split_once(']')?.0.trim().parse().ok().filter(|time: &f64| time.is_finite())
}

/// Whether the console shows that the last kernel came as far as process 1.
pub(crate) fn reached_userland(serial: &str) -> bool {
    Console::read(serial).init.is_some()
}

/// Lines after which no boot goes on: the kernel's panic, firmware without anything to boot, GRUB without its modules or its
/// menu, Windows' first sector without its boot manager, initramfs and systemd without a root file system.
const DEAD_ENDS: [&str; 9] = [
    "Kernel panic - not syncing",
    "No bootable device.",
    "No bootable option or device was found",
    "grub rescue>",
    "Minimal BASH-like line editing is supported",
    "BOOTMGR is missing",
    "Dropping to a shell!",
    "You are in emergency mode",
    "Entering emergency mode",
];

/// The line that shows that this boot goes no further.
pub(crate) fn dead_end(serial: &str) -> Option<&str> {
    current(serial).find(|line| is_dead_end(line))
}

fn is_dead_end(line: &str) -> bool {
    DEAD_ENDS.iter().any(|end| line.contains(end))
}

/// Lines since the last start of a kernel: what stands before it is over.
fn current(serial: &str) -> impl Iterator<Item = &str> {
    lines(serial.rfind(LINUX).map_or(serial, |at| &serial[at..])).map(|(_, line)| line)
}

/// The last lines of this boot: up to the dead end, where there is one, because a panic's trace follows it and
/// its cause stands before it.
fn last_lines(serial: &str) -> impl Iterator<Item = &str> {
    let mut filled: Vec<&str> = current(serial).filter(|line| !line.trim().is_empty()).collect();
    if let Some(end) = filled.iter().position(|line| is_dead_end(line)) {
        filled.truncate(end + 1);
    }
    let skip = filled.len().saturating_sub(LAST_LINES);
    filled.into_iter().skip(skip)
}

#[cfg(test)]
mod tests;

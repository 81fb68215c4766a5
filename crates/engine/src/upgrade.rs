//! `vmwright plan upgrade-check`: what a newer QEMU or libvirt would break of the VMs of this host.

use crate::intent::Intent;
use crate::operation::UpgradeChecked;
use crate::{Environment, Error, Outcome, plans};
use vmwright_backend::store;
use vmwright_formats::vmm_processes::VmmProcesses;
use vmwright_formats::{DomainXml, MachineSpecView, QemuArgs, View};
use vmwright_model::machine::ForeignFormat;
use vmwright_model::{Need, Probe, Spanned};
use vmwright_plan::intents::{Guest, Upgrade, Used, upgrade_check};
use vmwright_rules::Reading;

/// What is read besides what the rules need.
pub(crate) const NEEDS: &[Need] =
    &[Need::Probe(Probe::Vmms), Need::Probe(Probe::Libvirt), Need::Glob("/etc/libvirt/qemu/*.xml")];

/// That the versions of an intent are some, before anything is read.
pub(crate) fn understood(intent: &Intent) -> Result<(), Error> {
    if let Intent::UpgradeCheck { qemu, libvirt } = intent {
        qemu.as_deref().map(|text| version("--qemu", text)).transpose()?;
        libvirt.as_deref().map(|text| version("--libvirt", text)).transpose()?;
    }
    Ok(())
}

/// A version as a user types it: `10.2`, `11.0.1`.
fn version(option: &str, text: &str) -> Result<[u32; 2], Error> {
    let wrong = || {
        let text: String = text.chars().take(40).flat_map(char::escape_debug).collect();
        Error::Argument(format!("{option} {text}: a version is two numbers, like 10.2"))
    };
    let mut numbers = text.split('.').map(|part| {
        let digits = (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u32>().ok()).flatten()
    });
    let (Some(Some(major)), Some(Some(minor)), true) =
        (numbers.next(), numbers.next(), numbers.all(|one| one.is_some()))
    else {
        return Err(wrong());
    };
    Ok([major, minor])
}

/// Looks, and keeps the plan that mends what can be mended.
pub(crate) fn check(
    qemu: Option<&str>,
    libvirt: Option<&str>,
    reading: &Reading<'_>,
    host_id: &str,
    environment: &Environment,
) -> Result<Outcome, Error> {
    let now = |of: fn(&vmwright_formats::environment::Versions) -> Option<&Vec<u32>>| {
        let numbers = reading.versions().find_map(|(_, versions)| of(versions))?;
        Some([*numbers.first()?, numbers.get(1).copied().unwrap_or(0)])
    };
    let upgrade = Upgrade {
        qemu: now(|versions| versions.qemu.as_ref().map(|version| &version.value.numbers)),
        qemu_to: qemu.map(|text| version("--qemu", text)).transpose()?,
        libvirt: now(|versions| versions.libvirt.as_ref().map(|version| &version.value.numbers)),
        libvirt_to: libvirt.map(|text| version("--libvirt", text)).transpose()?,
    };
    let machines = machines(environment)?;
    let mut used: Vec<Used<'_>> = machines.iter().map(Machine::used).collect();
    let mut known: Vec<String> = machines.iter().map(|machine| machine.name.clone()).collect();
    used.extend(domains(reading, &mut known));
    used.extend(processes(reading, &known));
    let checked = upgrade_check(host_id, &upgrade, &used)?;
    let plan = checked.plan.map(|plan| match vmwright_plan::lint(&plan) {
        problems if problems.is_empty() => plans::keep(plan, environment),
        problems => Err(Error::Lint(problems.iter().map(ToString::to_string).collect())),
    });
    Ok(Outcome::UpgradeChecked(Box::new(UpgradeChecked {
        qemu: upgrade.qemu.map(told),
        qemu_to: upgrade.qemu_to.map(told),
        libvirt: upgrade.libvirt.map(told),
        libvirt_to: upgrade.libvirt_to.map(told),
        vms: used.iter().map(|vm| vm.name.clone()).collect(),
        breaks: checked.breaks,
        changes: checked.changes,
        unknown: checked.unknown,
        plan: plan.transpose()?,
    })))
}

fn told([major, minor]: [u32; 2]) -> String {
    format!("{major}.{minor}")
}

/// A machine of vmwright's with its specification.
struct Machine {
    name: String,
    path: String,
    text: String,
}

fn machines(environment: &Environment) -> Result<Vec<Machine>, Error> {
    let mut machines = Vec::new();
    for one in store::list(&environment.state).map_err(Error::Store)? {
        // One that cannot be read starts with no QEMU, old or new.
        let Ok(machine) = one.machine else { continue };
        let path = machine.file(store::SPEC);
        let (text, _) = store::read_spec(&path).map_err(Error::Store)?;
        machines.push(Machine { name: machine.name, path: path.display().to_string(), text });
    }
    Ok(machines)
}

impl Machine {
    fn used(&self) -> Used<'_> {
        let (view, _) = MachineSpecView::read(&self.text);
        let at = |key: &str| {
            view.line_of(key).map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path))
        };
        let guest = Some(Guest { name: &self.name, path: &self.path, text: &self.text });
        let mut used = Used { name: self.name.clone(), guest, ..Used::default() };
        let Some(spec) = &view.spec else { return used };
        used.machine = Some((spec.machine.clone(), at("machine")));
        used.cpu = Some((spec.cpu.model.clone(), at("cpu.model")));
        for (number, foreign) in spec.foreign.iter().enumerate() {
            if foreign.format == ForeignFormat::Qemu {
                words(
                    &QemuArgs::read(&foreign.text).0,
                    &|_| at(&format!("foreign.{number}.text")),
                    &mut used,
                );
            }
        }
        used
    }
}

fn domains(reading: &Reading<'_>, known: &mut Vec<String>) -> Vec<Used<'static>> {
    let mut all = Vec::new();
    for seen in reading.of_every_vm::<DomainXml>() {
        let at = |line: u32| format!("{}:{line}", seen.text.source);
        for domain in seen.domains.iter().filter(|domain| !domain.fragment) {
            let Some(name) = domain.name.as_ref().map(|name| name.value.clone()) else { continue };
            if known.contains(&name) {
                continue;
            }
            let text = |value: &Spanned<String>| (value.value.clone(), at(value.line));
            let mut used = Used {
                name: name.clone(),
                machine: domain.os.machine.as_ref().map(text),
                cpu: domain.cpu.as_ref().and_then(|cpu| cpu.model.as_ref()).map(text),
                ..Used::default()
            };
            let line = domain.qemu_args.first().map_or(domain.line, |first| first.line);
            let args: Vec<&str> = domain.qemu_args.iter().map(|arg| arg.value.as_str()).collect();
            words(&QemuArgs::read(&args.join("\n")).0, &|_| at(line), &mut used);
            all.push(used);
            known.push(name);
        }
    }
    all
}

fn processes(reading: &Reading<'_>, known: &[String]) -> Vec<Used<'static>> {
    let mut all = Vec::new();
    let Some(running) = reading.one::<VmmProcesses>() else { return all };
    for process in &running.processes {
        let (args, _) = QemuArgs::read(&format!("{} {}", process.exe, process.argv));
        let name = args.property("name", "guest").map(|name| name.value);
        if args.commands.is_empty() || name.as_ref().is_some_and(|name| known.contains(name)) {
            continue;
        }
        let place = format!("process {}", process.pid);
        let at = |value: Spanned<String>| (value.value, place.clone());
        let mut used = Used {
            name: name.unwrap_or_else(|| place.clone()),
            machine: args.property("machine", "type").map(at),
            cpu: args.property("cpu", "model").map(at),
            ..Used::default()
        };
        words(&args, &|_| place.clone(), &mut used);
        all.push(used);
    }
    all
}

/// Options and devices of a command line.
fn words(args: &QemuArgs, at: &dyn Fn(u32) -> String, used: &mut Used<'_>) {
    for option in args.commands.iter().flat_map(|command| &command.options) {
        used.options.push((format!("-{}", option.name), at(option.line)));
        if option.name == "device"
            && let Some(driver) = option.opts().get("driver")
        {
            used.devices.push((driver.to_owned(), at(option.line)));
        }
    }
}

//! Sound cards, watchdogs and USB: what the specification gives is seen in the guest, and a driver took it.
//!
//! A watchdog is never opened: whoever opens one starts it, and the guest is reset when nobody feeds it. Linux tells of it in
//! sysfs, also which hardware it drives: the kernel's own software watchdog is no device of the VM.

use super::assigned::{Function, InGuest, functions, in_guest};
use super::observe::{Observed, read};
use super::Gate;
use crate::gates::uevent;
use crate::quote;
use crate::scope::Session;
use std::thread;
use std::time::{Duration, Instant};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{ControllerKind, HostDeviceKind, InputBus, InputKind};

/// Vendor and device.
type Id = (u64, u64);

/// Sound cards as QEMU makes them, by libvirt's names (`hw/audio`, `include/hw/pci/pci_ids.h`).
const SOUNDS: [(&str, Id); 5] =
    [("ich9", (0x8086, 0x293e)), ("ich6", (0x8086, 0x2668)), ("ac97", (0x8086, 0x2415)), ("es1370", (0x1274, 0x5000)), ("virtio", (0x1af4, 0x1059))];

/// Watchdogs on PCI (`hw/watchdog`), and what Linux calls each (`identity` of its driver below `drivers/watchdog`).
const WATCHDOGS: [(&str, Option<Id>, &str); 3] =
    [("i6300esb", Some((0x8086, 0x25ab)), "i6300ESB timer"), (CHIPSET, None, "iTCO_wdt"), ("diag288", None, "z Watchdog")];

/// The one that is of an older kind in Linux: a platform device, without a class of its own.
const IB700: &str = "ib700";

/// The one that the chipset of a q35 has.
const CHIPSET: &str = "itco";

/// USB devices that QEMU makes (`hw/usb/dev-hid.c`, `hw/usb/dev-audio.c`).
const INPUT: Id = (0x0627, 0x0001);
const AUDIO: Id = (0x46f4, 0x0002);

/// Class and subclass of a USB controller (PCI Code and ID Assignment Specification).
const USB: u64 = 0x0c03;

/// How long a guest that has just started its agent may take to find what is plugged into USB: Linux looks for that beside all
/// else, and alone waits for up to 2 s until a port is quiet (`HUB_DEBOUNCE_TIMEOUT` of `drivers/usb/core/hub.c`).
const SETTLE: Duration = Duration::from_secs(5);

/// The most watchdogs, buses of USB and ports of a hub that are looked at.
const MOST_WATCHDOGS: usize = 8;
const BUSES: usize = 32;
const PORTS: u32 = 31;

/// What was seen; each part is none where the specification has nothing of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Peripherals {
    /// Functions of the VMM that are sound cards, watchdogs or USB controllers, with what the guest sees there.
    pub(crate) functions: Option<Result<Vec<super::assigned::Seen>, String>>,
    /// Sound cards that the guest's kernel lists.
    pub(crate) cards: Option<usize>,
    /// What the guest's watchdogs are, each by its own words.
    pub(crate) watchdogs: Option<Vec<String>>,
    /// USB devices below the guest's hubs, with the driver of their first interface.
    pub(crate) usb: Option<Vec<(Id, Option<String>)>>,
}

pub(super) fn observe(session: &Session<'_>) -> Peripherals {
    let spec = session.scope.spec;
    let (sounds, watchdogs, controllers) = (!spec.sounds.is_empty(), !spec.watchdogs.is_empty(), controllers(spec) > 0);
    let usb = usb_wanted(spec);
    if !sounds && !watchdogs && !controllers && usb.is_empty() {
        return Peripherals::default();
    }
    let answer = session.scope.vmm.query("query-pci").and_then(|answer| {
        functions(&answer).ok_or_else(|| "query-pci: the answer has another form".to_owned())
    });
    let concerns = |function: &Function| {
        SOUNDS.iter().any(|(_, id)| sounds && *id == function.id)
            || WATCHDOGS.iter().any(|(_, id, _)| watchdogs && *id == Some(function.id))
            || (function.class == USB && (controllers || !usb.is_empty()))
    };
    let seen = |function: Function| (function.clone(), in_guest(session, &function));
    let up = session.ask("guest-ping").is_ok();
    Peripherals {
        functions: Some(answer.map(|all| all.into_iter().filter(concerns).map(seen).collect())),
        cards: (sounds && up).then(|| cards(session)),
        watchdogs: (watchdogs && up).then(|| of_guest(session)),
        usb: (!usb.is_empty() && up).then(|| settled(session, &usb)),
    }
}

/// USB devices as [`below_hubs`] finds them, once all that is wanted is there with a driver, or after [`SETTLE`]. A guest without
/// a bus will find none.
fn settled(session: &Session<'_>, wanted: &[(String, Id)]) -> Vec<(Id, Option<String>)> {
    let began = Instant::now();
    loop {
        let found = below_hubs(session);
        let mut left: Vec<_> = found.iter().filter(|(_, driver)| driver.is_some()).map(|(id, _)| *id).collect();
        let whole = wanted.iter().all(|(_, id)| {
            let at = left.iter().position(|one| one == id);
            at.map(|at| left.swap_remove(at)).is_some()
        });
        let bus = || ports(session, "usb1").is_some();
        if whole || began.elapsed() >= SETTLE || !bus() {
            return found;
        }
        thread::sleep(Duration::from_millis(250));
    }
}

/// How many USB controllers the specification names.
fn controllers(spec: &MachineSpec) -> usize {
    let usb = spec.controllers.iter().filter(|one| one.kind == ControllerKind::Usb);
    usb.filter(|one| one.model.as_deref() != Some("none")).count()
}

/// What is plugged into USB by the specification, as far as the guest can tell one from another.
fn usb_wanted(spec: &MachineSpec) -> Vec<(String, Id)> {
    let is_made = |kind| matches!(kind, InputKind::Mouse | InputKind::Tablet | InputKind::Keyboard);
    let inputs = spec.inputs.iter().filter(|one| is_made(one.kind) && one.bus.is_none_or(|bus| bus == InputBus::Usb));
    let sounds = spec.sounds.iter().filter(|one| one.model == "usb");
    let hosts = spec.host_devices.iter().filter(|one| one.kind == HostDeviceKind::Usb);
    // One that is given by its place on the host is another there each time that it is plugged in.
    let id = |text: &str| {
        let (vendor, product) = text.split_once(':')?;
        Some((u64::from_str_radix(vendor, 16).ok()?, u64::from_str_radix(product, 16).ok()?))
    };
    inputs
        .map(|one| (format!("USB {}", format!("{:?}", one.kind).to_lowercase()), INPUT))
        .chain(sounds.map(|_| ("sound card usb".to_owned(), AUDIO)))
        .chain(hosts.filter_map(|one| Some((format!("host device {}", one.device), id(&one.device)?))))
        .collect()
}

/// Sound cards by ALSA's list, where each has a line with its number: ` 0 [Intel          ]: HDA-Intel - HDA Intel`.
fn cards(session: &Session<'_>) -> usize {
    let text = read(session, "/proc/asound/cards").unwrap_or_default();
    text.lines().filter(|line| line.contains(" [") && line.contains("]: ")).count()
}

/// The guest's watchdogs by what their drivers call them.
fn of_guest(session: &Session<'_>) -> Vec<String> {
    let own = |number| {
        let place = format!("/sys/class/watchdog/watchdog{number}");
        let identity = read(session, &format!("{place}/identity")).map(|text| text.trim().to_owned());
        // A kernel without `CONFIG_WATCHDOG_SYSFS` tells its driver alone.
        let driver = || uevent(&read(session, &format!("{place}/device/uevent")).ok()?, "DRIVER").map(str::to_owned);
        identity.ok().filter(|text| !text.is_empty()).or_else(driver)
    };
    let old = read(session, "/sys/bus/platform/devices/ib700wdt/uevent").unwrap_or_default();
    let old = uevent(&old, "DRIVER").map(|_| IB700.to_owned());
    (0..MOST_WATCHDOGS).filter_map(own).chain(old).collect()
}

/// USB devices at the ports of the root hubs, and of hubs at these: their names are `BUS-PORT` and `BUS-PORT.PORT`.
fn below_hubs(session: &Session<'_>) -> Vec<(Id, Option<String>)> {
    let mut found = Vec::new();
    for bus in 1..=BUSES {
        let Some(count) = ports(session, &format!("usb{bus}")) else { break };
        let mut left: Vec<(String, bool)> = (1..=count).map(|port| (format!("{bus}-{port}"), true)).collect();
        while let Some((name, below)) = left.pop() {
            let Some(id) = id(&read(session, &format!("{}/uevent", place(&name))).unwrap_or_default()) else { continue };
            let interface = read(session, &format!("{}:1.0/uevent", place(&name))).unwrap_or_default();
            found.push((id, uevent(&interface, "DRIVER").map(str::to_owned)));
            let count = if below { ports(session, &name).unwrap_or(0) } else { 0 };
            left.extend((1..=count).map(|port| (format!("{name}.{port}"), false)));
        }
    }
    found
}

/// A device on the guest's USB, as a directory.
fn place(name: &str) -> String {
    format!("/sys/bus/usb/devices/{name}")
}

/// How many ports a hub of the guest's has; none where there is no such hub.
fn ports(session: &Session<'_>, hub: &str) -> Option<u32> {
    let text = read(session, &format!("{}/maxchild", place(hub))).ok()?;
    text.trim().parse::<u32>().ok().map(|ports| ports.min(PORTS))
}

/// `PRODUCT=627/1/0`: vendor, product and version in hexadecimal digits (`usb_dev_uevent` of Linux).
fn id(text: &str) -> Option<Id> {
    let mut parts = uevent(text, "PRODUCT")?.split('/').map(|part| u64::from_str_radix(part, 16).ok());
    Some((parts.next()??, parts.next()??))
}

pub(super) fn judge(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    let seen = &seen.peripherals;
    let Some(answer) = &seen.functions else { return };
    gate.aspects.about("peripherals");
    let mut left = gate.of_vmm("PCI devices", answer).cloned();
    sounds(seen, spec, &mut left, gate);
    watchdogs(seen, spec, &mut left, gate);
    usb(seen, spec, &left, gate);
}

/// The functions that nothing of the specification has taken yet; none where the VMM does not tell.
type Left = Option<Vec<super::assigned::Seen>>;

fn sounds(seen: &Peripherals, spec: &MachineSpec, left: &mut Left, gate: &mut Gate) {
    gate.aspects.about("sound");
    let on_pci = spec.sounds.iter().filter_map(|sound| Some((sound, SOUNDS.iter().find(|(model, _)| *model == sound.model)?.1)));
    for (sound, id) in on_pci {
        let label = format!("sound card {}", sound.model);
        let told = function(&label, id, left, gate);
        gate.row(&label, &sound.model, "", &told);
    }
    // A driver that did not bring its card up tells the guest's kernel of none.
    if let (Some(cards), false) = (seen.cards, spec.sounds.is_empty()) {
        let wanted = spec.sounds.len();
        gate.aspects.expect(cards >= wanted, || {
            format!("the guest's kernel has {cards} sound cards, the specification says {wanted} (`/proc/asound/cards`)")
        });
    }
}

fn watchdogs(seen: &Peripherals, spec: &MachineSpec, left: &mut Left, gate: &mut Gate) {
    gate.aspects.about("watchdog");
    for watchdog in &spec.watchdogs {
        let (model, label) = (watchdog.model.as_str(), format!("watchdog {}", watchdog.model));
        let known = WATCHDOGS.iter().find(|(name, ..)| *name == model);
        if let Some((_, Some(id), _)) = known {
            function(&label, *id, left, gate);
        }
        let Some(all) = &seen.watchdogs else { continue };
        let Some(word) = known.map(|(.., word)| *word).or_else(|| (model == IB700).then_some(IB700)) else {
            gate.aspects.unknown(format!("{label}: what Linux calls it is not known here"));
            continue;
        };
        let has = quote::line(&if all.is_empty() { "none".to_owned() } else { all.join(", ") });
        let told = format!("{label}: no `/dev/watchdog` of the guest is its `{word}`; it has {has}");
        match all.iter().any(|one| one == word) {
            true => gate.aspects.pass(),
            // Who has not asked for it has it all the same: libvirt names it in the XML of each q35.
            false if model == CHIPSET => gate.aspects.none(format!("{told}, and the chipset has one unasked")),
            false => gate.aspects.fail(told),
        }
        gate.row(&label, model, "", &has);
    }
}

fn usb(seen: &Peripherals, spec: &MachineSpec, left: &Left, gate: &mut Gate) {
    gate.aspects.about("USB");
    let (named, wanted) = (controllers(spec), usb_wanted(spec));
    if let (Some(left), true) = (left, named > 0 || !wanted.is_empty()) {
        let all: Vec<_> = left.iter().filter(|(function, _)| function.class == USB).collect();
        let least = named.max(1);
        gate.aspects.expect(all.len() >= least, || format!("USB: the VMM has {} controllers, of {least}", all.len()));
        for (function, in_guest) in all {
            let label = format!("USB controller {:04x}:{:04x}", function.id.0, function.id.1);
            // One that nothing is plugged into may be the machine type's own: nobody misses its driver.
            let told = driver(&label, function, in_guest, !wanted.is_empty(), gate);
            gate.row(&label, "", &function.address, &told);
        }
    }
    let Some(mut found) = seen.usb.clone() else { return };
    for (label, id) in wanted {
        let Some(at) = found.iter().position(|(one, _)| *one == id) else {
            gate.aspects.fail(format!("{label} ({:04x}:{:04x}): the guest sees no such device on USB", id.0, id.1));
            gate.row(&label, "yes", "", "not found");
            continue;
        };
        let taken = found.remove(at).1;
        gate.aspects.expect(taken.is_some(), || format!("{label}: no driver of the guest took it"));
        gate.row(&label, "yes", "", taken.as_deref().unwrap_or("no driver"));
    }
}

/// Judges the function of the VMM that is this one, and takes it.
fn function(label: &str, id: Id, left: &mut Left, gate: &mut Gate) -> String {
    let Some(left) = left else { return "unknown".to_owned() };
    let Some(at) = left.iter().position(|(function, _)| function.id == id) else {
        gate.aspects.fail(format!("{label}: the VMM has no {:04x}:{:04x}", id.0, id.1));
        return "not found".to_owned();
    };
    let (function, in_guest) = left.remove(at);
    driver(label, &function, &in_guest, true, gate)
}

/// Judges whether the guest has a driver for a function, which it `must` have or need not.
fn driver(label: &str, function: &Function, in_guest: &Result<InGuest, String>, must: bool, gate: &mut Gate) -> String {
    let Some(found) = gate.of_guest(label, in_guest).cloned() else { return "unknown".to_owned() };
    let at = &function.address;
    match found.driver.filter(|_| found.id == Some(function.id)) {
        Some(driver) => {
            gate.aspects.pass();
            quote::line(&driver)
        }
        None if found.id == Some(function.id) => {
            let told = format!("{label}: no driver of the guest took it");
            if must { gate.aspects.fail(told) } else { gate.aspects.none(told) }
            "no driver".to_owned()
        }
        None => {
            gate.aspects.fail(format!("{label}: the guest does not see it at {at}"));
            "not found".to_owned()
        }
    }
}

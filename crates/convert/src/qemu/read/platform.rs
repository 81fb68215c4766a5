//! The program, the machine type, processors, clock, firmware.

use super::Reader;
use super::bag::Bag;
use crate::Effect;
use vmwright_formats::qemu_args::QemuCommand;
use vmwright_model::machine::{
    Accelerator, Address, ClockBase, Controller, ControllerKind, FirmwareKind, Policy, Timer, Topology,
};

impl Reader {
    pub(super) fn program(&mut self, command: &QemuCommand) {
        let Some(program) = &command.program else { return };
        let name = program.value.rsplit('/').next().unwrap_or_default();
        if let Some(arch) = name.strip_prefix("qemu-system-") {
            let arch: String =
                arch.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
            self.spec.arch = arch;
        }
        if program.value.starts_with('/') {
            self.spec.emulator = Some(program.value.clone());
        }
        self.spec.machine = match self.spec.arch.as_str() {
            "x86_64" | "i386" => "pc",
            "ppc64" => "pseries",
            "s390x" => "s390-ccw-virtio",
            _ => "virt",
        }
        .to_owned();
        self.spec.accelerator = match name {
            // Debian's and Red Hat's wrappers.
            "kvm" | "qemu-kvm" | "kvm-spice" => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        };
    }

    pub(super) fn named(&mut self, mut bag: Bag) {
        let Some(name) = bag.take("guest") else { return };
        let good = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let mut made: String =
            name.chars().map(|letter| if good(letter) { letter } else { '-' }).take(64).collect();
        if made.is_empty() || made.starts_with(['.', '-']) {
            made.insert(0, 'm');
            made.truncate(64);
        }
        if made != name {
            self.remark(
                Effect::Approximated,
                "name",
                format!("`{made}`: a machine's name has letters, digits, `-`, `_` and `.`"),
            );
        }
        self.spec.name = made;
    }

    pub(super) fn accelerators(&mut self, text: &str) {
        self.switches.accelerator = true;
        let mut names = text.split(':').filter(|name| !name.is_empty());
        match names.next() {
            Some("kvm") => self.spec.accelerator = Accelerator::Kvm,
            Some("tcg") => self.spec.accelerator = Accelerator::Tcg,
            Some(other) => {
                let why =
                    format!("`{other}` is not one that this specification knows; KVM stands in its place");
                self.remark(Effect::Approximated, "accelerator", why);
                self.spec.accelerator = Accelerator::Kvm;
            }
            None => return,
        }
        if names.next().is_some() {
            self.remark(
                Effect::Approximated,
                "accelerator",
                "the first of several: there is no second choice, so that KVM never becomes TCG unseen",
            );
        }
    }

    pub(super) fn platform(&mut self) {
        let mut machine = std::mem::replace(&mut self.machine, Bag::empty("-machine"));
        if let Some(kind) = machine.take("type") {
            self.spec.machine = kind;
        }
        if let Some(accelerators) = machine.take("accel") {
            self.accelerators(&accelerators);
        }
        if machine.flag("usb") == Some(true) {
            self.usb_controller();
        }
        if machine.has("pcspk-audiodev") {
            machine.take("pcspk-audiodev");
            self.sound_option("pcspk");
        }
        machine.drop_default("graphics", &["off", "on"]);
        if self.spec.acpi.is_none() {
            self.spec.acpi = machine.flag("acpi").filter(|acpi| !acpi);
        }
        if let Some(hpet) = machine.flag("hpet") {
            self.timer("hpet").present = Some(hpet);
        }
        self.spec.memory.merge = machine.flag("mem-merge");
        self.spec.memory.dump = machine.flag("dump-guest-core");
        let nvdimm = self.devices.iter().any(|device| device.get("driver") == Some("nvdimm"));
        if nvdimm {
            machine.drop_default("nvdimm", &["on"]);
        }
        let secure = self.globals.iter().position(|global| {
            let dotted = global.raw.starts_with("cfi.pflash01.secure=on")
                || global.raw.starts_with("cfi.pflash01.secure=true");
            dotted
                || (global.get("driver") == Some("cfi.pflash01")
                    && global.get("property") == Some("secure")
                    && matches!(global.get("value"), Some("on" | "true")))
        });
        if let (Some(at), Some("on")) = (secure, machine.get("smm")) {
            self.globals.remove(at);
            machine.take("smm");
            self.spec.firmware.secure_boot = Some(true);
        }
        self.machine = machine;
        if !self.switches.cpu {
            // QEMU's own default; the name is an alias that machine types resolve.
            self.spec.cpu.model = match self.spec.arch.as_str() {
                "x86_64" => "qemu64",
                "i386" => "qemu32",
                _ => "max",
            }
            .to_owned();
        }
    }

    /// The controller that `-usb` means: part of the PC's own bridge, at the place where that has it.
    fn usb_controller(&mut self) {
        if !self.spec.machine.starts_with("pc") || self.is_q35() {
            self.keep("-usb", "");
            return;
        }
        let index = self.buses.add("usb0", ControllerKind::Usb, 0);
        self.buses.alias("usb", ControllerKind::Usb, index);
        self.spec.controllers.push(Controller {
            kind: ControllerKind::Usb,
            index: Some(index),
            model: Some("piix3-uhci".to_owned()),
            ports: None,
            queues: None,
            iothread: None,
            chassis: None,
            port: None,
            node: None,
            hotplug: None,
            address: Some(Address { pci: Some("0000:00:01.2".to_owned()), ..Address::default() }),
        });
    }

    /// The firmware's images, and what is left of the machine's properties.
    pub(super) fn firmware(&mut self) {
        self.confidential();
        let mut machine = std::mem::replace(&mut self.machine, Bag::empty("-machine"));
        if let Some(code) = machine.get("pflash0").map(str::to_owned)
            && let Some((path, rest)) = self.plain_file(&code)
            && rest
        {
            self.commit();
            let variables = machine.get("pflash1").map(str::to_owned).and_then(|node| self.plain_file(&node));
            machine.take("pflash0");
            match variables {
                Some(_) => _ = machine.take("pflash1"),
                None => self.taken.clear(),
            }
            self.spec.firmware.kind = Some(FirmwareKind::Uefi);
            self.spec.firmware.path = Some(path);
            self.spec.firmware.variables = variables.map(|found| found.0);
            self.commit();
        } else {
            self.taken.clear();
        }
        self.keep_rest("machine", &machine);
    }

    /// The file below a block node, and whether it is read-only.
    fn plain_file(&mut self, node: &str) -> Option<(String, bool)> {
        let mut format = self.take("-blockdev", node)?;
        let read_only = format.flag("read-only").unwrap_or(false);
        let file = match format.take("file") {
            Some(file) => file,
            None => return format.take("filename").map(|path| (path, read_only)),
        };
        let mut file = self.take("-blockdev", &file)?;
        file.take("filename").map(|path| (path, read_only))
    }

    /// A timer of the clock by its name, made where it is not there.
    pub(super) fn timer(&mut self, name: &str) -> &mut Timer {
        let timers = &mut self.spec.clock.timers;
        let at = timers.iter().position(|timer| timer.name == name).unwrap_or_else(|| {
            timers.push(Timer {
                name: name.to_owned(),
                present: None,
                ticks: None,
                track: None,
                frequency: None,
            });
            timers.len() - 1
        });
        &mut timers[at]
    }

    pub(super) fn cpu(&mut self, mut bag: Bag) {
        self.switches.cpu = true;
        if let Some(model) = bag.take("model") {
            self.spec.cpu.model = model;
        }
        self.spec.cpu.migratable = bag.flag("migratable");
        if bag.flag("enforce") == Some(true) {
            self.spec.cpu.policy = Policy::Strict;
        }
        bag.drop_default("check", &["on", "true"]);
        self.spec.cpu.physical_bits = bag.small("phys-bits").filter(|bits| (32..=64).contains(bits));
        if bag.get("kvm") == Some("off") {
            bag.take("kvm");
            self.spec.hyperv.hide_kvm = true;
        }
        if bag.get("kvmclock") == Some("off") {
            bag.take("kvmclock");
            self.timer("kvmclock").present = Some(false);
        }
        if let Some(frequency) = bag.number("tsc-frequency") {
            self.timer("tsc").frequency = Some(frequency);
        }
        self.spec.hyperv.passthrough =
            bag.get("hv-passthrough").is_some_and(|value| value == "on" || value == "true");
        if self.spec.hyperv.passthrough {
            bag.take("hv-passthrough");
        }
        self.spec.hyperv.spinlocks = bag.small("hv-spinlocks");
        self.spec.hyperv.vendor_id = bag.take("hv-vendor-id");
        for (key, said) in bag.drain() {
            // The older spelling: `+vmx`, `-vmx`, `hv_relaxed`.
            let plain = key.strip_prefix(['+', '-']).unwrap_or(&key);
            let value = match (key.as_bytes().first(), said.as_deref()) {
                (Some(b'-'), None) => false,
                (_, None) | (_, Some("on" | "true" | "yes")) => true,
                (_, Some("off" | "false" | "no")) => false,
                _ => {
                    bag.part(key, said);
                    continue;
                }
            };
            let feature = plain.replace('_', "-");
            if feature.is_empty()
                || !feature.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
            {
                bag.part(key, said);
                continue;
            }
            match feature.strip_prefix("hv-") {
                Some("crash") if value => self.hyperv_panic(),
                Some(enlightenment) if value => self.spec.hyperv.features.push(enlightenment.to_owned()),
                _ => self.spec.cpu.features.push(format!("{}{plain}", if value { '+' } else { '-' })),
            }
        }
        self.keep_rest("cpu", &bag);
    }

    pub(super) fn smp(&mut self, mut bag: Bag) {
        let max = bag.small("maxcpus");
        let topology = Topology {
            sockets: bag.small("sockets"),
            dies: bag.small("dies"),
            clusters: bag.small("clusters"),
            cores: bag.small("cores"),
            threads: bag.small("threads"),
        };
        let count = bag.small("cpus");
        let product = [topology.sockets, topology.dies, topology.clusters, topology.cores, topology.threads]
            .into_iter()
            .flatten()
            .fold(1_u32, u32::saturating_mul);
        // Where QEMU is told no number it is that of the whole topology.
        self.spec.cpu.count = count.or(max).unwrap_or(product).clamp(1, 4096);
        self.spec.cpu.max = max.filter(|max| *max != self.spec.cpu.count && (1..=4096).contains(max));
        self.spec.cpu.topology = (topology != Topology::default()).then_some(topology);
        self.keep_rest("smp", &bag);
    }

    pub(super) fn rtc(&mut self, mut bag: Bag) {
        let clock = &mut self.spec.clock;
        match bag.take("base").as_deref() {
            None | Some("utc") => {}
            Some("localtime") => clock.base = ClockBase::Localtime,
            Some(date) => match seconds(date) {
                Some(seconds) => {
                    clock.base = ClockBase::Absolute;
                    clock.offset = Some(seconds);
                }
                None => bag.put("base", date),
            },
        }
        let track = bag.word("clock", |clock| match clock {
            "vm" => Some("guest"),
            "host" => Some("wall"),
            "rt" => Some("realtime"),
            _ => None,
        });
        if let Some(track) = track {
            self.timer("rtc").track = Some(track.to_owned());
        }
        if bag.get("driftfix") == Some("slew") {
            bag.take("driftfix");
            self.timer("rtc").ticks = Some("catchup".to_owned());
        }
        bag.drop_default("driftfix", &["none"]);
        let rest = bag.rest();
        if !rest.is_empty() {
            self.keep("-rtc", rest);
        }
    }

    /// Defaults of devices: those that the specification has a word for, and the rest.
    pub(super) fn globals(&mut self) {
        for global in std::mem::take(&mut self.globals) {
            match global.raw.as_str() {
                "kvm-pit.lost_tick_policy=delay" => self.timer("pit").ticks = Some("delay".to_owned()),
                "kvm-pit.lost_tick_policy=discard" => self.timer("pit").ticks = Some("discard".to_owned()),
                _ => self.keep("-global", global.raw),
            }
        }
    }
}

/// Seconds since 1970 of `2026-01-31T12:00:00`, by the civil calendar.
fn seconds(date: &str) -> Option<i64> {
    let (day, time) = date.split_once('T').unwrap_or((date, "0:0:0"));
    let numbers = |text: &str, by: char| -> Option<Vec<i64>> {
        text.split(by).map(|part| part.parse::<u16>().ok().map(i64::from)).collect()
    };
    let (day, time) = (numbers(day, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, second]) = (day.as_slice(), time.as_slice()) else { return None };
    if !(1..=12).contains(month) || !(1..=31).contains(day) || *hour > 23 || *minute > 59 || *second > 60 {
        return None;
    }
    // Howard Hinnant's `days_from_civil`: eras of 400 years that begin in March.
    let year = year - i64::from(*month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if *month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

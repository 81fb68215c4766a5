//! What each option says.

use super::bag::Bag;
use super::{Reader, qemu_size, size};
use crate::Effect;
use vmwright_formats::qemu_args::QemuOption;
use vmwright_model::machine::{Accelerator, Balloon, BootDevice, ClockBase, FirmwareKind, Hotplug, Reaction};

/// Options that belong to a running process or to its manager, and not to the machine.
const RUNNING: [&str; 23] = [
    "S",
    "chroot",
    "daemonize",
    "d",
    "D",
    "enable-fips",
    "g",
    "gdb",
    "mon",
    "monitor",
    "msg",
    "no-fd-bootchk",
    "no-shutdown",
    "pidfile",
    "preconfig",
    "qmp",
    "qmp-pretty",
    "run-with",
    "runas",
    "s",
    "seed",
    "trace",
    "incoming",
];

impl Reader {
    pub(super) fn option(&mut self, option: &QemuOption) {
        let value = option.value.as_deref().unwrap_or_default();
        let bag = || Bag::of(option);
        match option.name.as_str() {
            "nodefaults" => self.defaults = false,
            "no-user-config" | "nodefconfig" => {}
            "mon" => {
                // The monitor's own channel goes with it.
                if let Some(id) = bag().get("chardev") {
                    self.backends.remove(&("-chardev", id.to_owned()));
                }
            }
            name if RUNNING.contains(&name) => {}
            "name" => self.named(bag()),
            "uuid" => self.spec.uuid = Some(value.to_owned()),
            "machine" | "M" => self.machine.merge(bag()),
            "accel" => {
                let mut bag = bag();
                if let Some(names) = bag.take("accel") {
                    self.accelerators(&names);
                }
                self.keep_rest("accel", &bag);
            }
            "enable-kvm" => self.spec.accelerator = Accelerator::Kvm,
            "no-kvm" => self.spec.accelerator = Accelerator::Tcg,
            "snapshot" => self.switches.snapshot = true,
            "cpu" => self.cpu(bag()),
            "smp" => self.smp(bag()),
            "m" => self.amount(bag()),
            "numa" => self.numa.push(bag()),
            "mem-path" => self.switches.huge_path = Some(value.to_owned()),
            "mem-prealloc" => self.switches.prealloc = true,
            "overcommit" => {
                let mut bag = bag();
                self.spec.memory.locked = bag.flag("mem-lock").unwrap_or(false);
                let rest = bag.rest();
                if !rest.is_empty() {
                    self.keep("-overcommit", rest);
                }
            }
            "realtime" if value.starts_with("mlock=") => self.spec.memory.locked = value == "mlock=on",
            "kernel" => self.spec.boot.kernel = Some(value.to_owned()),
            "initrd" => self.spec.boot.initrd = Some(value.to_owned()),
            "append" => self.spec.boot.cmdline = value.to_owned(),
            "dtb" => self.spec.boot.dtb = Some(value.to_owned()),
            "bios" => {
                self.spec.firmware.path = Some(value.to_owned());
                self.spec.firmware.stateless = true;
            }
            "pflash" => self.flash(value),
            "boot" => self.boot(bag()),
            "rtc" => self.rtc(bag()),
            "localtime" => self.spec.clock.base = ClockBase::Localtime,
            "no-hpet" => self.timer("hpet").present = Some(false),
            "no-acpi" => self.spec.acpi = Some(false),
            "no-reboot" => self.spec.lifecycle.on_reboot = Some(Reaction::Destroy),
            "action" => self.action(bag()),
            "watchdog-action" => self.watchdog_action(value),
            "watchdog" => self.small_device(value),
            "balloon" if value.starts_with("virtio") => self.spec.balloon = Some(Balloon::default()),
            "sandbox" => self.spec.process.sandbox = (!value.starts_with("on")).then_some(false),
            "global" => self.globals.push(bag()),
            "object" => self.object(bag()),
            "blockdev" => self.backend("-blockdev", bag()),
            "chardev" => self.backend("-chardev", bag()),
            "netdev" => {
                self.switches.network = true;
                self.backend("-netdev", bag());
            }
            "fsdev" => self.backend("-fsdev", bag()),
            "audiodev" => self.backend("-audiodev", bag()),
            "tpmdev" => self.backend("-tpmdev", bag()),
            "drive" => self.drive(bag()),
            "hda" | "hdb" | "hdc" | "hdd" | "cdrom" | "fda" | "fdb" | "sd" | "mtdblock" => {
                self.image_option(&option.name, value)
            }
            "device" => self.devices.push(bag()),
            "nic" => self.nic(bag()),
            "net" => self.net(bag()),
            "virtfs" => self.virtfs(bag()),
            "serial" => self.serial_option(value),
            "parallel" => self.parallel_option(value),
            "vga" => self.vga(value),
            "display" => self.display(bag()),
            "vnc" => self.vnc(bag()),
            "spice" => self.spice(bag()),
            "sdl" => self.display_kind("sdl"),
            "curses" | "full-screen" => self.keep(format!("-{}", option.name), ""),
            "nographic" => self.switches.nographic = true,
            "k" => self.keymap(value),
            "usb" => self.machine.put("usb", "on"),
            "usbdevice" => self.usb_device(value),
            "soundhw" => self.sound_option(value),
            _ => self.keep(format!("-{}", option.name), value),
        }
    }

    fn amount(&mut self, mut bag: Bag) {
        // A number alone is in MiB.
        if let Some(bytes) = bag.get("size").and_then(|text| qemu_size(text, 20)) {
            self.spec.memory.size = size(bytes);
            bag.take("size");
        }
        let max = bag.get("maxmem").and_then(|text| qemu_size(text, 20));
        if let (Some(max), Some(slots)) = (max, bag.small("slots")) {
            bag.take("maxmem");
            self.spec.memory.hotplug = Some(Hotplug { max: size(max), slots });
        }
        if !bag.rest().is_empty() {
            self.remark(Effect::Lost, "memory", format!("`-m {}` is understood in part", bag.raw));
        }
    }

    fn boot(&mut self, mut bag: Bag) {
        bag.drop_default("strict", &["on", "off"]);
        self.spec.boot.menu = bag.flag("menu");
        self.spec.boot.menu_timeout = bag.small("splash-time");
        bag.take("once");
        let order = bag.take("order").unwrap_or_default();
        for letter in order.chars() {
            let device = match letter {
                'a' | 'b' => BootDevice::Floppy,
                'c' => BootDevice::Disk,
                'd' => BootDevice::Cdrom,
                'n'..='p' => BootDevice::Network,
                _ => continue,
            };
            if !self.spec.boot.order.contains(&device) {
                self.spec.boot.order.push(device);
            }
        }
        self.keep_rest("boot", &bag);
    }

    fn action(&mut self, mut bag: Bag) {
        if bag.get("reboot") == Some("shutdown") {
            bag.take("reboot");
            self.spec.lifecycle.on_reboot = Some(Reaction::Destroy);
        }
        if bag.get("panic") == Some("pause") {
            bag.take("panic");
            self.spec.lifecycle.on_crash = Some(Reaction::Preserve);
        }
        if let Some(action) = bag.take("watchdog") {
            self.watchdog_action(&action);
        }
        let rest = bag.rest();
        if !rest.is_empty() {
            self.keep("-action", rest);
        }
    }

    fn flash(&mut self, path: &str) {
        let firmware = &mut self.spec.firmware;
        firmware.kind = Some(FirmwareKind::Uefi);
        match firmware.path {
            None => firmware.path = Some(path.to_owned()),
            Some(_) => firmware.variables = Some(path.to_owned()),
        }
    }

    fn object(&mut self, bag: Bag) {
        match bag.get("qom-type") {
            // The key that libvirt hands over its secrets with.
            Some("secret") if bag.get("id").is_some_and(|id| id.starts_with("masterKey")) => {}
            Some("input-linux") => self.evdev(bag),
            Some("iommufd") => {}
            _ => self.backend("-object", bag),
        }
    }
}

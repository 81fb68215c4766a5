//! Identity, firmware, boot, features of the platform, what follows on an end.

use super::port::{Port, TEXT};
use vmwright_formats::machine_spec::check;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Accelerator, Boot, BootDevice, Features, Firmware, FirmwareKind, Lifecycle, Reaction,
};

pub(super) fn identity(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let mut accelerator = (!port.reading()).then_some(spec.accelerator);
    port.word("type", &[("kvm", Accelerator::Kvm), ("qemu", Accelerator::Tcg)], &mut accelerator);
    spec.accelerator = accelerator.unwrap_or(spec.accelerator);
    port.child("name", |port| {
        let mut name = (!port.reading()).then(|| spec.name.clone());
        port.by(TEXT, &mut name, |text| Some(machine_name(text)), |name| Some(name.clone()));
        spec.name = name.unwrap_or_default();
    });
    port.child("uuid", |port| port.text(TEXT, "uuid", &mut spec.uuid));
    port.child("title", |port| port.text(TEXT, "line", &mut spec.title));
    port.child("description", |port| port.text(TEXT, "", &mut spec.description));
}

/// The name itself, or where vmwright's names have no place for it the nearest that is one.
pub(super) fn machine_name(text: &str) -> String {
    if check("machine-name", text).is_ok() {
        return text.to_owned();
    }
    let fit =
        |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let name: String = text.trim().chars().map(fit).take(64).collect();
    let name = name.trim_start_matches(['.', '-']).to_owned();
    if name.is_empty() { "machine".to_owned() } else { name }
}

pub(super) fn os(port: &mut Port<'_>, spec: &mut MachineSpec) {
    port.child("os", |port| {
        let firmware = &mut spec.firmware;
        let mut automatic =
            (!port.reading() && firmware.kind == Some(FirmwareKind::Uefi) && firmware.path.is_none())
                .then_some(FirmwareKind::Uefi);
        port.word("firmware", &[("efi", FirmwareKind::Uefi)], &mut automatic);
        if port.reading() {
            firmware.kind = automatic;
        }
        port.child("type", |port| {
            port.put(TEXT, "hvm");
            port.string("arch", "word", &mut spec.arch);
            port.string("machine", "word", &mut spec.machine);
            if port.reading() {
                defaults(spec);
            }
        });
        if port.reading() && port.node().child("type").is_none() {
            defaults(spec);
        }
        self::firmware(port, &mut spec.firmware);
        boot(port, &mut spec.boot);
    });
}

/// What libvirt takes where the architecture or the machine type is absent.
fn defaults(spec: &mut MachineSpec) {
    if spec.arch.is_empty() {
        spec.arch = "x86_64".to_owned();
    }
    if spec.machine.is_empty() {
        spec.machine = match spec.arch.as_str() {
            "aarch64" | "armv7l" | "riscv64" | "riscv32" => "virt",
            "ppc64" | "ppc64le" => "pseries",
            "s390x" => "s390-ccw-virtio",
            _ => "pc",
        }
        .to_owned();
    }
}

fn firmware(port: &mut Port<'_>, firmware: &mut Firmware) {
    port.child("loader", |port| {
        port.text(TEXT, "path", &mut firmware.path);
        let flash =
            firmware.path.is_some() && !firmware.stateless && firmware.kind == Some(FirmwareKind::Uefi);
        if port.reading() {
            match port.raw("type").as_deref() {
                Some("pflash") => firmware.kind = firmware.kind.or(Some(FirmwareKind::Uefi)),
                Some("rom") => firmware.stateless = true,
                _ => {}
            }
        } else if flash {
            port.put("readonly", "yes");
            port.put("type", "pflash");
        } else if firmware.path.is_some() && firmware.stateless {
            port.put("type", "rom");
        }
        port.yes_no("secure", &mut firmware.secure_boot);
    });
    port.child("nvram", |port| {
        port.text("template", "path", &mut firmware.template);
        port.text(TEXT, "path", &mut firmware.variables);
        if port.reading() && port.raw("type").as_deref() == Some("file") {
            port.child("source", |port| port.text("file", "path", &mut firmware.variables));
        }
    });
}

fn boot(port: &mut Port<'_>, boot: &mut Boot) {
    port.child("kernel", |port| port.text(TEXT, "path", &mut boot.kernel));
    port.child("initrd", |port| port.text(TEXT, "path", &mut boot.initrd));
    port.child("cmdline", |port| {
        port.or_default(&mut boot.cmdline, |port, line| port.text(TEXT, "line", line));
    });
    port.child("dtb", |port| port.text(TEXT, "path", &mut boot.dtb));
    const DEVICES: &[(&str, BootDevice)] = &[
        ("hd", BootDevice::Disk),
        ("cdrom", BootDevice::Cdrom),
        ("fd", BootDevice::Floppy),
        ("network", BootDevice::Network),
    ];
    port.list(
        "boot",
        &mut boot.order,
        || BootDevice::Disk,
        |port, device| {
            let mut some = (!port.reading()).then_some(*device);
            port.word("dev", DEVICES, &mut some);
            *device = some.unwrap_or(BootDevice::Disk);
            some.is_some()
        },
    );
    port.child("bootmenu", |port| {
        port.yes_no("enable", &mut boot.menu);
        port.number("timeout", 0..=65535, &mut boot.menu_timeout);
    });
}

pub(super) fn features(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let x86 = matches!(spec.arch.as_str(), "x86_64" | "i686");
    let has_acpi = x86 || spec.arch == "aarch64";
    if port.reading() && has_acpi {
        // libvirt turns off what is not named.
        let named = port.node().child("features").is_some_and(|features| features.child("acpi").is_some());
        spec.acpi = (!named).then_some(false);
    }
    port.child("features", |port| {
        if !port.reading() && spec.acpi != Some(false) && has_acpi {
            port.child_if("acpi", true, |_| {});
            if x86 {
                port.child_if("apic", true, |_| {});
            }
        }
        super::guest::hyperv(port, &mut spec.hyperv);
        switches(port, &mut spec.features);
    });
}

fn switches(port: &mut Port<'_>, features: &mut Features) {
    port.child("pmu", |port| port.on_off("state", &mut features.pmu));
    port.child("vmport", |port| port.on_off("state", &mut features.vmport));
    port.child("gic", |port| port.text("version", "word", &mut features.gic));
    port.child("smm", |port| port.on_off("state", &mut features.smm));
    port.child("ioapic", |port| {
        port.word("driver", &[("qemu", true), ("kvm", false)], &mut features.split_irqchip);
    });
    port.child("vmcoreinfo", |port| port.on_off("state", &mut features.vmcoreinfo));
}

pub(super) fn lifecycle(port: &mut Port<'_>, lifecycle: &mut Lifecycle) {
    let mut one = |name: &str, reaction: &mut Option<Reaction>| {
        port.child(name, |port| port.same(TEXT, reaction));
    };
    one("on_poweroff", &mut lifecycle.on_poweroff);
    one("on_reboot", &mut lifecycle.on_reboot);
    one("on_crash", &mut lifecycle.on_crash);
}

//! What is started: firmware, kernel, order of devices; the trusted platform module.

use super::super::argument::{Value, escape, on_off};
use super::Line;
use vmwright_model::machine::{BootDevice, Firmware, FirmwareKind, TpmModel};

pub(super) fn firmware(line: &mut Line<'_>) {
    let firmware: &Firmware = &line.spec.firmware;
    let Some(path) = &firmware.path else {
        if firmware.kind == Some(FirmwareKind::Uefi) {
            line.lost("firmware.kind", "no image is named: look it up in the host's firmware descriptors");
        }
        return;
    };
    if firmware.stateless {
        line.push("-bios", path.clone(), "the firmware's image, mapped as memory");
        return;
    }
    let own = line.extra("firmware");
    let mode = if own.contains("read-only=") { own } else { "read-only=on".to_owned() };
    let file = format!("driver=file,node-name=firmware-file,{mode},filename={}", escape(path));
    line.push("-blockdev", file, "the UEFI firmware's image");
    line.push(
        "-blockdev",
        format!("driver=raw,node-name=firmware,{mode},file=firmware-file"),
        "its bytes as flash",
    );
    if let Some(variables) = &firmware.variables {
        let format = if variables.ends_with(".qcow2") { "qcow2" } else { "raw" };
        let file = Value::bare()
            .with("driver", "file")
            .with("node-name", "variables-file")
            .with("filename", variables);
        line.push("-blockdev", file, "the machine's own UEFI variables");
        let node = format!("driver={format},node-name=variables,read-only=off,file=variables-file");
        line.push("-blockdev", node, "their bytes as flash");
    }
}

pub(super) fn kernel(line: &mut Line<'_>) {
    let boot = &line.spec.boot;
    if let Some(kernel) = &boot.kernel {
        line.push("-kernel", kernel, "this kernel is started, without a boot loader");
    }
    if let Some(initrd) = &boot.initrd {
        line.push("-initrd", initrd, "its initramfs");
    }
    if boot.kernel.is_some() && !boot.cmdline.is_empty() {
        line.push("-append", &boot.cmdline, "its command line");
    }
    if let Some(dtb) = &boot.dtb {
        line.push("-dtb", dtb, "the device tree that it gets");
    }
}

pub(super) fn order(line: &mut Line<'_>) {
    let boot = &line.spec.boot;
    let extra = line.extra("boot");
    if boot.menu.is_some() || boot.menu_timeout.is_some() || !extra.is_empty() {
        let value = Value::bare()
            .maybe("menu", boot.menu.map(on_off))
            .maybe("splash-time", boot.menu_timeout)
            .raw(&extra);
        line.push("-boot", value, "whether the firmware shows a menu, and how long");
    }
}

/// Place of a device in the boot order: its own, or by its kind where no device has one of its own.
pub(super) fn index(line: &Line<'_>, kind: BootDevice, at: usize, own: Option<u32>) -> Option<u32> {
    let spec = line.spec;
    if own.is_some() || line.index.ordered {
        return own;
    }
    if spec.boot.order.is_empty() {
        // Disks are in boot order, and the network is not started from.
        let counts = matches!(kind, BootDevice::Disk | BootDevice::Cdrom | BootDevice::Floppy);
        return (counts && !spec.bare).then(|| u32::try_from(at + 1).unwrap_or(u32::MAX));
    }
    let place = spec.boot.order.iter().position(|one| *one == kind)?;
    let first = match kind {
        BootDevice::Network => at == 0,
        _ => line.index.first[kind as usize] == Some(at),
    };
    first.then(|| u32::try_from(place + 1).unwrap_or(u32::MAX))
}

pub(super) fn tpm(line: &mut Line<'_>) {
    let Some(tpm) = &line.spec.tpm else { return };
    match &tpm.device {
        Some(device) => {
            let value = Value::new("passthrough")
                .with("id", "tpm")
                .with("path", device)
                .raw(&line.extra("tpm.backend"));
            line.push("-tpmdev", value, "the host's own trusted platform module");
        }
        None => {
            let socket = line.handles.tpm.as_ref().or(tpm.socket.as_ref());
            if socket.is_none() {
                line.lost("tpm.socket", "no swtpm runs for the machine yet: start one, and name its socket");
            }
            let socket = socket.map_or("/run/swtpm.sock", String::as_str);
            let chardev = Value::new("socket").with("id", "tpm").with("path", socket);
            line.push("-chardev", chardev, "the socket of swtpm");
            line.push("-tpmdev", "emulator,id=tpm,chardev=tpm", "an emulated trusted platform module");
        }
    }
    let driver = match tpm.model {
        Some(TpmModel::Tis) | None if line.spec.arch == "aarch64" => "tpm-tis-device",
        Some(TpmModel::Tis) => "tpm-tis",
        Some(TpmModel::Spapr) => "tpm-spapr",
        Some(TpmModel::Crb) | None => "tpm-crb",
    };
    line.device("tpm", Value::new(driver).with("tpmdev", "tpm"), "the trusted platform module in the guest");
}

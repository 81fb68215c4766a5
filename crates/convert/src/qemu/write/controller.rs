//! Controllers: those that the specification names, and those that its devices need.

use super::super::argument::{Value, on_off};
use super::{ArgvError, Line, is_q35, place};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    ChannelTarget, Controller, ControllerKind, DiskBus, HostDeviceKind, InputBus, InputKind,
};

pub(super) fn controllers(line: &mut Line<'_>) -> Result<(), ArgvError> {
    let spec = line.spec;
    let mut seen = [0_u32; 8];
    for (at, controller) in spec.controllers.iter().enumerate() {
        let kind = controller.kind as usize;
        // PCI's number 0 is the root, which every machine with PCI has.
        let first = u32::from(controller.kind == ControllerKind::Pci && !is_root(controller));
        let number = controller.index.unwrap_or(seen[kind].max(first));
        seen[kind] = seen[kind].max(number + 1);
        self::controller(line, at, controller, number)?;
    }
    needed(line);
    Ok(())
}

fn is_root(controller: &Controller) -> bool {
    matches!(controller.model.as_deref(), Some("pci-root" | "pcie-root"))
}

fn controller(line: &mut Line<'_>, at: usize, controller: &Controller, number: u32) -> Result<(), ArgvError> {
    let model = controller.model.as_deref();
    let q35 = is_q35(&line.spec.machine);
    let (driver, id, why) = match controller.kind {
        ControllerKind::Pci if is_root(controller) => {
            root(line, controller);
            return Ok(());
        }
        ControllerKind::Pci => (pci(line, model), format!("pci.{number}"), "a PCI bridge or port"),
        // Built into the board.
        ControllerKind::Sata if q35 && number == 0 => return Ok(()),
        ControllerKind::Sata => ("ahci".to_owned(), format!("sata{number}"), "a controller of SATA drives"),
        ControllerKind::Ide if number == 0 => return Ok(()),
        ControllerKind::Fdc if !q35 => return Ok(()),
        ControllerKind::Fdc => {
            ("isa-fdc".to_owned(), format!("fdc{number}"), "a controller of floppy drives")
        }
        ControllerKind::Usb if model == Some("none") => return Ok(()),
        ControllerKind::Usb => {
            let id = if number == 0 { "usb".to_owned() } else { format!("usb{number}") };
            (usb(line, model), id, "a controller of USB devices")
        }
        ControllerKind::Scsi => (scsi(line, model), format!("scsi{number}"), "a controller of SCSI devices"),
        ControllerKind::VirtioSerial => {
            let driver = transitional(line, "virtio-serial", model);
            (driver, format!("virtio-serial{number}"), "ports for programs in the guest")
        }
        ControllerKind::Ccid => ("usb-ccid".to_owned(), format!("ccid{number}"), "a reader of smart cards"),
        ControllerKind::Ide => {
            return Err(ArgvError::Beyond(format!("controller.{at}")));
        }
    };
    let companion = driver.strip_prefix("ich9-usb-uhci").and_then(|number| number.parse::<u32>().ok());
    let mut value = Value::new(&driver);
    if let Some(companion) = companion {
        // The EHCI controller beside it has the ports; each of these serves two of them at low speed.
        value.push("masterbus", format!("{id}.0"));
        value.push("firstport", companion.saturating_sub(1) * 2);
    } else {
        value.push("id", &id);
    }
    value = value.maybe("port", controller.port);
    value = match driver.as_str() {
        "pci-bridge" => value.with("chassis_nr", controller.chassis.unwrap_or(number)),
        "pcie-root-port" | "ioh3420" | "xio3130-downstream" => {
            value.with("chassis", controller.chassis.unwrap_or(number))
        }
        _ => value.maybe("chassis", controller.chassis),
    };
    value = value.maybe("numa_node", controller.node).switch("hotplug", controller.hotplug);
    value = value.maybe("num_queues", controller.queues);
    value = value.maybe("iothread", controller.iothread.map(|number| format!("iothread{number}")));
    if let Some(ports) = controller.ports {
        match controller.kind {
            ControllerKind::VirtioSerial => value.push("max_ports", ports),
            ControllerKind::Usb => {
                value.push("p2", ports);
                value.push("p3", ports);
            }
            _ => line.lost(format!("controller.{at}.ports"), "this device has no number of ports"),
        }
    }
    let value = match controller.kind {
        ControllerKind::Ccid => place::usb(controller.address.as_ref(), value),
        _ => place::pci(line, controller.address.as_ref(), value),
    };
    line.device(&format!("controller.{at}"), value, why);
    Ok(())
}

/// Whether devices can be plugged into the root of an i440FX while the machine runs: the power management's affair.
fn root(line: &mut Line<'_>, controller: &Controller) {
    if let Some(hotplug) = controller.hotplug
        && controller.model.as_deref() == Some("pci-root")
    {
        let state = on_off(hotplug);
        line.push(
            "-global",
            format!("PIIX4_PM.acpi-root-pci-hotplug={state}"),
            "whether the PCI root takes devices later",
        );
    }
}

fn pci(line: &Line<'_>, model: Option<&str>) -> String {
    let express = is_q35(&line.spec.machine) || line.spec.arch == "aarch64";
    let name = match model {
        Some("dmi-to-pci-bridge") => "i82801b11-bridge",
        Some("pcie-switch-upstream-port") => "x3130-upstream",
        Some("pcie-switch-downstream-port") => "xio3130-downstream",
        Some("pcie-to-pci-bridge") => "pcie-pci-bridge",
        Some("pci-expander-bus") => "pxb",
        Some("pcie-expander-bus") => "pxb-pcie",
        Some(other) => other,
        None if express => "pcie-root-port",
        None => "pci-bridge",
    };
    name.to_owned()
}

fn usb(line: &Line<'_>, model: Option<&str>) -> String {
    let name = match model {
        Some("piix3-uhci") => "piix3-usb-uhci",
        Some("piix4-uhci") => "piix4-usb-uhci",
        Some("ehci") => "usb-ehci",
        Some("nec-xhci") => "nec-usb-xhci",
        Some("vt82c686b-uhci") => "vt82c686b-usb-uhci",
        None if line.spec.bare => "piix3-usb-uhci",
        None => "qemu-xhci",
        Some(other) => {
            return other.strip_prefix("ich9-").map_or(other.to_owned(), |rest| format!("ich9-usb-{rest}"));
        }
    };
    name.to_owned()
}

fn scsi(line: &Line<'_>, model: Option<&str>) -> String {
    match model {
        Some("lsilogic") => "lsi".to_owned(),
        Some("lsisas1068") => "mptsas1068".to_owned(),
        Some("lsisas1078") => "megasas".to_owned(),
        Some("vmpvscsi") => "pvscsi".to_owned(),
        Some("ibmvscsi") => "spapr-vscsi".to_owned(),
        // What libvirt takes where its XML says nothing, on x86.
        None if line.spec.bare => "lsi".to_owned(),
        None => line.virtio("virtio-scsi"),
        Some(model) if model.starts_with("virtio") => transitional(line, "virtio-scsi", Some(model)),
        Some(other) => other.to_owned(),
    }
}

/// Whether a SCSI controller addresses by target and LUN; the older ones have targets alone.
pub(super) fn has_luns(spec: &MachineSpec, model: Option<&str>) -> bool {
    match model {
        Some(model) => !matches!(model, "lsilogic" | "lsi" | "ncr53c90" | "dc390" | "am53c974"),
        // What libvirt takes where its XML says nothing.
        None => !spec.bare,
    }
}

/// A virtio device's name: `virtio-transitional` and `virtio-non-transitional` are libvirt's words.
pub(super) fn transitional(line: &Line<'_>, name: &str, model: Option<&str>) -> String {
    match model {
        Some(model) if model.ends_with("-non-transitional") => {
            format!("{}-non-transitional", line.virtio(name))
        }
        Some(model) if model.ends_with("-transitional") => format!("{}-transitional", line.virtio(name)),
        _ => line.virtio(name),
    }
}

/// Controllers that devices of the specification need, and that it does not name.
fn needed(line: &mut Line<'_>) {
    let spec = line.spec;
    let has = |kind: ControllerKind| spec.controllers.iter().any(|controller| controller.kind == kind);
    let disk = |bus: DiskBus| spec.disks.iter().any(|disk| disk.bus == Some(bus));
    let scsi = spec.host_devices.iter().any(|device| device.kind == HostDeviceKind::Scsi);
    if (disk(DiskBus::Scsi) || scsi) && !has(ControllerKind::Scsi) {
        let value = Value::new(line.virtio("virtio-scsi")).with("id", "scsi0");
        line.push("-device", value, "a controller for SCSI devices");
    }
    if disk(DiskBus::Sata) && !has(ControllerKind::Sata) && !is_q35(&spec.machine) {
        line.push("-device", "ahci,id=sata0", "a controller for SATA drives");
    }
    let plugged = |kind: InputKind| !matches!(kind, InputKind::Passthrough | InputKind::Evdev);
    let input = spec
        .inputs
        .iter()
        .any(|input| plugged(input.kind) && input.bus.unwrap_or(InputBus::Usb) == InputBus::Usb);
    let device = spec.host_devices.iter().any(|device| device.kind == HostDeviceKind::Usb);
    let sound = spec.sounds.iter().any(|sound| sound.model == "usb");
    if (disk(DiskBus::Usb) || input || device || sound) && !has(ControllerKind::Usb) {
        line.push("-device", "qemu-xhci,id=usb", "a controller for USB devices");
    }
    let channels = spec.channels.iter().any(|channel| channel.target == ChannelTarget::Virtio);
    let agent = spec.agent && !super::character::agent_written(spec);
    if (channels || agent || super::character::virtio_consoles(spec)) && !has(ControllerKind::VirtioSerial) {
        let id = place::serial_controller(line, None);
        let value = Value::new(line.virtio("virtio-serial")).with("id", id);
        line.push("-device", value, "ports for programs in the guest");
    }
}

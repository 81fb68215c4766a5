//! Disks as the guest sees them.

use super::super::argument::Value;
use super::{ArgvError, Line, boot, controller, is_q35, place, storage};
use crate::libvirt::place_of_name;
use std::collections::BTreeMap;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{BootDevice, Disk, DiskBus, DiskDevice, OnError};

/// The kind of device that the firmware takes a disk for.
pub(super) fn boot_device(disk: &Disk) -> BootDevice {
    match disk.device {
        DiskDevice::Cdrom => BootDevice::Cdrom,
        DiskDevice::Floppy => BootDevice::Floppy,
        DiskDevice::Disk | DiskDevice::Lun => BootDevice::Disk,
    }
}

/// The first disk of each kind, by the kind's place in its type. Disks of one bus stand in the order of their names
/// where they have some: so libvirt has them, whatever the order of its text.
pub(super) fn first_of_kinds(spec: &MachineSpec) -> [Option<usize>; 4] {
    let mut buses: BTreeMap<Option<u8>, usize> = BTreeMap::new();
    // Bus, name, place in the list.
    type Place = (usize, u32, usize);
    let mut first: [Option<Place>; 4] = [None; 4];
    for (at, disk) in spec.disks.iter().enumerate() {
        let count = buses.len();
        let bus = *buses.entry(disk.bus.map(|bus| bus as u8)).or_insert(count);
        let name = disk.target.as_deref().and_then(place_of_name).unwrap_or(0);
        let place = (bus, name, at);
        let entry = &mut first[boot_device(disk) as usize];
        if entry.is_none_or(|before| place < before) {
            *entry = Some(place);
        }
    }
    first.map(|one| one.map(|(.., at)| at))
}

pub(super) fn disk(line: &mut Line<'_>, at: usize) -> Result<(), ArgvError> {
    let disk = &line.spec.disks[at];
    let item = format!("disk.{at}");
    let index = boot::index(line, boot_device(disk), at, disk.boot_order);
    if let Some(socket) = &disk.vhost_user {
        let chardev = Value::new("socket").with("id", format!("disk{at}")).with("path", socket);
        line.push(
            "-chardev",
            chardev.raw(&line.extra(&format!("{item}.chardev"))),
            "the socket of the disk's server",
        );
        let value = Value::new(line.virtio("vhost-user-blk"))
            .with("chardev", format!("disk{at}"))
            .maybe("num-queues", disk.queues)
            .maybe("bootindex", index);
        let value = place::pci(line, disk.address.as_ref(), value);
        line.device(&item, value, "the disk in the guest, served by another process");
        return Ok(());
    }
    if disk.transient {
        if line.handles.to_run() {
            return Err(ArgvError::Beyond(format!("{item}.transient")));
        }
        line.lost(
            format!("{item}.transient"),
            "what the guest writes is kept: lay a temporary image over the disk",
        );
    }
    let removable = matches!(disk.device, DiskDevice::Cdrom | DiskDevice::Floppy);
    let empty = disk.host_path().is_none() && disk.rbd.is_none() && disk.nbd.is_none() && disk.url.is_none();
    if empty && disk.volume.is_some() {
        return Err(ArgvError::Beyond(format!("{item}.volume")));
    }
    let node = if empty && removable { None } else { Some(storage::nodes(line, at, disk)?) };
    let bus = disk.bus.unwrap_or_else(|| default_bus(line, disk));
    let mut value = Value::new(driver(line, disk, bus)).maybe("drive", node);
    match index {
        // The controller tries its drives, and not each drive itself.
        Some(index) if bus == DiskBus::Fdc => {
            let unit = disk.address.as_ref().and_then(|address| address.unit).unwrap_or(0);
            let drive = if unit == 0 { 'A' } else { 'B' };
            line.push(
                "-global",
                format!("isa-fdc.bootindex{drive}={index}"),
                "the floppy drive's place in the boot order",
            );
        }
        index => value = value.maybe("bootindex", index),
    }
    value = value.maybe("iothread", disk.iothread.map(|number| format!("iothread{number}")));
    value = value.maybe("num-queues", disk.queues).maybe("queue-size", disk.queue_size);
    let serial = disk.serial.as_ref();
    value = match (bus, serial) {
        // It has none of its own, and QEMU makes none.
        (DiskBus::Nvme, None) => value.with("serial", format!("disk{at}")),
        (_, serial) => value.maybe("serial", serial),
    };
    value = value.maybe("wwn", disk.wwn.as_ref().map(|wwn| format!("0x{}", wwn.trim_start_matches("0x"))));
    value = value
        .maybe("logical_block_size", disk.logical_block)
        .maybe("physical_block_size", disk.physical_block);
    if bus != DiskBus::Fdc {
        value = value.switch("write-cache", storage::write_cache(disk.cache).filter(|_| !empty));
    }
    value = value.on("scsi", bus == DiskBus::Virtio && disk.device == DiskDevice::Lun);
    value = value.on("share-rw", disk.shareable);
    value = value
        .maybe("werror", disk.on_write_error.map(on_error))
        .maybe("rerror", disk.on_read_error.map(on_error));
    let value = placed(line, disk, bus, value);
    line.device(&item, value, "the disk in the guest");
    Ok(())
}

pub(super) fn default_bus(line: &Line<'_>, disk: &Disk) -> DiskBus {
    match disk.device {
        DiskDevice::Floppy => DiskBus::Fdc,
        DiskDevice::Cdrom if is_q35(&line.spec.machine) => DiskBus::Sata,
        DiskDevice::Cdrom if line.spec.machine.starts_with("pc") => DiskBus::Ide,
        DiskDevice::Cdrom | DiskDevice::Lun => DiskBus::Scsi,
        DiskDevice::Disk => DiskBus::Virtio,
    }
}

fn driver(line: &Line<'_>, disk: &Disk, bus: DiskBus) -> String {
    let optical = disk.device == DiskDevice::Cdrom;
    match bus {
        DiskBus::Virtio if disk.address.as_ref().is_some_and(|address| address.mmio) => {
            "virtio-blk-device".to_owned()
        }
        DiskBus::Virtio => controller::transitional(line, "virtio-blk", None),
        DiskBus::Scsi if disk.device == DiskDevice::Lun => "scsi-block".to_owned(),
        DiskBus::Scsi => if optical { "scsi-cd" } else { "scsi-hd" }.to_owned(),
        DiskBus::Sata | DiskBus::Ide => if optical { "ide-cd" } else { "ide-hd" }.to_owned(),
        DiskBus::Usb => "usb-storage".to_owned(),
        DiskBus::Nvme => "nvme".to_owned(),
        DiskBus::Fdc => "floppy".to_owned(),
        DiskBus::Sd => "sd-card".to_owned(),
    }
}

/// Where the disk is plugged in: its own place, or the next on its bus where the bus cannot choose.
fn placed(line: &mut Line<'_>, disk: &Disk, bus: DiskBus, value: Value) -> Value {
    let address = disk.address.as_ref();
    let number = address.and_then(|address| address.controller).unwrap_or(0);
    let unit = address.and_then(|address| address.unit);
    let said = address.is_some_and(|address| address.unit.is_some() || address.bus.is_some());
    match bus {
        DiskBus::Virtio | DiskBus::Nvme => place::pci(line, address, value),
        DiskBus::Usb => place::usb(address, value),
        DiskBus::Scsi => {
            let address = address.cloned().unwrap_or_default();
            let value = value.with("bus", format!("scsi{number}.0"));
            if !said && address.target.is_none() {
                return value;
            }
            if !line.index.without_luns.contains(&number) {
                value
                    .with("channel", address.bus.unwrap_or(0))
                    .with("scsi-id", address.target.unwrap_or(0))
                    .with("lun", address.unit.unwrap_or(0))
            } else {
                value.with("scsi-id", address.unit.unwrap_or(0))
            }
        }
        DiskBus::Sata => {
            let unit = unit.unwrap_or(line.index.sata);
            line.index.sata += 1;
            let name = if number == 0 && is_q35(&line.spec.machine) {
                "ide".to_owned()
            } else {
                format!("sata{number}")
            };
            value.with("bus", format!("{name}.{unit}"))
        }
        DiskBus::Ide if said => {
            let bus = address.and_then(|address| address.bus).unwrap_or(0);
            value.with("bus", format!("ide.{bus}")).with("unit", unit.unwrap_or(0))
        }
        DiskBus::Fdc => value.maybe("unit", unit),
        DiskBus::Ide | DiskBus::Sd => value,
    }
}

fn on_error(what: OnError) -> &'static str {
    match what {
        OnError::Stop => "stop",
        OnError::Report => "report",
        OnError::Ignore => "ignore",
        OnError::Enospace => "enospc",
    }
}

//! Disks and shared directories.

use super::volumes::Volumes;
use super::{NAME_MAX, label};
use crate::json::Port;
use serde_json::Value;
use std::collections::BTreeSet;
use vmwright_formats::machine_spec::check;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Address, Aio, Cache, Disk, DiskBus, DiskDevice, DiskFormat, OnError, Share, ShareDriver,
};

const DEVICES: [(&str, DiskDevice); 4] = [
    ("disk", DiskDevice::Disk),
    ("cdrom", DiskDevice::Cdrom),
    ("lun", DiskDevice::Lun),
    ("floppy", DiskDevice::Floppy),
];

const BUSES: [(&str, DiskBus); 4] =
    [("virtio", DiskBus::Virtio), ("sata", DiskBus::Sata), ("scsi", DiskBus::Scsi), ("usb", DiskBus::Usb)];

/// A disk as KubeVirt has it where nothing is said (`setDefaultAmd64DisksBus`, `setErrorPolicy`).
fn blank() -> Disk {
    Disk { bus: Some(DiskBus::Sata), on_write_error: Some(OnError::Stop), ..Disk::empty(DiskFormat::Raw) }
}

pub(super) fn disks(port: &mut Port<'_>, spec: &mut MachineSpec, volumes: &mut Volumes) {
    // A disk that goes without saying has no element.
    let silent = silent(spec);
    let (silent, mut said): (Vec<Disk>, Vec<Disk>) =
        spec.disks.iter().cloned().partition(|disk| is_silent(disk, &silent));
    port.list("disks", "/disk", &mut said, blank, |port, disk| one(port, disk, volumes));
    if port.reading() {
        spec.disks = said;
    } else {
        for disk in &silent {
            volumes.write_kept(disk.target.as_deref().unwrap_or_default());
        }
    }
}

fn one(port: &mut Port<'_>, disk: &mut Disk, volumes: &mut Volumes) -> bool {
    let Some(name) = named(port, disk) else { return false };
    if port.reading() {
        let seen = volumes.disk(&name);
        let told = seen.is_some() && !volumes.is_on_node(&name);
        let empty = seen.is_none() && !volumes.has(&name);
        let device =
            DEVICES.iter().find(|(key, _)| port.raw(key).is_some()).map_or(DiskDevice::Disk, |found| found.1);
        // A drive may be empty.
        if seen.is_none() && !(empty && matches!(device, DiskDevice::Cdrom | DiskDevice::Floppy)) {
            return false;
        }
        if told {
            port.tell("name", format!("what its volume `{name}` holds only the cluster knows; the path is the one within the VM's pod"));
        }
        *disk = Disk {
            target: Some(name.clone()),
            device,
            bus: disk.bus,
            on_write_error: disk.on_write_error,
            ..seen.unwrap_or_else(blank)
        };
        if !empty {
            volumes.take(&name);
        }
    } else {
        let empty =
            disk.host_path().is_none() && matches!(disk.device, DiskDevice::Cdrom | DiskDevice::Floppy);
        if !empty && !volumes.write(&name, disk) {
            return false;
        }
    }
    properties(port, disk);
    true
}

/// The name of a disk, which is that of its volume.
fn named(port: &mut Port<'_>, disk: &Disk) -> Option<String> {
    if port.reading() {
        return port
            .raw("name")
            .and_then(Value::as_str)
            .filter(|name| check("word", name).is_ok())
            .map(str::to_owned);
    }
    let name = label(disk.target.as_deref().unwrap_or_default(), NAME_MAX);
    port.put("name", name.clone());
    Some(name)
}

fn properties(port: &mut Port<'_>, disk: &mut Disk) {
    const CACHES: [(&str, Cache); 3] =
        [("none", Cache::None), ("writethrough", Cache::Writethrough), ("writeback", Cache::Writeback)];
    const ERRORS: [(&str, OnError); 4] = [
        ("stop", OnError::Stop),
        ("ignore", OnError::Ignore),
        ("report", OnError::Report),
        ("enospace", OnError::Enospace),
    ];
    let key = DEVICES.iter().find(|(_, device)| *device == disk.device).map_or("disk", |found| found.0);
    port.child_if(key, true, |port| {
        let mut bus = disk.bus.filter(|bus| port.reading() || *bus != DiskBus::Sata);
        port.word("bus", &BUSES, &mut bus);
        port.implied("bus", "sata");
        disk.bus = bus.or(disk.bus);
        // An optical disk nobody writes to.
        let usual = disk.device == DiskDevice::Cdrom;
        port.switch("readonly", &mut disk.readonly, usual);
        let mut pci = disk.address.as_ref().and_then(|address| address.pci.clone());
        port.text("pciAddress", "pci-address", &mut pci);
        if port.reading() {
            disk.address = pci.map(|pci| Address { pci: Some(pci), ..Address::default() });
        }
    });
    port.number("bootOrder", 1..=1024, &mut disk.boot_order);
    port.text("serial", "word", &mut disk.serial);
    port.word("cache", &CACHES, &mut disk.cache);
    port.word("io", &[("native", Aio::Native), ("threads", Aio::Threads)], &mut disk.aio);
    let mut shareable = disk.shareable;
    port.flag("shareable", &mut shareable);
    disk.shareable = shareable;
    let mut error = disk.on_write_error.filter(|error| *error != OnError::Stop);
    port.word("errorPolicy", &ERRORS, &mut error);
    port.implied("errorPolicy", "stop");
    disk.on_write_error = error.or(Some(OnError::Stop));
    port.child("blockSize", |port| {
        port.child("custom", |port| {
            port.number("logical", 512..=2_097_152, &mut disk.logical_block);
            port.number("physical", 512..=2_097_152, &mut disk.physical_block);
        });
    });
}

/// Volumes without a disk that KubeVirt gives one of itself.
pub(super) fn without_words(port: &mut Port<'_>, spec: &mut MachineSpec, volumes: &mut Volumes) {
    if !port.reading() {
        return;
    }
    for name in volumes.unused() {
        let Some(seen) = volumes.disk(&name) else { continue };
        spec.disks.push(Disk {
            target: Some(name.clone()),
            bus: Some(DiskBus::Sata),
            on_write_error: Some(OnError::Stop),
            ..seen
        });
        super::claims::keep(spec, &format!("{SILENT}{name}]"), "<?without?>".to_owned());
        volumes.take(&name);
    }
}

/// Where it is kept that a disk has no element.
const SILENT: &str = "~disks[";

/// Names of the disks without an element.
fn silent(spec: &MachineSpec) -> BTreeSet<&str> {
    let own = spec.foreign.iter().filter(|part| super::claims::is_claimed(part));
    own.filter_map(|part| part.at.strip_prefix(SILENT)?.strip_suffix(']')).collect()
}

/// Whether a disk is still what KubeVirt makes of its volume alone.
fn is_silent(disk: &Disk, silent: &BTreeSet<&str>) -> bool {
    let usual = Disk { target: disk.target.clone(), path: disk.path.clone(), format: disk.format, ..blank() };
    *disk == usual && disk.target.as_deref().is_some_and(|name| silent.contains(name))
}

/// Volumes that the guest mounts.
pub(super) fn shares(port: &mut Port<'_>, spec: &mut MachineSpec, volumes: &mut Volumes) {
    let new = || Share {
        path: None,
        tag: String::new(),
        driver: ShareDriver::VirtioFs,
        readonly: false,
        socket: None,
        program: None,
        queue_size: None,
        security_model: None,
        address: None,
    };
    port.list("filesystems", "/share", &mut spec.shares, new, |port, share| {
        if !port.reading() {
            // Directories of the node a cluster shares with nobody.
            let socket = Volumes::socket(&share.tag);
            if share.socket.as_ref() != Some(&socket) || !volumes.has(&share.tag) {
                return false;
            }
            port.put("name", share.tag.clone());
            port.child_if("virtiofs", true, |_| {});
            volumes.write_kept(&share.tag);
            return true;
        }
        let Some(name) = port.raw("name").and_then(Value::as_str) else { return false };
        if !volumes.has(name) || port.raw("virtiofs").is_none() {
            return false;
        }
        port.tell("name", format!("what its volume `{name}` holds only the cluster knows; the socket is the one within the VM's pod"));
        share.tag = name.to_owned();
        share.socket = Some(Volumes::socket(name));
        volumes.take(name);
        true
    });
}

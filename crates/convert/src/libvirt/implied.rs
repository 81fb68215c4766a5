//! What libvirt adds to a domain of a PC that does not say it: the machine has it, so the specification says it. In the
//! text it stays unsaid.

use super::tree::Node;
use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Address, Backing, BootDevice, Cache, CharacterTarget, Controller, ControllerKind, DiskBus, DiskDevice,
    Endpoint, HostDeviceKind, NetworkKind, NetworkModel, OnError, Video,
};

/// Adds it to what was read.
pub(super) fn add(tree: &Node, spec: &mut MachineSpec) {
    let x86 = matches!(spec.arch.as_str(), "x86_64" | "i686");
    if !x86 || spec.machine.starts_with("isapc") || spec.machine.starts_with("microvm") {
        return;
    }
    let none = Node::new("devices");
    let devices = tree.child("devices").unwrap_or(&none);
    disks(spec);
    boot(tree, spec);
    memory(spec);
    ports(spec);
    // What every guest has a driver for.
    for network in spec.networks.iter_mut().filter(|one| one.kind != NetworkKind::Hostdev) {
        network.model.get_or_insert(NetworkModel::Rtl8139);
    }
    for network in &mut spec.networks {
        let virtio = matches!(
            network.model,
            Some(
                NetworkModel::Virtio | NetworkModel::VirtioTransitional | NetworkModel::VirtioNonTransitional
            )
        );
        let tap = matches!(
            network.kind,
            NetworkKind::Tap
                | NetworkKind::Bridge
                | NetworkKind::Ovs
                | NetworkKind::Libvirt
                | NetworkKind::Macvtap
        );
        // The kernel moves the packets of a virtio card, where nothing else is said.
        if virtio && tap {
            network.vhost.get_or_insert(true);
        }
    }
    console(tree, spec);
    let of_type = |kind: &str| {
        let kind = kind.to_owned();
        devices.children().any(move |one| one.name == "controller" && one.attribute("type") == Some(&kind))
    };
    if !of_type("usb") {
        usb(spec);
    }
    for channel in spec.channels.iter_mut().filter(|channel| channel.to == Endpoint::Spice) {
        channel.name.get_or_insert_with(|| "com.redhat.spice.0".to_owned());
    }
    wanted(spec);
    if devices.children().any(|one| one.name == "smartcard") && !of_type("ccid") {
        spec.controllers.push(Controller { index: Some(0), ..Controller::of(ControllerKind::Ccid) });
    }
    if !spec.displays.is_empty() && !devices.children().any(|one| one.name == "video") {
        spec.videos.push(Video::of("cirrus"));
    }
}

/// Without a word of it, disks are started from.
fn boot(tree: &Node, spec: &mut MachineSpec) {
    let own = spec
        .disks
        .iter()
        .filter_map(|one| one.boot_order)
        .chain(spec.networks.iter().filter_map(|one| one.boot_order));
    let own = own.chain(spec.host_devices.iter().filter_map(|one| one.boot_order)).next().is_some();
    let elsewhere = tree
        .child("devices")
        .is_some_and(|devices| devices.children().any(|one| one.child("boot").is_some()));
    let hvm = tree.child("os").is_some_and(|os| os.child("type").is_none_or(|kind| kind.text() == "hvm"));
    if spec.boot.order.is_empty() && !own && !elsewhere && hvm {
        spec.boot.order.push(BootDevice::Disk);
    }
}

/// Memory that others map is in files, where the text does not say of what it is made.
fn memory(spec: &mut MachineSpec) {
    let shared = spec.memory.shared || spec.numa.iter().any(|cell| cell.shared.is_some());
    if shared && spec.memory.backing.is_none() && !spec.memory.hugepages {
        spec.memory.backing = Some(Backing::File);
    }
}

/// The number of a port is its place, where the text has none.
fn ports(spec: &mut MachineSpec) {
    for controller in spec.controllers.iter_mut().filter(|one| one.port.is_none()) {
        let place = controller.address.as_ref().and_then(|address| address.pci.as_deref()).and_then(function);
        controller.port = match (controller.model.as_deref(), place) {
            (Some("pcie-root-port"), Some((slot, function))) => Some((slot << 3) | function),
            (Some("pcie-switch-downstream-port"), Some((slot, _))) => Some(slot),
            _ => None,
        };
    }
}

/// Slot and function of `0000:01:02.3`.
fn function(pci: &str) -> Option<(u32, u32)> {
    let (rest, function) = pci.rsplit_once('.')?;
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    Some((hex(rest.rsplit(':').next()?)?, hex(function)?))
}

/// The name of a disk says what it is plugged into, where nothing else does.
fn disks(spec: &mut MachineSpec) {
    for disk in spec.disks.iter_mut().filter(|disk| disk.bus.is_none() && disk.vhost_user.is_none()) {
        let target = disk.target.as_deref().unwrap_or_default();
        disk.bus = match (disk.device, target.get(..2)) {
            (DiskDevice::Floppy, _) => Some(DiskBus::Fdc),
            (_, Some("hd")) => Some(DiskBus::Ide),
            (_, Some("sd")) => Some(DiskBus::Scsi),
            (_, Some("vd")) | (_, None) => Some(DiskBus::Virtio),
            _ => None,
        };
    }
    for disk in &mut spec.disks {
        // The host's cache would hide the writes of one machine from another.
        if disk.shareable {
            disk.cache.get_or_insert(Cache::None);
        }
        // What is done where a write fails is done where a read fails.
        if disk.on_read_error.is_none() {
            disk.on_read_error = disk.on_write_error.filter(|reaction| *reaction != OnError::Enospace);
        }
    }
}

/// Without serial ports the first console is one, and nothing besides.
fn console(tree: &Node, spec: &mut MachineSpec) {
    let first = tree.child("devices").and_then(|devices| devices.child("console"));
    let kind = first.and_then(|console| console.child("target")).and_then(|target| target.attribute("type"));
    if spec.serials.is_empty()
        && kind.is_none_or(|kind| kind == "serial")
        && !spec.consoles.is_empty()
        && tree.child("devices").is_some_and(|devices| devices.child("serial").is_none())
    {
        let mut serial = spec.consoles.remove(0);
        serial.target = CharacterTarget::Usual;
        spec.serials.push(serial);
    }
}

fn usb(spec: &mut MachineSpec) {
    let q35 = spec.machine == "q35" || spec.machine.starts_with("pc-q35");
    let pci = (!q35).then(|| "0000:00:01.2".to_owned());
    spec.controllers.push(Controller {
        index: Some(0),
        model: Some(if q35 { "qemu-xhci" } else { "piix3-uhci" }.to_owned()),
        address: pci.map(|pci| Address { pci: Some(pci), ..Address::default() }),
        ..Controller::of(ControllerKind::Usb)
    });
}

/// Controllers that devices are plugged into by number, and those that they need.
fn wanted(spec: &mut MachineSpec) {
    let number = |address: &Option<Address>| address.as_ref().and_then(|one| one.controller).unwrap_or(0);
    let mut wanted: BTreeSet<(ControllerKind, u32)> = BTreeSet::new();
    for disk in &spec.disks {
        let kind = match disk.bus {
            Some(DiskBus::Scsi) => ControllerKind::Scsi,
            Some(DiskBus::Sata) => ControllerKind::Sata,
            _ => continue,
        };
        let mut at = number(&disk.address);
        if disk.address.as_ref().is_none_or(|address| address.controller.is_none() && address.unit.is_none())
        {
            // libvirt counts the places of a bus through: a name is a place.
            let each = if kind == ControllerKind::Scsi { 7 } else { 6 };
            at = disk.target.as_deref().and_then(place_of_name).map_or(0, |place| place / each);
        }
        wanted.insert((kind, at));
    }
    for device in spec.host_devices.iter().filter(|device| device.kind == HostDeviceKind::Scsi) {
        wanted.insert((ControllerKind::Scsi, number(&device.address)));
    }
    let consoles = spec.consoles.iter().filter(|one| one.target != CharacterTarget::System);
    let ports = spec.channels.iter().map(|one| &one.address).chain(consoles.map(|one| &one.address));
    for address in ports {
        wanted.insert((ControllerKind::VirtioSerial, number(address)));
    }
    if spec.agent && spec.channels.is_empty() {
        wanted.insert((ControllerKind::VirtioSerial, 0));
    }
    let mut there: BTreeSet<(ControllerKind, u32)> = BTreeSet::new();
    let mut next: BTreeMap<ControllerKind, u32> = BTreeMap::new();
    for controller in &spec.controllers {
        let next = next.entry(controller.kind).or_default();
        let own = controller.index.unwrap_or(*next);
        *next = (*next).max(own.saturating_add(1));
        there.insert((controller.kind, own));
    }
    for (kind, index) in wanted {
        let there = there.contains(&(kind, index));
        // The first SATA controller of a q35 is on the board.
        let board = kind == ControllerKind::Sata
            && index == 0
            && (spec.machine == "q35" || spec.machine.starts_with("pc-q35"));
        if !there && !board {
            spec.controllers.push(Controller { index: Some(index), ..Controller::of(kind) });
        }
    }
}

/// The number in a disk's name: 0 for `sda`, 26 for `sdaa`.
pub(crate) fn place_of_name(name: &str) -> Option<u32> {
    let letters = name.get(2..)?;
    letters
        .bytes()
        .try_fold(0_u32, |sum, letter| {
            let letter = letter.is_ascii_lowercase().then(|| u32::from(letter - b'a'))?;
            sum.checked_mul(26)?.checked_add(letter + 1)
        })?
        .checked_sub(1)
}

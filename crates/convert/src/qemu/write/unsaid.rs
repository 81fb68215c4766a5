//! What of a machine QEMU's command line does not say. Each item names the keys that its options say, by its kind;
//! every other key that it has is told of, so that nothing is passed over without a word.

use super::{Line, character, disk, is_q35};
use crate::differences::short;
use serde::Serialize;
use serde_json::{Map, Value};
use vmwright_model::machine::{
    Address, Character, CharacterTarget, ClockBase, ControllerKind, Disk, DiskBus, DiskDevice, DisplayKind,
    Endpoint, FirmwareKind, HostDeviceKind, InputBus, InputKind, NetworkKind, NetworkModel, Reaction,
    ShareDriver, Technology,
};

const OUTSIDE: &str = "it is done before QEMU starts, or from outside";
const NO_PLACE: &str = "this device has no such property";

/// Tells of all of it.
pub(super) fn tell(line: &mut Line<'_>) {
    boot(line);
    processors(line);
    disks(line);
    networks(line);
    host_devices(line);
    shares(line);
    characters(line);
    screens(line);
    controllers(line);
    small(line);
    outside(line);
}

/// The keys of an item that say something.
fn keys(item: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(item) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Tells of the keys of an item that are not among those that are said.
fn left(line: &mut Line<'_>, item: &str, keys: Map<String, Value>, said: &[&str], why: &str) {
    for (key, value) in keys {
        let nothing = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(all) => all.is_empty(),
            Value::Object(all) => all.is_empty(),
            _ => false,
        };
        if !nothing && !said.contains(&key.as_str()) {
            let item = if item.is_empty() { key } else { format!("{item}.{key}") };
            line.unsaid(item, format!("{why}: {}", short(&value)));
        }
    }
}

/// How a device is plugged in: the parts of its address that are said.
#[derive(Clone, Copy)]
enum Plug {
    Pci,
    Mmio,
    Scsi,
    /// A SCSI controller whose targets have no units.
    Targets,
    Sata,
    Ide,
    Floppy,
    Usb,
    Port,
    Fixed,
}

fn place(line: &mut Line<'_>, item: &str, address: Option<&Address>, plug: Plug) {
    place_at(line, &format!("{item}.address"), address, plug);
}

/// The same where the key of the address is another one.
fn place_at(line: &mut Line<'_>, key: &str, address: Option<&Address>, plug: Plug) {
    let Some(address) = address else { return };
    let said: &[&str] = match plug {
        Plug::Pci if address.pci.is_some() => &["pci", "multifunction", "iommu", "packed"],
        Plug::Pci => &["iommu", "packed"],
        Plug::Mmio => &["mmio", "iommu", "packed"],
        Plug::Scsi => &["controller", "bus", "target", "unit"],
        Plug::Targets => &["controller", "unit"],
        Plug::Sata => &["controller", "unit"],
        Plug::Ide => &["bus", "unit"],
        Plug::Floppy => &["unit"],
        Plug::Usb if address.bus.is_some() => &["bus", "port"],
        Plug::Usb if address.port.is_some() => &["controller", "port"],
        Plug::Usb => &["port"],
        // The port of a console is chosen by QEMU where it is the first.
        Plug::Port if address.port.as_deref().is_some_and(|port| port.parse::<u32>().is_err()) => {
            &["controller"]
        }
        Plug::Port => &["controller", "port"],
        Plug::Fixed => &[],
    };
    left(line, key, keys(address), said, "its bus has no such place");
}

fn boot(line: &mut Line<'_>) {
    let spec = line.spec;
    let ordered = line.index.ordered;
    for kind in &spec.boot.order {
        let present = match kind {
            vmwright_model::machine::BootDevice::Network => !spec.networks.is_empty(),
            other => line.index.first[*other as usize].is_some(),
        };
        if ordered || !present {
            let why = if ordered {
                "single devices have places of their own"
            } else {
                "there is no device of the kind"
            };
            line.unsaid("boot.order", format!("{why}: {kind:?}"));
        }
    }
    if spec.boot.kernel.is_none() && !spec.boot.cmdline.is_empty() {
        line.unsaid("boot.cmdline", "it belongs to a kernel, and none is started");
    }
    let firmware = &spec.firmware;
    let mut said = vec!["kind", "secure_boot"];
    if firmware.path.is_some() {
        said.extend(["path", "stateless"]);
        said.extend((!firmware.stateless).then_some("variables"));
    }
    if firmware.kind == Some(FirmwareKind::Bios) && firmware.path.is_some() {
        said.retain(|key| *key != "kind");
    }
    left(
        line,
        "firmware",
        keys(firmware),
        &said,
        "QEMU is given no image that it belongs to, or it is used before",
    );
    let tpm = [
        "model",
        if spec.tpm.as_ref().is_some_and(|tpm| tpm.device.is_some()) { "device" } else { "socket" },
    ];
    if let Some(tpm_keys) = spec.tpm.as_ref().map(keys) {
        left(line, "tpm", tpm_keys, &tpm, "the state of the module is swtpm's own affair");
    }
}

fn processors(line: &mut Line<'_>) {
    let spec = line.spec;
    let pinning = &spec.cpu.pinning;
    left(line, "cpu.pinning", keys(pinning), &["iothreads"], "threads are placed when they run");
    let memory = &spec.memory;
    if !memory.hugepages && memory.hugepage_size.is_some() && spec.numa.is_empty() {
        line.unsaid("memory.hugepage_size", "memory does not come from huge pages");
    }
    for (at, device) in memory.devices.iter().enumerate() {
        use vmwright_model::machine::MemoryDeviceKind::{Nvdimm, VirtioMem, VirtioPmem};
        let mut said = vec!["kind", "size", "node"];
        if device.kind == VirtioMem {
            said.extend(["block", "requested"]);
        }
        if matches!(device.kind, Nvdimm | VirtioPmem) || device.path.is_some() {
            said.push("path");
        }
        left(line, &format!("memory.device.{at}"), keys(device), &said, NO_PLACE);
    }
    let clock = &spec.clock;
    for (at, timer) in clock.timers.iter().enumerate() {
        let said: &[&str] = match timer.name.as_str() {
            "rtc" => &["name", "ticks", "track"],
            "pit" => &["name", "ticks"],
            "hpet" | "kvmclock" | "hypervclock" => &["name", "present"],
            "tsc" => &["name", "frequency"],
            _ => &[],
        };
        left(
            line,
            &format!("clock.timer.{at}"),
            keys(timer),
            said,
            "QEMU has no such timer, or no word for this",
        );
    }
    if clock.base != ClockBase::Timezone && clock.timezone.is_some() {
        line.unsaid("clock.timezone", "the clock is not one of a time zone");
    }
    if let Some(offset) = clock.offset.filter(|offset| *offset != 0)
        && !matches!(clock.base, ClockBase::Absolute | ClockBase::Variable)
    {
        line.unsaid("clock.offset", format!("QEMU's clock has the base itself: {offset}"));
    }
}

/// The name that a disk has without a word of it.
fn made_names(disks: &[Disk]) -> Vec<Option<String>> {
    let mut plain: Vec<Disk> = disks.to_vec();
    plain.iter_mut().for_each(|disk| disk.target = None);
    crate::libvirt::name_targets(&mut plain);
    plain.into_iter().map(|disk| disk.target).collect()
}

fn disks(line: &mut Line<'_>) {
    let spec = line.spec;
    let names = made_names(&spec.disks);
    for (at, disk) in spec.disks.iter().enumerate() {
        let item = format!("disk.{at}");
        let mut keys = keys(disk);
        let mut said = vec!["format", "boot_order", "queues", "address"];
        if disk.vhost_user.is_some() && disk.format == vmwright_model::machine::DiskFormat::Raw {
            keys.remove("format");
        }
        if disk.vhost_user.is_some() {
            said.push("vhost_user");
            said.retain(|key| *key != "format");
            place(line, &item, disk.address.as_ref(), Plug::Pci);
            left(line, &item, keys, &said, "another process serves the disk, and QEMU knows no more of it");
            continue;
        }
        said.extend([
            "path",
            "lvm",
            "rbd",
            "nbd",
            "url",
            "volume",
            "shareable",
            "device",
            "bus",
            "serial",
            "wwn",
            "iothread",
            "queue_size",
            "logical_block",
            "physical_block",
            "on_write_error",
            "on_read_error",
        ]);
        let empty =
            disk.host_path().is_none() && disk.rbd.is_none() && disk.nbd.is_none() && disk.url.is_none();
        if empty {
            said.retain(|key| *key != "format");
            // Raw is what a drive without a medium has nothing of.
            if disk.format == vmwright_model::machine::DiskFormat::Raw {
                keys.remove("format");
            }
        } else {
            said.extend([
                "backing",
                "cache",
                "aio",
                "discard",
                "detect_zeroes",
                "limits",
                "secret",
                "transient",
                "readonly",
            ]);
            said.extend(disk.backing.is_some().then_some("backing_format"));
        }
        // No drive writes optical disks.
        if disk.device == DiskDevice::Cdrom {
            keys.remove("readonly");
        }
        if disk.target == names[at] {
            keys.remove("target");
        }
        left(line, &item, keys, &said, "a name or a property that QEMU's line has no word for here");
        if let Some(limits) = disk.limits.as_ref().filter(|_| !empty) {
            let burst = limits.bytes_burst.is_some() || limits.iops_burst.is_some();
            if !burst && let Some(seconds) = limits.burst_seconds {
                line.unsaid(
                    format!("{item}.limits.burst_seconds"),
                    format!("no burst is allowed: {seconds}"),
                );
            }
        }
        let bus = disk.bus.unwrap_or_else(|| disk::default_bus(line, disk));
        let number = disk.address.as_ref().and_then(|address| address.controller).unwrap_or(0);
        let plug = match bus {
            DiskBus::Virtio if disk.address.as_ref().is_some_and(|address| address.mmio) => Plug::Mmio,
            DiskBus::Virtio | DiskBus::Nvme => Plug::Pci,
            DiskBus::Scsi if line.index.without_luns.contains(&number) => Plug::Targets,
            DiskBus::Scsi => Plug::Scsi,
            DiskBus::Sata => Plug::Sata,
            DiskBus::Ide => Plug::Ide,
            DiskBus::Usb => Plug::Usb,
            DiskBus::Fdc => Plug::Floppy,
            DiskBus::Sd => Plug::Fixed,
        };
        place(line, &item, disk.address.as_ref(), plug);
    }
}

fn networks(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, network) in spec.networks.iter().enumerate() {
        let item = format!("network.{at}");
        let mut said = vec!["kind", "boot_order", "pci"];
        let virtio = !matches!(network.model, Some(model) if !is_virtio(model));
        if network.kind == NetworkKind::Hostdev {
            said.push("parent");
        } else {
            said.extend(["mac", "model", "rx_queue_size", "tx_queue_size"]);
            said.extend(virtio.then_some("mtu"));
            // One pair of queues is what every card has.
            said.extend((virtio || network.queues == Some(1)).then_some("queues"));
        }
        said.extend(match network.kind {
            NetworkKind::User => &["forward"][..],
            NetworkKind::Passt => &["socket"],
            NetworkKind::VhostUser => &["socket", "server"],
            NetworkKind::Vdpa => &["socket", "parent"],
            NetworkKind::Tap => &["tap", "vhost"],
            NetworkKind::Bridge | NetworkKind::Ovs => &["bridge", "tap", "vhost"],
            NetworkKind::Macvtap => &["parent", "tap", "vhost"],
            NetworkKind::Libvirt => &["name", "tap", "vhost"],
            NetworkKind::Hostdev | NetworkKind::None => &[],
        });
        // These are told of as what the interface would lack.
        said.extend(["link", "inbound", "outbound", "filter"]);
        left(line, &item, keys(network), &said, OUTSIDE);
        let usb = network.model == Some(NetworkModel::UsbNet) && network.kind != NetworkKind::Hostdev;
        let plug = if usb { Plug::Usb } else { Plug::Pci };
        place_at(line, &format!("{item}.pci"), network.pci.as_ref(), plug);
    }
}

fn is_virtio(model: NetworkModel) -> bool {
    matches!(
        model,
        NetworkModel::Virtio | NetworkModel::VirtioTransitional | NetworkModel::VirtioNonTransitional
    )
}

fn host_devices(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, device) in spec.host_devices.iter().enumerate() {
        let item = format!("host_device.{at}");
        let mut said = vec!["kind", "device", "boot_order", "address"];
        let plug = match device.kind {
            HostDeviceKind::Pci | HostDeviceKind::Mdev => {
                said.extend(["rom", "rom_bar", "display", "vga", "iommufd"]);
                said.extend(device.address.is_none().then_some("multifunction"));
                Plug::Pci
            }
            HostDeviceKind::Usb => Plug::Usb,
            HostDeviceKind::Scsi => {
                let number = device.address.as_ref().and_then(|address| address.controller).unwrap_or(0);
                let found = line.handles.scsi.contains_key(&at) || device.device.starts_with("/dev/");
                if !found {
                    // Without its node there is no device at all.
                    left(line, &item, keys(device), &["kind", "device"], "there is no device to say it of");
                    continue;
                }
                if line.index.without_luns.contains(&number) { Plug::Targets } else { Plug::Scsi }
            }
        };
        left(line, &item, keys(device), &said, OUTSIDE);
        place(line, &item, device.address.as_ref(), plug);
    }
}

fn shares(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, share) in spec.shares.iter().enumerate() {
        let item = format!("share.{at}");
        let said: &[&str] = match share.driver {
            ShareDriver::VirtioFs => &["driver", "tag", "queue_size", "socket", "address"],
            ShareDriver::NineP => &["driver", "tag", "path", "readonly", "security_model", "address"],
        };
        left(line, &item, keys(share), said, "it is a matter of virtiofsd, or of the other way to share");
        place(line, &item, share.address.as_ref(), Plug::Pci);
    }
    if let Some(vsock) = &spec.vsock {
        left(
            line,
            "vsock",
            keys(vsock),
            &["cid", "socket", "address"],
            "QEMU's guests have a port of virtio-serial for their agent",
        );
        left(
            line,
            "vsock",
            keys(vsock),
            &["cid", "agent_port", "address"],
            "the kernel of the host has no socket file for it",
        );
        place(line, "vsock", vsock.address.as_ref(), Plug::Pci);
    }
}

/// Keys of the other end that are said.
fn end(to: Endpoint) -> &'static [&'static str] {
    match to {
        Endpoint::File | Endpoint::Device | Endpoint::Pipe => &["path"],
        Endpoint::Unix => &["path", "server"],
        Endpoint::Tcp => &["host", "server"],
        Endpoint::Udp => &["host"],
        Endpoint::Spice => &["path"],
        Endpoint::Log | Endpoint::Pty | Endpoint::Stdio | Endpoint::Null | Endpoint::Vc => &[],
    }
}

fn characters(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, serial) in spec.serials.iter().enumerate() {
        let item = format!("serial.{at}");
        let mut said = vec!["to", "target", "address"];
        said.extend(end(serial.to));
        // The log is a file as it is.
        said.extend((serial.to != Endpoint::Log || at > 0).then_some("log"));
        left(line, &item, keys(serial), &said, NO_PLACE);
        let plug = match serial.target {
            CharacterTarget::Pci => Plug::Pci,
            CharacterTarget::Usb => Plug::Usb,
            CharacterTarget::Virtio => Plug::Port,
            CharacterTarget::Usual | CharacterTarget::Isa | CharacterTarget::System => Plug::Fixed,
        };
        place(line, &item, serial.address.as_ref(), plug);
    }
    let character = |line: &mut Line<'_>, item: &str, character: &Character, plug: Plug| {
        let mut said = vec!["to", "log", "address"];
        said.extend(end(character.to));
        // What the guest sees of it is what its list is one of.
        let target = matches!(plug, Plug::Port) || character.target == CharacterTarget::Usual;
        said.extend(target.then_some("target"));
        left(line, item, keys(character), &said, NO_PLACE);
        place(line, item, character.address.as_ref(), plug);
    };
    for (at, parallel) in spec.parallels.iter().enumerate() {
        character(line, &format!("parallel.{at}"), parallel, Plug::Fixed);
    }
    for (at, console) in spec.consoles.iter().enumerate() {
        let item = format!("console.{at}");
        if character::is_virtio(console) {
            character(line, &item, console, Plug::Port);
        } else {
            left(line, &item, keys(console), &[], "there is no such device");
        }
    }
    for (at, channel) in spec.channels.iter().enumerate() {
        let item = format!("channel.{at}");
        let virtio = channel.target == vmwright_model::machine::ChannelTarget::Virtio;
        let mut said = vec!["name", "target", "to", "address"];
        said.extend(end(channel.to).iter().filter(|key| **key != "host"));
        // A channel has no key for an address on the network: it stands in its path.
        said.extend(matches!(channel.to, Endpoint::Tcp | Endpoint::Udp).then_some("path"));
        left(line, &item, keys(channel), &said, NO_PLACE);
        place(line, &item, channel.address.as_ref(), if virtio { Plug::Port } else { Plug::Fixed });
    }
}

fn screens(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, display) in spec.displays.iter().enumerate() {
        let item = format!("display.{at}");
        let mut said = vec!["kind", "secret", "keymap"];
        match display.kind {
            DisplayKind::Vnc | DisplayKind::Spice if display.socket.is_some() => said.push("socket"),
            DisplayKind::Vnc => said.extend(["port", "listen"]),
            DisplayKind::Spice => {
                said.extend(["port", "tls_port"]);
                let listens = display.port.is_some() || display.tls_port.is_some();
                said.extend(listens.then_some("listen"));
            }
            DisplayKind::EglHeadless => said.push("rendernode"),
            DisplayKind::Sdl | DisplayKind::Gtk | DisplayKind::Dbus => {}
        }
        if !matches!(display.kind, DisplayKind::Vnc | DisplayKind::EglHeadless) {
            said.extend(["gl", "rendernode"]);
        }
        left(line, &item, keys(display), &said, "this kind of screen has no such property");
    }
    let primary = spec.videos.iter().any(|video| video.primary);
    for (at, video) in spec.videos.iter().enumerate() {
        let item = format!("video.{at}");
        let mut said = vec!["model"];
        let mut video_keys = keys(video);
        // The first card is the first.
        if (at == 0 && primary) || video.primary {
            video_keys.remove("primary");
        }
        let model = video.model.as_str();
        if model != "none" {
            if matches!(model, "qxl" | "vga" | "vmvga" | "bochs") {
                said.push("memory");
            }
            if matches!(model, "virtio" | "qxl") {
                said.push("heads");
            }
            if video.width.is_some() && video.height.is_some() {
                said.extend(["width", "height"]);
            }
            if model == "virtio" {
                said.extend(["vhost_user", "accel3d"]);
            }
            said.extend((model != "ramfb").then_some("address"));
        }
        if video.vhost_user {
            said.retain(|key| *key != "accel3d");
        }
        left(line, &item, video_keys, &said, "this card has no such property");
        if said.contains(&"address") {
            place(line, &item, video.address.as_ref(), Plug::Pci);
        }
    }
    for (at, sound) in spec.sounds.iter().enumerate() {
        let plug = match sound.model.as_str() {
            "usb" => Plug::Usb,
            "pcspk" | "sb16" | "adlib" | "gus" | "cs4231a" => Plug::Fixed,
            _ => Plug::Pci,
        };
        place(line, &format!("sound.{at}"), sound.address.as_ref(), plug);
    }
}

fn controllers(line: &mut Line<'_>) {
    let spec = line.spec;
    let q35 = is_q35(&spec.machine);
    for (at, controller) in spec.controllers.iter().enumerate() {
        let item = format!("controller.{at}");
        let number = controller.index.unwrap_or(0);
        let root = matches!(controller.model.as_deref(), Some("pci-root" | "pcie-root"));
        let board = match controller.kind {
            ControllerKind::Pci => root,
            ControllerKind::Sata => q35 && number == 0,
            ControllerKind::Ide => number == 0,
            ControllerKind::Fdc => !q35,
            ControllerKind::Usb => controller.model.as_deref() == Some("none"),
            _ => false,
        };
        if board {
            let mut said = vec!["kind", "index"];
            // The root of an i440FX says whether it takes devices later; libvirt's names of what is there say nothing.
            said.extend((controller.model.as_deref() == Some("pci-root")).then_some("hotplug"));
            said.extend((root || controller.kind == ControllerKind::Usb).then_some("model"));
            // Where the board has it.
            let own = match controller.kind {
                ControllerKind::Ide => Some("0000:00:01.1"),
                ControllerKind::Sata => Some("0000:00:1f.2"),
                _ => None,
            };
            let pci = controller.address.as_ref().and_then(|address| address.pci.as_deref());
            said.extend((own.is_some() && pci == own).then_some("address"));
            left(line, &item, keys(controller), &said, "it is part of the board");
            continue;
        }
        let mut said = vec!["kind", "index", "address"];
        said.extend(match controller.kind {
            ControllerKind::Pci => &["model", "chassis", "port", "node", "hotplug"][..],
            ControllerKind::Scsi => &["model", "queues", "iothread"],
            ControllerKind::Usb => &["model", "ports"],
            ControllerKind::VirtioSerial => &["model", "ports"],
            _ => &[],
        });
        let known = |model: &str| model.starts_with("virtio");
        if controller.kind == ControllerKind::VirtioSerial && !controller.model.as_deref().is_none_or(known) {
            said.retain(|key| *key != "model");
        }
        left(line, &item, keys(controller), &said, NO_PLACE);
        let plug = match controller.kind {
            ControllerKind::Ccid => Plug::Usb,
            ControllerKind::Fdc => Plug::Fixed,
            _ => Plug::Pci,
        };
        place(line, &item, controller.address.as_ref(), plug);
    }
}

fn small(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, input) in spec.inputs.iter().enumerate() {
        let item = format!("input.{at}");
        let host = matches!(input.kind, InputKind::Passthrough | InputKind::Evdev);
        let said: &[&str] = if host { &["kind", "device", "address"] } else { &["kind", "bus", "address"] };
        left(line, &item, keys(input), said, NO_PLACE);
        let plug = match (input.kind, input.bus.unwrap_or(InputBus::Usb)) {
            (InputKind::Passthrough, _) | (_, InputBus::Virtio) if input.kind != InputKind::Evdev => {
                Plug::Pci
            }
            (InputKind::Evdev, _) | (_, InputBus::Ps2) => Plug::Fixed,
            _ => Plug::Usb,
        };
        place(line, &item, input.address.as_ref(), plug);
    }
    for (at, rng) in spec.rngs.iter().enumerate() {
        place(line, &format!("rng.{at}"), rng.address.as_ref(), Plug::Pci);
    }
    if let Some(balloon) = &spec.balloon {
        place(line, "balloon", balloon.address.as_ref(), Plug::Pci);
    }
    for (at, watchdog) in spec.watchdogs.iter().enumerate() {
        let fixed = matches!(watchdog.model.as_str(), "itco" | "ib700");
        let plug = if fixed { Plug::Fixed } else { Plug::Pci };
        place(line, &format!("watchdog.{at}"), watchdog.address.as_ref(), plug);
    }
    for (at, panic) in spec.panics.iter().enumerate() {
        let plug = if panic.model.as_deref() == Some("pvpanic") { Plug::Pci } else { Plug::Fixed };
        place(line, &format!("panic.{at}"), panic.address.as_ref(), plug);
    }
}

fn outside(line: &mut Line<'_>) {
    let spec = line.spec;
    if let Some(confidential) = &spec.confidential {
        let said: &[&str] = match confidential.technology {
            Technology::Sev | Technology::SevEs => &[
                "technology",
                "policy",
                "cbitpos",
                "reduced_phys_bits",
                "kernel_hashes",
                "dh_cert",
                "session",
            ],
            Technology::SevSnp => &[
                "technology",
                "policy",
                "cbitpos",
                "reduced_phys_bits",
                "kernel_hashes",
                "host_data",
                "id_block",
                "id_auth",
            ],
            Technology::Tdx => &["technology", "policy", "host_data", "quote_service"],
        };
        let mut keys = keys(confidential);
        if confidential.kernel_hashes == Some(false) {
            keys.remove("kernel_hashes");
        }
        left(line, "confidential", keys, said, "this technology has no such property");
    }
    match spec.lifecycle.on_poweroff {
        // What QEMU does of itself.
        Some(Reaction::Destroy) | None => {}
        Some(reaction) => line.unsaid("lifecycle.on_poweroff", format!("QEMU ends: {reaction:?}")),
    }
    left(
        line,
        "process",
        keys(&spec.process),
        &["sandbox", "arguments"],
        "it is a matter of who starts QEMU",
    );
    left(line, "limits", keys(&spec.limits), &[], "control groups are made outside of QEMU");
    left(line, "review", keys(&spec.review), &[], "QEMU is not told what is demanded of it");
    if let Some(seed) = &spec.seed {
        left(line, "seed", keys(seed), &[], "a disk is made of it before QEMU starts");
    }
}

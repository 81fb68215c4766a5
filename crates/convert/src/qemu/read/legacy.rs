//! The shorter, older spellings: `-drive`, `-hda`, `-cdrom`, images, `-net`, `-nic`, `-usbdevice`, `-soundhw`.

use super::bag::Bag;
use super::block::{self, Nodes, host_port, read_limits};
use super::{Reader, disk};
use crate::Effect;
use vmwright_formats::qemu_args::Opts;
use vmwright_model::machine::{
    Address, Cache, Character, CharacterTarget, Disk, DiskBus, DiskDevice, DiskFormat, Endpoint, Input,
    InputBus, InputKind, IoLimits, Nbd, Network, NetworkKind, NetworkModel, Rbd, Sound, Video,
};

impl Reader {
    pub(super) fn drive(&mut self, bag: Bag) {
        match bag.get("if") {
            Some("none") => self.backend("-drive", bag),
            Some("pflash") => match bag.get("file").map(str::to_owned) {
                Some(path) if bag.get("unit").is_none_or(|unit| unit == "0" || unit == "1") => {
                    self.flash_drive(&path)
                }
                _ => self.keep("-drive", bag.raw),
            },
            _ => self.drives.push(bag),
        }
    }

    fn flash_drive(&mut self, path: &str) {
        let firmware = &mut self.spec.firmware;
        firmware.kind = Some(vmwright_model::machine::FirmwareKind::Uefi);
        match firmware.path {
            None => firmware.path = Some(path.to_owned()),
            Some(_) => firmware.variables = Some(path.to_owned()),
        }
    }

    /// An image that stands alone is the first disk's.
    pub(super) fn image(&mut self, path: &str) {
        self.image_option("hda", path);
    }

    pub(super) fn image_option(&mut self, name: &str, path: &str) {
        let mut parts = vec![("file".to_owned(), Some(path.to_owned()))];
        let mut put = |key: &str, value: &str| parts.push((key.to_owned(), Some(value.to_owned())));
        match name {
            "cdrom" => put("media", "cdrom"),
            "fda" | "fdb" => put("if", "floppy"),
            "sd" => put("if", "sd"),
            _ => {}
        }
        let index = match name {
            "hda" | "fda" => "0",
            "hdb" | "fdb" => "1",
            "hdc" | "cdrom" => "2",
            "hdd" => "3",
            _ => "",
        };
        if !index.is_empty() {
            put("index", index);
        }
        self.drives.push(Bag::new(path, Opts { parts }));
    }

    /// Drives that QEMU makes a device for, by their interface.
    pub(super) fn drives(&mut self) {
        for mut bag in std::mem::take(&mut self.drives) {
            let whole = bag.raw.clone();
            let media = bag.take("media");
            let device = if media.as_deref() == Some("cdrom") { DiskDevice::Cdrom } else { DiskDevice::Disk };
            let q35 = self.spec.machine == "q35" || self.spec.machine.starts_with("pc-q35");
            let (bus, device) = match bag.take("if").as_deref() {
                Some("virtio") => (DiskBus::Virtio, device),
                Some("scsi") => (DiskBus::Scsi, device),
                Some("floppy") => (DiskBus::Fdc, DiskDevice::Floppy),
                // What a machine type takes where nothing is said.
                Some("ide") | None if q35 => (DiskBus::Sata, device),
                Some("ide") | None if self.spec.machine.starts_with("pc") => (DiskBus::Ide, device),
                None => (DiskBus::Virtio, device),
                _ => {
                    self.keep("-drive", whole);
                    continue;
                }
            };
            let index = bag.small("index");
            let (number, unit) = (bag.small("bus"), bag.small("unit"));
            if !bag.has("file") && device == DiskDevice::Disk {
                self.keep("-drive", whole);
                continue;
            }
            let Some(nodes) = self.drive_nodes(&mut bag) else {
                self.keep("-drive", whole);
                continue;
            };
            let mut disk = nodes.disk;
            disk.bus = Some(bus);
            disk.device = device;
            disk.address = place(bus, index, number, unit);
            disk.cache = disk.cache.or_else(|| block::cache(nodes.direct, nodes.no_flush, None));
            if device == DiskDevice::Cdrom {
                disk.readonly = true;
            }
            let rest = bag.rest();
            let item = format!("disk.{}", self.spec.disks.len());
            if !rest.is_empty() {
                self.remark(Effect::Lost, &item, format!("`{rest}` of `-drive`"));
            }
            self.spec.disks.push(disk);
        }
    }

    /// The nodes that `-drive` makes.
    pub(super) fn drive_nodes(&mut self, bag: &mut Bag) -> Option<Nodes> {
        bag.take("id");
        bag.take("if");
        let media = bag.take("media");
        let said = bag.take("format").or_else(|| bag.take("driver"));
        let file = bag.take("file").or_else(|| bag.take("file.filename")).filter(|file| !file.is_empty());
        let format = match (&said, &file) {
            (Some(name), _) => block::format(name)?,
            (None, None) => DiskFormat::Raw,
            (None, Some(file)) => {
                let format = if file.ends_with(".qcow2") { DiskFormat::Qcow2 } else { DiskFormat::Raw };
                if media.as_deref() != Some("cdrom") {
                    let item = format!("disk.{}.format", self.spec.disks.len());
                    let why = "QEMU would guess it from the image, which the guest can write; this was taken from the name";
                    self.remark(Effect::Defaulted, item, why);
                }
                format
            }
        };
        let mut disk = match &file {
            Some(file) => source(file, format)?,
            None => Disk::empty(format),
        };
        disk.readonly = bag.flag("readonly").or_else(|| bag.flag("read-only")).unwrap_or(false);
        disk.transient = bag.flag("snapshot").unwrap_or(false);
        disk.serial = bag.take("serial");
        disk.aio = bag.word("aio", block::aio);
        disk.discard = bag.word("discard", block::discard);
        disk.detect_zeroes = bag.word("detect-zeroes", block::zeroes);
        disk.on_write_error = bag.word("werror", disk::on_error);
        disk.on_read_error = bag.word("rerror", disk::on_error);
        disk.cache = bag.word("cache", |mode| {
            Some(match mode {
                "none" | "off" => Cache::None,
                "writeback" => Cache::Writeback,
                "writethrough" => Cache::Writethrough,
                "directsync" => Cache::Directsync,
                "unsafe" => Cache::Unsafe,
                _ => return None,
            })
        });
        let mut limits = IoLimits::default();
        read_limits(&mut limits, bag, |key| vec![format!("throttling.{key}"), legacy_limit(key)]);
        limits.group = bag.take("throttling.group").or_else(|| bag.take("group"));
        disk.limits = (limits != IoLimits::default()).then_some(limits);
        let (direct, no_flush) = (bag.flag("cache.direct"), bag.flag("cache.no-flush"));
        Some(Nodes {
            disk,
            file: Bag::empty("-drive"),
            format: std::mem::replace(bag, Bag::empty("-drive")),
            direct,
            no_flush,
        })
    }

    /// `-nic`: both ends of a cable in one option.
    pub(super) fn nic(&mut self, mut bag: Bag) {
        self.switches.network = true;
        let kind = bag.take("type").unwrap_or_default();
        if kind == "none" {
            return;
        }
        let whole = bag.raw.clone();
        let Some(mut network) = self.cable(&kind, &mut bag) else {
            self.keep("-nic", whole);
            return;
        };
        network.mac = bag.take("mac");
        network.model = Some(match bag.take("model") {
            Some(model) => match super::network::model(&model) {
                Some(model) => model,
                None => {
                    self.keep("-nic", whole);
                    return;
                }
            },
            None => self.default_card(),
        });
        bag.take("id");
        let item = format!("network.{}", self.spec.networks.len());
        self.spec.networks.push(network);
        self.keep_rest(&format!("{item}.backend"), &bag);
    }

    fn default_card(&self) -> NetworkModel {
        let q35 =
            self.spec.machine == "q35" || self.machine.get("type").is_some_and(|name| name.contains("q35"));
        match (self.spec.arch.as_str(), q35) {
            ("x86_64" | "i386", false) => NetworkModel::E1000,
            ("x86_64" | "i386", true) => NetworkModel::E1000e,
            _ => NetworkModel::Virtio,
        }
    }

    /// `-net`: a hub with cards and cables; the first card and the first cable belong together.
    pub(super) fn net(&mut self, mut bag: Bag) {
        self.switches.network = true;
        let kind = bag.take("type").unwrap_or_default();
        let whole = bag.raw.clone();
        bag.take("vlan");
        match kind.as_str() {
            "none" => {}
            "nic" => {
                let model = match bag.take("model") {
                    Some(model) => super::network::model(&model),
                    None => Some(self.default_card()),
                };
                let Some(model) = model else {
                    self.keep("-net", whole);
                    return;
                };
                let mac = bag.take("macaddr");
                let network = match self.open_cable.take() {
                    Some(cable) => Network { model: Some(model), mac, ..cable },
                    None => {
                        self.open_card = Some(self.spec.networks.len());
                        Network { model: Some(model), mac, ..Network::of(NetworkKind::None) }
                    }
                };
                self.spec.networks.push(network);
            }
            other => {
                let Some(cable) = self.cable(other, &mut bag) else {
                    self.keep("-net", whole);
                    return;
                };
                match self.open_card.take().and_then(|at| self.spec.networks.get_mut(at)) {
                    Some(card) => {
                        let (model, mac) = (card.model, card.mac.take());
                        *card = Network { model, mac, ..cable };
                    }
                    None => self.open_cable = Some(cable),
                }
            }
        }
    }

    pub(super) fn usb_device(&mut self, value: &str) {
        let kind = match value {
            "tablet" => InputKind::Tablet,
            "mouse" => InputKind::Mouse,
            "keyboard" => InputKind::Keyboard,
            _ => {
                self.keep("-usbdevice", value);
                return;
            }
        };
        self.spec.inputs.push(Input { kind, bus: Some(InputBus::Usb), device: None, address: None });
    }

    pub(super) fn sound_option(&mut self, value: &str) {
        for name in value.split(',') {
            let model = if name == "hda" { "ich6" } else { name.trim() };
            self.spec.sounds.push(Sound { model: model.to_owned(), address: None });
        }
    }

    /// What QEMU adds where nothing says otherwise.
    pub(super) fn default_devices(&mut self) {
        if !self.defaults {
            return;
        }
        let x86 = matches!(self.spec.arch.as_str(), "x86_64" | "i386");
        let microvm = self.spec.machine.starts_with("microvm");
        let mut added = Vec::new();
        if !self.switches.network && self.spec.networks.is_empty() && !microvm {
            let model = self.default_card();
            self.spec.networks.push(Network { model: Some(model), ..Network::of(NetworkKind::User) });
            added.push("a network card");
        }
        if !self.switches.vga && self.spec.videos.is_empty() && x86 && !microvm {
            self.spec.videos.push(video("vga"));
            added.push("a graphics card");
        }
        if !self.switches.serial && self.spec.serials.is_empty() {
            let to = if self.switches.nographic { Endpoint::Stdio } else { Endpoint::Vc };
            self.spec.serials.push(Character { to, target: CharacterTarget::Usual, ..Character::default() });
            added.push("a serial port");
        }
        if !added.is_empty() {
            self.remark(
                Effect::Defaulted,
                "-nodefaults",
                format!("it is not there: QEMU adds {}", added.join(", ")),
            );
        }
    }
}

pub(super) fn video(model: &str) -> Video {
    Video {
        model: model.to_owned(),
        memory: None,
        heads: None,
        width: None,
        height: None,
        accel3d: None,
        vhost_user: false,
        primary: false,
        address: None,
    }
}

/// `bps_rd` for `bps-read`, as `-drive` first had it.
fn legacy_limit(key: &str) -> String {
    key.replace("bps-total", "bps")
        .replace("iops-total", "iops")
        .replace("-read", "_rd")
        .replace("-write", "_wr")
        .replace("-max", "_max")
        .replace('-', "_")
}

fn place(bus: DiskBus, index: Option<u32>, number: Option<u32>, unit: Option<u32>) -> Option<Address> {
    let on = |bus: u32, unit: u32| {
        Some(Address {
            controller: Some(0),
            bus: Some(bus),
            target: Some(0),
            unit: Some(unit),
            ..Address::default()
        })
    };
    match (bus, index) {
        (DiskBus::Ide, Some(index)) => on(index / 2, index % 2),
        (DiskBus::Sata | DiskBus::Fdc, Some(index)) => on(0, index),
        (DiskBus::Scsi, Some(index)) => Some(Address {
            controller: Some(0),
            bus: Some(0),
            target: Some(index),
            unit: Some(0),
            ..Address::default()
        }),
        (DiskBus::Ide, None) if number.is_some() || unit.is_some() => {
            on(number.unwrap_or(0), unit.unwrap_or(0))
        }
        _ => None,
    }
}

/// Where a file name of QEMU points: a path, or a protocol in front.
fn source(file: &str, format: DiskFormat) -> Option<Disk> {
    let mut disk = Disk::empty(format);
    if file.starts_with("json:") {
        return None;
    }
    if let Some(rest) = file.strip_prefix("rbd:") {
        let mut parts = rest.split(':');
        let (pool, image) = parts.next()?.split_once('/')?;
        let (image, snapshot) =
            image.split_once('@').map_or((image, None), |(image, snapshot)| (image, Some(snapshot)));
        let mut rbd = Rbd {
            pool: pool.to_owned(),
            image: image.to_owned(),
            snapshot: snapshot.map(str::to_owned),
            monitors: Vec::new(),
            user: None,
            secret: None,
            config: None,
        };
        for part in parts {
            match part.split_once('=') {
                Some(("id", user)) => rbd.user = Some(user.to_owned()),
                Some(("conf", path)) => rbd.config = Some(path.to_owned()),
                _ => return None,
            }
        }
        disk.rbd = Some(rbd);
        return Some(disk);
    }
    if let Some(rest) = file.strip_prefix("nbd:") {
        let (server, export) = rest
            .split_once(":exportname=")
            .map_or((rest, None), |(server, export)| (server, Some(export.to_owned())));
        let (host, socket) = match server.strip_prefix("unix:") {
            Some(socket) => (None, Some(socket.to_owned())),
            None => (Some(server.to_owned()), None),
        };
        disk.nbd = Some(Nbd { host, socket, export, tls: false });
        return Some(disk);
    }
    if let Some(rest) = file.strip_prefix("nbd://") {
        let (host, export) =
            rest.split_once('/').map_or((rest, None), |(host, export)| (host, Some(export.to_owned())));
        disk.nbd = Some(Nbd { host: Some(host_port(host, None)), socket: None, export, tls: false });
        return Some(disk);
    }
    if let Some(rest) = file.strip_prefix("fat:") {
        disk.path = Some(rest.trim_start_matches("rw:").trim_start_matches("floppy:").to_owned());
        disk.format = DiskFormat::Fat;
        return Some(disk);
    }
    if file.contains("://") {
        disk.url = Some(file.to_owned());
        return Some(disk);
    }
    disk.path = Some(file.strip_prefix("file:").unwrap_or(file).to_owned());
    Some(disk)
}

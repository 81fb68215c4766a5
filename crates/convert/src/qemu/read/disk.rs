//! Disks.

use super::Reader;
use super::bag::Bag;
use super::block::{Nodes, cache};
use vmwright_model::machine::{Address, ControllerKind, Disk, DiskBus, DiskDevice, DiskFormat, OnError};

impl Reader {
    /// A disk by its device, with this bus and of this kind.
    pub(super) fn disk(&mut self, bag: &mut Bag, bus: DiskBus, mut device: DiskDevice) -> Option<String> {
        let removable = matches!(device, DiskDevice::Cdrom | DiskDevice::Floppy);
        let empty = || Nodes {
            disk: Disk { readonly: device == DiskDevice::Cdrom, ..Disk::empty(DiskFormat::Raw) },
            file: Bag::empty("-blockdev"),
            format: Bag::empty("-blockdev"),
            direct: None,
            no_flush: None,
        };
        let nodes = match bag.take("drive") {
            Some(id) if self.backends.contains_key(&("-drive", id.clone())) => {
                let mut drive = self.take("-drive", &id)?;
                // The older devices are what their drive is.
                if drive.get("media") == Some("cdrom") {
                    device = DiskDevice::Cdrom;
                }
                self.drive_nodes(&mut drive)?
            }
            Some(id) => self.nodes(&id)?,
            None if removable => empty(),
            None => return None,
        };
        let Nodes { mut disk, file, format, direct, no_flush } = nodes;
        let removable = matches!(device, DiskDevice::Cdrom | DiskDevice::Floppy);
        if !removable && disk.path.is_none() && disk.rbd.is_none() && disk.nbd.is_none() && disk.url.is_none()
        {
            return None;
        }
        let said = (direct, no_flush);
        disk.device = device;
        disk.bus = Some(bus);
        let write_cache = bag.flag("write-cache");
        disk.cache = disk.cache.or_else(|| cache(said.0, said.1, write_cache));
        if bus == DiskBus::Fdc {
            bag.drop_default("write-cache", &["auto"]);
        }
        disk.boot_order = bag.small("bootindex");
        disk.iothread = self.iothread(bag);
        disk.queues = bag.small("num-queues");
        disk.queue_size = bag.small("queue-size");
        disk.serial = bag.take("serial").or(disk.serial);
        disk.wwn = bag.take("wwn").map(|wwn| match wwn.strip_prefix("0x") {
            Some(digits) => digits.to_owned(),
            None => wwn.parse::<u64>().map_or(wwn.clone(), |number| format!("{number:016x}")),
        });
        disk.logical_block = bag.small("logical_block_size");
        disk.physical_block = bag.small("physical_block_size");
        disk.shareable = bag.flag("share-rw").unwrap_or(false);
        disk.on_write_error = bag.word("werror", on_error).or(disk.on_write_error);
        disk.on_read_error = bag.word("rerror", on_error).or(disk.on_read_error);
        bag.take("device_id");
        disk.address = self.disk_address(bag, bus);
        let item = format!("disk.{}", self.spec.disks.len());
        self.spec.disks.push(disk);
        self.keep_rest(&format!("{item}.file"), &file);
        self.keep_rest(&format!("{item}.format"), &format);
        Some(item)
    }

    fn disk_address(&self, bag: &mut Bag, bus: DiskBus) -> Option<Address> {
        match bus {
            DiskBus::Virtio | DiskBus::Nvme => self.buses.address(bag),
            DiskBus::Usb => self.buses.usb(bag),
            DiskBus::Scsi => self.scsi_address(bag),
            DiskBus::Fdc => {
                bag.take("bus");
                let unit = bag.small("unit")?;
                Some(Address {
                    controller: Some(0),
                    bus: Some(0),
                    target: Some(0),
                    unit: Some(unit),
                    ..Address::default()
                })
            }
            DiskBus::Sata | DiskBus::Ide => {
                let (id, number) = bag.get("bus")?.rsplit_once('.')?;
                let number: u32 = number.parse().ok()?;
                let address = if bus == DiskBus::Sata {
                    let controller = if id == "ide" {
                        0
                    } else {
                        self.buses.controller(&format!("{id}.0"), ControllerKind::Sata)?
                    };
                    Address {
                        controller: Some(controller),
                        bus: Some(0),
                        target: Some(0),
                        unit: Some(number),
                        ..Address::default()
                    }
                } else {
                    let unit = bag.small("unit").unwrap_or(0);
                    Address {
                        controller: Some(0),
                        bus: Some(number),
                        target: Some(0),
                        unit: Some(unit),
                        ..Address::default()
                    }
                };
                bag.take("bus");
                bag.drop_default("unit", &["0"]);
                Some(address)
            }
            DiskBus::Sd => None,
        }
    }

    /// Target and LUN, or the target alone on a controller that has no LUNs.
    pub(super) fn scsi_address(&self, bag: &mut Bag) -> Option<Address> {
        let number = self.buses.controller(bag.get("bus")?, ControllerKind::Scsi)?;
        bag.take("bus");
        let mut address = Address { controller: Some(number), ..Address::default() };
        match bag.small("lun") {
            Some(lun) => {
                address.unit = Some(lun);
                address.bus = Some(bag.small("channel").unwrap_or(0));
                address.target = Some(bag.small("scsi-id").unwrap_or(0));
            }
            None => {
                let target = bag.small("scsi-id");
                if self.has_luns(number) {
                    address.target = target;
                } else {
                    address.bus = Some(0);
                    address.target = Some(0);
                    address.unit = target;
                }
            }
        }
        Some(address)
    }

    fn has_luns(&self, number: u32) -> bool {
        !self.without_luns.contains(&number)
    }

    /// A disk served by another process.
    pub(super) fn vhost_user_disk(&mut self, bag: &mut Bag) -> Option<String> {
        let socket = bag.take("chardev")?;
        let mut chardev =
            self.take("-chardev", &socket).filter(|bag| bag.get("backend") == Some("socket"))?;
        let path = chardev.take("path")?;
        chardev.take("backend");
        chardev.take("id");
        let mut disk =
            Disk { vhost_user: Some(path), bus: Some(DiskBus::Virtio), ..Disk::empty(DiskFormat::Raw) };
        disk.boot_order = bag.small("bootindex");
        disk.queues = bag.small("num-queues");
        disk.address = self.buses.address(bag);
        let item = format!("disk.{}", self.spec.disks.len());
        self.spec.disks.push(disk);
        self.keep_rest(&format!("{item}.chardev"), &chardev);
        Some(item)
    }
}

pub(super) fn on_error(name: &str) -> Option<OnError> {
    Some(match name {
        "stop" => OnError::Stop,
        "report" => OnError::Report,
        "ignore" => OnError::Ignore,
        "enospc" => OnError::Enospace,
        _ => return None,
    })
}

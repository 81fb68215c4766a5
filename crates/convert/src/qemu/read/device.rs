//! Which device a driver is.

use super::Reader;
use super::bag::Bag;
use vmwright_model::machine::{DiskBus, DiskDevice, HostDeviceKind, InputKind, MemoryDeviceKind};

impl Reader {
    /// Reads a device into the specification and says as which item; none where it is not understood.
    pub(super) fn device(&mut self, bag: &mut Bag) -> Option<String> {
        let driver = bag.take("driver")?;
        if let Some(item) = self.controller(&driver, bag) {
            return Some(item);
        }
        self.device_id = bag.take("id").unwrap_or_default();
        // One name for a virtio device on each of its buses; what the guest then sees differs, so the older and the
        // newer kind stay apart.
        let virtio = driver.strip_suffix("-pci").or_else(|| driver.strip_suffix("-device"));
        let transport = virtio.filter(|name| name.starts_with("virtio") || name.starts_with("vhost"));
        let mmio = driver.ends_with("-device") && !self.spec.machine.starts_with("microvm");
        if transport.is_some() && mmio {
            return None;
        }
        if let Some(model) = super::network::model(&driver) {
            return self.card(model, bag);
        }
        match transport.unwrap_or(&driver) {
            "virtio-blk" => self.disk(bag, DiskBus::Virtio, DiskDevice::Disk),
            "scsi-hd" | "scsi-disk" => self.disk(bag, DiskBus::Scsi, DiskDevice::Disk),
            "scsi-cd" => self.disk(bag, DiskBus::Scsi, DiskDevice::Cdrom),
            "scsi-block" => self.disk(bag, DiskBus::Scsi, DiskDevice::Lun),
            "ide-hd" | "ide-cd" | "ide-drive" => {
                let device = if driver == "ide-cd" { DiskDevice::Cdrom } else { DiskDevice::Disk };
                let ide = bag.get("bus").is_none_or(|bus| bus.starts_with("ide."));
                let bus = if ide && !self.is_q35() { DiskBus::Ide } else { DiskBus::Sata };
                self.disk(bag, bus, device)
            }
            "usb-storage" => self.disk(bag, DiskBus::Usb, DiskDevice::Disk),
            "nvme" => self.disk(bag, DiskBus::Nvme, DiskDevice::Disk),
            "floppy" => self.disk(bag, DiskBus::Fdc, DiskDevice::Floppy),
            "vhost-user-blk" => self.vhost_user_disk(bag),
            "pc-dimm" => self.memory_device(MemoryDeviceKind::Dimm, bag),
            "nvdimm" => self.memory_device(MemoryDeviceKind::Nvdimm, bag),
            "virtio-mem" => self.memory_device(MemoryDeviceKind::VirtioMem, bag),
            "virtio-pmem" => self.memory_device(MemoryDeviceKind::VirtioPmem, bag),
            "vfio-pci" => self.vfio(bag),
            "usb-host" => self.usb_host(bag),
            "isa-serial" | "pci-serial" | "usb-serial" | "isa-parallel" | "virtconsole"
            | "virtserialport" => self.port(&driver, bag),
            "virtio-9p" => self.nine_p(bag),
            "vhost-user-fs" => self.virtio_fs(bag),
            "vhost-vsock" => self.vsock(bag),
            "virtio-rng" => self.rng(bag),
            "virtio-balloon" => self.balloon(bag),
            "i6300esb" | "ib700" => self.watchdog(&driver, bag),
            "pvpanic" | "pvpanic-pci" => self.panic(&driver, bag),
            "tpm-tis" | "tpm-crb" | "tpm-spapr" | "tpm-tis-device" => self.tpm(&driver, bag),
            "usb-mouse" => self.input(InputKind::Mouse, false, bag),
            "usb-tablet" => self.input(InputKind::Tablet, false, bag),
            "usb-kbd" => self.input(InputKind::Keyboard, false, bag),
            "virtio-mouse" => self.input(InputKind::Mouse, true, bag),
            "virtio-tablet" => self.input(InputKind::Tablet, true, bag),
            "virtio-keyboard" => self.input(InputKind::Keyboard, true, bag),
            "virtio-input-host" => self.input(InputKind::Passthrough, true, bag),
            "AC97" | "ES1370" | "sb16" | "usb-audio" | "virtio-sound" | "intel-hda" | "ich9-intel-hda"
            | "hda-duplex" => self.sound(&driver, bag),
            _ => self.video(&driver, bag),
        }
    }

    fn vfio(&mut self, bag: &mut Bag) -> Option<String> {
        match bag.take("sysfsdev") {
            Some(path) => {
                let uuid = path.strip_prefix("/sys/bus/mdev/devices/")?;
                self.host_device(HostDeviceKind::Mdev, uuid.to_owned(), bag)
            }
            None => {
                let host = bag.take("host")?;
                self.host_device(HostDeviceKind::Pci, host, bag)
            }
        }
    }

    fn usb_host(&mut self, bag: &mut Bag) -> Option<String> {
        if let (Some(vendor), Some(product)) = (bag.small("vendorid"), bag.small("productid")) {
            return self.host_device(HostDeviceKind::Usb, format!("{vendor:04x}:{product:04x}"), bag);
        }
        let (bus, address) = (bag.small("hostbus")?, bag.small("hostaddr")?);
        self.host_device(HostDeviceKind::Usb, format!("{bus}.{address}"), bag)
    }
}

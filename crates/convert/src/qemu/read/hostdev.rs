//! Devices of the host.

use super::Reader;
use super::bag::Bag;
use vmwright_model::machine::{HostDevice, HostDeviceKind};

impl Reader {
    pub(super) fn host_device(
        &mut self,
        kind: HostDeviceKind,
        name: String,
        bag: &mut Bag,
    ) -> Option<String> {
        let mut device = HostDevice::of(kind, pci_name(kind, name));
        device.rom = bag.take("romfile").filter(|path| !path.is_empty());
        device.rom_bar = match bag.get("rombar") {
            Some("0") => {
                bag.take("rombar");
                Some(false)
            }
            Some("1") => {
                bag.take("rombar");
                Some(true)
            }
            _ => bag.flag("rombar"),
        };
        device.display = bag.flag("display");
        device.vga = bag.flag("x-vga");
        device.boot_order = bag.small("bootindex");
        device.iommufd = bag.take("iommufd").map(|_| true);
        device.address = match kind {
            HostDeviceKind::Usb => self.buses.usb(bag),
            _ => self.buses.address(bag),
        };
        if device.address.is_none() {
            device.multifunction = bag.flag("multifunction");
        }
        let item = format!("host_device.{}", self.spec.host_devices.len());
        self.spec.host_devices.push(device);
        Some(item)
    }
}

/// QEMU takes `01:00.0` for `0000:01:00.0`.
fn pci_name(kind: HostDeviceKind, name: String) -> String {
    if kind == HostDeviceKind::Pci && name.matches(':').count() == 1 { format!("0000:{name}") } else { name }
}

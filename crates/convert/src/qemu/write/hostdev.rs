//! Devices of the host that are given to the guest.

use super::super::argument::Value;
use super::{Line, place};
use vmwright_model::machine::{HostDevice, HostDeviceKind};

pub(super) fn host_devices(line: &mut Line<'_>) {
    let spec = line.spec;
    if spec.host_devices.iter().any(|device| device.iommufd == Some(true)) {
        line.push("-object", "iommufd,id=iommufd0", "the kernel's newer way to give devices to guests");
    }
    for (at, device) in spec.host_devices.iter().enumerate() {
        let item = format!("host_device.{at}");
        let value = match device.kind {
            HostDeviceKind::Pci | HostDeviceKind::Mdev => {
                // A screen from the start is a property of the variant that cannot be unplugged.
                let screen = line.extra(&item).contains("ramfb=on");
                vfio(device, if screen { "vfio-pci-nohotplug" } else { "vfio-pci" })
            }
            HostDeviceKind::Usb => usb(device),
            HostDeviceKind::Scsi => scsi(line, at, device, &item),
        };
        let Some(value) = value else {
            line.lost(item, format!("QEMU takes no device by the name `{}`", device.device));
            continue;
        };
        let value = value.with("id", format!("host-device{at}")).maybe("bootindex", device.boot_order);
        let value = match device.kind {
            HostDeviceKind::Pci | HostDeviceKind::Mdev => place::pci(line, device.address.as_ref(), value),
            HostDeviceKind::Usb => place::usb(device.address.as_ref(), value),
            HostDeviceKind::Scsi => {
                let address = device.address.clone().unwrap_or_default();
                let number = address.controller.unwrap_or(0);
                let value = value.with("bus", format!("scsi{number}.0"));
                if device.address.is_none() {
                    value
                } else if !line.index.without_luns.contains(&number) {
                    value
                        .with("channel", address.bus.unwrap_or(0))
                        .with("scsi-id", address.target.unwrap_or(0))
                        .with("lun", address.unit.unwrap_or(0))
                } else {
                    value.with("scsi-id", address.unit.unwrap_or(0))
                }
            }
        };
        line.device(&item, value, "a device of the host, given to the guest");
    }
}

fn vfio(device: &HostDevice, driver: &str) -> Option<Value> {
    let value = match device.kind {
        HostDeviceKind::Mdev => {
            Value::new(driver).with("sysfsdev", format!("/sys/bus/mdev/devices/{}", device.device))
        }
        _ => Value::new(driver).with("host", &device.device),
    };
    let value = value
        .switch("multifunction", device.multifunction.filter(|_| device.address.is_none()))
        .switch("x-vga", device.vga)
        .switch("display", device.display)
        .maybe("rombar", device.rom_bar.map(u8::from))
        .maybe("romfile", device.rom.as_ref())
        .maybe("iommufd", device.iommufd.filter(|wanted| *wanted).map(|_| "iommufd0"));
    Some(value)
}

fn usb(device: &HostDevice) -> Option<Value> {
    let value = Value::new("usb-host");
    if let Some((vendor, product)) = device.device.split_once(':') {
        let hex = |text: &str| u16::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        let (vendor, product) = (hex(vendor)?, hex(product)?);
        return Some(
            value.with("vendorid", format!("{vendor:#06x}")).with("productid", format!("{product:#06x}")),
        );
    }
    let (bus, number) = device.device.split_once('.')?;
    let (bus, number): (u32, u32) = (bus.parse().ok()?, number.parse().ok()?);
    Some(value.with("hostbus", bus).with("hostaddr", number))
}

fn scsi(line: &mut Line<'_>, at: usize, device: &HostDevice, item: &str) -> Option<Value> {
    let path = match line.handles.scsi.get(&at) {
        Some(path) => path.clone(),
        None if device.device.starts_with("/dev/") => device.device.clone(),
        None => {
            line.lost(
                format!("{item}.device"),
                "QEMU takes a generic SCSI device: find its `/dev/sg` in sysfs",
            );
            return None;
        }
    };
    let node = format!("host-device{at}-node");
    let value = Value::bare()
        .with("driver", "host_device")
        .with("node-name", &node)
        .with("filename", path)
        .raw(&line.extra(&format!("{item}.file")));
    line.push("-blockdev", value, "a SCSI device of the host");
    Some(Value::new("scsi-generic").with("drive", node))
}

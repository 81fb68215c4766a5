//! # The configured host device does not exist at that address
//!
//! ## What it is
//! The VM's configuration names a PCI address, USB id or node device that the host does not have (any more).
//!
//! Heard as: after a card was added or removed or the board changed, the VM names a PCI address that is another
//! device or none.
//!
//! Known by: Device not found at address; host PCI device does not exist; bus numbers changed after adding a card; no
//! such PCI, USB or mdev device; unplugged.
//!
//! ## Why it happens
//! Bus numbers moved when a card was added, removed or put into another slot, or after a firmware update or a
//! changed setting; the device fell off the bus; the VM came from another host; VFs were not created before the
//! VM was started; a USB device was unplugged.
//!
//! ## Confirm
//! `ls /sys/bus/pci/devices/<address>`; `lspci -nn | grep <vendor>:<device>` shows where the device is now;
//! `lsusb` for USB.
//!
//! ## Refute
//! The address exists and is the device that was meant.
//!
//! ## Fix
//! Put the present address into the configuration; check every other assigned address too, since the old one may
//! now be somebody else's device. Create VFs at boot, before VMs start.
//!
//! ## References
//! QEMU `hw/vfio/helpers.c`, `vfio_device_get_name()` ("no such host device"); libvirt `src/util/virpci.c`,
//! `virPCIDeviceNew()`, `src/util/virusb.c`; Proxmox VE `PVE/QemuServer/PCI.pm`.

use super::device_behind_bridge::devices;
use super::wrong_driver::assigned;
use crate::prelude::*;

/// Mediated devices are looked for by another rule.
const MDEV: &[&str] = &["sysfsdev=/sys/bus/mdev", "\"sysfsdev\":\"/sys/bus/mdev"];

/// How users tell of a USB device that came back under another number.
const REPLUGGED: &[&str] = &[
    "replug",
    "re-plug",
    "re-enumerat",
    "reconnect",
    "plugged in again",
    "unplug",
    "power cycl",
    "bootloader",
    "firmware mode",
    "changes its id",
    "disconnects",
];

pub const RULE: Rule = Rule {
    tags: &["passthrough"],
    signs: &[
        Sign::proof("no such host device").unless(MDEV),
        Sign::proof("Device {device} not found: could not access"),
        Sign::strong("Failed to read product/vendor ID for"),
        Sign::strong("no pci device info for device"),
        Sign::strong("no PCI device found for"),
        Sign::strong("Could not find PCI device"),
        Sign::strong("Failed to open config space file '/sys/bus/pci/devices/{device}/config': No such file"),
        Sign::support("/sys/bus/pci/devices/{device}/driver/unbind: No such file or directory"),
        Sign::strong("/sys/bus/pci/devices/{device}: no such file or directory"),
        Sign::strong("'/sys/bus/pci/devices/{device}': No such file or directory"),
        Sign::support("no node device with matching name 'pci_"),
        Sign::strong("Did not find USB device"),
        Sign::strong("failed to find host usb device"),
        Sign::strong("Could not find USB device"),
        Sign::strong("Did not find a matching node device for"),
        Sign::strong("PCI device not found"),
        Sign::strong("Failed to detect requested GPU device"),
        Sign::strong("PCI device mapping not found for"),
        Sign::strong("PCI device mapping invalid (hardware probably changed)"),
        Sign::strong("USB device mapping not found for"),
        Sign::strong("USB Mapping invalid (hardware probably changed)"),
        Sign::strong("could not find a free device for 'hostpci"),
        Sign::strong("Failed to open config space file"),
        Sign::strong("pci device {d} is not a PCI-Express device"),
        Sign::strong("host usb device vendor="),
        Sign::strong("host scsi device * not found"),
        Sign::strong("Hostdev already exists in the domain configuration"),
        Sign::strong("PciDeviceRequestFailed"),
        Sign::strong("Insufficient compute resources: Claim pci failed"),
        Sign::strong("PCI device request {r} failed"),
        Sign::strong("PciDeviceNotFoundById"),
        Sign::strong("Event logged [COMMAND_HARDWARE_ERROR"),
        // A device number of USB is another one after each plugging in, reset to a boot loader or restart.
        Sign::strong("hostaddr={n}").said(REPLUGGED),
        Sign::strong("<address bus='{b}' device='{d}'/>").said(REPLUGGED),
        Sign::support("USB disconnect, device number {n}").and(&["hostaddr="]),
        Sign::support("USB disconnect, device number {n}").and(&["<address bus='{b}' device='{d}'/>"]),
    ],
    words: &[
        "address changed",
        "moved",
        "added a card",
        "bios update",
        "different slot",
        "no longer",
        "disappeared",
    ],
    explains: &["vfio/wrong-driver"],
    tells: "lspci -nn",
    remedy: "put the device's present address into the VM's configuration",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["lspci", "-nnk"])],
    check,
    ..Rule::NEW
};

/// A whole listing of the bus that lacks an assigned address tells it before the VM is started.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let devices = devices(cx);
    // A listing filtered by grep or -s has no host bridge at 00:00.0 or only a few lines.
    let whole = devices.len() >= 8 && devices.iter().any(|one| (one.address.bus, one.address.slot) == (0, 0));
    for assigned in assigned(cx).into_iter().filter(|_| whole) {
        if !devices.iter().any(|one| one.address == assigned.address) {
            draft = draft
                .because(Strength::Strong, assigned.quote, "lspci lists no device at this address")
                .about(Subject::new(SubjectKind::Pci, assigned.address.to_string()))
                .title(format!("there is no device at {}", assigned.address));
            // One is enough: more of the same kind add no certainty.
            break;
        }
    }
    vec![draft.verdict()]
}

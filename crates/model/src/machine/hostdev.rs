//! Devices of the host that are given to the guest.

use super::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// A device of the host that is given to the guest.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostDevice {
    /// What it is.
    pub kind: HostDeviceKind,
    /// Its name on the host: a PCI address `0000:01:00.0`, the UUID of a mediated device, `vendor:product` or
    /// `bus.device` of USB, a SCSI address `host:channel:target:lun`.
    #[schemars(extend("format" = "host-device"))]
    pub device: String,
    /// Whether it is taken from its driver at start and given back at the end; the backend's choice where absent.
    pub managed: Option<bool>,
    /// Path of an option ROM in place of the device's own.
    #[schemars(extend("format" = "path"))]
    pub rom: Option<String>,
    /// Whether the guest sees an option ROM at all.
    pub rom_bar: Option<bool>,
    /// Whether a mediated device shows a screen.
    pub display: Option<bool>,
    /// Whether it is the guest's first graphics card, with the old VGA resources.
    pub vga: Option<bool>,
    /// Whether the guest sees it as one of several functions in a slot.
    pub multifunction: Option<bool>,
    /// Whether it is reached over iommufd and not over a VFIO container.
    pub iommufd: Option<bool>,
    /// Place in the boot order, from 1.
    #[schemars(range(min = 1, max = 1024))]
    pub boot_order: Option<u32>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

impl HostDevice {
    /// This device.
    #[must_use]
    pub fn of(kind: HostDeviceKind, device: impl Into<String>) -> Self {
        Self {
            kind,
            device: device.into(),
            managed: None,
            rom: None,
            rom_bar: None,
            display: None,
            vga: None,
            multifunction: None,
            iommufd: None,
            boot_order: None,
            address: None,
        }
    }
}

/// A host device's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostDeviceKind {
    /// A PCI function, a virtual function of SR-IOV included.
    Pci,
    /// A mediated device.
    Mdev,
    /// A USB device.
    Usb,
    /// A SCSI device.
    Scsi,
}

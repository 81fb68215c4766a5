//! Where virtual functions lie behind their physical one.

use crate::prelude::*;
use vmwright_formats::PciAddress;

/// Where a device's virtual functions lie: the first one this far behind it, the others this far from each other.
pub(super) struct Places {
    /// The physical function.
    pub device: PciAddress,
    offset: u32,
    stride: u32,
}

impl Places {
    /// How many functions there have to be so that one has this address.
    pub(super) fn number_of(&self, address: PciAddress) -> Option<u32> {
        // PCI Express Base Specification, "VF Routing ID": numbers of bus, slot and function as one.
        let id =
            |one: PciAddress| u32::from(one.bus) << 8 | u32::from(one.slot) << 3 | u32::from(one.function);
        let behind = id(address).checked_sub(id(self.device))?.checked_sub(self.offset)?;
        let fits =
            address.domain == self.device.domain && self.offset > 0 && behind.checked_rem(self.stride)? == 0;
        fits.then(|| behind / self.stride + 1)
    }
}

/// What `lspci -vv` tells of devices with virtual functions; 256 at most.
pub(super) fn places(cx: &Context<'_>) -> Vec<Places> {
    let mut found = Vec::new();
    for text in cx.texts_with("VF offset: ") {
        let mut device = None;
        for (_, line) in text.lines() {
            if !line.starts_with(['\t', ' ']) {
                device = line.split(' ').next().and_then(|word| word.parse().ok()).or(device);
            }
            let Some((_, rest)) = line.split_once("VF offset: ") else { continue };
            let mut words = rest.split([',', ' ']).filter_map(|word| word.parse().ok());
            if let (Some(device), Some(offset), Some(stride)) = (device, words.next(), words.next())
                && found.len() < 256
            {
                found.push(Places { device, offset, stride });
            }
        }
    }
    found
}

//! What every PCI device of Cloud Hypervisor has: an id, a place, and whether the guest's IOMMU is before it.

use crate::json::Port;
use serde_json::Value;
use vmwright_model::machine::Address;

/// A device whose id is a name for people.
pub(super) fn id(port: &mut Port<'_>, id: &mut Option<String>) {
    port.text("id", "word", id);
    port.implied("iommu", false);
    port.implied("pci_segment", 0);
}

/// Where the guest sees a device, and its id.
pub(super) fn device(port: &mut Port<'_>, name: &mut Option<String>, address: &mut Option<Address>) {
    let mut own = address.clone().unwrap_or_default();
    if port.reading() {
        let slot = port.raw("pci_device_id").and_then(Value::as_u64).filter(|slot| (1..32).contains(slot));
        let segment = port.raw("pci_segment").and_then(Value::as_u64).unwrap_or(0);
        own.pci = slot.filter(|_| segment <= 0xffff).map(|slot| format!("{segment:04x}:00:{slot:02x}.0"));
    } else if let Some((segment, slot)) = own.pci.as_deref().and_then(place) {
        port.put("pci_device_id", slot);
        if segment > 0 {
            port.put("pci_segment", segment);
        }
    }
    let mut iommu = own.iommu.unwrap_or(false);
    port.flag("iommu", &mut iommu);
    own.iommu = iommu.then_some(true);
    if port.reading() {
        *address = (own != Address::default()).then_some(own);
    }
    id(port, name);
}

/// Segment and slot of an address on a segment's only bus.
fn place(address: &str) -> Option<(u16, u8)> {
    let (segment, rest) =
        address.split_once(':').filter(|(_, rest)| rest.contains(':')).unwrap_or(("0", address));
    let slot = rest.strip_prefix("00:")?.strip_suffix(".0")?;
    let (segment, slot) = (u16::from_str_radix(segment, 16).ok()?, u8::from_str_radix(slot, 16).ok()?);
    (1..32).contains(&slot).then_some((segment, slot))
}

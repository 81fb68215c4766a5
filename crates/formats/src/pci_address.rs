//! Addresses of PCI functions, in the spellings of lspci, sysfs, QEMU and libvirt.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Domain, bus, slot and function. Shown as sysfs does: `0000:01:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// PCI domain (segment). VMD controllers make some above 0xffff.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Slot (device), 0 to 31.
    pub slot: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

/// The text is not a PCI address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a PCI address")]
pub struct NotAnAddress;

impl PciAddress {
    /// From the four numbers as libvirt writes them, `0x01` or decimal.
    #[must_use]
    pub fn from_parts(domain: &str, bus: &str, slot: &str, function: &str) -> Option<Self> {
        let number = |text: &str| match text.trim().strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => text.trim().parse().ok(),
        };
        let small = |text: &str, limit: u32| number(text).filter(|number| *number <= limit)?.try_into().ok();
        Some(Self {
            domain: number(domain)?,
            bus: small(bus, 0xff)?,
            slot: small(slot, 0x1f)?,
            function: small(function, 7)?,
        })
    }

    /// Whether another is a function of the same device.
    #[must_use]
    pub fn same_slot(&self, other: &Self) -> bool {
        (self.domain, self.bus, self.slot) == (other.domain, other.bus, other.slot)
    }
}

impl FromStr for PciAddress {
    type Err = NotAnAddress;

    /// `01:00.0` or `0000:01:00.0`, hexadecimal.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let hex = |text: &str, shortest: usize, longest: usize| {
            let fits = (shortest..=longest).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if fits { u32::from_str_radix(text, 16).ok() } else { None }
        };
        let parse = || {
            let (rest, function) = text.rsplit_once('.')?;
            let (rest, slot) = rest.rsplit_once(':')?;
            let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0000", rest));
            Some(Self {
                domain: hex(domain, 4, 8)?,
                bus: hex(bus, 2, 2)?.try_into().ok()?,
                slot: hex(slot, 2, 2).filter(|slot| *slot <= 0x1f)?.try_into().ok()?,
                function: hex(function, 1, 1).filter(|function| *function <= 7)?.try_into().ok()?,
            })
        };
        parse().ok_or(NotAnAddress)
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.slot, self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let address: PciAddress = "01:00.1".parse().expect("short");
        assert_eq!(address.to_string(), "0000:01:00.1");
        assert_eq!(
            "10000:e1:1f.7".parse::<PciAddress>().map(|vmd| vmd.to_string()),
            Ok("10000:e1:1f.7".into())
        );
        assert_eq!(PciAddress::from_parts("0x0000", "0x01", "0", "0x1"), Some(address));
        for bad in ["", "1:0.0", "01:20.0", "01:00.8", "01:00", "g1:00.0", "12:34:56.7"] {
            assert_eq!(bad.parse::<PciAddress>(), Err(NotAnAddress), "{bad}");
        }
        assert!(address.same_slot(&"01:00.0".parse().expect("short")));
    }
}

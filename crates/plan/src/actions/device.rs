//! A device plugged into a domain of libvirt's, or unplugged.

use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_formats::PciAddress;
use vmwright_formats::xml::{Document, Element};
use vmwright_model::{Action, Disruption};

/// The longest element, in bytes.
const LONGEST: usize = 16 << 10;

/// See [`Action::DeviceAttach`] and, with `away`, [`Action::DeviceDetach`].
pub(super) struct Device<'a> {
    pub(super) connection: &'a str,
    pub(super) domain: &'a str,
    pub(super) device: &'a str,
    pub(super) running: bool,
    pub(super) away: bool,
}

impl Device<'_> {
    fn name(&self) -> String {
        device_name(self.device).unwrap_or_else(|| "a device".to_owned())
    }
}

impl Facts for Device<'_> {
    fn target(&self) -> Target {
        Target::Plugged(format!("{} of {}", self.domain, self.connection), self.name())
    }

    fn words(&self) -> Words {
        let (name, domain, connection) = (self.name(), self.domain, self.connection);
        let state = if self.running { "running" } else { "shut off" };
        let now = if self.running { "at once and from its next start" } else { "from its next start" };
        let has = if self.away { "with" } else { "without" };
        let plug = |away: bool| match away {
            false => format!("plugs {name} into {domain}, {now}"),
            true => format!("unplugs {name} from {domain}, {now}"),
        };
        Words {
            expects: format!("domain {domain} of {connection} {state}, and {has} {name}"),
            does: format!("{}: {}", plug(self.away), self.device),
            undone_by: format!("{}, if it is as this step left it", plug(!self.away)),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Record
    }

    fn least_disruption(&self) -> Disruption {
        // The guest may be using what goes.
        if self.away && self.running { Disruption::GuestPause } else { Disruption::None }
    }

    fn follows(&self, earlier: &Action) -> bool {
        let (device, running) = match earlier {
            Action::DeviceAttach { device, running, .. } if self.away => (device, running),
            Action::DeviceDetach { device, running, .. } if !self.away => (device, running),
            _ => return false,
        };
        device == self.device && *running == self.running
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::machine::faults(self.domain);
        faults.extend(super::edit_domain::connection_fault(self.connection));
        let letters = self.device.len() <= LONGEST && !self.device.contains(|c: char| c.is_control());
        if !letters || device_name(self.device).is_none() {
            let device = quoted(self.device);
            faults.push(Fault::Value(format!("{device} is no disk, interface or host's device of a domain")));
        }
        faults
    }
}

/// What a device is known by in its domain: a disk by its target, an interface by its MAC address, a PCI function of the
/// host by its address. None where the text is no such device.
#[must_use]
pub fn device_name(device: &str) -> Option<String> {
    let (document, issues) = Document::read(device);
    let mut roots = document.roots();
    let (root, None) = (roots.next()?, roots.next()) else { return None };
    if !issues.is_empty() || !device.starts_with('<') || !device.ends_with('>') {
        return None;
    }
    match root.name() {
        "disk" => Some(format!("disk {}", root.child_attr("target", "dev")?.value)),
        "interface" => Some(format!("interface {}", root.child_attr("mac", "address")?.value.to_lowercase())),
        "hostdev" => Some(format!("device {}", address(root)?)),
        _ => None,
    }
}

/// The PCI address of a device of the host.
fn address(hostdev: Element<'_>) -> Option<PciAddress> {
    let address = hostdev.child("source")?.child("address")?;
    let of = |name: &str| {
        let value = address.attr(name)?.value;
        u32::from_str_radix(value.trim_start_matches("0x"), 16).ok()
    };
    let domain = of("domain").unwrap_or(0);
    format!("{domain:04x}:{:02x}:{:02x}.{:x}", of("bus")?, of("slot")?, of("function")?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_by_what_libvirt_knows_it_by() {
        let pci = "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x41' slot='0x00' function='0x1'/></source></hostdev>";
        assert_eq!(device_name(pci).as_deref(), Some("device 0000:41:00.1"));
        assert_eq!(device_name("<disk><target dev='vdb'/></disk>").as_deref(), Some("disk vdb"));
        let card = "<interface type='bridge'><mac address='52:54:00:AA:00:01'/></interface>";
        assert_eq!(device_name(card).as_deref(), Some("interface 52:54:00:aa:00:01"));
        for other in ["<disk/>", "<rng/>", "disk vdb", "<disk><target dev='a'/></disk><disk/>", "<disk>", ""]
        {
            assert_eq!(device_name(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_device_of_a_domain_is_refused() {
        let faults = |connection: &str, device: &str| {
            Device { connection, domain: "web", device, running: true, away: false }.faults().len()
        };
        assert_eq!(faults("qemu:///system", "<disk><target dev='vdb'/></disk>"), 0);
        assert_eq!(faults("qemu+ssh://elsewhere/system", "<disk><target dev='vdb'/></disk>"), 1);
        assert_eq!(faults("qemu:///system", "<disk>\n<target dev='vdb'/></disk>"), 1);
        assert_eq!(faults("qemu:///system", "<filesystem/>"), 1);
    }
}

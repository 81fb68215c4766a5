//! What a lab's hardware has of a host's, as far as QEMU makes it up: features of its processor, NUMA nodes, and functions at the
//! host's own PCI addresses. Pure.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Buses that lie below the chipset itself; those of a host with higher numbers get a bridge of their own.
const LOW: u8 = 8;
/// The slots of the chipset's bus that ports to low buses take, one each from here on: nothing else of a lab lies there.
const SLOTS: u8 = 0x10;
/// The slots of the chipset's bus that bridges to high buses take.
const BRIDGES: u8 = 0x08;
/// The number of the first port's chassis.
const CHASSIS: u8 = 200;
/// Most ports: as many as chassis that are left.
const PORTS: usize = 40;
/// Most bridges to high buses.
const MOST: usize = 8;

/// What a lab has of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness {
    /// What its processor calls itself; as QEMU's model does where empty.
    pub processor: String,
    /// Features of the processor, by QEMU's names, that are switched on.
    pub with: Vec<String>,
    /// Features that are switched off.
    pub without: Vec<String>,
    /// Memory of each NUMA node, in MiB. Not more than four: each takes a processor.
    pub nodes: Vec<u64>,
    /// Functions that stand for the host's.
    pub functions: Vec<Function>,
}

/// A PCI function that stands for one of the host's at the same address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Function {
    /// Bus, 1 to 255.
    pub bus: u8,
    /// Function of the bus's only slot, 0 to 7.
    pub function: u8,
    /// What it is.
    pub kind: Kind,
}

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A network card.
    Network,
    /// A display.
    Display,
    /// A USB controller.
    Usb,
    /// An NVMe controller, where it is the only function of its bus: one that is plugged in has none beside it.
    Nvme,
    /// Anything else: a function that does nothing.
    Other,
}

impl Likeness {
    /// Words for QEMU behind those of the lab itself; `model` is the processor's.
    #[must_use]
    pub fn words(&self, model: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut push = |option: &str, value: String| words.extend([option.to_owned(), value]);
        let mut processor = model.to_owned();
        for feature in &self.with {
            processor.push_str(&format!(",+{feature}"));
        }
        for feature in &self.without {
            processor.push_str(&format!(",-{feature}"));
        }
        if !self.processor.is_empty() {
            // QEMU takes two commas for one that belongs to the value.
            processor.push_str(&format!(",model-id={}", self.processor.replace(',', ",,")));
        }
        push("-cpu", processor);
        // A chassis has a number of one byte, which no two ports share; the lab's own begin below.
        for (chassis, (bus, place)) in (CHASSIS..).zip(self.ports()) {
            if let Place::Bridge(at, begins) = place {
                push(
                    "-device",
                    format!("pxb-pcie,id=like-bridge{begins},bus=pcie.0,addr={at:x}.0,bus_nr={}", begins - 1),
                );
            }
            let above = match place {
                Place::Chipset(slot) => format!("bus=pcie.0,addr={slot:x}.0"),
                Place::Bridge(_, begins) => format!("bus=like-bridge{begins},addr=0.0"),
                Place::Beside(begins) => format!("bus=like-bridge{begins},addr={:x}.0", bus - begins),
            };
            push("-device", format!("pcie-root-port,id=like{bus},chassis={chassis},slot={chassis},{above}"));
        }
        for one in self.functions.iter().filter(|one| !self.is_plugged(one)) {
            let several = if one.function == 0 && !self.is_alone(one) { ",multifunction=on" } else { "" };
            let (bus, function) = (one.bus, one.function);
            let device = match one.kind {
                Kind::Network => {
                    push("-netdev", format!("user,id=like{bus}-{function},restrict=on"));
                    format!("e1000e,netdev=like{bus}-{function},mac=52:54:00:1b:{bus:02x}:{function:02x}")
                }
                Kind::Display => "bochs-display".to_owned(),
                Kind::Usb => "qemu-xhci".to_owned(),
                Kind::Nvme | Kind::Other => "pci-testdev".to_owned(),
            };
            push("-device", format!("{device},bus=like{bus},addr=0.{function}{several}"));
        }
        words
    }

    /// The port of each NVMe controller, which is plugged into it once the lab has begun.
    pub(crate) fn nvme_ports(&self) -> impl Iterator<Item = String> + '_ {
        self.functions.iter().filter(|one| self.is_plugged(one)).map(|one| format!("like{}", one.bus))
    }

    fn is_plugged(&self, one: &Function) -> bool {
        one.kind == Kind::Nvme && self.is_alone(one)
    }

    fn is_alone(&self, one: &Function) -> bool {
        !self.functions.iter().any(|other| other.bus == one.bus && other.function != one.function)
    }

    /// Functions that this has no place for: their bus has no number that can be given. They are taken out.
    pub fn fit(&mut self) -> Vec<Function> {
        let ports = self.ports();
        let (fit, left) =
            std::mem::take(&mut self.functions).into_iter().partition(|one| ports.contains_key(&one.bus));
        self.functions = fit;
        left
    }

    /// Where the port to each bus lies. The firmware numbers buses in the order in which it finds them, so that below the
    /// chipset each number up to the highest has a port.
    fn ports(&self) -> BTreeMap<u8, Place> {
        let buses: BTreeSet<u8> = self.functions.iter().map(|one| one.bus).filter(|bus| *bus > 0).collect();
        let low = buses.range(..=LOW).next_back().copied().unwrap_or(0);
        let mut ports: BTreeMap<u8, Place> =
            (1..=low).map(|bus| (bus, Place::Chipset(SLOTS + bus - 1))).collect();
        // Behind the low ones come the lab's own ports, and a bridge takes a number itself.
        let first = low + 5;
        let (mut begins, mut last, mut bridges) = (0, 0, 0);
        for bus in buses.range(LOW + 1..).copied() {
            if ports.len() >= PORTS {
                break;
            }
            if begins != 0 && bus == last + 1 && bus - begins < 0x1f {
                ports.insert(bus, Place::Beside(begins));
            } else if bus > first.max(last + 1) && bridges < MOST {
                ports.insert(bus, Place::Bridge(BRIDGES + u8::try_from(bridges).unwrap_or(0), bus));
                (begins, bridges) = (bus, bridges + 1);
            } else {
                continue;
            }
            last = bus;
        }
        ports
    }
}

/// Where a port lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In this slot of the chipset's bus.
    Chipset(u8),
    /// The first one below a bridge of its own, in this slot of the chipset's bus; the bus that it leads to.
    Bridge(u8, u8),
    /// Beside the one that leads to this bus.
    Beside(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(bus: u8, function: u8, kind: Kind) -> Function {
        Function { bus, function, kind }
    }

    #[test]
    fn functions_lie_at_the_hosts_addresses() {
        let likeness = Likeness {
            processor: "AMD EPYC 7763, 64-Core".into(),
            without: vec!["avx2".into()],
            functions: vec![
                function(2, 0, Kind::Display),
                function(2, 1, Kind::Other),
                function(0x41, 0, Kind::Network),
                function(0x42, 0, Kind::Other),
                function(0x43, 0, Kind::Nvme),
                function(0xc1, 0, Kind::Usb),
            ],
            ..Likeness::default()
        };
        let words = likeness.words("EPYC-v4,+svm").join(" ");
        for wanted in [
            "-cpu EPYC-v4,+svm,-avx2,model-id=AMD EPYC 7763,, 64-Core",
            // The first bus has a port though nothing lies there, or the second one would be the first.
            "pcie-root-port,id=like1,chassis=200,slot=200,bus=pcie.0,addr=10.0",
            "pcie-root-port,id=like2,chassis=201,slot=201,bus=pcie.0,addr=11.0",
            "bochs-display,bus=like2,addr=0.0,multifunction=on",
            "pci-testdev,bus=like2,addr=0.1",
            "pxb-pcie,id=like-bridge65,bus=pcie.0,addr=8.0,bus_nr=64",
            "id=like66,chassis=203,slot=203,bus=like-bridge65,addr=1.0",
            "pci-testdev,bus=like66,addr=0.0",
            "pxb-pcie,id=like-bridge193,bus=pcie.0,addr=9.0,bus_nr=192",
        ] {
            assert!(words.contains(wanted), "{wanted} is not in {words}");
        }
        // It is plugged in later, and its port is there.
        assert!(words.contains("id=like67,") && !words.contains("bus=like67"), "{words}");
        assert_eq!(likeness.nvme_ports().collect::<Vec<_>>(), ["like67"]);
    }

    #[test]
    fn what_has_no_place_is_told() {
        let mut likeness = Likeness {
            functions: vec![
                function(8, 0, Kind::Usb),
                function(10, 0, Kind::Usb),
                function(40, 0, Kind::Usb),
            ],
            ..Likeness::default()
        };
        assert_eq!(likeness.fit(), [function(10, 0, Kind::Usb)]);
        assert_eq!(likeness.functions.len(), 2);
        let all = (0..=255).flat_map(|bus| (0..8).map(move |one| function(bus, one, Kind::Other))).collect();
        let mut likeness = Likeness { functions: all, ..Likeness::default() };
        let left = likeness.fit();
        assert!(left.iter().any(|one| one.bus == 0) && likeness.functions.iter().any(|one| one.bus == 1));
        let _ = likeness.words("max");
    }
}

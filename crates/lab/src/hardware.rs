//! What a lab is made of, and which parts can be left out. Pure.

use crate::likeness::Likeness;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::str::FromStr;
use thiserror::Error;
use vmwright_model::machine::Accelerator;

/// The lab's hardware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// What executes the lab's code.
    pub accelerator: Accelerator,
    /// Parts that are left out.
    pub without: BTreeSet<Part>,
    /// Machine type, a q35: other chipsets have no PCI Express, which VFs and groups need.
    pub machine: String,
    /// Memory, in MiB.
    pub memory: u64,
    /// What it has of another host; nothing in particular where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<Likeness>,
}

/// A part that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The IOMMU: no groups, no passthrough.
    Iommu,
    /// Interrupt remapping of the IOMMU.
    InterruptRemapping,
    /// SVM (or VMX), the processor's part of KVM.
    Svm,
    /// The second NUMA node.
    Numa,
    /// The NIC with virtual functions.
    Sriov,
    /// The NVMe controller.
    Nvme,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 6] =
        [Part::Iommu, Part::InterruptRemapping, Part::Svm, Part::Numa, Part::Sriov, Part::Nvme];

    /// As it is typed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Part::Iommu => "iommu",
            Part::InterruptRemapping => "interrupt-remapping",
            Part::Svm => "svm",
            Part::Numa => "numa",
            Part::Sriov => "sriov",
            Part::Nvme => "nvme",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// No part has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no part of a lab that can be left out: iommu, interrupt-remapping, svm, numa, sriov, nvme")]
pub struct UnknownPart(String);

impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|part| part.word() == word);
        found.ok_or_else(|| UnknownPart(word.chars().take(40).flat_map(char::escape_debug).collect()))
    }
}

impl Default for Hardware {
    /// All parts under TCG, with the most memory that lies below 4 GiB as a whole: a KVM machine in the lab, libvirt, and
    /// room for what a fault needs. Above it the firmware places devices beyond 4 GiB, where QEMU 10.0 does not find its
    /// virtual functions: it takes their addresses for ones of 32 bits.
    fn default() -> Self {
        Self {
            accelerator: Accelerator::Tcg,
            without: BTreeSet::new(),
            machine: "q35".to_owned(),
            memory: 2800,
            like: None,
        }
    }
}

/// Identity in the firmware tables. The same for all labs, because they share the memory of one first boot.
const UUID: &str = "6c616200-0000-4000-8000-766d77726967";

impl Hardware {
    /// Whether a part is there.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        !self.without.contains(&part)
    }

    /// Memory of each NUMA node, in MiB.
    fn nodes(&self) -> Vec<u64> {
        match &self.like {
            Some(like) if !like.nodes.is_empty() => like.nodes.clone(),
            _ if self.has(Part::Numa) => vec![self.memory / 2; 2],
            _ => vec![self.memory],
        }
    }

    /// One for each node, and two at least.
    fn processors(&self) -> usize {
        self.nodes().len().max(2)
    }

    /// The specification of the machine, with these two disks (qcow2).
    #[must_use]
    pub fn spec(&self, name: &str, system: &Path, data: &Path) -> String {
        let mut text = format!(
            "name = {name:?}\nuuid = {UUID:?}\nmachine = {:?}\naccelerator = {:?}\n\n[cpu]\ncount = {}\n",
            self.machine,
            match self.accelerator {
                Accelerator::Kvm => "kvm",
                Accelerator::Tcg => "tcg",
            },
            self.processors(),
        );
        // TCG emulates AMD's SVM with nested paging, and nothing of Intel's VMX.
        let (model, on, off) = match self.accelerator {
            Accelerator::Tcg => ("EPYC-v4", "'+svm', '+npt'", "'-svm'"),
            Accelerator::Kvm => ("host", "", "'-svm', '-vmx'"),
        };
        let features = if self.has(Part::Svm) { on } else { off };
        let sizes = self.nodes();
        let nodes = sizes.len();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "model = {model:?}\nfeatures = [{features}]\ntopology = {{ sockets = {nodes}, cores = {} }}\n\n[memory]\nsize = \"{}MiB\"\n",
            self.processors() / nodes,
            self.memory
        );
        if nodes > 1 {
            for (node, memory) in sizes.iter().enumerate() {
                let _ = write!(text, "\n[[numa]]\ncpus = \"{node}\"\nmemory = \"{memory}MiB\"\n");
            }
        }
        for disk in [system, data] {
            let _ = write!(
                text,
                "\n[[disk]]\npath = {:?}\nformat = \"qcow2\"\ncache = \"unsafe\"\n",
                disk.display().to_string()
            );
        }
        text
    }

    /// Words for QEMU behind those of the specification: devices that stand for a host's own. `igb` says whether this
    /// QEMU has the NIC with virtual functions (since 8.0).
    #[must_use]
    pub fn words(&self, igb: bool) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut push = |option: &str, value: &str| words.extend([option.to_owned(), value.to_owned()]);
        if self.has(Part::Iommu) {
            // Remapped interrupts of devices need the I/O APIC outside of the kernel.
            push("-machine", "kernel-irqchip=split");
            let remapping = if self.has(Part::InterruptRemapping) { "on" } else { "off" };
            push("-device", &format!("intel-iommu,intremap={remapping},caching-mode=on"));
        }
        // The way out, closed to everything but DHCP.
        push("-netdev", "user,id=uplink,restrict=on");
        push("-device", "virtio-net-pci,netdev=uplink,mac=52:54:00:1a:b0:00,addr=1b.0");
        // A NIC behind a port of its own: a group of its own.
        push("-device", "pcie-root-port,id=lab-port0,chassis=40,slot=40,addr=1a.0");
        push("-netdev", "user,id=nic0,restrict=on");
        let nic = if igb && self.has(Part::Sriov) { "igb" } else { "e1000e" };
        push("-device", &format!("{nic},bus=lab-port0,netdev=nic0,mac=52:54:00:1a:b0:10"));
        if self.has(Part::Nvme) {
            // What is plugged into it, and when: `nvme.rs`.
            let id = crate::nvme::PORT;
            push("-device", &format!("pcie-root-port,id={id},chassis=41,slot=41,addr=1d.0"));
        }
        // Two functions of one device without ACS: one group that spans both. Not an e1000e: Linux trusts functions of
        // Intel's that are a part of the root complex to be apart (`pci_quirk_rciep_acs`). This one is no PCI Express.
        for (at, more) in [(0, ",multifunction=on"), (1, "")] {
            push("-netdev", &format!("user,id=pair{at},restrict=on"));
            push("-device", &format!("e1000,netdev=pair{at},mac=52:54:00:1a:b0:2{at},addr=1c.{at}{more}"));
        }
        if let Some(like) = &self.like {
            let model = match (self.accelerator, self.has(Part::Svm)) {
                (Accelerator::Tcg, true) => "EPYC-v4,+svm,+npt",
                (Accelerator::Tcg, false) => "EPYC-v4,-svm",
                (Accelerator::Kvm, _) => "host",
            };
            words.extend(like.words(model));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(parts: &[Part]) -> Hardware {
        Hardware { without: parts.iter().copied().collect(), ..Hardware::default() }
    }

    #[test]
    fn parts_are_known_by_their_words() {
        for part in Part::ALL {
            assert_eq!(part.word().parse(), Ok(part));
        }
        let told = "gpu\u{7}".parse::<Part>().expect_err("no such part").to_string();
        assert!(told.contains("`gpu\\u{7}`") && told.contains("interrupt-remapping"), "{told}");
    }

    #[test]
    fn what_is_left_out_is_not_in_the_words() {
        let all = Hardware::default().words(true).join(" ");
        for word in ["intel-iommu,intremap=on", "igb,bus=lab-port0", "multifunction=on", "restrict=on"] {
            assert!(all.contains(word), "{all}");
        }
        assert!(!Hardware::default().words(false).join(" ").contains("igb"));
        assert!(!without(&[Part::Iommu]).words(true).join(" ").contains("iommu"));
        assert!(without(&[Part::InterruptRemapping]).words(true).join(" ").contains("intremap=off"));
        assert!(!without(&[Part::Sriov]).words(true).join(" ").contains("igb"));
    }

    #[test]
    fn every_choice_of_parts_is_a_specification() {
        let place = tempfile::tempdir().expect("a temporary directory");
        for bits in 0..1_u32 << Part::ALL.len() {
            for accelerator in [Accelerator::Tcg, Accelerator::Kvm] {
                let chosen = Part::ALL.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                let hardware = Hardware {
                    accelerator,
                    without: chosen.map(|(_, part)| part).collect(),
                    ..Hardware::default()
                };
                let text = hardware.spec("a", Path::new("/d/a \"b\".qcow2"), Path::new("/d/c"));
                let file = place.path().join("machine.toml");
                std::fs::write(&file, &text).expect("written");
                let (_, spec) = vmwright_backend::store::read_spec(&file).expect(&text);
                assert_eq!(spec.disks.len(), 2);
                assert_eq!(spec.numa.len(), if hardware.has(Part::Numa) { 2 } else { 0 });
            }
        }
    }
}

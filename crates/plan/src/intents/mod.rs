//! What a user wants done, made into a plan from what was read of the host. One file an intent.
//!
//! An intent refuses what would take the host's own ground away, its screen, its disks, its way to the network, and
//! says which evidence it has for that. The same host and the same wish give the same plan, byte for byte.

mod attach;
mod boot;
mod confidential;
mod create;
mod fallback;
mod ground;
mod harden;
mod interrupts;
mod labels;
mod migrate;
mod network;
mod passthrough;
mod pinning;
mod restart;
mod sriov;
mod storage;
mod tune;
mod upgrade;
mod uplink;

pub use attach::{AttachDevice, PlugSite, Source, attach, detach};
pub use boot::{Boot, NEEDS};
pub use confidential::{CONFIDENTIAL_NEEDS, confidential};
pub use create::{Lies, NewImage, Site, Taken, Thing, Wish, create, things};
pub use fallback::{BOOTED_BEFORE, entry_before};
pub use ground::{Ground, joined};
pub use harden::{HARDEN_NEEDS, harden_host, harden_vm};
pub use migrate::{Pace, migrate};
pub use network::{NETWORK_NEEDS, bridge_filter_off, mtu, ovs_port};
pub use passthrough::{Guest, passthrough, passthrough_to_domain};
pub use restart::{awaiting_reboot, way_back, with_reboot};
pub use sriov::sriov;
pub use storage::{Found, StorageWish, storage};
pub use tune::{Goal, TUNE_NEEDS, tune};
pub use upgrade::{Break, Checked, KNOWN_LIBVIRT, KNOWN_QEMU, Upgrade, Used, upgrade_check};
pub use uplink::{Network, UPLINK_NEEDS, bridge};

use crate::target::{Target, least_disruption};
use thiserror::Error;
use vmwright_formats::PciAddress;
use vmwright_formats::ip_route::IpRoute;
use vmwright_formats::links::Links;
use vmwright_formats::lsmod::LsMod;
use vmwright_formats::mounts::Mounts;
use vmwright_formats::pci_devices::{PciDevices, PciFacts};
use vmwright_model::plan::PLAN_SCHEMA;
use vmwright_model::{Action, Disruption, Plan, Step};

/// What is known of a host, as far as intents ask.
#[derive(Debug, Clone, Copy)]
pub struct Host<'h> {
    /// Its id.
    pub id: &'h str,
    /// Its PCI functions.
    pub devices: &'h PciDevices,
    /// Its loaded modules; none where its kernel has no modules, so that all it can do is built in.
    pub modules: Option<&'h LsMod>,
    /// Its mounted file systems.
    pub mounts: &'h Mounts,
    /// Its routes.
    pub routes: &'h IpRoute,
    /// Its interfaces: which is a port of which.
    pub links: &'h Links,
    /// How it boots; asked only for what is to hold at the next boot.
    pub boot: &'h Boot<'h>,
}

/// Why an intent is no plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IntentError {
    /// The host has no such device.
    #[error("there is no PCI function {device} on this host{}", hint(.near))]
    NoDevice {
        /// What was asked for.
        device: String,
        /// Functions that may be meant.
        near: Vec<String>,
    },
    /// It is no device that can be given away.
    #[error("{device} is a bridge: only what lies below it can be given to a VM")]
    Bridge {
        /// The device.
        device: PciAddress,
    },
    /// Without a group VFIO cannot isolate it.
    #[error("{device} is in no IOMMU group: the IOMMU is off or absent (`vmwright analyze` tells which)")]
    NoGroup {
        /// The device.
        device: PciAddress,
    },
    /// The host itself needs it.
    #[error("{device} is needed by the host: {why}")]
    Needed {
        /// The device.
        device: PciAddress,
        /// Why: the evidence.
        why: String,
    },
    /// It has no virtual functions.
    #[error(
        "{device} has no virtual functions (no SR-IOV, or its driver or the firmware has it switched off)"
    )]
    NoSriov {
        /// The device.
        device: PciAddress,
    },
    /// More than it has.
    #[error("{device} can have {most} virtual functions at most")]
    TooMany {
        /// The device.
        device: PciAddress,
        /// How many.
        most: u32,
    },
    /// They would vanish under a VM.
    #[error("virtual functions of {device} are bound to {driver}, and may be in use by a VM: {}", list(.functions))]
    InUse {
        /// The device.
        device: PciAddress,
        /// Who has them.
        driver: String,
        /// Which.
        functions: Vec<PciAddress>,
    },
    /// It cannot be done, and why.
    #[error("{0}")]
    Cannot(String),
    /// All is as wanted.
    #[error("there is nothing to do: {0}")]
    Nothing(String),
    /// Nobody can tell how it boots.
    #[error(
        "it cannot be told which boot loader gives the kernel its parameters: there is neither /etc/default/grub with a program for it, nor an entry for the running kernel below /boot/loader/entries"
    )]
    NoBootLoader,
    /// Nobody can tell what makes its initramfs.
    #[error(
        "it cannot be told what makes the initramfs: there is neither update-initramfs with its list of modules, nor dracut"
    )]
    NoInitramfs,
    /// A file of the host cannot take it.
    #[error("{path} cannot be edited: {why}")]
    Edit {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// Everything that stands against making a machine.
    #[error("{path} cannot become a machine of this host:{}", .problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
    Create {
        /// The specification.
        path: String,
        /// One line each, with its place.
        problems: Vec<String>,
    },
    /// A move would fail.
    #[error("{vm} cannot move to {to}:{}", .problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
    Move {
        /// The VM.
        vm: String,
        /// Where to.
        to: String,
        /// The findings, one line each.
        problems: Vec<String>,
    },
    /// The VM's specification cannot take it.
    #[error("the specification {path} cannot be edited: {why}")]
    Spec {
        /// The specification.
        path: String,
        /// Why.
        why: String,
    },
}

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

fn list(addresses: &[PciAddress]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl<'h> Host<'h> {
    /// The function that a user names, `01:00.0` or `0000:01:00.0`.
    fn device(&self, name: &str) -> Result<&'h PciFacts, IntentError> {
        let found = name.parse::<PciAddress>().ok().and_then(|address| self.devices.of(address));
        found.ok_or_else(|| IntentError::NoDevice { device: name.to_owned(), near: self.near(name) })
    }

    /// Functions of the same slot, or with the same slot on another bus.
    fn near(&self, name: &str) -> Vec<String> {
        let Ok(wanted) = name.parse::<PciAddress>() else { return Vec::new() };
        let all = || self.devices.devices.iter().map(|device| device.address);
        let slot: Vec<PciAddress> = all().filter(|other| other.same_slot(&wanted)).collect();
        let bus = || all().filter(|other| other.bus == wanted.bus && other.domain == wanted.domain).collect();
        let near = if slot.is_empty() { bus() } else { slot };
        near.iter().take(3).map(ToString::to_string).collect()
    }

    /// Why the host cannot do without a function, if it cannot.
    fn needs(&self, device: &PciFacts) -> Option<String> {
        if device.get("boot_vga").is_some_and(|boot| boot.value == "1") {
            return Some("it is the screen that the firmware booted on (boot_vga is 1)".to_owned());
        }
        for disk in device.all("nvme") {
            let node = format!("/dev/{}", disk.value);
            if let Some(mount) = self.mounts.mounts.iter().find(|mount| mount.source.starts_with(&node)) {
                return Some(format!("{} is mounted on {}", mount.source, mount.target));
            }
        }
        let defaults = self.routes.defaults();
        device.all("net").find_map(|card| {
            // A bridge or bond above it may have the route.
            let mut carriers = vec![card.value];
            while let Some(master) =
                self.links.of(carriers[carriers.len() - 1]).and_then(|link| link.get("master"))
                && !carriers.contains(&master.value)
            {
                carriers.push(master.value);
            }
            let carries = |dev: Option<&str>| dev.is_some_and(|dev| carriers.contains(&dev));
            let route = defaults.iter().find(|route| carries(route.dev.as_deref()))?;
            let via = route.via.as_deref().unwrap_or("the link itself");
            let through = match &carriers[1..] {
                [] => String::new(),
                above => format!(", through {},", above.join(" and ")),
            };
            Some(format!("{}{through} carries the default route, by {via}", card.value))
        })
    }
}

/// An action with its reason.
type Wanted = (Action, String);

/// A plan of these steps in the order of their kinds.
fn plan_of(host_id: &str, vm: Option<&str>, title: String, mut steps: Vec<Wanted>) -> Plan {
    steps.sort_by_key(|(action, _)| crate::actions::of(action).phase());
    let steps = steps.into_iter().map(|(action, why)| (action, why, Disruption::None)).collect();
    made(host_id, vm, title, steps)
}

/// A plan of these steps, each with its reason and what it disturbs at least.
fn plan(host: &Host<'_>, vm: Option<&str>, title: String, steps: Vec<(Action, String, Disruption)>) -> Plan {
    made(host.id, vm, title, steps)
}

fn made(host_id: &str, vm: Option<&str>, title: String, steps: Vec<(Action, String, Disruption)>) -> Plan {
    let steps = steps.into_iter().map(|(action, why, disruption)| Step {
        subject: Target::of(&action).subject(),
        disruption: disruption.max(least_disruption(&action)),
        action,
        why,
        settles: Vec::new(),
    });
    Plan {
        schema: PLAN_SCHEMA.to_owned(),
        title,
        host_id: host_id.to_owned(),
        vm: vm.map(str::to_owned),
        steps: steps.collect(),
        left: Vec::new(),
        complaint: String::new(),
    }
}

#[cfg(test)]
mod create_tests;
#[cfg(test)]
mod labels_tests;
#[cfg(test)]
mod storage_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tuning_tests;

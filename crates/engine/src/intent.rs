//! What a plan can be wanted for.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
pub use vmwright_model::machine::Technology;
pub use vmwright_plan::intents::AttachDevice;

/// What a user wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "intent")]
pub enum Intent {
    /// The findings on a VM settled, or on the host where none is named.
    Fix {
        /// Name of the VM.
        vm: Option<String>,
        /// What the user complains of, in their own words; empty where they did not say. Some things are faults for
        /// those alone who want them otherwise.
        complaint: String,
    },
    /// A machine made of its specification, with all that it needs and that is not there yet.
    Create {
        /// Path of the specification.
        spec: PathBuf,
        /// What makes it run: `qemu` (also where absent), `firecracker`, `cloud-hypervisor`, `libvirt`, or libvirt's
        /// URI.
        backend: Option<String>,
        /// Sizes of disks that are made, with unit.
        sizes: Vec<NewDisk>,
        /// Images whose content disks that are made get.
        copies: Vec<NewDisk>,
        /// It is started at the end.
        start: bool,
    },
    /// A PCI device given to a VM, with all that shares its IOMMU group.
    Passthrough {
        /// Name of the VM.
        vm: String,
        /// Address of the device: `01:00.0`, `0000:01:00.0`.
        device: String,
        /// The host keeps it for VMs after the next boot too.
        at_boot: bool,
        /// The host is restarted at the end.
        reboot: bool,
    },
    /// A device with so many virtual functions.
    Sriov {
        /// Address of the device.
        device: String,
        /// How many.
        vfs: u32,
    },
    /// The host's network changed.
    Network {
        /// What is wanted of it.
        wish: NetworkWish,
    },
    /// A disk of a VM changed.
    Storage {
        /// Name of the VM.
        vm: String,
        /// Number of the disk in its specification, counted from 1.
        disk: usize,
        /// What is wanted of it.
        wish: DiskWish,
    },
    /// Memory that the host cannot read: the host's switches for it, and a VM's specification where one is named.
    Confidential {
        /// Name of the VM.
        vm: Option<String>,
        /// By which means.
        technology: Technology,
        /// The host is restarted at the end.
        reboot: bool,
    },
    /// A running VM moved to another host, if nothing stands in the way.
    Migrate {
        /// Name of the VM.
        vm: String,
        /// `tcp:host:port`, `unix:/path`, `file:/path`, `libvirt:URI`.
        to: String,
        /// Records of the other host: a capture, an archive or a folder.
        against: PathBuf,
        /// Bytes that it may send in a second, with unit; as QEMU does by itself where absent.
        bandwidth: Option<String>,
        /// Milliseconds that the guest may stand still at the end; as QEMU does by itself where absent.
        downtime: Option<u64>,
    },
    /// A device plugged into a domain of libvirt's.
    Attach {
        /// Name of the domain.
        vm: String,
        /// What.
        device: AttachDevice,
    },
    /// A device unplugged from a domain of libvirt's.
    Detach {
        /// Name of the domain.
        vm: String,
        /// The target of a disk, or the MAC address of an interface.
        device: String,
    },
    /// What a newer QEMU or libvirt would break here, and the plan that mends it.
    UpgradeCheck {
        /// Version of QEMU that is asked about.
        qemu: Option<String>,
        /// Version of libvirt that is asked about.
        libvirt: Option<String>,
    },
    /// A VM tuned for what it is for.
    Tune {
        /// Name of the VM.
        vm: String,
        /// What it is for.
        goal: TuneFor,
    },
    /// A VM hardened, or the host where none is named.
    Harden {
        /// Name of the VM.
        vm: Option<String>,
    },
}

/// Something said of a disk that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDisk {
    /// Number of the disk in the specification, counted from 1.
    pub disk: usize,
    /// What.
    pub value: String,
}

/// What is wanted of the host's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wish")]
pub enum NetworkWish {
    /// An interface, and of a bridge or bond its ports, takes packets of this size.
    Mtu {
        /// The interface.
        interface: String,
        /// Bytes.
        bytes: u32,
    },
    /// A bridge with a card of the host as its way out.
    Bridge {
        /// The bridge, which is made.
        bridge: String,
        /// The card.
        uplink: String,
        /// It is made at the next boot, and the host is restarted at the end.
        reboot: bool,
    },
    /// Bridged frames pass by the host's firewall for IP.
    BridgeFilterOff,
    /// An interface is a port of an Open vSwitch bridge.
    OvsPort {
        /// The interface.
        port: String,
        /// The bridge.
        bridge: String,
        /// The VLAN that it is an access port of; a trunk of all where absent.
        vlan: Option<u16>,
    },
}

impl NewDisk {
    /// `VALUE` of the first disk, or `2=VALUE` of the second.
    ///
    /// # Errors
    /// What is wrong with it, a fragment.
    pub fn read(text: &str) -> Result<Self, String> {
        let numbered = text
            .split_once('=')
            .filter(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        let (disk, value) = match numbered {
            Some((number, value)) => {
                (number.parse().map_err(|_| format!("{number} is no number of a disk"))?, value)
            }
            None => (1, text),
        };
        match (disk, value) {
            (0, _) => Err("disks are counted from 1".to_owned()),
            (_, "") => Err("the value is missing".to_owned()),
            (disk, value) => Ok(Self { disk, value: value.to_owned() }),
        }
    }
}

/// What is wanted of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wish")]
pub enum DiskWish {
    /// It is so large.
    Grow {
        /// A size with unit.
        size: String,
    },
    /// It builds upon nothing any more.
    Flatten,
    /// It builds upon this image.
    Rebase {
        /// Path of the image.
        base: PathBuf,
    },
    /// What the guest deletes is free on the host.
    Trim,
    /// It moves so much in a second at most; 0 for any number.
    Limit {
        /// Bytes, with unit; as they are where absent.
        bytes: Option<String>,
        /// Requests; as they are where absent.
        requests: Option<u64>,
    },
    /// Its image in a Ceph pool is kept as it is now, and protected from removal.
    Snapshot {
        /// Name of the snapshot.
        name: String,
    },
}

/// What a VM is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TuneFor {
    /// Quick answers.
    Latency,
    /// Much work in a given time.
    Throughput,
    /// Many VMs on one host.
    Density,
}

impl Intent {
    /// The VM that it is about.
    #[must_use]
    pub fn vm(&self) -> Option<&str> {
        match self {
            Intent::Fix { vm, .. } | Intent::Harden { vm } | Intent::Confidential { vm, .. } => vm.as_deref(),
            Intent::Storage { vm, .. } => Some(vm),
            Intent::Network { .. } => None,
            Intent::Attach { vm, .. } | Intent::Detach { vm, .. } => Some(vm),
            Intent::Passthrough { vm, .. } | Intent::Tune { vm, .. } | Intent::Migrate { vm, .. } => Some(vm),
            Intent::Sriov { .. } | Intent::Create { .. } | Intent::UpgradeCheck { .. } => None,
        }
    }

    /// It as the challenge that ANALYSIS opens with.
    pub(crate) fn challenge(&self) -> String {
        match self {
            Intent::Fix { vm: Some(vm), .. } => format!("plan for vm {vm}"),
            Intent::Fix { vm: None, .. } => "plan for this host".to_owned(),
            Intent::Create { spec, .. } => format!("plan to create a vm of {}", spec.display()),
            Intent::Passthrough { vm, device, .. } => format!("plan to give {device} to vm {vm}"),
            Intent::Sriov { device, vfs } => format!("plan for {vfs} virtual functions of {device}"),
            Intent::UpgradeCheck { qemu, libvirt } => {
                let named = [("QEMU", qemu), ("libvirt", libvirt)];
                let named = named
                    .into_iter()
                    .filter_map(|(name, version)| Some(format!("{name} {}", version.as_ref()?)));
                format!("what would {} break here", named.collect::<Vec<_>>().join(" and "))
            }
            Intent::Network { wish: NetworkWish::Mtu { interface, bytes } } => {
                format!("plan to give {interface} an MTU of {bytes}")
            }
            Intent::Network { wish: NetworkWish::Bridge { bridge, uplink, .. } } => {
                format!("plan to make {uplink} the way out of bridge {bridge}")
            }
            Intent::Network { wish: NetworkWish::BridgeFilterOff } => {
                "plan to let bridged frames pass by the firewall".to_owned()
            }
            Intent::Network { wish: NetworkWish::OvsPort { port, bridge, .. } } => {
                format!("plan to make {port} a port of {bridge}")
            }
            Intent::Storage { vm, disk, .. } => format!("plan for disk {disk} of vm {vm}"),
            Intent::Confidential { vm: Some(vm), .. } => {
                format!("plan to keep the memory of vm {vm} from the host")
            }
            Intent::Confidential { vm: None, .. } => {
                "plan for VMs whose memory this host cannot read".to_owned()
            }
            Intent::Attach { vm, .. } => format!("plan to plug a device into vm {vm}"),
            Intent::Detach { vm, device } => format!("plan to unplug {device} from vm {vm}"),
            Intent::Migrate { vm, to, .. } => format!("plan to move vm {vm} to {to}"),
            Intent::Tune { vm, .. } => format!("plan to tune vm {vm}"),
            Intent::Harden { vm: Some(vm) } => format!("plan to harden vm {vm}"),
            Intent::Harden { vm: None } => "plan to harden this host".to_owned(),
        }
    }
}

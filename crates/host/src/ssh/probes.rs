//! Probes as the other host's shell makes them: each a function of `shell/`, which prints what the probe of the same
//! name below `crate::probes` tells. Like everything that is sent, they are constants; what they read is only ever an
//! argument in quotes.

use crate::limits::Limits;
use crate::probes::packages::STACK;
use crate::probes::{acpi_tables, device_nodes, kernel_config, links, space, vmm_details, vmm_files};
use vmwright_model::Probe;

/// All functions.
pub(super) const FUNCTIONS: &str = concat!(
    include_str!("shell/names.sh"),
    include_str!("shell/pci_devices.sh"),
    include_str!("shell/packages.sh"),
    include_str!("shell/acpi_table.sh"),
    include_str!("shell/links.sh"),
    include_str!("shell/irq_affinity.sh"),
    include_str!("shell/device_nodes.sh"),
    include_str!("shell/kernel_config.sh"),
    include_str!("shell/vmm_details.sh"),
    include_str!("shell/images.sh"),
    include_str!("shell/vmm_files.sh"),
    include_str!("shell/space.sh"),
);

/// Most images that are looked at.
const IMAGES: usize = 64;

/// Bytes of each that come over: a qcow2 header with its extensions and, as qemu-img puts it behind them, the name of
/// what it is based on.
const HEAD: usize = 4096;

/// One probe.
pub(super) struct Told {
    /// The name of its record, and what must be readable for it; none where the function prints its records itself.
    pub(super) record: Option<(&'static str, &'static str)>,
    /// The call, in the shell's words.
    pub(super) call: String,
    /// What its record says where nothing is told.
    pub(super) empty: &'static str,
    /// What it reads, as the plan of reading names it.
    pub(super) reads: &'static str,
}

/// How the shell makes a probe; none where it cannot.
pub(super) fn told(probe: Probe) -> Option<Told> {
    let record = |name, reads, call: String, empty| Told { record: Some((name, reads)), call, empty, reads };
    let plain = |call: String, reads| Told { record: None, call, empty: "", reads };
    Some(match probe {
        Probe::Pci => {
            let folder = "/sys/bus/pci/devices";
            record("pci-devices", folder, format!("pci_devices {folder}"), "none")
        }
        Probe::Packages => {
            let call = format!("packages '^({})'", STACK.join("|"));
            record("packages", "/var/lib/dpkg/status", call, "")
        }
        Probe::AcpiTables => {
            let (folder, tables) = (acpi_tables::FOLDER, acpi_tables::TABLES.join(" "));
            let call = format!("for t in {tables}; do acpi_table {folder} $t; done");
            plain(call, "/sys/firmware/acpi/tables: DMAR, IVRS")
        }
        Probe::Links => {
            let call = format!("links /sys/class/net {}", links::PLAIN.join(" "));
            record("links", "/sys/class/net", call, "")
        }
        Probe::Irqs => record("irq-affinity", "/proc/irq", "irq_affinity /proc/irq".to_owned(), ""),
        Probe::DeviceNodes => {
            let (nodes, sockets) = (device_nodes::NODES.join(" "), device_nodes::SOCKETS.join(" "));
            record("device-nodes", "/dev", format!("device_nodes {nodes} -- {sockets}"), "")
        }
        Probe::KernelConfig => {
            let call = format!("kernel_config '{}'", kernel_config::OPTIONS.join("|"));
            plain(call, "/proc/config.gz or /boot/config-*")
        }
        Probe::VmmDetails => {
            let (status, limits) = (vmm_details::STATUS.join(" "), vmm_details::LIMITS.join(" "));
            record("vmm-details", "/proc", format!("vmm_details {status} -- {limits}"), "none")
        }
        Probe::Images => {
            let reads = "images of VMs: owner, mode, label, ACL and header, down their backing chains";
            Told { reads, ..record("images", "/", format!("images {IMAGES} {HEAD}"), "none") }
        }
        Probe::VmmFiles => {
            let options: Vec<&str> = vmm_files::OPTIONS.iter().map(|(option, _)| *option).collect();
            let call = format!("vmm_files {} {}", Limits::default().file + 1, options.join(" "));
            plain(call, "/proc: configurations and logs that VMM processes were given")
        }
        Probe::Space => plain(format!("space {}", space::EMPTY.join(" ")), "df: space of each file system"),
        _ => return None,
    })
}

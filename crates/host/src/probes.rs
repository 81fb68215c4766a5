//! Facts that no file holds, found out and written down as text, so that each can be quoted, saved and pasted
//! like any other source.

pub(crate) mod acpi_tables;
mod attribute;
mod cpuid;
pub(crate) mod device_nodes;
mod image_locks;
mod image_paths;
pub(crate) mod images;
mod interfaces;
mod irqs;
pub(crate) mod kernel_config;
mod kvm;
pub(crate) mod links;
mod machine;
pub(crate) mod packages;
mod pci;
mod services;
pub(crate) mod space;
mod users;
pub(crate) mod vmm_details;
pub(crate) mod vmm_files;
mod vmms;

use crate::asking;
use crate::live::Collector;
pub(crate) use machine::Machines;
use vmwright_model::Probe;

/// Runs one probe and keeps its records.
pub(crate) fn run(probe: Probe, machines: &Machines, collector: &mut Collector<'_>) {
    match probe {
        Probe::Kvm => kvm::run(collector),
        Probe::ImagePaths => image_paths::run(machines, collector),
        Probe::ImageLocks => image_locks::run(machines, collector),
        Probe::Vmms => vmms::run(collector),
        Probe::Machine => machine::run(machines, collector),
        Probe::Interfaces => interfaces::run(collector),
        // An errand: the messenger runs it.
        Probe::Libvirt | Probe::Qmp => {}
        Probe::Pci => pci::run(collector),
        Probe::VmmDetails => vmm_details::run(collector),
        Probe::VmmFiles => vmm_files::run(collector),
        Probe::DeviceNodes => device_nodes::run(collector),
        Probe::Images => images::run(machines, collector),
        Probe::Space => space::run(collector),
        Probe::Links => links::run(collector),
        Probe::Irqs => irqs::run(collector),
        Probe::Packages => packages::run(collector),
        Probe::KernelConfig => kernel_config::run(collector),
        Probe::AcpiTables => acpi_tables::run(collector),
        Probe::Services => services::run(collector),
        Probe::Cpuid => cpuid::run(collector),
    }
}

/// What a probe reads, one thing a line.
pub(crate) fn sources(probe: Probe, machines: &Machines) -> Vec<String> {
    let one = |what: &str| vec![what.to_owned()];
    match probe {
        Probe::Kvm => one("/dev/kvm: two pages of guest code"),
        Probe::ImagePaths => {
            machines.sources(&["machine.toml"], "mode and owner along the path of each image")
        }
        Probe::ImageLocks => machines.sources(&["machine.toml"], "/proc: who holds a lock on each disk"),
        Probe::Vmms => one("/proc: command line, program and user of VMM processes"),
        Probe::Machine => machines.sources(&machine::FILES.map(|(name, _)| name), ""),
        Probe::Libvirt => vec![format!("{}: domains, networks, pools", asking::libvirt::SOCKETS.join(", "))],
        Probe::Qmp => asking::qmp::planned(),
        Probe::Interfaces => one("/sys/class/net: kind and state of each interface"),
        Probe::Pci => {
            one("/sys/bus/pci/devices: driver, group, resets, BARs, link and power of each function")
        }
        Probe::VmmDetails => one(
            "/proc: status, limits, cgroups, threads, memory and open devices of VMM processes and helpers",
        ),
        Probe::VmmFiles => one("/proc: configurations and logs that VMM processes were given"),
        Probe::DeviceNodes => {
            one("/dev, /etc/ceph, /run/libvirt: mode, owner and label of device nodes, keys and sockets")
        }
        Probe::Images => one("images of VMs: owner, mode, label, ACL and header, down their backing chains"),
        Probe::Space => one("/proc/self/mountinfo: space and inodes of each file system"),
        Probe::Links => one("/sys/class/net: settings of each interface, bridge and tap"),
        Probe::Irqs => one("/proc/irq: CPUs of each interrupt"),
        Probe::Packages => one("/var/lib/dpkg/status: packages of the virtualization stack"),
        Probe::AcpiTables => {
            acpi_tables::TABLES.map(|table| format!("{}/{table}", acpi_tables::FOLDER)).to_vec()
        }
        Probe::KernelConfig => one("/proc/config.gz: options about virtualization, or of /boot/config-*"),
        Probe::Services => {
            one("/etc/systemd/system, /sys/fs/cgroup: which services run and are started at boot")
        }
        Probe::Cpuid => one("the CPU: leaves about virtualization"),
    }
}

/// Name of a group, or its number where it has none.
pub(crate) fn group_name(id: u32) -> String {
    users::Names::default().group(id)
}

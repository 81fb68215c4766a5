//! Facts that no file holds, found out and written down as text, so that each can be quoted, saved and pasted
//! like any other source.

mod image_locks;
mod image_paths;
mod interfaces;
mod kvm;
mod machine;
mod users;
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
        Probe::Libvirt => {}
    }
}

/// What a probe reads, one thing a line.
pub(crate) fn sources(probe: Probe, machines: &Machines) -> Vec<String> {
    match probe {
        Probe::Kvm => vec!["/dev/kvm: two pages of guest code".to_owned()],
        Probe::ImagePaths => {
            machines.sources(&["machine.toml"], "mode and owner along the path of each image")
        }
        Probe::ImageLocks => machines.sources(&["machine.toml"], "/proc: who holds a lock on each disk"),
        Probe::Vmms => vec!["/proc: command line, program and user of VMM processes".to_owned()],
        Probe::Machine => machines.sources(&machine::FILES.map(|(name, _)| name), ""),
        Probe::Libvirt => vec![format!("{}: domains, networks, pools", asking::libvirt::SOCKETS.join(", "))],
        Probe::Interfaces => vec!["/sys/class/net: kind and state of each interface".to_owned()],
    }
}

/// Name of a group, or its number where it has none.
pub(crate) fn group_name(id: u32) -> String {
    users::Names::default().group(id)
}

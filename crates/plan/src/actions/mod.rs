//! One file for each action, or for the two that are each other's inverse: what it changes, how it is told, what can
//! be wrong with it. `vmwright_apply::actions` has the same names, and does it.

mod boot_trial;
mod bridge;
mod device;
mod directory;
mod driver_bind;
mod edit_domain;
mod edit_setting;
mod edit_spec;
mod file_acl;
mod file_content;
mod file_copy;
mod file_label;
mod file_mode;
mod file_owner;
mod huge_pages;
mod image;
mod image_based;
mod irq_affinity;
mod logical_volume;
mod machine;
mod machine_migrate;
mod machine_record;
mod module;
mod ovs_bridge;
mod ovs_port;
mod qmp;
mod rbd_snapshot;
mod reboot;
mod regenerate;
mod service;
mod sysctl;
mod sysfs;
mod tap;
mod uplink;
mod virtual_network;

pub use device::device_name;
pub use edit_domain::inverse;

use crate::describe::Words;
use crate::target::Target;
use vmwright_model::plan::ServiceState;
use vmwright_model::{Action, Disruption};

/// What is known of an action without looking at a host.
pub(crate) trait Facts {
    /// The one thing that it changes.
    fn target(&self) -> Target;

    /// It in words.
    fn words(&self) -> Words;

    /// Where it stands in a plan.
    fn phase(&self) -> Phase;

    /// The least that it disturbs, whatever a rule says.
    fn least_disruption(&self) -> Disruption {
        Disruption::None
    }

    /// What has to be there besides, where an earlier step may make it.
    fn needs(&self) -> Option<Target> {
        None
    }

    /// Whether its user may not reach the host any more when it is done: a run with such a step has to be confirmed.
    fn may_lock_out(&self) -> bool {
        false
    }

    /// Whether it can be taken back by whoever did it, on this host.
    fn can_be_undone(&self) -> bool {
        true
    }

    /// Whether it expects exactly the state that `earlier` leaves, whose target overlaps with its own. False where
    /// that cannot be told before anything is done.
    fn follows(&self, earlier: &Action) -> bool;

    /// It and an earlier action on the same thing as one, which expects what both expect. None where they are no one
    /// change: most actions change one value.
    fn joined(&self, _earlier: &Action) -> Option<Action> {
        None
    }

    /// What is wrong with it by itself.
    fn faults(&self) -> Vec<Fault>;

    /// The whole text that it writes, where its words do not hold it.
    fn content(&self) -> Option<&str> {
        None
    }
}

/// What is wrong with an action by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A path that is not plain, and why.
    Path(String, &'static str),
    /// A value that cannot be one.
    Value(String),
    /// It expects what it writes.
    NoChange,
}

/// Where an action stands in a plan; earlier ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Machines stop: they hold what later steps need.
    Stop,
    /// Services stop, so that what they read can change.
    ServiceStop,
    /// Interfaces come and go.
    Interface,
    /// What is plugged into interfaces comes.
    Port,
    /// Owners and modes of paths: they open the way to contents.
    Access,
    /// Contents of files.
    Content,
    /// Files that programs make out of contents.
    Generated,
    /// The boot loader tries what was made.
    Trial,
    /// Modules come and go.
    Module,
    /// Values of the running kernel.
    Kernel,
    /// Devices change hands.
    Device,
    /// Services start.
    ServiceStart,
    /// Virtual networks start: their daemon is there.
    Network,
    /// Machines are made.
    Record,
    /// Machines start.
    Start,
    /// Machines leave.
    Leave,
    /// The host is restarted.
    Reboot,
}

/// What is known of `action`.
pub(crate) fn of(action: &Action) -> Box<dyn Facts + '_> {
    match action {
        Action::EditSpec { path, key, from, to } => {
            Box::new(edit_spec::EditSpec { path, key, from: from.as_deref(), to: to.as_deref() })
        }
        Action::EditSetting { path, setting, from, to } => {
            Box::new(edit_setting::EditSetting { path, setting, from: from.as_deref(), to: to.as_deref() })
        }
        Action::Regenerate { generator, outputs, holds } => {
            Box::new(regenerate::Regenerate { generator, outputs, holds })
        }
        Action::Restore { generator, outputs, holds } => {
            Box::new(regenerate::Restore { generator, outputs, holds })
        }
        Action::FileWrite { path, from_sha256, text } => {
            Box::new(file_content::FileWrite { path, from_sha256, text })
        }
        Action::FileCreate { path, text, mode } => {
            Box::new(file_content::FileCreate { path, text, mode: *mode })
        }
        Action::FileRemove { path, from_sha256 } => Box::new(file_content::FileRemove { path, from_sha256 }),
        Action::FileMode { path, from, to } => Box::new(file_mode::FileMode { path, from: *from, to: *to }),
        Action::FileAcl { path, from, to } => Box::new(file_acl::FileAcl { path, from, to }),
        Action::FileLabel { path, from, to } => {
            Box::new(file_label::FileLabel { path, from: from.as_deref(), to: to.as_deref() })
        }
        Action::FileCopy { path, from } => Box::new(file_copy::FileCopy { path, from }),
        Action::FileCopyRemove { path, from, sha256 } => {
            Box::new(file_copy::FileCopyRemove { path, from, sha256 })
        }
        Action::BootTrial { trial } => Box::new(boot_trial::BootTrial { trial, end: false }),
        Action::BootTrialEnd { trial } => Box::new(boot_trial::BootTrial { trial, end: true }),
        Action::FileOwner { path, from, to } => {
            Box::new(file_owner::FileOwner { path, from: *from, to: *to })
        }
        Action::BridgeAdd { name, address } => {
            Box::new(bridge::BridgeAdd { name, address: address.as_deref() })
        }
        Action::BridgeRemove { name, address } => {
            Box::new(bridge::BridgeRemove { name, address: address.as_deref() })
        }
        Action::TapAdd { name, user, bridge } => {
            Box::new(tap::TapAdd { name, user: *user, bridge: bridge.as_deref() })
        }
        Action::TapRemove { name, user, bridge } => {
            Box::new(tap::TapRemove { name, user: *user, bridge: bridge.as_deref() })
        }
        Action::UplinkAdd { uplink } => Box::new(uplink::Moved { uplink, back: false }),
        Action::UplinkRemove { uplink } => Box::new(uplink::Moved { uplink, back: true }),
        Action::OvsBridgeAdd { bridge } => Box::new(ovs_bridge::OvsBridge { bridge, away: false }),
        Action::OvsBridgeRemove { bridge } => Box::new(ovs_bridge::OvsBridge { bridge, away: true }),
        Action::OvsPort { port, from, to } => {
            Box::new(ovs_port::OvsPort { port, from: from.as_ref(), to: to.as_ref() })
        }
        Action::ImageCreate { path, format, size } => {
            Box::new(image::ImageCreate { path, format: *format, size: *size })
        }
        Action::ImageRemove { path, format, size } => {
            Box::new(image::ImageRemove { path, format: *format, size: *size })
        }
        Action::ImageResize { path, format, from, to } => {
            Box::new(image::ImageResize { path, format: *format, from: *from, to: *to })
        }
        Action::ImageCopy { path, format, from, size } => {
            Box::new(image_based::ImageCopy { path, format: *format, from, size: *size, away: false })
        }
        Action::ImageCopyRemove { path, format, from, size } => {
            Box::new(image_based::ImageCopy { path, format: *format, from, size: *size, away: true })
        }
        Action::ImageOverlay { path, base, size } => {
            Box::new(image_based::ImageOverlay { path, base, size: *size, away: false })
        }
        Action::ImageOverlayRemove { path, base, size } => {
            Box::new(image_based::ImageOverlay { path, base, size: *size, away: true })
        }
        Action::ImageRebase { path, from, to } => {
            Box::new(image_based::ImageRebase { path, from: from.as_ref(), to: to.as_ref() })
        }
        Action::DirectoryCreate { path, mode } => Box::new(directory::DirectoryCreate { path, mode: *mode }),
        Action::DirectoryRemove { path, mode } => Box::new(directory::DirectoryRemove { path, mode: *mode }),
        Action::Sysfs { path, from, to } => Box::new(sysfs::Sysfs { path, from, to }),
        Action::IrqAffinity { irq, from, to } => Box::new(irq_affinity::IrqAffinity { irq: *irq, from, to }),
        Action::Sysctl { key, from, to } => Box::new(sysctl::Sysctl { key, from, to }),
        Action::HugePages { node, size_kib, from, to } => {
            Box::new(huge_pages::HugePages { node: *node, size_kib: *size_kib, from: *from, to: *to })
        }
        Action::DriverBind { device, from, to } => Box::new(driver_bind::DriverBind { device, from, to }),
        Action::ModuleLoad { module, parameters } => Box::new(module::ModuleLoad { module, parameters }),
        Action::ModuleUnload { module, parameters } => Box::new(module::ModuleUnload { module, parameters }),
        Action::Service { unit, from, to } => Box::new(service::Service { unit, from: *from, to: *to }),
        Action::VirtualNetwork { network, from, to } => {
            Box::new(virtual_network::VirtualNetwork { network, from: *from, to: *to })
        }
        Action::LogicalVolume { volume, from, to } => {
            Box::new(logical_volume::LogicalVolume { volume, from: *from, to: *to })
        }
        Action::MachineCreate { machine, backend, text } => {
            Box::new(machine_record::MachineRecord { machine, backend, text, away: false })
        }
        Action::MachineDelete { machine, backend, text } => {
            Box::new(machine_record::MachineRecord { machine, backend, text, away: true })
        }
        Action::EditDomain { connection, domain, edits } => {
            Box::new(edit_domain::EditDomain { connection, domain, edits })
        }
        Action::DeviceAttach { connection, domain, device, running } => {
            Box::new(device::Device { connection, domain, device, running: *running, away: false })
        }
        Action::DeviceDetach { connection, domain, device, running } => {
            Box::new(device::Device { connection, domain, device, running: *running, away: true })
        }
        Action::Qmp { machine, value, from, to } => {
            Box::new(qmp::Qmp { machine, value, from: *from, to: *to })
        }
        Action::RbdSnapshot { image, snapshot, from, to } => {
            Box::new(rbd_snapshot::RbdSnapshot { image, snapshot, from: *from, to: *to })
        }
        Action::MachineMigrate { machine, to } => {
            Box::new(machine_migrate::MachineMigrate { machine, to, back: false })
        }
        Action::MachineReturn { machine, to } => {
            Box::new(machine_migrate::MachineMigrate { machine, to, back: true })
        }
        Action::Reboot { left } => Box::new(reboot::Reboot { left: left.as_deref() }),
        Action::AwaitReboot { left } => Box::new(reboot::AwaitReboot { left: left.as_deref() }),
        Action::MachineStart { machine } => Box::new(machine::MachineStart { machine }),
        Action::MachineStop { machine } => Box::new(machine::MachineStop { machine }),
    }
}

/// The faults of a value that replaces another: the path's, and that nothing changes.
fn change<T: PartialEq>(from: &T, to: &T) -> Vec<Fault> {
    if from == to { vec![Fault::NoChange] } else { Vec::new() }
}

/// What is started and stopped, and is started `by_itself` (`at boot`) or not, in words.
fn toggled(
    name: &str,
    (from, to): (ServiceState, ServiceState),
    told: fn(ServiceState) -> &'static str,
    by_itself: &str,
) -> Words {
    let mut does = Vec::new();
    if from.active != to.active {
        does.push((if to.active { "starts it" } else { "stops it" }).to_owned());
    }
    if from.enabled != to.enabled {
        does.push(format!("has it {}started {by_itself}", if to.enabled { "" } else { "not " }));
    }
    let (from, to) = (told(from), told(to));
    Words {
        expects: format!("{name} {from}"),
        does: format!("{name}: {}", does.join(" and ")),
        undone_by: format!("makes {name} {from}, if it is still {to}"),
    }
}

/// A text as an error quotes it.
fn quoted(text: &str) -> String {
    format!("`{}`", text.chars().take(80).collect::<String>().escape_debug())
}

//! One file for each action: what it expects, does, verifies, and what takes it back.

mod boot_trial;
mod bridge;
mod bridge_add;
mod bridge_remove;
mod device;
mod directory;
mod driver_bind;
mod edit_domain;
mod edit_setting;
mod edit_spec;
mod edited;
mod file_acl;
mod file_copy;
mod file_create;
mod file_label;
mod file_mode;
mod file_owner;
mod file_remove;
mod file_write;
mod huge_pages;
mod image;
mod image_copy;
mod image_overlay;
mod image_rebase;
mod irq_affinity;
mod logical_volume;
mod machine_migrate;
mod machine_record;
mod machine_start;
mod machine_stop;
mod module;
mod module_load;
mod module_unload;
mod ovs_bridge;
mod ovs_port;
mod qmp;
mod rbd_snapshot;
mod reboot;
mod regenerate;
mod restore;
mod service;
mod sysctl;
mod sysfs;
mod tap;
mod toggled;
mod uplink;
mod value;
mod virtual_network;

use crate::system::{RunError, System};
use crate::tool::ToolError;
use crate::{MachineError, Machines};
use edited::Edited;
use image::Image;
use std::path::Path;
use thiserror::Error;
use toggled::Toggled;
use vmwright_formats::edits;
use vmwright_formats::grub_environment::EnvironmentError;
use vmwright_formats::machine_spec::EditError;
use vmwright_model::Action;

/// Why an action was not done, or its state not as it should be.
#[derive(Debug, Error)]
pub enum ActionError {
    /// Reality has moved on since the plan.
    #[error("{what} is {found}; expected {expected}")]
    Drift {
        /// The thing.
        what: String,
        /// What the plan expects.
        expected: String,
        /// What is there.
        found: String,
    },
    /// It does not exist.
    #[error("{0} does not exist")]
    Gone(String),
    /// A device that a process has open through VFIO.
    #[error("{device} is in use by {holder}: it has to let go of it first, or the kernel waits for that")]
    Held {
        /// Its address.
        device: String,
        /// The process.
        holder: String,
    },
    /// A symbolic link on the way.
    #[error("{path} is reached through the symbolic link {link}; links are not followed")]
    Symlink {
        /// The path.
        path: String,
        /// The first link in it.
        link: String,
    },
    /// Not a regular file.
    #[error("{0} is not a regular file")]
    NotAFile(String),
    /// Larger than what is edited.
    #[error("{path} has more than {limit} bytes")]
    TooLarge {
        /// The path.
        path: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("{path} is not text: line {line} is not UTF-8")]
    NotText {
        /// The path.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// It has several names, so that a change through one would tear them apart or surprise the others.
    #[error("{path} has {names} names (hard links)")]
    HardLinks {
        /// The path.
        path: String,
        /// How many.
        names: u32,
    },
    /// The file has a flag that forbids changes.
    #[error("{path} has the attribute `{flag}` (see lsattr), so it cannot be changed")]
    Immutable {
        /// The path.
        path: String,
        /// `i` for immutable, `a` for append only.
        flag: char,
    },
    /// The file system is mounted read-only.
    #[error("{0} is on a file system that is mounted read-only")]
    ReadOnly(String),
    /// The user may not.
    #[error("{path} cannot be changed: {why}")]
    NotPermitted {
        /// The path.
        path: String,
        /// Why.
        why: String,
    },
    /// Something else has the name under which a new content is prepared.
    #[error("{name} beside {path} is in the way and is not a file that vmwright left")]
    InTheWay {
        /// The path.
        path: String,
        /// The name beside it.
        name: String,
    },
    /// An extended attribute could not be set or kept.
    #[error("cannot set the attribute {name} of {path}")]
    Attribute {
        /// The path.
        path: String,
        /// The attribute.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The specification cannot be edited so.
    #[error("{path} cannot be edited")]
    Spec {
        /// The path.
        path: String,
        /// Why.
        source: EditError,
    },
    /// A setting cannot be edited so.
    #[error("{path} cannot be edited")]
    Setting {
        /// The path.
        path: String,
        /// Why.
        source: edits::EditError,
    },
    /// GRUB's environment block cannot be changed so.
    #[error("{path} cannot be edited")]
    Environment {
        /// The path.
        path: String,
        /// Why.
        source: EnvironmentError,
    },
    /// The file system has too little room for what a program will write.
    #[error("{path} needs {needed} bytes beside it, and its file system has {free}")]
    NoRoom {
        /// The path.
        path: String,
        /// How many bytes.
        needed: u64,
        /// How many are free.
        free: u64,
    },
    /// What was kept for the undo is not there any more.
    #[error("the old bytes of {path} are not kept any more: {why}")]
    NotKept {
        /// The path.
        path: String,
        /// Why.
        why: String,
    },
    /// A program ended well and yet did not do what it was run for.
    #[error("{program} ended without an error, but {path} {why}")]
    NotMade {
        /// The program.
        program: &'static str,
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The kernel refused.
    #[error("cannot {what} {path}")]
    Io {
        /// The path.
        path: String,
        /// What was tried.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Something is plugged into the bridge.
    #[error("bridge {name} has the ports {}; unplug them first", ports.join(", "))]
    Ports {
        /// The bridge.
        name: String,
        /// Its ports.
        ports: Vec<String>,
    },
    /// A program that is needed is not there.
    #[error("{0} is not installed")]
    NoTool(&'static str),
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A program could not be run to its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A program ended with a complaint.
    #[error("{program} failed: {complaint}")]
    Refused {
        /// The program with what it was told.
        program: String,
        /// What it said.
        complaint: String,
    },
    /// The kernel gave fewer than asked for.
    #[error("{what} is {found} where {wanted} were asked for: there is too little memory in one piece")]
    TooFew {
        /// The thing.
        what: String,
        /// How many were asked for.
        wanted: u64,
        /// How many there are.
        found: String,
    },
    /// A machine could not be asked, started or stopped.
    #[error("machine {machine}")]
    Machine {
        /// Its name.
        machine: String,
        /// Why.
        source: MachineError,
    },
    /// It runs on another host.
    #[error("machine {machine} has moved to {to}: send it back from there")]
    Away {
        /// Its name.
        machine: String,
        /// Where it is.
        to: String,
    },
    /// The action that was recorded to take this one back is not its inverse.
    #[error("the recorded undo belongs to another action")]
    OtherUndo,
}

impl ActionError {
    /// The error and everything behind it on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

/// What actions act on besides the file system.
pub(crate) struct World<'a> {
    pub(crate) machines: &'a dyn Machines,
    pub(crate) host_id: &'a str,
    pub(crate) system: &'a dyn System,
    /// vmwright's own directory: what programs replace is kept there.
    pub(crate) state: &'a Path,
}

/// Runs a program, and gives what it printed. One that fails is an error.
pub(crate) fn succeed(
    world: &World<'_>,
    program: &'static str,
    args: &[&str],
) -> Result<String, ActionError> {
    let ran = world.system.run(program, args)?;
    if ran.success {
        return Ok(ran.output);
    }
    let program = std::iter::once(program).chain(args.iter().copied()).collect::<Vec<_>>().join(" ");
    Err(ActionError::Refused { program, complaint: ran.complaint })
}

/// An action that can be carried out.
pub(crate) trait Act {
    /// Reads reality, compares it with what is expected, and gives the action that takes this one back to exactly
    /// the state found. Changes nothing.
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError>;

    /// As [`Self::expect`], for an action that takes another back: it may also find what that one left half done.
    fn resume(&self, world: &World<'_>) -> Result<Action, ActionError> {
        self.expect(world)
    }

    /// Does it, provided reality is still the one that `undo` was made from.
    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError>;

    /// Reads back whether it is done.
    fn verify(&self, world: &World<'_>) -> Result<(), ActionError>;

    /// What became of its subject meanwhile, where that is more than a verified step says. Hardly any has more.
    fn remark(&self, _: &World<'_>) -> Option<String> {
        None
    }

    /// Removes what a crash in the middle left behind. Most actions leave nothing.
    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        Ok(())
    }
}

/// The way to carry out `action`.
pub(crate) fn of(action: &Action) -> Box<dyn Act + '_> {
    match action {
        Action::EditSpec { path, key, from, to } => {
            Box::new(Edited(edit_spec::EditSpec { path, key, from: from.as_deref(), to: to.as_deref() }))
        }
        Action::EditSetting { path, setting, from, to } => Box::new(Edited(edit_setting::EditSetting {
            path,
            setting,
            from: from.as_deref(),
            to: to.as_deref(),
        })),
        Action::Regenerate { generator, outputs, holds } => {
            Box::new(regenerate::Regenerate { generator, outputs, holds })
        }
        Action::Restore { generator, outputs, holds } => {
            Box::new(restore::Restore { generator, outputs, holds })
        }
        Action::FileWrite { path, from_sha256, text } => {
            Box::new(file_write::FileWrite { path, from_sha256, text })
        }
        Action::FileMode { path, from, to } => Box::new(file_mode::FileMode { path, from: *from, to: *to }),
        Action::BridgeAdd { name, address } => {
            Box::new(bridge_add::BridgeAdd { name, address: address.as_deref() })
        }
        Action::BridgeRemove { name, address } => {
            Box::new(bridge_remove::BridgeRemove { name, address: address.as_deref() })
        }
        Action::TapAdd { name, user, bridge } => {
            Box::new(tap::TapAdd(tap::Tap { name, user: *user, bridge: bridge.as_deref() }))
        }
        Action::TapRemove { name, user, bridge } => {
            Box::new(tap::TapRemove(tap::Tap { name, user: *user, bridge: bridge.as_deref() }))
        }
        Action::UplinkAdd { uplink } => Box::new(uplink::Moved { uplink, back: false }),
        Action::UplinkRemove { uplink } => Box::new(uplink::Moved { uplink, back: true }),
        Action::OvsBridgeAdd { bridge } => Box::new(ovs_bridge::OvsBridgeAdd { bridge }),
        Action::OvsBridgeRemove { bridge } => Box::new(ovs_bridge::OvsBridgeRemove { bridge }),
        Action::OvsPort { port, from, to } => {
            Box::new(ovs_port::OvsPort { port, from: from.as_ref(), to: to.as_ref() })
        }
        Action::ImageCreate { path, format, size } => {
            Box::new(image::ImageCreate { image: Image { path, format: *format }, size: *size })
        }
        Action::ImageRemove { path, format, size } => {
            Box::new(image::ImageRemove { image: Image { path, format: *format }, size: *size })
        }
        Action::ImageResize { path, format, from, to } => {
            Box::new(image::ImageResize { image: Image { path, format: *format }, from: *from, to: *to })
        }
        Action::ImageCopy { path, format, from, size } => Box::new(image_copy::ImageCopy(image_copy::Copy {
            image: Image { path, format: *format },
            from,
            size: *size,
        })),
        Action::ImageCopyRemove { path, format, from, size } => {
            Box::new(image_copy::ImageCopyRemove(image_copy::Copy {
                image: Image { path, format: *format },
                from,
                size: *size,
            }))
        }
        Action::ImageOverlay { path, base, size } => {
            Box::new(image_overlay::ImageOverlay(image_overlay::Overlay { path, base, size: *size }))
        }
        Action::ImageOverlayRemove { path, base, size } => {
            Box::new(image_overlay::ImageOverlayRemove(image_overlay::Overlay { path, base, size: *size }))
        }
        Action::ImageRebase { path, from, to } => {
            Box::new(image_rebase::ImageRebase { path, from: from.as_ref(), to: to.as_ref() })
        }
        Action::DirectoryCreate { path, mode } => Box::new(directory::DirectoryCreate { path, mode: *mode }),
        Action::DirectoryRemove { path, mode } => Box::new(directory::DirectoryRemove { path, mode: *mode }),
        Action::FileCreate { path, text, mode } => {
            Box::new(file_create::FileCreate { path, text, mode: *mode })
        }
        Action::FileRemove { path, from_sha256 } => Box::new(file_remove::FileRemove { path, from_sha256 }),
        Action::FileAcl { path, from, to } => Box::new(file_acl::FileAcl { path, from, to }),
        Action::FileLabel { path, from, to } => {
            Box::new(file_label::FileLabel { path, from: from.as_deref(), to: to.as_deref() })
        }
        Action::FileCopy { path, from } => Box::new(file_copy::FileCopy { path, from }),
        Action::FileCopyRemove { path, from, sha256 } => {
            Box::new(file_copy::FileCopyRemove { path, from, sha256 })
        }
        Action::BootTrial { trial } => Box::new(boot_trial::BootTrial(trial)),
        Action::BootTrialEnd { trial } => Box::new(boot_trial::BootTrialEnd(trial)),
        Action::FileOwner { path, from, to } => {
            Box::new(file_owner::FileOwner { path, from: *from, to: *to })
        }
        Action::Sysfs { path, from, to } => Box::new(sysfs::Sysfs { path, from, to }),
        Action::IrqAffinity { irq, from, to } => Box::new(irq_affinity::IrqAffinity { irq: *irq, from, to }),
        Action::Sysctl { key, from, to } => Box::new(sysctl::Sysctl { key, from, to }),
        Action::HugePages { node, size_kib, from, to } => {
            Box::new(huge_pages::HugePages { node: *node, size_kib: *size_kib, from: *from, to: *to })
        }
        Action::DriverBind { device, from, to } => Box::new(driver_bind::DriverBind { device, from, to }),
        Action::ModuleLoad { module, parameters } => Box::new(module_load::ModuleLoad { module, parameters }),
        Action::ModuleUnload { module, parameters } => {
            Box::new(module_unload::ModuleUnload { module, parameters })
        }
        Action::Service { unit, from, to } => {
            Box::new(Toggled { what: service::Service { unit }, from: *from, to: *to })
        }
        Action::VirtualNetwork { network, from, to } => {
            Box::new(Toggled { what: virtual_network::VirtualNetwork { network }, from: *from, to: *to })
        }
        Action::LogicalVolume { volume, from, to } => {
            Box::new(logical_volume::LogicalVolume { volume, from: *from, to: *to })
        }
        Action::MachineCreate { machine, backend, text } => {
            Box::new(machine_record::MachineCreate(machine_record::Record { machine, backend, text }))
        }
        Action::MachineDelete { machine, backend, text } => {
            Box::new(machine_record::MachineDelete(machine_record::Record { machine, backend, text }))
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
        Action::MachineMigrate { machine, to } => Box::new(machine_migrate::MachineMigrate { machine, to }),
        Action::MachineReturn { machine, to } => Box::new(machine_migrate::MachineReturn { machine, to }),
        Action::Reboot { left } => Box::new(reboot::Reboot { left: left.as_deref() }),
        Action::AwaitReboot { left } => Box::new(reboot::AwaitReboot { left: left.as_deref() }),
        Action::MachineStart { machine } => Box::new(machine_start::MachineStart { machine }),
        Action::MachineStop { machine } => Box::new(machine_stop::MachineStop { machine }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoMachines;

    impl Machines for NoMachines {
        fn running(&self, name: &str) -> Result<bool, MachineError> {
            Err(MachineError(format!("there is no machine {name}")))
        }

        fn record(&self, _: &str) -> Result<Option<crate::MachineRecord>, MachineError> {
            Ok(None)
        }

        fn create(&self, name: &str, _: &str, _: &str) -> Result<(), MachineError> {
            self.running(name).map(|_| ())
        }

        fn delete(&self, name: &str) -> Result<(), MachineError> {
            self.running(name).map(|_| ())
        }

        fn start(&self, name: &str) -> Result<(), MachineError> {
            self.running(name).map(|_| ())
        }

        fn migrate(&self, name: &str, _: &str) -> Result<(), MachineError> {
            self.running(name).map(|_| ())
        }

        fn stop(&self, name: &str) -> Result<(), MachineError> {
            self.running(name).map(|_| ())
        }
    }

    /// A world without machines.
    pub(super) fn nowhere<R>(use_it: impl FnOnce(&World<'_>) -> R) -> R {
        with_state(Path::new("/nowhere"), use_it)
    }

    pub(super) fn with_state<R>(state: &Path, use_it: impl FnOnce(&World<'_>) -> R) -> R {
        use_it(&World { machines: &NoMachines, host_id: "h", system: &crate::Live, state })
    }

    pub(super) fn with_system<R>(system: &dyn System, use_it: impl FnOnce(&World<'_>) -> R) -> R {
        use_it(&World { machines: &NoMachines, host_id: "h", system, state: Path::new("/nowhere") })
    }

    #[test]
    fn an_unknown_machine_is_an_error_with_its_reason() {
        let start = Action::MachineStart { machine: "web".into() };
        let error = nowhere(|world| of(&start).expect(world)).expect_err("there is none");
        assert_eq!(error.chain(), "machine web: there is no machine web");
    }

    #[test]
    fn an_undo_of_another_action_is_not_accepted() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().to_str().expect("UTF-8").to_owned();
        let handle = files_mode(&path);
        let action = Action::FileMode { path: path.clone(), from: handle, to: 0o711 };
        let other = Action::FileMode { path, from: 0o711, to: 0o123 };
        assert!(matches!(nowhere(|world| of(&action).perform(world, &other)), Err(ActionError::OtherUndo)));
    }

    fn files_mode(path: &str) -> u32 {
        crate::files::Handle::open(path).expect("there").mode()
    }
}

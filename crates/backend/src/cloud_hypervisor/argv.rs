//! Cloud Hypervisor's command line.

use crate::microvm;
use crate::program::find;
use crate::sayable::refuse;
use crate::store::VSOCK;
use crate::{StartError, Stored, seed, sockets};
use std::path::PathBuf;
use vmwright_convert::cloud_hypervisor::args;
use vmwright_model::MachineSpec;
use vmwright_model::machine::Endpoint;

const INSTALL: &str = "install Cloud Hypervisor from its releases into a directory of PATH";

/// What the command line does not say, and a machine does not miss: names for people, the guest's agent, the machine
/// type that stands where none is named, because Cloud Hypervisor has one kind of machine; and its log, which is its standard output.
const UNMISSED: &[&str] =
    &["name", "title", "description", "agent", "vsock.agent_port", "machine", "serial.0.to"];

/// What a console says that has no file, in the machine's directory.
const CONSOLE: &str = "console.log";

pub(super) fn find_program() -> Result<PathBuf, StartError> {
    find(
        "cloud-hypervisor",
        &["/usr/bin/cloud-hypervisor".into(), "/usr/local/bin/cloud-hypervisor".into()],
        INSTALL,
    )
}

/// The words that say a machine. Options of the VMM itself that a description brought along are vmwright's own affair.
pub(super) fn words(machine: &Stored) -> Result<Vec<String>, StartError> {
    microvm::one_kind::<super::CloudHypervisor>(&machine.spec)?;
    let spec = prepared(machine);
    let (words, remarks) = args::words(&spec);
    refuse(super::NAME, &remarks, UNMISSED)?;
    Ok(words)
}

/// The specification with what a command line wants said.
pub(super) fn prepared(machine: &Stored) -> MachineSpec {
    let mut spec = microvm::alone::<super::CloudHypervisor>(&seed::with_disk(machine));
    spec.foreign.retain(|part| !part.at.starts_with('-'));
    if let Some(vsock) = &mut spec.vsock {
        vsock.socket.get_or_insert_with(|| {
            sockets::short(&machine.state, &machine.name, machine.file(VSOCK)).display().to_string()
        });
    }
    // A console beside the log would fight with it for the standard output: it gets a file of its own.
    if spec.serials.iter().all(|serial| serial.to == Endpoint::Log) {
        for console in spec.consoles.iter_mut().filter(|console| console.to == Endpoint::Stdio) {
            console.to = Endpoint::File;
            console.path.get_or_insert_with(|| machine.file(CONSOLE).display().to_string());
        }
    }
    spec
}

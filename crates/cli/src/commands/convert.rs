use std::path::PathBuf;
use vmwright_engine::Operation;

/// Translate a machine's description: vmwright's TOML, libvirt's domain XML, QEMU's command line, the JSON of Firecracker
/// and of Cloud Hypervisor, the latter's command line, and KubeVirt's YAML (a VirtualMachine, VirtualMachineInstance,
/// replica set or pool, with other objects beside it or without).
///
/// What the wanted format cannot say is told on standard error, item by item: lost, approximated, or defaulted. Exit
/// status 0: nothing is lost or altered; 1: something is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The description; `-` is standard input.
    file: PathBuf,
    /// The format that is wanted: toml, libvirt, qemu, firecracker, cloud-hypervisor,
    /// cloud-hypervisor-args or kubevirt.
    #[arg(long, value_name = "FORMAT")]
    to: String,
    /// The format of the file [default: recognised by its content].
    #[arg(long, value_name = "FORMAT")]
    from: Option<String>,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Convert { file: self.file, from: self.from, to: self.to }
    }
}

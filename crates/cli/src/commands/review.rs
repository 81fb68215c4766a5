use std::path::PathBuf;
use vmwright_engine::{Operation, Reviewing};
use vmwright_model::Depth;

/// Boot, exercise and measure a VM, or look at what a host holds its guests with, and report gate by gate. Not tested is not
/// passed.
///
/// Gates that notice nothing and take seconds (--quick): boot, network, devices, cpu-flaws, isolation, secure-boot, vtpm,
/// confidential. That disturb nobody: known-flaws, utilisation. That load the guest or make it stand still for moments (--full):
/// performance, guest-to-guest, migration, save-restore, disks (those that the specification gives free), hot-plug. Only where it
/// is named, or a framework asks for it: fips.
///
/// Of this host itself (`localhost`): cpu-flaws, isolation (each VMM that runs here, whoever started it; merged pages, threads
/// of a core, IOMMU), known-flaws, utilisation (what all VMs were promised), fips. Nothing is started or changed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the VM, vmwright's or a domain of libvirt's; `localhost` or this host's name for the host itself, unless a VM is called so.
    #[arg(value_name = "VM|HOST")]
    vm: String,
    /// Only these gates, whatever the depth.
    #[arg(long, value_name = "GATE", value_delimiter = ',')]
    gates: Vec<String>,
    /// Only what can be told in a few seconds and disturbs nobody.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Also what loads the guest, or makes it stand still for moments.
    #[arg(long)]
    full: bool,
    /// Sort the evidence by the controls of this framework: `fips-140`, `pci-dss`, `cis`, `nist-800-125`. It is evidence for an
    /// assessor, and no statement of compliance; `--format oscal` gives it to assessors' tools.
    #[arg(long = "framework", value_name = "FRAMEWORK", value_delimiter = ',')]
    frameworks: Vec<String>,
    /// Compare figures with an earlier review: its name (`web-2026-01-31T091500Z`), `last`, or a path.
    #[arg(long, value_name = "REVIEW")]
    baseline: Option<String>,
    /// How the guest is asked: by its agent (`agent`), by its SSH server with your own keys (`ssh://root@10.0.0.5`; nothing is
    /// installed there), or by the shell that is open at its first serial port (`console`). A shell answers all that QEMU's agent is
    /// asked; what only vmwright's own probe tells stays unknown. Copies without a network do not answer by SSH.
    #[arg(long, value_name = "WAY")]
    guest: Option<String>,
    /// Sign the review's files with your SSH key (the private key, or the public one of a key in an agent or on a token).
    /// `vmwright verify` checks them.
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        let depth = match (self.quick, self.full) {
            (true, _) => Depth::Quick,
            (false, true) => Depth::Full,
            (false, false) => Depth::Usual,
        };
        let Self { vm, gates, frameworks, baseline, guest, key, .. } = self;
        Operation::Review(Reviewing { vm, gates, depth, frameworks, baseline, guest, key })
    }
}

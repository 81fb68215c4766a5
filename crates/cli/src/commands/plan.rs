use clap::{Subcommand, ValueEnum};
use vmwright_engine::{Intent, Operation, TuneFor};

/// Make a plan: to settle the findings, or for something that you want.
///
/// The plan is kept under its id, which is the hash of its content. It changes nothing; see `preview`, `approve`
/// and `apply`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// The VM to repair; the host alone where absent.
    #[arg(long, value_name = "NAME")]
    vm: Option<String>,
    #[command(subcommand)]
    wanted: Option<Wanted>,
}

#[derive(Subcommand)]
enum Wanted {
    /// Give a PCI device to a VM, with all that shares its IOMMU group. What the host needs is refused.
    Passthrough {
        /// Name of the VM.
        vm: String,
        /// Address of the device, as `lspci` shows it: 01:00.0.
        device: String,
        /// Keep the device for VMs after the next boot too.
        #[arg(long)]
        at_boot: bool,
    },
    /// Give a device so many virtual functions (SR-IOV), until the next boot.
    Sriov {
        /// Address of the device, as `lspci` shows it: 01:00.0.
        device: String,
        /// How many; 0 takes all away.
        #[arg(long, value_name = "N")]
        vfs: u32,
    },
    /// Tune a VM for what it is for: where its CPUs and memory lie, its disks and networks. What that costs is said.
    Tune {
        /// Name of the VM.
        vm: String,
        /// What it is for.
        #[arg(long = "for", value_enum, value_name = "GOAL")]
        goal: Goal,
    },
    /// Leave less to attack: of a VM, or of this host where none is named. What that costs is said.
    Harden {
        /// Name of the VM.
        vm: Option<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Goal {
    /// Quick answers.
    Latency,
    /// Much work in a given time.
    Throughput,
    /// Many VMs on one host.
    Density,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        let intent = match self.wanted {
            None => Intent::Fix { vm: self.vm },
            Some(Wanted::Passthrough { vm, device, at_boot }) => Intent::Passthrough { vm, device, at_boot },
            Some(Wanted::Sriov { device, vfs }) => Intent::Sriov { device, vfs },
            Some(Wanted::Tune { vm, goal }) => Intent::Tune {
                vm,
                goal: match goal {
                    Goal::Latency => TuneFor::Latency,
                    Goal::Throughput => TuneFor::Throughput,
                    Goal::Density => TuneFor::Density,
                },
            },
            Some(Wanted::Harden { vm }) => Intent::Harden { vm },
        };
        Operation::Plan { intent }
    }
}

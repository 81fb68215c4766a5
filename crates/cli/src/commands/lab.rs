use super::vm::one_side;
use anyhow::Context as _;
use vmwright_engine::{LabAsk, LabUp, Operation};

/// Bring up, use and take down labs: throw-away hypervisor hosts in a VM.
///
/// A lab has working KVM, an IOMMU with its groups, an SR-IOV NIC, two NUMA nodes, huge pages, libvirt with a machine
/// `web`, Open vSwitch and an LVM thin pool. Faults are made and plans are tried there, at no one's cost. The first lab
/// of a kind makes an image of Debian's packages and boots it, which takes minutes; from then on a lab is there in seconds.
#[derive(clap::Subcommand)]
pub(crate) enum Lab {
    /// Bring a lab up.
    Up {
        /// Its name.
        #[arg(default_value = "lab")]
        name: String,
        /// Leave a part out: iommu, interrupt-remapping, svm, numa, sriov, nvme; several with commas.
        #[arg(long, value_name = "PART", value_delimiter = ',')]
        without: Vec<String>,
        /// Machine type, a q35: `pc-q35-6.2` is an old one.
        #[arg(long, value_name = "TYPE", default_value = "q35")]
        machine: String,
        /// Its memory.
        #[arg(long, value_name = "SIZE", default_value = "2800MiB")]
        memory: String,
        /// kvm or tcg [default: kvm where it runs stock kernels and is nested, else tcg].
        #[arg(long, value_name = "KIND")]
        accelerator: Option<String>,
        /// Where Debian's packages come from, where the image has to be made [default: what mmdebstrap takes].
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
        /// Bring up several that share a network: NAME-1, NAME-2 and so on, at most 8.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(2..=8))]
        nodes: Option<u32>,
        /// Make it like the host of a capture, as far as that can be emulated: processor, NUMA nodes, PCI functions at the same
        /// addresses, parameters of the kernel, modules, networks, domains on empty disks. What could not be copied is listed.
        #[arg(long, value_name = "CAPTURE", conflicts_with = "nodes")]
        like: Option<std::path::PathBuf>,
    },
    /// List the labs that are up.
    List,
    /// Run a program in a lab, as root. Ends with 1 where the program ended with anything but 0.
    Exec {
        /// Name of the lab.
        #[arg(default_value = "lab")]
        name: String,
        /// Give the program what comes on standard input, to its end.
        #[arg(long)]
        stdin: bool,
        /// Seconds to wait for its end.
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        limit: u64,
        /// The program with its arguments, after `--`.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Copy a file into a lab or out of it: one side is NAME:/path.
    Cp {
        /// What is copied: `lab:/etc/fstab`, or a path here.
        from: String,
        /// Where to: a path here, or `lab:/usr/local/bin/vmwright`.
        to: String,
    },
    /// Keep a lab's disks and memory as they are now.
    Snapshot {
        /// Name of the lab.
        name: String,
        /// Name for the snapshot.
        snapshot: String,
    },
    /// Go back to a snapshot of a lab: in seconds, memory and all.
    Restore {
        /// Name of the lab.
        name: String,
        /// Name of the snapshot.
        snapshot: String,
    },
    /// Wait until a lab answers, as after a restart of its system.
    Wait {
        /// Name of the lab.
        #[arg(default_value = "lab")]
        name: String,
    },
    /// Take a lab back to its beginning. What was changed in it is lost.
    Reset {
        /// Name of the lab.
        #[arg(default_value = "lab")]
        name: String,
    },
    /// Take a lab down. Nothing of it is left.
    Down {
        /// Name of the lab.
        #[arg(default_value = "lab")]
        name: String,
    },
    /// Remove the images and first boots that are kept for the next lab, where none is up.
    Prune,
}

impl Lab {
    pub(crate) fn operation(self) -> anyhow::Result<Operation> {
        let what = match self {
            Lab::Up { name, without, machine, memory, accelerator, mirror, nodes, like } => {
                LabAsk::Up(LabUp { name, without, machine, memory, accelerator, mirror, nodes, like })
            }
            Lab::List => LabAsk::List,
            Lab::Exec { name, stdin, limit, command } => {
                let mut words = command.into_iter();
                let program = words.next().context("a program is named after --")?;
                LabAsk::Exec { name, program, arguments: words.collect(), stdin, limit }
            }
            Lab::Cp { from, to } => match (one_side(&from), one_side(&to)) {
                (Some((name, from)), None) => LabAsk::CopyOut { name, from, to: to.into() },
                (None, Some((name, to))) => LabAsk::CopyIn { name, from: from.into(), to },
                _ => anyhow::bail!("one side of a copy is in a lab, NAME:/path, and the other one here"),
            },
            Lab::Snapshot { name, snapshot } => LabAsk::Snapshot { name, snapshot },
            Lab::Restore { name, snapshot } => LabAsk::Restore { name, snapshot },
            Lab::Wait { name } => LabAsk::Wait { name },
            Lab::Reset { name } => LabAsk::Reset { name },
            Lab::Down { name } => LabAsk::Down { name },
            Lab::Prune => LabAsk::Prune,
        };
        Ok(Operation::Lab { what })
    }
}

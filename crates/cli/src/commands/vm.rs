use std::path::PathBuf;
use vmwright_engine::Operation;

/// Create, start, stop, list and show machines.
#[derive(clap::Subcommand)]
pub(crate) enum Vm {
    /// Add a machine from its specification.
    Create {
        /// Path of the specification, a TOML file; see examples/.
        spec: PathBuf,
        /// What makes it run: "qemu", "libvirt" (the host's daemon), or libvirt's URI, such as qemu:///session.
        #[arg(long, value_name = "BACKEND", default_value = "qemu")]
        backend: String,
    },
    /// Start a machine. The accelerator is the one that its specification names: there is no silent fall-back.
    Start {
        /// Its name.
        vm: String,
    },
    /// Stop a machine: asks the guest first.
    Stop {
        /// Its name.
        vm: String,
        /// At once, without asking the guest.
        #[arg(long)]
        force: bool,
    },
    /// Forget a stopped machine. Its disks stay.
    Delete {
        /// Its name.
        vm: String,
    },
    /// List machines with their states, and the domains of this host's libvirt that vmwright did not make.
    List,
    /// Show a machine: specification, state, and its command line with a reason for each option, or its domain XML.
    Show {
        /// Its name.
        vm: String,
    },
}

impl Vm {
    pub(crate) fn operation(self) -> Operation {
        match self {
            Vm::Create { spec, backend } => Operation::VmCreate { spec, backend: Some(backend) },
            Vm::Start { vm } => Operation::VmStart { vm },
            Vm::Stop { vm, force } => Operation::VmStop { vm, force },
            Vm::Delete { vm } => Operation::VmDelete { vm },
            Vm::List => Operation::VmList,
            Vm::Show { vm } => Operation::VmShow { vm },
        }
    }
}

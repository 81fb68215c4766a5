use std::path::PathBuf;
use vmwright_engine::{Ask, MigrateOver, MigrateTo, Operation};

/// Create, start, stop, list and show machines; use, count, change and move them while they run.
///
/// A domain of libvirt's that vmwright did not make takes the same verbs by its name, but for create, clone, receive and
/// delete.
#[derive(clap::Subcommand)]
pub(crate) enum Vm {
    /// Add a machine from its specification.
    Create {
        /// Path of the specification, a TOML file; see examples/.
        spec: PathBuf,
        /// What makes it run: "qemu", "firecracker", "cloud-hypervisor", "libvirt" (the host's daemon), or libvirt's
        /// URI, such as qemu:///session.
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
    /// End a machine's VMM at once, without asking the guest: 'stop --force'.
    Kill {
        /// Its name.
        vm: String,
    },
    /// Make the guest stand still, until 'resume'.
    Pause {
        /// Its name.
        vm: String,
    },
    /// Let a paused guest go on.
    Resume {
        /// Its name.
        vm: String,
    },
    /// Join this terminal with the guest's first serial port. Ctrl-] leaves it; the guest runs on.
    Console {
        /// Its name.
        vm: String,
    },
    /// Run a program in the guest, through its agent. Ends with 1 where the program ended with anything but 0.
    Exec(Exec),
    /// Copy a file into the guest or out of it, through its agent: one side is NAME:/path.
    Cp {
        /// What is copied: `web:/etc/hosts`, or a path here.
        from: String,
        /// Where to: a path here, or `web:/tmp/hosts`.
        to: String,
    },
    /// Keep the disks as they are now, and the memory too where the machine runs.
    ///
    /// qcow2 disks keep it inside themselves; a raw disk stays as it is from now on, and the machine goes on in an
    /// overlay beside it.
    Snapshot {
        /// Name of the machine.
        vm: String,
        /// Name for the snapshot; the snapshots there are where it is absent.
        snapshot: Option<String>,
    },
    /// Go back to a snapshot. What has changed since is lost.
    Restore {
        /// Name of the machine.
        vm: String,
        /// Name of the snapshot.
        snapshot: String,
    },
    /// Make another machine of a stopped one: overlays over its disks, and a name, UUID and MAC addresses of its own.
    Clone {
        /// Name of the machine.
        vm: String,
        /// Name of the new one.
        new: String,
    },
    /// Plug a disk or a network interface into a running machine.
    #[command(subcommand)]
    Attach(Attach),
    /// Unplug a device, and wait until the guest has let go of it.
    Detach {
        /// Name of the machine.
        vm: String,
        /// Name of the device: as it was attached, or a disk's as 'stats' shows it.
        device: String,
        /// Seconds that the guest may take.
        #[arg(long, default_value_t = 30)]
        patience: u64,
    },
    /// Change the size of a disk, the memory or the number of virtual CPUs of a running machine.
    Resize(Resize),
    /// Change what a disk or a network interface of a running machine may move in a second.
    ///
    /// What is not named stays as it is. The specification stays too: its own limits hold again at the next start.
    Limit(Limit),
    /// Show what the metadata service of a machine of Firecracker's tells its guest, and change it before.
    Metadata {
        /// Name of the machine.
        vm: String,
        /// A file of JSON that takes the place of what there is.
        file: Option<PathBuf>,
        /// Merge the file into what there is: members that are null go (RFC 7396).
        #[arg(long, requires = "file")]
        merge: bool,
    },
    /// Send a running machine to another host, or into a file. Its disks have to be reachable there.
    ///
    /// At the target, 'vmwright vm receive' waits for it first, with the same specification. Where it fails, or Ctrl-C
    /// cancels it, the guest runs on here.
    Migrate(Migrate),
    /// Take a machine in from another host or from a file: waits for 'vmwright vm migrate'.
    Receive {
        /// Name of the machine here.
        vm: String,
        /// Where to listen: unix:/path or tcp:host:port (tcp:0.0.0.0:49152); or file:/path.
        #[arg(long, value_name = "PLACE")]
        from: String,
        /// Give up where the source has not begun to send within so many seconds [default: wait until Ctrl-C]. What has
        /// begun may take its time.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
        within: Option<u64>,
        #[command(flatten)]
        over: Over,
    },
    /// Follow QEMU by its trace events as they happen; they are counted and switched off at the end.
    Trace {
        /// Name of the machine.
        vm: String,
        /// Names of events: `virtio_blk_*`, `serial_write`.
        #[arg(required = true)]
        events: Vec<String>,
        /// End after so many seconds, not by Ctrl-C.
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Count what a machine has done: processors with what was stolen from them, disks, networks, KVM's counters.
    Stats {
        /// Name of the machine.
        vm: String,
        /// Count again every so many seconds, until Ctrl-C.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1")]
        watch: Option<u64>,
    },
    /// Take a picture of the guest's screen.
    Screenshot {
        /// Name of the machine.
        vm: String,
        /// The file: PNG, or PPM where it ends in `.ppm`.
        file: PathBuf,
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
    /// Print what a specification may say, as JSON Schema.
    Schema {
        /// A commented specification with every key in place of the schema.
        #[arg(long)]
        example: bool,
    },
}

/// What runs in the guest.
#[derive(clap::Args)]
pub(crate) struct Exec {
    /// Name of the machine.
    vm: String,
    /// Give the program what comes on standard input, to its end.
    #[arg(long)]
    stdin: bool,
    /// Seconds to wait for its end.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    limit: u64,
    /// The program with its arguments, after `--`.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// What is plugged.
#[derive(clap::Subcommand)]
pub(crate) enum Attach {
    /// A disk image or block device.
    Disk {
        /// Name of the machine.
        vm: String,
        /// The image or device.
        path: PathBuf,
        /// Its format: raw or qcow2. It is never guessed.
        #[arg(long, value_name = "FORMAT")]
        image_format: String,
        /// Name for it, for 'detach'.
        #[arg(long, default_value = "extra-disk")]
        name: String,
        /// The guest may not write to it.
        #[arg(long)]
        readonly: bool,
    },
    /// A network interface.
    Network {
        /// Name of the machine.
        vm: String,
        /// The bridge; QEMU's own network, for outgoing connections only, where absent.
        #[arg(long)]
        bridge: Option<String>,
        /// Its MAC address; made from the names where absent.
        #[arg(long)]
        mac: Option<String>,
        /// Name for it, for 'detach'.
        #[arg(long, default_value = "extra-network")]
        name: String,
    },
}

/// What is resized.
#[derive(clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["disk", "memory", "cpus"]))]
pub(crate) struct Resize {
    /// Name of the machine.
    vm: String,
    /// A disk, by its number from 0 or its name; it only grows.
    #[arg(long, requires = "size")]
    disk: Option<String>,
    /// The disk's new size: 20GiB.
    #[arg(long, requires = "disk")]
    size: Option<String>,
    /// Memory that the guest shall have: 2GiB. Its balloon gives and takes it.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Virtual CPUs that the guest shall have.
    #[arg(long, value_name = "COUNT")]
    cpus: Option<u32>,
}

/// What is limited.
#[derive(clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("device").required(true).args(["disk", "network"]))]
#[command(group = clap::ArgGroup::new("limit").required(true).multiple(true).args(["bytes", "operations"]))]
pub(crate) struct Limit {
    /// Name of the machine.
    vm: String,
    /// A disk, by its number from 0 or its name.
    #[arg(long)]
    disk: Option<String>,
    /// A network interface, by its number from 0.
    #[arg(long, value_name = "NUMBER")]
    network: Option<u32>,
    /// Bytes in a second, of a network interface each way: 10MiB. 0 takes the limit away.
    #[arg(long, value_name = "SIZE")]
    bytes: Option<String>,
    /// Requests of a disk, or packets of a network interface, in a second. 0 takes the limit away.
    #[arg(long, value_name = "COUNT")]
    operations: Option<u64>,
}

/// Where a machine goes.
#[derive(clap::Args)]
pub(crate) struct Migrate {
    /// Name of the machine.
    vm: String,
    /// unix:/path, tcp:host:port or file:/path; for a machine that libvirt runs libvirt:URI (libvirt:qemu+ssh://hv2/system).
    #[arg(long, value_name = "PLACE")]
    to: String,
    #[command(flatten)]
    over: Over,
    /// Slow the guest down, more and more, where it writes memory faster than it goes over.
    #[arg(long)]
    auto_converge: bool,
    /// Bytes in a second at most: 500MiB. QEMU's own limit is 128MiB.
    #[arg(long, value_name = "SIZE")]
    bandwidth: Option<String>,
    /// Milliseconds that the guest may stand still. QEMU's own limit is 300.
    #[arg(long, value_name = "MILLISECONDS")]
    downtime: Option<u64>,
    /// Go on with a post-copy migration whose connection was lost.
    #[arg(long)]
    resume: bool,
}

/// What both ends of a migration have to agree on.
#[derive(clap::Args)]
pub(crate) struct Over {
    /// Connections side by side, at both ends the same number (multifd).
    #[arg(long, value_name = "COUNT")]
    connections: Option<u8>,
    /// Compress what goes over, at both ends the same: zstd or zlib. Brings two connections where none are named.
    #[arg(long, value_name = "HOW")]
    compress: Option<String>,
    /// Let the guest run at the target after the first round, and fetch what it touches. A lost connection does not
    /// lose the guest, but it stands still until '--resume'.
    #[arg(long)]
    post_copy: bool,
    /// Encrypt it: directory with ca-cert.pem, and server- (target) or client-cert.pem and -key.pem (source).
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,
    /// Name that the target's certificate has, where that is not its host name.
    #[arg(long, value_name = "NAME", requires = "tls")]
    tls_name: Option<String>,
}

impl Over {
    fn over(self) -> MigrateOver {
        MigrateOver {
            connections: self.connections,
            compress: self.compress,
            post_copy: self.post_copy,
            tls: self.tls,
            tls_name: self.tls_name,
        }
    }
}

impl Vm {
    pub(crate) fn operation(self) -> anyhow::Result<Operation> {
        let (vm, ask) = match self {
            Vm::Create { spec, backend } => {
                return Ok(Operation::VmCreate { spec, backend: Some(backend) });
            }
            Vm::Start { vm } => return Ok(Operation::VmStart { vm }),
            Vm::Stop { vm, force } => return Ok(Operation::VmStop { vm, force }),
            Vm::Kill { vm } => return Ok(Operation::VmStop { vm, force: true }),
            Vm::Delete { vm } => return Ok(Operation::VmDelete { vm }),
            Vm::List => return Ok(Operation::VmList),
            Vm::Show { vm } => return Ok(Operation::VmShow { vm }),
            Vm::Schema { example } => return Ok(Operation::VmSchema { example }),
            Vm::Receive { vm, from, over, within } => {
                return Ok(Operation::VmReceive { vm, from, over: over.over(), within });
            }
            Vm::Pause { vm } => (vm, Ask::Pause),
            Vm::Resume { vm } => (vm, Ask::Resume),
            Vm::Console { vm } => (vm, Ask::Console),
            Vm::Exec(Exec { vm, stdin, limit, command }) => {
                let mut words = command.into_iter();
                let program = words.next().unwrap_or_default();
                (vm, Ask::Exec { program, arguments: words.collect(), stdin, limit })
            }
            Vm::Cp { from, to } => copy(from, to)?,
            Vm::Snapshot { vm, snapshot: Some(name) } => (vm, Ask::Snapshot { name }),
            Vm::Snapshot { vm, snapshot: None } => (vm, Ask::Snapshots),
            Vm::Restore { vm, snapshot: name } => (vm, Ask::Restore { name }),
            Vm::Clone { vm, new: name } => (vm, Ask::Clone { name }),
            Vm::Attach(Attach::Disk { vm, path, image_format: format, name, readonly }) => {
                (vm, Ask::AttachDisk { name, path, format, readonly })
            }
            Vm::Attach(Attach::Network { vm, bridge, mac, name }) => {
                (vm, Ask::AttachNetwork { name, bridge, mac })
            }
            Vm::Detach { vm, device, patience } => (vm, Ask::Detach { device, patience }),
            Vm::Resize(Resize { vm, disk, size, memory, cpus }) => match (disk, size, memory, cpus) {
                (Some(disk), Some(size), _, _) => (vm, Ask::ResizeDisk { disk, size }),
                (_, _, Some(size), _) => (vm, Ask::ResizeMemory { size }),
                (_, _, _, Some(count)) => (vm, Ask::ResizeCpus { count }),
                _ => anyhow::bail!("--disk with --size, --memory or --cpus says what to resize"),
            },
            Vm::Limit(Limit { vm, disk, network, bytes, operations }) => {
                (vm, Ask::Limit { disk, network, bytes, operations })
            }
            Vm::Metadata { vm, file, merge } => (vm, Ask::Metadata { file, merge }),
            Vm::Migrate(Migrate { vm, to, over, auto_converge, bandwidth, downtime, resume }) => {
                let channel = over.over();
                (vm, Ask::Migrate(MigrateTo { to, channel, auto_converge, bandwidth, downtime, resume }))
            }
            Vm::Trace { vm, events, seconds } => (vm, Ask::Trace { events, seconds }),
            Vm::Stats { vm, watch } => (vm, Ask::Stats { watch }),
            Vm::Screenshot { vm, file: to } => {
                let ppm = to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ppm"));
                (vm, Ask::Screenshot { to, ppm })
            }
        };
        Ok(Operation::VmAsk { vm, ask })
    }
}

/// The machine and the path in it that one side of a copy names: letters before the first colon that are no path.
pub(crate) fn one_side(text: &str) -> Option<(String, String)> {
    let (vm, path) = text.split_once(':')?;
    (!vm.is_empty() && !vm.contains('/') && path.starts_with('/')).then(|| (vm.to_owned(), path.to_owned()))
}

/// One side of a copy is in a machine, the other one here.
fn copy(from: String, to: String) -> anyhow::Result<(String, Ask)> {
    match (one_side(&from), one_side(&to)) {
        (Some((vm, from)), None) => Ok((vm, Ask::CopyOut { from, to: to.into() })),
        (None, Some((vm, to))) => Ok((vm, Ask::CopyIn { from: from.into(), to })),
        _ => anyhow::bail!("one side of a copy is in a guest, NAME:/path, and the other one here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_of_a_copy_is_in_a_guest() {
        let copy = |from: &str, to: &str| copy(from.to_owned(), to.to_owned());
        let out = copy("web:/etc/hosts", "hosts").expect("good");
        assert_eq!(
            out,
            ("web".to_owned(), Ask::CopyOut { from: "/etc/hosts".to_owned(), to: "hosts".into() })
        );
        let into = copy("./a:b", "web:/b").expect("good");
        assert_eq!(into, ("web".to_owned(), Ask::CopyIn { from: "./a:b".into(), to: "/b".to_owned() }));
        assert!(copy("a", "b").is_err() && copy("a:/b", "c:/d").is_err() && copy("a", "web:b").is_err());
    }
}

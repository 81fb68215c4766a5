//! What can be asked of a machine beyond its start and stop: one closed list for every backend.

use crate::state::{Operation, State, allow};
use crate::{Backend, ControlError, Running, StartError, Stored};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// Asks. The table decides first, then what the backend can: an illegal request gets the same error from all.
///
/// # Errors
/// [`ControlError::Illegal`] by the table, [`ControlError::Cannot`] by the backend's capabilities; else what came of
/// the attempt.
pub fn perform(
    backend: &dyn Backend,
    machine: &Stored,
    request: Request,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let operation = request.operation();
    let condition = backend.look(machine)?;
    allow(&machine.name, &condition, operation)?;
    if let Some(why) = backend.lacks(operation) {
        return Err(ControlError::Cannot { backend: backend.name(), operation, why });
    }
    backend.carry_out(machine, &condition, request, watch)
}

/// Takes a guest in from elsewhere: starts the VMM and waits until the guest has come. Table and capabilities first,
/// as in [`perform`].
///
/// # Errors
/// [`StartError`]; nothing is left running then.
pub fn receive(
    backend: &dyn Backend,
    machine: &Stored,
    from: &Receive,
    watch: &mut dyn Watch,
) -> Result<Running, StartError> {
    if let Some(condition) = backend.look(machine).ok().filter(|condition| condition.state != State::Starting)
    {
        allow(&machine.name, &condition, Operation::Receive)?;
    }
    if let Some(why) = backend.lacks(Operation::Receive) {
        return Err(StartError::Lacking { backend: backend.name(), why });
    }
    backend.take_in(machine, from, watch)
}

/// A request. The table in [`crate::state`] says when each is legal.
#[derive(Debug)]
pub enum Request {
    /// Make the guest stand still.
    Pause,
    /// Let it go on.
    Resume,
    /// Join a terminal with the first serial port, until `way_out` is typed or the machine ends.
    Console {
        /// What is typed.
        input: OwnedFd,
        /// Where the guest's bytes go.
        output: OwnedFd,
        /// The byte that ends it: 0x1d is Ctrl and `]`.
        way_out: u8,
    },
    /// Run a program in the guest.
    Exec(Exec),
    /// Copy a file out of the guest.
    CopyOut {
        /// Path in the guest.
        from: String,
        /// Path on the host. It is replaced in one go once all is there.
        to: PathBuf,
    },
    /// Copy a file into the guest.
    CopyIn {
        /// Path on the host, a regular file.
        from: PathBuf,
        /// Path in the guest. What is there is overwritten.
        to: String,
    },
    /// Keep disks, and memory where a guest is there.
    Snapshot {
        /// Name of the snapshot.
        name: String,
    },
    /// Go back to a snapshot.
    Restore {
        /// Name of the snapshot.
        name: String,
    },
    /// Make a machine whose disks are overlays over this one's.
    Clone {
        /// Name of the new machine.
        name: String,
    },
    /// Plug a device.
    Attach(Device),
    /// Unplug the device of this name, as attaching it or [`Statistics`] told.
    Detach {
        /// Name of the device.
        device: String,
        /// How long the guest may take to let go of it.
        patience: Duration,
    },
    /// Change a size.
    Resize(Resize),
    /// Change what a disk or network interface may move in a second.
    Limit(Limit),
    /// The data of the guest's metadata service, changed before where something is given.
    Metadata(Option<Metadata>),
    /// Send the guest elsewhere; its VMM ends here when it has arrived.
    Migrate(Migrate),
    /// Follow what the VMM does until the watcher stops it or the time is up.
    Trace {
        /// Names of events; `*` stands for any letters.
        events: Vec<String>,
        /// For how long; until stopped where absent.
        limit: Option<Duration>,
    },
    /// Count.
    Stats,
    /// Take a picture of the screen.
    Screenshot {
        /// The file to make or replace.
        to: PathBuf,
        /// Its format.
        format: Picture,
    },
}

impl Request {
    /// The row of the table that decides about it.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Request::Pause => Operation::Pause,
            Request::Resume => Operation::Resume,
            Request::Console { .. } => Operation::Console,
            Request::Exec(_) => Operation::Exec,
            Request::CopyOut { .. } | Request::CopyIn { .. } => Operation::Copy,
            Request::Snapshot { .. } => Operation::Snapshot,
            Request::Restore { .. } => Operation::Restore,
            Request::Clone { .. } => Operation::Clone,
            Request::Attach(_) => Operation::Attach,
            Request::Detach { .. } => Operation::Detach,
            Request::Resize(_) => Operation::Resize,
            Request::Limit(_) => Operation::Limit,
            Request::Metadata(_) => Operation::Metadata,
            Request::Migrate(_) => Operation::Migrate,
            Request::Trace { .. } => Operation::Trace,
            Request::Stats => Operation::Stats,
            Request::Screenshot { .. } => Operation::Screenshot,
        }
    }
}

/// What follows an operation under way, and can stop it.
pub trait Watch {
    /// Something worth showing.
    fn tell(&mut self, what: Told);

    /// Whether the user wants it to end.
    fn stopped(&self) -> bool;
}

/// Nobody watches: it ends by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn tell(&mut self, _: Told) {}

    fn stopped(&self) -> bool {
        false
    }
}

/// Something told on the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A step of the work.
    Note(String),
    /// Bytes of a copy.
    Copied {
        /// So many are there.
        done: u64,
        /// Of so many, where that is known.
        of: Option<u64>,
    },
    /// An event of a trace. Part of it may be data that the guest controls.
    Traced {
        /// Name of the event.
        event: String,
        /// What it says.
        text: String,
    },
    /// How far a migration is.
    Migration(MigrationProgress),
}

/// How far a migration is, as its source counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationProgress {
    /// The VMM's word: `active`, `postcopy-active`, `device`, ...
    pub status: String,
    /// Bytes of memory sent.
    pub sent: u64,
    /// Bytes of memory still to send.
    pub remaining: u64,
    /// Bytes of memory in all.
    pub total: u64,
    /// Bytes that the guest writes in a second.
    pub dirty_rate: u64,
    /// Bytes that go over in a second.
    pub throughput: u64,
    /// Milliseconds that the guest would stand still if it moved now.
    pub expected_downtime: Option<u64>,
    /// How much the guest is slowed down, percent (auto-converge).
    pub throttle: u64,
}

/// A program to run in the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exec {
    /// Its path, or its name in the guest's PATH.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it reads.
    pub input: Vec<u8>,
    /// How long it may run, seconds; one minute where 0. It is not ended in the guest when that is over.
    pub limit: u64,
}

/// How a program in the guest ended. Untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// Its exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it said on standard output.
    pub output: Vec<u8>,
    /// What it said on standard error.
    pub errors: Vec<u8>,
    /// Whether the agent cut one of them short.
    pub cut: bool,
}

/// A device to plug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A disk.
    Disk {
        /// Name for it, as `detach` takes it.
        name: String,
        /// A file or block device.
        path: PathBuf,
        /// `raw` or `qcow2`.
        format: String,
        /// Whether the guest may not write.
        readonly: bool,
    },
    /// A network interface of the VMM's own user-mode network, or on a bridge.
    Network {
        /// Name for it, as `detach` takes it.
        name: String,
        /// The bridge; user-mode where absent.
        bridge: Option<String>,
        /// Its MAC address; made from the names where absent.
        mac: Option<String>,
    },
    /// A network interface that leads nowhere: to be seen, and nothing else.
    Unconnected {
        /// Name for it, as `detach` takes it.
        name: String,
        /// Its MAC address.
        mac: String,
    },
}

/// A size to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resize {
    /// A disk, by its number in the specification from 0 or its name. It only grows.
    Disk {
        /// Which.
        disk: String,
        /// Its new size, in bytes.
        bytes: u64,
    },
    /// Memory, in bytes: the balloon asks the guest for what is more, and gives it back.
    Memory {
        /// How much the guest shall have.
        bytes: u64,
    },
    /// Virtual CPUs.
    Cpus {
        /// How many the guest shall have.
        count: u32,
    },
}

/// What a device may move in a second at most. What is not named stays as it is; 0 takes a limit away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Which.
    pub device: Limited,
    /// Bytes in a second; of a network interface in each direction.
    pub bytes: Option<u64>,
    /// Requests of a disk, or packets of a network interface, in a second.
    pub operations: Option<u64>,
}

/// A device with limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limited {
    /// A disk, by its number in the specification from 0 or its name.
    Disk(String),
    /// A network interface, by its number in the specification from 0.
    Network(usize),
}

/// New data for the guest's metadata service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What the guest shall read.
    pub data: serde_json::Value,
    /// Whether it is merged into what there is (RFC 7396), or takes its place.
    pub merge: bool,
}

/// Where a guest goes, or comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A UNIX socket.
    Unix(PathBuf),
    /// A TCP port of a host.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port, 1 to 65535.
        port: u16,
    },
    /// A file.
    File(PathBuf),
    /// Another libvirt, by the URI under which this host's libvirt reaches it: `qemu+ssh://host/system`.
    Libvirt(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(out, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(out, "tcp:{host}:{port}"),
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Libvirt(uri) => out.write_str(uri),
        }
    }
}

/// How a guest is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrate {
    /// Where it goes.
    pub to: Place,
    /// What both ends have to agree on.
    pub channel: Channel,
    /// Slow the guest down where it writes faster than its memory goes over.
    pub auto_converge: bool,
    /// Bytes in a second at most; the VMM's own default (128 MiB/s) where 0.
    pub bandwidth: u64,
    /// Milliseconds that the guest may stand still; the VMM's own default (300) where 0.
    pub downtime: u64,
    /// Let the guest run at the target after the first round, and fetch what it touches.
    pub post_copy: bool,
    /// Go on with a post-copy migration whose connection was lost.
    pub resume: bool,
}

impl Migrate {
    /// To this place, as the VMM does it by default.
    #[must_use]
    pub fn to(to: Place) -> Self {
        Self {
            to,
            channel: Channel::default(),
            auto_converge: false,
            bandwidth: 0,
            downtime: 0,
            post_copy: false,
            resume: false,
        }
    }
}

/// What both ends of a migration have to agree on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// Connections side by side; one without multifd where 0.
    pub connections: u8,
    /// `zstd` or `zlib`; needs connections.
    pub compression: Option<String>,
    /// Directory with `ca-cert.pem` and this end's certificate and key, as QEMU's `tls-creds-x509` wants it.
    pub tls: Option<PathBuf>,
    /// Name that the other end's certificate has to have, where that is not the host's.
    pub tls_name: Option<String>,
    /// Whether post-copy may follow.
    pub post_copy: bool,
}

/// From where a guest is taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// Where it comes from: an address to listen at, or a file.
    pub from: Place,
    /// What both ends have to agree on.
    pub channel: Channel,
    /// How long it is waited for the source to begin; what has begun may take its time. Without end where absent.
    pub within: Option<Duration>,
}

/// Format of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Picture {
    /// Portable network graphics.
    #[default]
    Png,
    /// Portable pixmap, uncompressed.
    Ppm,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Done.
    Done,
    /// A program ended in the guest.
    Executed(Executed),
    /// So many bytes were copied or written.
    Copied(u64),
    /// A device was plugged, under this name.
    Attached(String),
    /// A machine was made.
    Cloned(Box<Stored>),
    /// A size is now this.
    Resized(u64),
    /// What the guest's metadata service tells.
    Metadata(serde_json::Value),
    /// A guest has arrived elsewhere.
    Migrated(Migrated),
    /// Events of a trace, counted.
    Traced(Vec<(String, u64)>),
    /// Counts.
    Statistics(Box<Statistics>),
}

/// How a migration went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// Milliseconds from its begin to its end.
    pub total_ms: u64,
    /// Milliseconds that the guest stood still, where the VMM tells it.
    pub downtime_ms: Option<u64>,
    /// Bytes sent, where the VMM tells it.
    pub sent: Option<u64>,
    /// How often memory was gone through, where the VMM tells it.
    pub rounds: Option<u64>,
}

/// What a machine has done so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Milliseconds since 1970-01-01 UTC when they were taken.
    pub at_ms: u64,
    /// Nanoseconds of processor time of all threads of the VMM.
    pub process_ns: u64,
    /// Bytes of the VMM in memory.
    pub resident: u64,
    /// By virtual CPU.
    pub cpus: Vec<CpuStatistics>,
    /// By disk.
    pub disks: Vec<DiskStatistics>,
    /// By network interface on a bridge.
    pub networks: Vec<NetworkStatistics>,
    /// Bytes that the guest has by its balloon, where it has one.
    pub balloon: Option<u64>,
    /// Counters of KVM by name, where it runs on KVM: `exits`, `halt_exits`, ...
    pub kvm: Vec<(String, u64)>,
}

/// What a virtual CPU has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuStatistics {
    /// Its number.
    pub cpu: u64,
    /// Its thread on the host.
    pub thread: i32,
    /// Nanoseconds that it ran.
    pub ran_ns: u64,
    /// Nanoseconds that it wanted to run and had to wait: the guest sees them as stolen.
    pub waited_ns: u64,
}

/// What a disk has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatistics {
    /// Its name.
    pub name: String,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
    /// Requests to read.
    pub reads: u64,
    /// Requests to write.
    pub writes: u64,
    /// Requests to write back.
    pub flushes: u64,
    /// Nanoseconds that reads took.
    pub read_ns: u64,
    /// Nanoseconds that writes took.
    pub write_ns: u64,
    /// Requests that failed.
    pub failed: u64,
}

/// What a network interface has done so far, as the guest sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatistics {
    /// Its tap on the host.
    pub name: String,
    /// Bytes that the guest received.
    pub received: u64,
    /// Bytes that it sent.
    pub sent: u64,
    /// Packets that it received.
    pub packets_received: u64,
    /// Packets that it sent.
    pub packets_sent: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

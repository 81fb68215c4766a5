//! What can be asked of one machine beyond its start and stop, as it is typed, and what comes back.

use crate::backends;
use crate::lent::Named;
use crate::machines::accelerator;
use crate::{Environment, Error, Outcome, Progress};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vmwright_backend::request::{
    Channel, Device, Exec, Limit, Limited, Metadata, Migrate, Migrated, Picture, Place, Receive, Resize,
    Statistics,
};
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Answer, Request, Told, Watch, perform, request};
use vmwright_formats::machine_spec::parse_size;

/// The byte that leaves a console: Ctrl and `]`.
const WAY_OUT: u8 = 0x1d;

/// Something to ask of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Ask {
    /// Make the guest stand still.
    Pause,
    /// Let it go on.
    Resume,
    /// Join this terminal with its console.
    Console,
    /// Run a program in the guest.
    Exec {
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Whether it reads what vmwright's standard input holds.
        stdin: bool,
        /// Seconds to wait for its end.
        limit: u64,
    },
    /// Copy a file out of the guest.
    CopyOut {
        /// Path in the guest.
        from: String,
        /// Path here.
        to: PathBuf,
    },
    /// Copy a file into the guest.
    CopyIn {
        /// Path here.
        from: PathBuf,
        /// Path in the guest.
        to: String,
    },
    /// Keep disks, and memory where it runs.
    Snapshot {
        /// Name of the snapshot.
        name: String,
    },
    /// The snapshots there are.
    Snapshots,
    /// Go back to a snapshot.
    Restore {
        /// Name of the snapshot.
        name: String,
    },
    /// Make another machine of it.
    Clone {
        /// Name of the new machine.
        name: String,
    },
    /// Plug a disk.
    AttachDisk {
        /// Name for it.
        name: String,
        /// The image or device.
        path: PathBuf,
        /// `raw` or `qcow2`.
        format: String,
        /// Whether the guest may not write.
        readonly: bool,
    },
    /// Plug a network interface.
    AttachNetwork {
        /// Name for it.
        name: String,
        /// The bridge; QEMU's own network where absent.
        bridge: Option<String>,
        /// Its MAC address.
        mac: Option<String>,
    },
    /// Unplug a device.
    Detach {
        /// Its name.
        device: String,
        /// Seconds that the guest may take.
        patience: u64,
    },
    /// Let a disk grow.
    ResizeDisk {
        /// Its number from 0, or its name.
        disk: String,
        /// The new size, `20GiB`.
        size: String,
    },
    /// Give the guest more or less memory, by its balloon.
    ResizeMemory {
        /// The new size, `2GiB`.
        size: String,
    },
    /// Give the guest more or fewer virtual CPUs.
    ResizeCpus {
        /// How many.
        count: u32,
    },
    /// Change what a disk or network interface may move in a second.
    Limit {
        /// The disk's number from 0, or its name.
        disk: Option<String>,
        /// The network interface's number from 0.
        network: Option<u32>,
        /// Bytes in a second, `10MiB`; without limit where 0.
        bytes: Option<String>,
        /// Requests or packets in a second; without limit where 0.
        operations: Option<u64>,
    },
    /// What the guest's metadata service tells, changed before where a file is given.
    Metadata {
        /// A file of JSON.
        file: Option<PathBuf>,
        /// Whether it is merged into what there is.
        merge: bool,
    },
    /// Send the guest elsewhere.
    Migrate(MigrateTo),
    /// Follow what QEMU does.
    Trace {
        /// Names of events, `*` for any letters.
        events: Vec<String>,
        /// Seconds; until Ctrl-C where absent.
        seconds: Option<u64>,
    },
    /// Count.
    Stats {
        /// Seconds between two counts, until Ctrl-C; once where absent.
        watch: Option<u64>,
    },
    /// Take a picture of the screen.
    Screenshot {
        /// The file.
        to: PathBuf,
        /// Whether as PPM instead of PNG.
        ppm: bool,
    },
}

/// How a guest is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrateTo {
    /// `unix:/path`, `tcp:host:port` or `file:/path`; of a machine that libvirt runs `libvirt:URI`.
    pub to: String,
    /// What both ends have to agree on.
    pub channel: MigrateOver,
    /// Slow the guest down where it writes too fast.
    pub auto_converge: bool,
    /// Bytes in a second at most, `100MiB`.
    pub bandwidth: Option<String>,
    /// Milliseconds that the guest may stand still.
    pub downtime: Option<u64>,
    /// Go on with a post-copy migration whose connection was lost.
    pub resume: bool,
}

/// What both ends of a migration have to agree on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrateOver {
    /// Connections side by side (multifd).
    pub connections: Option<u8>,
    /// `zstd` or `zlib`.
    pub compress: Option<String>,
    /// Let the guest run at the target before all of its memory is there.
    pub post_copy: bool,
    /// Directory of certificates.
    pub tls: Option<PathBuf>,
    /// Name in the target's certificate.
    pub tls_name: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "came")]
pub enum Came {
    /// It is done; this is how the machine stands now.
    Done {
        /// The machine.
        vm: String,
        /// Its state.
        state: String,
    },
    /// A program ended in the guest. Its words are the guest's.
    Executed {
        /// Exit status; none where a signal ended it.
        status: Option<i32>,
        /// The signal.
        signal: Option<i32>,
        /// Standard output.
        output: String,
        /// Standard error.
        errors: String,
        /// Whether the agent cut one short.
        cut: bool,
    },
    /// A file was made.
    Copied {
        /// Bytes.
        bytes: u64,
        /// Where.
        to: String,
    },
    /// The snapshots there are.
    Snapshots {
        /// By name.
        names: Vec<String>,
    },
    /// A device is plugged.
    Attached {
        /// Its name.
        device: String,
    },
    /// A machine was made.
    Cloned {
        /// Its name.
        vm: String,
        /// Its disks.
        disks: Vec<String>,
    },
    /// A size is now this.
    Resized {
        /// Bytes, or virtual CPUs.
        to: u64,
    },
    /// What the guest's metadata service tells.
    Metadata {
        /// The whole of it.
        data: serde_json::Value,
    },
    /// The guest is elsewhere.
    Migrated(Migrated),
    /// The guest is here.
    Received {
        /// The machine.
        vm: String,
        /// Its state.
        state: String,
        /// `kvm` or `tcg`.
        accelerator: String,
    },
    /// Events, counted.
    Traced {
        /// By name.
        events: Vec<(String, u64)>,
    },
    /// Counts.
    Statistics(Box<Statistics>),
}

/// Asks.
pub(crate) fn ask(
    vm: &str,
    ask: &Ask,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let named = Named::open(vm, environment)?;
    let machine = &named.machine;
    match ask {
        Ask::Clone { .. } if named.is_lent() => {
            let why = "vmwright makes copies of its own machines: `vmwright convert` makes a specification of a domain";
            return Err(Error::Argument(format!("cannot clone {vm}: {why}")));
        }
        Ask::Snapshots => return Ok(came(Came::Snapshots { names: backends::snapshots(machine)? })),
        Ask::Stats { watch: Some(seconds) } => return watch(machine, *seconds, environment, progress),
        _ => {}
    }
    // Restored when it goes, however it ends.
    let _raw = matches!(ask, Ask::Console).then(crate::terminal::Raw::of_input).flatten();
    if matches!(ask, Ask::Console) {
        progress(Progress::Note(format!("console of {vm}; Ctrl-] leaves it")));
    }
    let request = request(ask)?;
    let mut shown = Shown { stop: &environment.stop, progress };
    let answer = perform(&*backends::of(machine)?, machine, request, &mut shown).map_err(Error::Control)?;
    told(machine, ask, answer).map(came)
}

/// Takes a guest in.
pub(crate) fn receive(
    vm: &str,
    from: &str,
    over: &MigrateOver,
    within: Option<u64>,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let machine = store::open(&environment.state, vm).map_err(Error::Store)?;
    let within = within.map(Duration::from_secs);
    let from = Receive { from: place(from)?, channel: channel(over), within };
    let mut shown = Shown { stop: &environment.stop, progress };
    let running = request::receive(&*backends::of(&machine)?, &machine, &from, &mut shown)
        .map_err(|source| Error::Receive { vm: vm.to_owned(), source: Box::new(source) })?;
    let state = state(&machine)?;
    let accelerator = accelerator(running.accelerator).to_owned();
    Ok(came(Came::Received { vm: vm.to_owned(), state, accelerator }))
}

pub(crate) fn came(came: Came) -> Outcome {
    Outcome::Came(Box::new(came))
}

/// Counts again and again, until stopped; the last counts are the outcome.
fn watch(
    machine: &Stored,
    seconds: u64,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let pause = Duration::from_secs(seconds.clamp(1, 3600));
    loop {
        let mut shown = Shown { stop: &environment.stop, progress: &mut *progress };
        let answer =
            perform(&*backends::of(machine)?, machine, Request::Stats, &mut shown).map_err(Error::Control)?;
        let Answer::Statistics(counts) = answer else { return Err(Error::Answer) };
        let mut left = pause;
        if !environment.stop.load(Ordering::Relaxed) {
            progress(Progress::Counted(counts.clone()));
        }
        while !left.is_zero() && !environment.stop.load(Ordering::Relaxed) {
            let step = left.min(Duration::from_millis(100));
            std::thread::sleep(step);
            left -= step;
        }
        if environment.stop.load(Ordering::Relaxed) {
            return Ok(came(Came::Statistics(counts)));
        }
    }
}

/// Shows what is told, and passes on that the user wants it to end.
pub(crate) struct Shown<'a> {
    pub(crate) stop: &'a Arc<AtomicBool>,
    pub(crate) progress: &'a mut dyn FnMut(Progress),
}

impl Watch for Shown<'_> {
    fn tell(&mut self, what: Told) {
        (self.progress)(match what {
            Told::Note(note) => Progress::Note(note),
            other => Progress::Told(other),
        });
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

pub(crate) fn request(ask: &Ask) -> Result<Request, Error> {
    Ok(match ask.clone() {
        Ask::Pause => Request::Pause,
        Ask::Resume => Request::Resume,
        Ask::Console => {
            let own = |fd: std::io::Result<std::os::fd::OwnedFd>| fd.map_err(Error::Terminal);
            use std::os::fd::AsFd;
            Request::Console {
                input: own(std::io::stdin().as_fd().try_clone_to_owned())?,
                output: own(std::io::stdout().as_fd().try_clone_to_owned())?,
                way_out: WAY_OUT,
            }
        }
        Ask::Exec { program, arguments, stdin, limit } => {
            let mut input = Vec::new();
            if stdin {
                use std::io::Read;
                std::io::stdin().take(INPUT_MAX).read_to_end(&mut input).map_err(Error::Terminal)?;
            }
            Request::Exec(Exec { program, arguments, input, limit })
        }
        Ask::CopyOut { from, to } => Request::CopyOut { from, to },
        Ask::CopyIn { from, to } => Request::CopyIn { from, to },
        Ask::Snapshot { name } => Request::Snapshot { name },
        Ask::Restore { name } => Request::Restore { name },
        Ask::Clone { name } => Request::Clone { name },
        Ask::AttachDisk { name, path, format, readonly } => {
            let path = std::path::absolute(&path).map_err(|source| Error::File { path, source })?;
            Request::Attach(Device::Disk { name, path, format, readonly })
        }
        Ask::AttachNetwork { name, bridge, mac } => Request::Attach(Device::Network { name, bridge, mac }),
        Ask::Detach { device, patience } => {
            Request::Detach { device, patience: Duration::from_secs(patience) }
        }
        Ask::ResizeDisk { disk, size } => Request::Resize(Resize::Disk { disk, bytes: bytes(&size)? }),
        Ask::ResizeMemory { size } => Request::Resize(Resize::Memory { bytes: bytes(&size)? }),
        Ask::ResizeCpus { count } => Request::Resize(Resize::Cpus { count }),
        Ask::Limit { disk, network, bytes: limit, operations } => {
            let device = match (disk, network) {
                (Some(disk), None) => Limited::Disk(disk),
                (None, Some(network)) => Limited::Network(usize::try_from(network).unwrap_or(usize::MAX)),
                _ => return Err(Error::Argument("a limit is of a disk or of a network".to_owned())),
            };
            if limit.is_none() && operations.is_none() {
                return Err(Error::Argument("a limit is of bytes, of operations, or of both".to_owned()));
            }
            // Nothing is no size of a specification.
            let limit = limit.map(|text| if text == "0" { Ok(0) } else { bytes(&text) }).transpose()?;
            Request::Limit(Limit { device, bytes: limit, operations })
        }
        Ask::Metadata { file: None, .. } => Request::Metadata(None),
        Ask::Metadata { file: Some(path), merge } => {
            Request::Metadata(Some(Metadata { data: json(path)?, merge }))
        }
        Ask::Migrate(what) => Request::Migrate(Migrate {
            to: place(&what.to)?,
            channel: channel(&what.channel),
            auto_converge: what.auto_converge,
            bandwidth: what.bandwidth.as_deref().map(bytes).transpose()?.unwrap_or(0),
            downtime: what.downtime.unwrap_or(0),
            post_copy: what.channel.post_copy,
            resume: what.resume,
        }),
        Ask::Trace { events, seconds } => Request::Trace { events, limit: seconds.map(Duration::from_secs) },
        Ask::Screenshot { to, ppm } => {
            Request::Screenshot { to, format: if ppm { Picture::Ppm } else { Picture::Png } }
        }
        Ask::Stats { .. } | Ask::Snapshots => Request::Stats,
    })
}

/// A file of JSON.
fn json(path: PathBuf) -> Result<serde_json::Value, Error> {
    let read = std::fs::File::open(&path).and_then(|file| {
        use std::io::Read;
        let mut text = String::new();
        file.take(METADATA_MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    let text = read.map_err(|source| Error::File { path: path.clone(), source })?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Argument(format!("`{}` is no JSON: {error}", path.display())))
}

/// Most of a file of metadata that is read, in bytes; Firecracker's own limit is 50 KiB.
const METADATA_MAX: u64 = 1 << 20;

/// Most that a program in the guest is given to read, in bytes.
const INPUT_MAX: u64 = 8 << 20;

fn bytes(size: &str) -> Result<u64, Error> {
    parse_size(size)
        .map_err(|error| Error::Argument(format!("`{}` is no size: {error}", size.escape_debug())))
}

fn channel(over: &MigrateOver) -> Channel {
    Channel {
        connections: over.connections.unwrap_or(if over.compress.is_some() { 2 } else { 0 }),
        compression: over.compress.clone(),
        tls: over.tls.clone(),
        tls_name: over.tls_name.clone(),
        post_copy: over.post_copy,
    }
}

/// `unix:/path`, `tcp:host:port`, `file:/path`, `libvirt:qemu+ssh://host/system`.
pub(crate) fn place(text: &str) -> Result<Place, Error> {
    let wrong = || {
        Error::Argument(format!(
            "`{}` is no place for a guest: unix:/path, tcp:host:port (49152 is usual), file:/path, or for a machine \
             that libvirt runs libvirt:URI",
            text.escape_debug()
        ))
    };
    let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
    let path = || std::path::absolute(rest).map_err(|_| wrong());
    match kind {
        "unix" => Ok(Place::Unix(path()?)),
        "file" => Ok(Place::File(path()?)),
        // Behind `#` may stand where the memory goes: libvirt:qemu+ssh://hv2/system#tcp://10.0.0.2
        "libvirt" if rest.contains("://") => Ok(Place::Libvirt(rest.to_owned())),
        "tcp" => {
            let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok(Place::Tcp { host, port: port.parse().map_err(|_| wrong())? })
        }
        _ => Err(wrong()),
    }
}

fn state(machine: &Stored) -> Result<String, Error> {
    backends::of(machine)?.look(machine).map(|condition| condition.state.to_string()).map_err(Error::Control)
}

pub(crate) fn told(machine: &Stored, ask: &Ask, answer: Answer) -> Result<Came, Error> {
    Ok(match answer {
        Answer::Done => Came::Done { vm: machine.name.clone(), state: state(machine)? },
        Answer::Executed(done) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Came::Executed {
                status: done.status,
                signal: done.signal,
                output: text(&done.output),
                errors: text(&done.errors),
                cut: done.cut,
            }
        }
        Answer::Copied(bytes) => {
            let to = match ask {
                Ask::CopyOut { to, .. } | Ask::Screenshot { to, .. } => to.display().to_string(),
                Ask::CopyIn { to, .. } => format!("{}:{to}", machine.name),
                _ => String::new(),
            };
            Came::Copied { bytes, to }
        }
        Answer::Attached(device) => Came::Attached { device },
        Answer::Cloned(clone) => {
            let disks =
                clone.spec.disks.iter().filter(|disk| !disk.readonly).filter_map(|disk| disk.host_path());
            Came::Cloned { vm: clone.name.clone(), disks: disks.collect() }
        }
        Answer::Resized(to) => Came::Resized { to },
        Answer::Metadata(data) => Came::Metadata { data },
        Answer::Migrated(how) => Came::Migrated(how),
        Answer::Traced(events) => Came::Traced { events },
        Answer::Statistics(counts) => Came::Statistics(counts),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_nonsense_is_told() {
        assert_eq!(place("unix:/run/m").ok(), Some(Place::Unix("/run/m".into())));
        let tcp = |host: &str, port| Some(Place::Tcp { host: host.to_owned(), port });
        assert_eq!(place("tcp:hv2:49152").ok(), tcp("hv2", 49152));
        assert_eq!(place("tcp:[fe80::1]:1").ok(), tcp("fe80::1", 1));
        let uri = "qemu+ssh://hv2/system";
        assert_eq!(place(&format!("libvirt:{uri}")).ok(), Some(Place::Libvirt(uri.to_owned())));
        for wrong in
            ["", "libvirt:hv2", "hv2", "tcp:hv2", "tcp:hv2:x", "tcp:hv2:70000", "ssh:hv2:1", "exec:reboot"]
        {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn compression_brings_the_connections_that_it_needs() {
        let over = MigrateOver { compress: Some("zstd".to_owned()), ..MigrateOver::default() };
        assert_eq!(channel(&over).connections, 2);
        assert_eq!(channel(&MigrateOver::default()).connections, 0);
    }
}

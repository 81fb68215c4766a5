//! What every backend does around its VMM: the lock, the record, the log, and the end.

use crate::apart::Apart;
use crate::cgroup::{self, Group};
use crate::launch::{Launch, LaunchError, Rights, Streams, launch};
use crate::lock::Lock;
use crate::process::Life;
use crate::record::{Phase, ProcessRecord, Running};
use crate::sockets::{self, SocketDirectory};
use crate::spawn::Child;
use crate::state::{Operation, State, allow};
use crate::store::{ARGV, LOG, PROCESS, Stored, VSOCK, write_for_now};
use crate::{Condition, ControlError, StartError, chain};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vmwright_model::machine::{Accelerator, Endpoint};

/// How much of a VMM's log an error quotes: bytes looked at, and lines.
const SAID_BYTES: u64 = 8 * 1024;
const SAID_LINES: usize = 20;

/// Starts a machine: takes the lock, asks the table, clears what an earlier VMM left, and lets `attempt` do the
/// backend's part, whose launch is told to `launched`. Where that fails its reason is put into the log and the record.
pub(crate) fn start(
    machine: &Stored,
    backend: &'static str,
    launched: &mut dyn FnMut(),
    attempt: impl FnOnce(&mut Attempt<'_>) -> Result<Running, StartError>,
) -> Result<Running, StartError> {
    let directory = machine.directory();
    let lock =
        Lock::take(&directory, &machine.name)?.ok_or_else(|| StartError::Busy(machine.name.clone()))?;
    let earlier = machine.process()?;
    if let Some(record) = &earlier {
        if record.alive(&machine.file(PROCESS))? {
            let condition = Condition::new(State::Running, format!("its process is {}", record.pid()));
            allow(&machine.name, &condition, Operation::Start)?;
        }
        sockets::remove(record.sockets.as_deref());
        cgroup::remove(record.cgroup.as_deref());
    }
    taken(machine, backend)?;
    let log = empty_file(&machine.file(LOG))?;
    let mut attempt_at =
        Attempt { machine, log, record: ProcessRecord::new(backend, Phase::Starting), launched, told: false };
    let result = attempt(&mut attempt_at);
    let Attempt { mut log, mut record, .. } = attempt_at;
    match &result {
        Ok(running) => {
            record.phase = Phase::Running;
            record.running = Some(running.clone());
        }
        Err(error) => {
            record.phase = Phase::Failed;
            record.why = chain(error);
            record.sockets = None;
            cgroup::remove(record.cgroup.take().as_deref());
            // The VMM's own words are in the log already.
            if !matches!(error, StartError::Exited { .. }) {
                // The error itself goes to the caller in any case.
                let _ = writeln!(log, "vmwright: {}", record.why);
            }
        }
    }
    let written = record.write_for_now(&directory);
    drop(lock);
    // The reason of a failed start matters more than that it could not be written down. A running machine
    // whose last record could not be written is still on record as starting, with its process.
    let running = result?;
    written?;
    Ok(running)
}

/// VMMs that lock no image, where all others do: they would write to one that another machine has, and others to theirs.
const LOCKS_NOTHING: &[&str] = &[crate::firecracker::NAME];
/// VMMs whose guests' context ids lead to a socket of their own, and not to the kernel: several may have the same.
const OWN_CIDS: &[&str] = &[crate::firecracker::NAME, crate::cloud_hypervisor::NAME];

/// Refuses a machine that would have what a running one of the same state directory has: a MAC address on the same
/// bridge, a context id, a socket that it listens at, or an image that one of them writes to and one of them does not lock.
/// QEMU does not notice the first, tells the second in words of the kernel's, and takes the third away from the one that has
/// it.
fn taken(machine: &Stored, backend: &str) -> Result<(), StartError> {
    let macs = |machine: &Stored| -> Vec<(String, String)> {
        let networks = machine.spec.networks.iter().enumerate();
        networks
            .filter_map(|(at, network)| {
                let mac = crate::qemu::argv::mac(&machine.name, at, network).to_ascii_lowercase();
                Some((network.bridge.clone()?, mac))
            })
            .collect()
    };
    let cid = |machine: &Stored, backend: &str| {
        let vsock = machine.spec.vsock.as_ref().filter(|_| !OWN_CIDS.contains(&backend));
        vsock.and_then(|vsock| vsock.cid)
    };
    let (own_macs, own_cid, own_sockets) = (macs(machine), cid(machine, backend), sockets(machine));
    let lockless = LOCKS_NOTHING.contains(&backend) || crate::store::any_on(&machine.state, LOCKS_NOTHING);
    let own_images = if lockless { images(machine) } else { Vec::new() };
    if own_macs.is_empty() && own_cid.is_none() && own_sockets.is_empty() && own_images.is_empty() {
        return Ok(());
    }
    let listed = crate::store::list(&machine.state)?;
    // What cannot be read does not keep others from starting.
    for other in listed.into_iter().filter_map(|listed| listed.machine.ok()) {
        let record = other.process().ok().flatten().filter(|_| other.name != machine.name);
        let Some(record) = record.filter(|one| one.alive(&other.file(PROCESS)).unwrap_or(false)) else {
            continue;
        };
        let mac = macs(&other)
            .into_iter()
            .find(|mac| own_macs.contains(mac))
            .map(|(_, mac)| format!("MAC address {mac}"));
        let same_cid = own_cid.filter(|own| cid(&other, &record.backend) == Some(*own));
        let same_cid = same_cid.map(|cid| format!("context id {cid}"));
        let socket = sockets(&other).into_iter().find(|socket| own_sockets.contains(socket));
        let socket = socket.map(|socket| format!("socket `{socket}`"));
        let locked = ![backend, &record.backend].iter().any(|one| LOCKS_NOTHING.contains(one));
        let theirs = if locked { Vec::new() } else { images(&other) };
        let image = own_images.iter().find(|own| {
            theirs.iter().any(|their| their.which == own.which && (their.written || own.written))
        });
        let image = image.map(|image| format!("disk `{}`", image.path));
        if let Some(what) = mac.or(same_cid).or(socket).or(image) {
            return Err(StartError::Taken { what, other: other.name });
        }
    }
    Ok(())
}

/// An image of a machine's, or a device of the host's in its place.
struct Image {
    path: String,
    /// Device and inode, whatever it is called; of a device its number.
    which: (u64, u64),
    written: bool,
}

/// The images of a machine that are there and that its specification does not share with others.
fn images(machine: &Stored) -> Vec<Image> {
    let own = machine.spec.disks.iter().filter(|disk| !disk.shareable);
    own.filter_map(|disk| {
        let path = disk.host_path()?;
        let file = std::fs::metadata(&path).ok()?;
        let which = if file.file_type().is_block_device() {
            (u64::MAX, file.rdev())
        } else {
            (file.dev(), file.ino())
        };
        Some(Image { path, which, written: !disk.readonly })
    })
    .collect()
}

/// The sockets that a machine's VMM listens at by its specification.
fn sockets(machine: &Stored) -> Vec<String> {
    let spec = &machine.spec;
    let characters = spec.serials.iter().chain(&spec.parallels).chain(&spec.consoles);
    let characters =
        characters.filter(|one| one.server && one.to == Endpoint::Unix).filter_map(|one| one.path.clone());
    let channels = spec.channels.iter().filter(|one| one.server && one.to == Endpoint::Unix);
    let displays = spec.displays.iter().filter_map(|display| display.socket.clone());
    characters.chain(channels.filter_map(|one| one.path.clone())).chain(displays).collect()
}

/// A start in progress.
pub(crate) struct Attempt<'a> {
    /// The machine.
    pub(crate) machine: &'a Stored,
    log: File,
    record: ProcessRecord,
    launched: &'a mut dyn FnMut(),
    /// Whether that was told.
    told: bool,
}

/// What a backend's VMM is started with.
pub(crate) struct Vmm<'a> {
    /// What is run.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) arguments: &'a [std::ffi::OsString],
    /// Where it runs.
    pub(crate) within: &'a Path,
    /// Open files that it inherits.
    pub(crate) inherits: &'a [RawFd],
    /// The user to become.
    pub(crate) account: Option<crate::account::Account>,
    /// Why it stays root, where that is not asked for.
    pub(crate) stays_root: Option<String>,
    /// Its sockets; theirs is the directory from now on.
    pub(crate) sockets: Option<&'a SocketDirectory>,
    /// Its control group, and the directory by which it is made in it.
    pub(crate) cgroup: Option<(&'a Group, &'a File)>,
    /// Its monitor's socket.
    pub(crate) qmp: Option<std::path::PathBuf>,
    /// Its agent's socket.
    pub(crate) agent: Option<std::path::PathBuf>,
    /// Its agent's port, where that socket leads to all ports of its guest's vsock.
    pub(crate) agent_port: Option<u32>,
    /// Its taps.
    pub(crate) taps: Vec<String>,
    /// What is to execute guest code.
    pub(crate) accelerator: Accelerator,
    /// Its standard streams.
    pub(crate) streams: Streams<'a>,
    /// Its namespaces, where it has some of its own.
    pub(crate) apart: Option<&'a Apart>,
    /// What is special about its rights.
    pub(crate) rights: Rights,
}

impl Attempt<'_> {
    /// Writes the command line down and runs the VMM; its process is on record before it executes anything.
    pub(crate) fn launch(&mut self, vmm: Vmm<'_>) -> Result<(Child, Running), StartError> {
        let directory = self.machine.directory();
        let mut lines = vmm.program.as_os_str().as_bytes().to_vec();
        for argument in vmm.arguments {
            lines.push(b'\n');
            lines.extend_from_slice(argument.as_bytes());
        }
        lines.push(b'\n');
        write_for_now(&directory, ARGV, &lines)
            .map_err(|source| StartError::Write { path: directory.join(ARGV), source })?;
        self.record.sockets = vmm.sockets.map(|sockets| sockets.path().to_owned());
        self.record.cgroup = vmm.cgroup.map(|(group, _)| group.path().to_owned());
        let it = Launch {
            program: vmm.program,
            arguments: vmm.arguments,
            log: &self.log,
            within: vmm.within,
            inherits: vmm.inherits,
            streams: vmm.streams,
            account: vmm.account.clone(),
            cgroup: vmm.cgroup.map(|(_, door)| door),
            apart: vmm.apart,
            rights: vmm.rights,
        };
        let record = &mut self.record;
        let child = launch(&it, |process| {
            record.running = Some(Running {
                process: process.clone(),
                accelerator: vmm.accelerator,
                user: vmm.account.map(|account| account.name),
                stays_root: vmm.stays_root,
                qmp: vmm.qmp,
                agent: vmm.agent,
                agent_port: vmm.agent_port,
                taps: vmm.taps,
                started_ms: now_ms(),
            });
            record.write_for_now(&directory)
        });
        let child = child.map_err(|error| match error {
            LaunchError::Run(source) => StartError::Launch { program: vmm.program.to_owned(), source },
            LaunchError::Record(error) => error.into(),
        })?;
        self.launched();
        let running = self.record.running.clone().expect("the launch has put it there");
        Ok((child, running))
    }

    /// Tells whoever waits for it that there is nothing to do but to wait; once, though it may be launched in other
    /// words again.
    pub(crate) fn launched(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            (self.launched)();
        }
    }

    /// The VMM has ended, or its monitor is closed, which it does when it ends: says how. It is killed where it
    /// does not end soon.
    pub(crate) fn ended(&self, child: &mut Child) -> StartError {
        let patience = Duration::from_secs(5);
        match child_ended(child, patience) {
            Ok(Some(status)) => StartError::Exited { status, said: self.said() },
            Ok(None) => {
                let not_ready = StartError::NotReady { after: patience, said: self.said() };
                self.abandon(child).map_or_else(StartError::Process, |()| not_ready)
            }
            Err(error) => StartError::Process(error),
        }
    }

    /// Kills a VMM that did not get ready, and waits for its end.
    pub(crate) fn abandon(&self, child: &mut Child) -> io::Result<()> {
        child.kill()?;
        child.wait().map(drop)
    }

    /// Forgets what the VMM said: it is started once more, in other words.
    pub(crate) fn unsaid(&mut self) -> io::Result<()> {
        self.log.set_len(0)
    }

    /// The last lines that the VMM said.
    pub(crate) fn said(&self) -> String {
        said(self.machine)
    }
}

/// The last lines that a machine's VMM said.
pub(crate) fn said(machine: &Stored) -> String {
    // What cannot be read was not said, for this purpose: the file itself has the whole.
    tail(&machine.file(LOG)).unwrap_or_default()
}

/// Waits for our own child. Not `Identity::wait_gone`: that would reap it, and its exit status with it.
fn child_ended(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + patience;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() >= deadline {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Where a machine stands; `ask` asks a VMM that is there. Changes nothing.
pub(crate) fn look(
    machine: &Stored,
    backend: &'static str,
    ask: impl FnOnce(&Running, Life) -> Result<Condition, ControlError>,
) -> Result<Condition, ControlError> {
    let Some(record) = machine.process()? else {
        let state = if Lock::is_taken(&machine.directory())? { State::Starting } else { State::Defined };
        return Ok(Condition::new(state, ""));
    };
    if record.phase == Phase::Starting && Lock::is_taken(&machine.directory())? {
        return Ok(Condition::new(State::Starting, ""));
    }
    match record.phase {
        Phase::Stopped => {
            let moved = record.moved.map(|to| format!("its guest went to {to}"));
            return Ok(Condition::new(State::Defined, moved.unwrap_or_default()));
        }
        Phase::Failed => return Ok(Condition::new(State::Failed, record.why)),
        Phase::Starting | Phase::Running => {}
    }
    let Some(running) = record.expected() else { return Ok(Condition::new(State::Defined, "")) };
    let life = running.process.life().map_err(|source| unreachable_process(machine, running, source))?;
    if life == Life::Dead {
        return Ok(Condition::new(State::Gone, gone_because(machine, &record, running)));
    }
    if record.backend != backend {
        return Err(ControlError::OtherBackend { machine: machine.name.clone(), backend: record.backend });
    }
    ask(running, life)
}

/// The process that a machine's record shows; the caller has looked and knows that there is one.
pub(crate) fn running(machine: &Stored) -> Result<Running, ControlError> {
    let record = machine.process()?.filter(|record| record.expected().is_some());
    record.and_then(|record| record.running).ok_or_else(|| ControlError::LeftBehind {
        machine: machine.name.clone(),
        what: "no process".to_owned(),
    })
}

/// Writes down where a machine's guest went, before its VMM here ends: who finds that gone knows why.
pub(crate) fn note_moved(machine: &Stored, to: &str) -> Result<(), ControlError> {
    let directory = machine.directory();
    let moved = running(machine)?;
    let Some(_lock) = Lock::wait(&directory, &machine.name, Duration::from_secs(10))? else {
        return Err(ControlError::Busy(machine.name.clone()));
    };
    let Some(mut record) = machine.process()? else { return Ok(()) };
    if record.expected().is_some_and(|running| running.process == moved.process) {
        record.moved = Some(to.to_owned());
        record.write_for_now(&directory)?;
    }
    Ok(())
}

/// Kills a machine's VMM and clears up.
pub(crate) fn kill(machine: &Stored, patience: Duration) -> Result<(), ControlError> {
    let running = running(machine)?;
    let fail = |source| unreachable_process(machine, &running, source);
    running.process.signal(Signal::KILL).map_err(fail)?;
    if !running.process.wait_gone(patience).map_err(fail)? {
        return Err(ControlError::StillThere {
            machine: machine.name.clone(),
            pid: running.process.pid,
            after: patience,
        });
    }
    finish(machine, &running).map(drop)
}

/// What a VMM that is gone shows of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// It ended in order, or that cannot be told.
    Orderly,
    /// It did not clear up after itself: it was killed, or crashed.
    Abrupt,
    /// Another vmwright has cleared up after it.
    Cleared,
}

/// The VMM of `ended` is gone: writes that down and removes what it left, unless the machine has been started
/// again meanwhile.
pub(crate) fn finish(machine: &Stored, ended: &Running) -> Result<Trace, ControlError> {
    let directory = machine.directory();
    let Some(_lock) = Lock::wait(&directory, &machine.name, Duration::from_secs(10))? else {
        return Err(ControlError::Busy(machine.name.clone()));
    };
    let Some(mut record) = machine.process()? else { return Ok(Trace::Cleared) };
    if record.expected().is_none_or(|running| running.process != ended.process) {
        return Ok(Trace::Cleared);
    }
    let trace = match ended_in_order(&record, ended) {
        Some(false) => Trace::Abrupt,
        Some(true) | None => Trace::Orderly,
    };
    let sockets = record.sockets.take();
    sockets::remove(sockets.as_deref());
    cgroup::remove(record.cgroup.take().as_deref());
    // Firecracker leaves it. What another one has left is taken away by the next start.
    let _ = std::fs::remove_file(machine.file(VSOCK));
    record.phase = Phase::Stopped;
    record.write(&directory)?;
    let left = ended.taps.iter().find(|tap| interface_exists(tap));
    let left = left.map(|tap| format!("tap `{tap}`"));
    let left = left.or_else(|| {
        let path = sockets.filter(|path| path.symlink_metadata().is_ok())?;
        Some(format!("the socket directory `{}`", path.display()))
    });
    match left {
        Some(what) => Err(ControlError::LeftBehind { machine: machine.name.clone(), what }),
        None => Ok(trace),
    }
}

/// Sends a signal to a VMM that was just seen alive.
pub(crate) fn signal(machine: &Stored, signal: Signal) -> Result<bool, ControlError> {
    let running = running(machine)?;
    running.process.signal(signal).map_err(|source| unreachable_process(machine, &running, source))
}

/// Waits until a VMM is gone.
pub(crate) fn wait_gone(
    machine: &Stored,
    running: &Running,
    patience: Duration,
) -> Result<bool, ControlError> {
    running.process.wait_gone(patience).map_err(|source| unreachable_process(machine, running, source))
}

fn unreachable_process(machine: &Stored, running: &Running, source: io::Error) -> ControlError {
    ControlError::Process { machine: machine.name.clone(), pid: running.process.pid, source }
}

/// Whether a VMM that is gone ended in order: it removes its sockets then. None where it cannot be told: Firecracker
/// never does.
fn ended_in_order(record: &ProcessRecord, running: &Running) -> Option<bool> {
    if record.backend == crate::firecracker::NAME {
        return None;
    }
    let qmp = running.qmp.as_deref().filter(|_| record.sockets.is_some())?;
    Some(qmp.symlink_metadata().is_err())
}

fn gone_because(machine: &Stored, record: &ProcessRecord, running: &Running) -> String {
    let pid = running.process.pid;
    let why = match ended_in_order(record, running) {
        Some(true) => {
            return format!(
                "process {pid} has ended in order: the guest powered off, or it was told to quit"
            );
        }
        Some(false) => format!("process {pid} was killed, has crashed, or the host was restarted"),
        None => format!("process {pid} is no longer there"),
    };
    // A VMM that fails an assertion of its own says so last.
    match said(machine).lines().last() {
        Some(last) => format!("{why}; the last that it said: {last}"),
        None => why,
    }
}

/// Whether the host has a network interface of this name.
pub(crate) fn interface_exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).symlink_metadata().is_ok()
}

/// An empty file of a machine's directory, open for appending. Never through a symbolic link.
pub(crate) fn empty_file(path: &Path) -> Result<File, StartError> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600));
    file.map(File::from).map_err(|errno| StartError::Write { path: path.to_owned(), source: errno.into() })
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(SAID_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(SAID_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(SAID_LINES)..].join("\n"))
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_log_is_quoted() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("log");
        let text: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        std::fs::write(&path, text).expect("written");
        let said = tail(&path).expect("readable");
        assert_eq!(said.lines().count(), SAID_LINES);
        assert!(said.ends_with("line 9999"), "{said}");
    }
}

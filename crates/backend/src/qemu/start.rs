//! Starting: files, sockets and taps first, then the process, then its monitor until the guest runs.

use super::argv::{Becomes, Handles, argv, words};
use super::channel::Unset;
use super::qmp::{Qmp, QmpError};
use super::{Qemu, placement, reach, receive, tap};
use crate::account::account;
use crate::cgroup::Group;
use crate::launch::{Rights, Streams};
use crate::program::find;
use crate::request::{Receive, Told, Watch};
use crate::seed;
use crate::sockets::SocketDirectory;
use crate::store::{SEED, SERIAL};
use crate::supervise::{self, Attempt, Vmm, empty_file};
use crate::{Backend, Running, StartError, Stored};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, HostDeviceKind, NetworkKind};

/// Where QEMU lies on hosts that do not have it in PATH: a short PATH of a service, and RHEL's own place.
const OWN_PLACE: &str = "/usr/libexec/qemu-kvm";
const INSTALL: &str = "install QEMU: `apt install qemu-system-x86`, or `dnf install qemu-kvm`";

pub(super) fn start(
    qemu: &Qemu,
    machine: &Stored,
    launched: &mut dyn FnMut(),
) -> Result<Running, StartError> {
    supervise::start(machine, qemu.name(), launched, |attempt| run(qemu, attempt, None))
}

/// What a QEMU says that does not know `-run-with` yet, before 9.1, or not with a user.
const NO_RUN_WITH: [&str; 2] = ["-run-with: invalid option", "-run-with user="];

/// Runs it in the words of today's QEMU, and where it does not know them in those that it had until 10.0.
fn run(qemu: &Qemu, attempt: &mut Attempt<'_>, from: Option<&Receive>) -> Result<Running, StartError> {
    match run_by(qemu, attempt, from, false) {
        Err(StartError::Exited { said, .. }) if NO_RUN_WITH.iter().any(|words| said.contains(words)) => {
            attempt.unsaid().map_err(StartError::Process)?;
            run_by(qemu, attempt, from, true)
        }
        ran => ran,
    }
}

/// Starts a VMM that waits for its guest, and waits with it.
pub(super) fn receive(
    qemu: &Qemu,
    machine: &Stored,
    from: &Receive,
    watch: &mut dyn Watch,
) -> Result<Running, StartError> {
    if let Err(why) = becomes(machine, Some(from)) {
        watch.tell(Told::Note(why));
    }
    let running =
        supervise::start(machine, qemu.name(), &mut || {}, |attempt| run(qemu, attempt, Some(from)))?;
    receive::arrival(qemu, machine, &running, from, watch)?;
    Ok(running)
}

/// The installed QEMU for an architecture.
pub(super) fn find_program(arch: &str) -> Result<PathBuf, StartError> {
    let name = format!("qemu-system-{arch}");
    let mut places = vec![Path::new("/usr/bin").join(&name)];
    // It is of the host's own architecture.
    places.extend((arch == std::env::consts::ARCH).then(|| PathBuf::from(OWN_PLACE)));
    find(&name, &places, INSTALL)
}

/// The program that runs a machine: the specification's own, or the installed one for the guest's architecture.
pub(crate) fn program(qemu: &Qemu, spec: &MachineSpec) -> Result<PathBuf, StartError> {
    match (&qemu.program, &spec.emulator) {
        (Some(_), _) => qemu.program(),
        (None, Some(own)) => Ok(PathBuf::from(own)),
        (None, None) => find_program(&spec.arch),
    }
}

/// The taps that are made for a machine, with the places of their networks.
pub(crate) fn taps_of(spec: &MachineSpec) -> impl Iterator<Item = (usize, tap::Wanted<'_>)> {
    let on_bridges = spec.networks.iter().enumerate().filter(|(_, one)| one.kind == NetworkKind::Bridge);
    on_bridges.map(|(at, network)| {
        // The specification has a bridge for each network of this kind.
        let bridge = network.bridge.as_deref().unwrap_or_default();
        let (name, queues) = (network.tap.as_deref(), network.queues.unwrap_or(1));
        (at, tap::Wanted { bridge, name, queues, isolated: network.isolated == Some(true) })
    })
}

/// Whether memory of the host is held for the guest: all of it, or what its devices write to.
fn locks(spec: &MachineSpec) -> bool {
    let writes = |kind: HostDeviceKind| matches!(kind, HostDeviceKind::Pci | HostDeviceKind::Mdev);
    spec.memory.locked
        || spec.host_devices.iter().any(|device| writes(device.kind))
        || spec.networks.iter().any(|network| network.kind == NetworkKind::Vdpa)
}

fn run_by(
    qemu: &Qemu,
    attempt: &mut Attempt<'_>,
    from: Option<&Receive>,
    by_runas: bool,
) -> Result<Running, StartError> {
    let deadline = Instant::now() + qemu.patience;
    let machine = attempt.machine;
    let mut spec = seed::with_disk(machine);
    let program = program(qemu, &spec)?;
    let account = account(&spec.process)?;
    let (becomes, stays_root) = match becomes(machine, from) {
        Ok(becomes) => (becomes, None),
        Err(why) => (None, Some(why)),
    };
    seed::make(machine)?;
    // The machine's directory is closed to another user: QEMU gets the file itself.
    let seed = account.as_ref().and(machine.spec.seed.as_ref()).map(|_| File::open(machine.file(SEED)));
    let seed = seed.transpose().map_err(|source| StartError::Seed { path: machine.file(SEED), source })?;
    if let (Some(seed), Some(disk)) = (&seed, spec.disks.last_mut()) {
        disk.path = Some(format!("/proc/self/fd/{}", seed.as_raw_fd()));
    }
    let spec = &spec;
    let serial = empty_file(&machine.file(SERIAL))?;
    let owner = account.as_ref().map(|account| (account.uid, account.gid)).or(becomes.map(|id| (id, id)));
    let sockets = SocketDirectory::make(&machine.state, &machine.name, owner)?;
    let (qmp_path, qmp) = sockets.listen("qmp")?;
    let queries = sockets.listen_openly("query")?;
    let (agent_path, agent) = sockets.listen("agent")?;
    let mut taps = Vec::new();
    for (at, wanted) in taps_of(spec) {
        taps.push((at, tap::open(wanted)?));
    }
    let handles = Handles {
        serial: Some(serial.as_raw_fd()),
        qmp: Some(qmp.as_raw_fd()),
        queries: Some((queries.as_raw_fd(), sockets.name())),
        agent: Some(agent.as_raw_fd()),
        taps: taps.iter().map(|(at, tap)| (*at, tap.descriptors())).collect(),
        becomes: becomes.map(|id| Becomes { id, by_runas }),
        ..Handles::by_name()
    };
    let mut arguments = words(&argv(spec, &handles)?);
    arguments.extend_from_slice(&qemu.more);
    if from.is_some() {
        // It is told over the monitor what to listen at, and how.
        arguments.extend(["-incoming".into(), "defer".into()]);
    }
    let mut inherits = vec![serial.as_raw_fd(), qmp.as_raw_fd(), queries.as_raw_fd()];
    inherits.extend(sockets.way());
    inherits.extend(seed.as_ref().map(AsRawFd::as_raw_fd));
    inherits.extend(spec.agent.then_some(agent.as_raw_fd()));
    inherits.extend(taps.iter().flat_map(|(_, tap)| tap.descriptors()));
    let group = Group::make(machine)?;
    let door = group.as_ref().map(Group::door).transpose()?;
    let (mut child, mut running) = attempt.launch(Vmm {
        program: &program,
        arguments: &arguments,
        within: &qemu.within,
        inherits: &inherits,
        account,
        stays_root,
        sockets: Some(&sockets),
        cgroup: group.as_ref().zip(door.as_ref()),
        qmp: Some(qmp_path),
        agent: spec.agent.then_some(agent_path),
        agent_port: None,
        taps: taps.iter().map(|(_, tap)| tap.name.clone()).collect(),
        accelerator: spec.accelerator,
        streams: Streams::default(),
        apart: None,
        // Its own filter cannot forbid it what it needs to become another user.
        rights: Rights { locks: locks(spec), no_new: becomes.is_some() },
    })?;
    running.user = running.user.or_else(|| becomes.map(|id| id.to_string()));
    // QEMU alone has them from here on: what it closes by ending is closed.
    drop((qmp, queries, agent, taps, serial, seed, door));

    let placed = |qmp: &mut Qmp| placement::place(qmp, spec, &running, group.as_ref());
    match greet(&running, deadline, from, placed) {
        Err(Unready::Start(error)) => {
            attempt.abandon(&mut child).map_err(StartError::Process)?;
            Err(error)
        }
        Err(Unready::Unset(Unset::Words(why))) => {
            attempt.abandon(&mut child).map_err(StartError::Process)?;
            Err(StartError::NotArrived { why, said: attempt.said() })
        }
        Ok(accelerator) => {
            running.accelerator = accelerator;
            sockets.keep();
            Ok(running)
        }
        Err(Unready::Unset(Unset::Monitor(QmpError::Closed(_)))) => Err(attempt.ended(&mut child)),
        Err(Unready::Unset(Unset::Monitor(error))) => {
            // A VMM that has ended tells more than its monitor's silence.
            if let Ok(Some(status)) = child.try_wait() {
                return Err(StartError::Exited { status, said: attempt.said() });
            }
            attempt.abandon(&mut child).map_err(StartError::Process)?;
            Err(match error {
                QmpError::Silent { .. } => {
                    StartError::NotReady { after: qemu.patience, said: attempt.said() }
                }
                source => StartError::Monitor { machine: machine.name.clone(), source },
            })
        }
    }
}

/// As [`reach::becomes`], of a QEMU that may wait for its guest.
fn becomes(machine: &Stored, from: Option<&Receive>) -> Result<Option<u32>, String> {
    match reach::becomes(machine)? {
        Some(_) if fetches(from) => Err(reach::stays_root(
            "of pages that post-copy has not brought yet the kernel tells nobody else (vm.unprivileged_userfaultfd)",
        )),
        becomes => Ok(becomes),
    }
}

/// Whether a guest's memory may have to be fetched page by page while it runs, where the kernel tells root alone which
/// pages are missing (userfaultfd(2), `/proc/sys/vm/unprivileged_userfaultfd`).
fn fetches(from: Option<&Receive>) -> bool {
    let for_all = || {
        let switch = std::fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd");
        switch.is_ok_and(|switch| switch.trim() == "1")
    };
    from.is_some_and(|from| from.channel.post_copy) && !for_all()
}

/// Why a VMM does not run its guest.
enum Unready {
    /// Its monitor, or what is received.
    Unset(Unset),
    /// What is done once it runs.
    Start(StartError),
}

impl From<QmpError> for Unready {
    fn from(error: QmpError) -> Self {
        Self::Unset(error.into())
    }
}

impl From<Unset> for Unready {
    fn from(error: Unset) -> Self {
        Self::Unset(error)
    }
}

/// Waits until the monitor answers commands, which it does once all devices are made and the guest was let go:
/// the greeting alone comes before that. Gives what executes guest code.
fn greet(
    running: &Running,
    deadline: Instant,
    from: Option<&Receive>,
    placed: impl FnOnce(&mut Qmp) -> Result<(), placement::Unplaced>,
) -> Result<Accelerator, Unready> {
    let path = running.qmp.as_deref().unwrap_or_else(|| Path::new(""));
    let mut qmp = Qmp::connect(path, deadline.saturating_duration_since(Instant::now()))?;
    let answer = qmp.execute("query-kvm", None)?;
    placed(&mut qmp).map_err(|unplaced| match unplaced {
        placement::Unplaced::Monitor(error) => Unready::Unset(error.into()),
        placement::Unplaced::Start(error) => Unready::Start(error),
    })?;
    if let Some(from) = from {
        receive::listen(&mut qmp, running, from)?;
    }
    match answer["enabled"].as_bool() {
        Some(true) => Ok(Accelerator::Kvm),
        Some(false) => Ok(Accelerator::Tcg),
        None => Err(QmpError::NotQmp(answer.to_string().chars().take(80).collect()).into()),
    }
}

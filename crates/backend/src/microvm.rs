//! What Firecracker and Cloud Hypervisor have in common: a VMM without a daemon, whose whole machine is in its command
//! line or configuration file, with a terminal as the guest's serial port, and an API over HTTP for all that follows.

use crate::account::{Account, account, own};
use crate::apart::Apart;
use crate::cgroup::Group;
use crate::console::{INPUT, Input, Reads};
use crate::guest::{self, AGENT};
use crate::http::{Api, ApiError};
use crate::launch::{Rights, Streams};
use crate::process::Life;
use crate::qemu::agent::Agent;
use crate::request::{Answer, Request, Statistics, Watch};
use crate::sockets::{self, SocketDirectory};
use crate::spawn::Child;
use crate::state::{Operation, State, allow};
use crate::store::VSOCK;
use crate::supervise::{self, Attempt, Vmm, interface_exists, now_ms, running};
use crate::view::{Use, View};
use crate::vmm_process::{cpus, networks, resident, threads};
use crate::{Condition, ControlError, Running, StartError, Stored, chain};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, Limits, NetworkKind, Process, Requirements, Vsock};

/// How long a VMM may take to be gone once it is told to end.
pub(crate) const END: Duration = Duration::from_secs(10);
/// How long until the guest is asked once more to end: one that is still booting misses it.
pub(crate) const AGAIN: Duration = Duration::from_secs(2);
/// How long an agent may take to hear that its guest is to end.
const HEARS: Duration = Duration::from_secs(2);
/// Between two looks at a VMM that is starting.
const LOOK: Duration = Duration::from_millis(2);

/// The installed program and the patience that both have by default: 30 s for a start and for each request, since to
/// write memory to a slow disk takes its time.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    /// The program; looked for at each start where absent.
    pub(crate) program: Option<PathBuf>,
    /// How long a VMM may take until it runs the guest, and to answer a request.
    pub(crate) patience: Duration,
}

impl Default for Common {
    fn default() -> Self {
        Self { program: None, patience: Duration::from_secs(30) }
    }
}

/// A VMM of this kind.
pub(crate) trait MicroVm {
    /// Its name as a backend.
    const NAME: &'static str;
    /// Its name for people.
    const CALLED: &'static str;
    /// Where its API tells how the guest stands, as `state`.
    const STATE: &'static str;
    /// What it says there of a guest that stands still and can go on.
    const PAUSED: &'static [&'static str];
    /// What the threads of its virtual CPUs are called, before the number.
    const CPU_THREAD: &'static str;
    /// From what it reads what is typed for its guest.
    const READS: Reads;

    /// What is said to who wants it to run as another user.
    const JAIL: &'static str = "";

    fn common(&self) -> &Common;

    /// Whether a machine's VMM is put into a jail, as a user of its own.
    fn jails(_: &MachineSpec) -> bool {
        false
    }
}

/// The API of a VMM that is on record.
pub(crate) fn api<M: MicroVm>(vmm: &M, running: &Running) -> Api {
    let socket = running.qmp.as_deref().unwrap_or_else(|| Path::new(""));
    Api::at(socket, vmm.common().patience)
}

/// The API of a machine that runs.
pub(crate) fn api_of<M: MicroVm>(vmm: &M, machine: &Stored) -> Result<Api, ControlError> {
    Ok(api(vmm, &running(machine)?))
}

/// The line to the agent in a machine's guest: the socket by which its VMM leads to the guest's vsock, and the agent's
/// port there. None where the specification has no agent, or no vsock.
pub(crate) fn agent_line(spec: &MachineSpec) -> Option<(PathBuf, u32)> {
    let vsock = spec.vsock.as_ref().filter(|_| spec.agent)?;
    Some((PathBuf::from(vsock.socket.as_ref()?), vsock.agent_port.unwrap_or(Vsock::AGENT_PORT)))
}

/// The agent of a machine that runs, which must answer within `patience`.
pub(crate) fn agent<M: MicroVm>(
    vmm: &M,
    machine: &Stored,
    patience: Duration,
) -> Result<Agent, ControlError> {
    allow(&machine.name, &look(vmm, machine)?, Operation::Query)?;
    let running = running(machine)?;
    let (Some(socket), Some(port)) = (running.agent, running.agent_port) else {
        return Err(ControlError::NoVsock { machine: machine.name.clone(), vmm: M::CALLED });
    };
    Agent::by_vsock(&socket, port, patience)
        .map_err(|source| ControlError::Agent { machine: machine.name.clone(), source })
}

/// Asks a guest's agent to end its guest, by a mode of `guest-shutdown`; false where none answers soon.
pub(crate) fn ask_to_end(running: &Running, mode: &str, patience: Duration) -> bool {
    let (Some(socket), Some(port)) = (&running.agent, running.agent_port) else { return false };
    // Most of the time is for the guest's end, and for its button where nobody hears this.
    let patience = HEARS.min(patience / 4);
    Agent::by_vsock(socket, port, patience)
        .and_then(|mut agent| agent.tell("guest-shutdown", Some(json!({ "mode": mode }))))
        .is_ok()
}

/// Carries out a request to the guest's agent.
pub(crate) fn ask_guest<M: MicroVm>(
    vmm: &M,
    machine: &Stored,
    request: Request,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    guest::carry_out(&mut agent(vmm, machine, AGENT)?, (M::NAME, machine), request, watch)
}

pub(crate) fn unusable(machine: &Stored, source: ApiError) -> ControlError {
    ControlError::Api { machine: machine.name.clone(), source }
}

/// A word of an answer, as far as one is long; empty where it is none.
pub(crate) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(40).collect()
}

/// How the guest stands, in the VMM's word.
fn state<M: MicroVm>(api: &Api) -> Result<String, ApiError> {
    let answer = api.get(M::STATE)?;
    let state = answer["state"].as_str().map(|state| state.chars().take(40).collect());
    state.ok_or_else(|| ApiError::NotHttp(answer.to_string().chars().take(80).collect()))
}

pub(crate) fn look<M: MicroVm>(vmm: &M, machine: &Stored) -> Result<Condition, ControlError> {
    supervise::look(machine, M::NAME, |running, life| {
        if life == Life::Stopped {
            let why = format!("process {} is stopped by a signal", running.process.pid);
            return Ok(Condition::new(State::Stuck, why));
        }
        match state::<M>(&api(vmm, running)) {
            Ok(state) => Ok(condition::<M>(&state)),
            // It may have ended between the two looks.
            Err(_) if running.process.life().is_ok_and(|life| life == Life::Dead) => {
                Ok(Condition::new(State::Gone, format!("process {} has just ended", running.process.pid)))
            }
            Err(ApiError::Connect { path, source }) if source.kind() == io::ErrorKind::PermissionDenied => {
                Err(unusable(machine, ApiError::Connect { path, source }))
            }
            Err(error) => Ok(Condition::new(State::Stuck, chain(&error))),
        }
    })
}

fn condition<M: MicroVm>(state: &str) -> Condition {
    let known = match state {
        "Running" => return Condition::new(State::Running, ""),
        paused if M::PAUSED.contains(&paused) => State::Paused,
        _ => State::Stuck,
    };
    Condition::new(known, format!("{} says `{}`", M::CALLED, state.escape_debug()))
}

/// What of the host or the specification is missing, in the words of every backend. `boots` says which file is started,
/// and what is to be told where none is named.
pub(crate) fn check<M: MicroVm>(spec: &MachineSpec, boots: Result<(), &str>) -> Result<(), StartError> {
    let unsayable = |item: &str, why: String| {
        Err(StartError::Unsayable { backend: M::NAME, items: vec![format!("{item}: {why}")] })
    };
    if account(&spec.process)?.is_some() && !M::jails(spec) {
        let why = "makes its own socket, in a directory that is closed to other users";
        return unsayable("process.user", format!("{} {why}{}", M::CALLED, M::JAIL));
    }
    let bridges = spec.networks.iter().filter(|network| network.kind == NetworkKind::Bridge);
    for name in bridges.filter_map(|network| network.bridge.as_deref()) {
        if !interface_exists(name) {
            return Err(StartError::NoBridge(name.to_owned()));
        }
    }
    boots.or_else(|why| unsayable("boot.kernel", why.to_owned()))
}

/// What a VMM is shown that root starts as a user of its own: these files of its machine, its program and its devices. None
/// where it runs as its caller, or as the specification says.
///
/// # Errors
/// Why it stays root.
pub(crate) fn view(
    machine: &Stored,
    program: &Path,
    files: impl IntoIterator<Item = (PathBuf, Use)>,
) -> Result<Option<View>, String> {
    let spec = &machine.spec;
    let Some(user) = own(machine)? else { return Ok(None) };
    let refused = [
        (!spec.process.arguments.is_empty(), "`process.arguments` may name what another user cannot open"),
        (!spec.host_devices.is_empty(), "devices of the host are opened by it"),
        (
            // Others may make it anew while the VMM runs.
            spec.disks.iter().any(|disk| disk.host_path().is_none()),
            "a disk is reached by another one's socket",
        ),
        (
            spec.vsock.as_ref().is_some_and(|vsock| vsock.socket.is_some()),
            "`vsock.socket` lies where another user may make none",
        ),
        (
            spec.vsock.is_some() && sockets::check(&machine.file(VSOCK)).is_err(),
            "the path of its vsock is too long",
        ),
    ];
    if let Some((_, why)) = refused.into_iter().find(|(refused, _)| *refused) {
        return Err(why.to_owned());
    }
    let taps: Vec<&str> = spec.networks.iter().filter_map(|network| network.tap.as_deref()).collect();
    if let Some(tap) = taps.iter().find(|tap| !is_for(tap, user)) {
        return Err(format!("the tap `{tap}` is not there yet, or belongs to somebody else"));
    }
    let mut view = View::of(user)?;
    view.file(program, Use::Execute)?;
    view.file(Path::new("/dev/kvm"), Use::Write)?;
    if !taps.is_empty() {
        view.file(Path::new("/dev/net/tun"), Use::Write)?;
    }
    files.into_iter().try_for_each(|(path, to)| view.file(&path, to))?;
    Ok(Some(view))
}

/// What the VMM sees of its host, with these files of vmwright's own, which are given to its user: who looks at the host
/// reads what a process names where it is that process's own.
pub(crate) fn shown(
    machine: &Stored,
    mut view: View,
    files: &[(&Path, Use)],
    sockets: &SocketDirectory,
) -> Result<Apart, StartError> {
    for (path, to) in files.iter().copied() {
        let fail = |why| StartError::Write { path: path.to_owned(), source: io::Error::other(why) };
        let user = Some(view.account().uid);
        std::os::unix::fs::lchown(path, user, user)
            .map_err(|source| StartError::Write { path: path.to_owned(), source })?;
        view.file(path, to).map_err(fail)?;
    }
    let fail = |source| StartError::Write { path: sockets.path().to_owned(), source };
    view.apart(machine, sockets).map_err(fail)
}

/// Lets the vsock's path on the host lead to the socket that a VMM of a user of its own makes among its others. Gives that.
pub(crate) fn link_vsock(on_host: &Path, sockets: &SocketDirectory) -> Result<PathBuf, StartError> {
    let made = sockets.path().join(VSOCK);
    let linked = std::os::unix::fs::symlink(&made, on_host);
    linked.map(|()| made).map_err(|source| StartError::Write { path: on_host.to_owned(), source })
}

/// Whether a user without rights over the network may open a tap that is there: it is nobody's, or that user's own
/// (`tun_not_capable` of Linux's `drivers/net/tun.c`).
fn is_for(tap: &str, user: u32) -> bool {
    ["owner", "group"].iter().all(|whose| {
        let id = std::fs::read_to_string(Path::new("/sys/class/net").join(tap).join(whose));
        id.is_ok_and(|id| ["-1", &user.to_string()].contains(&id.trim()))
    })
}

/// A machine without what is said of its VMM's process, and without the limits that the control group of that process
/// keeps: neither is a part of a configuration.
pub(crate) fn alone<M: MicroVm>(spec: &MachineSpec) -> MachineSpec {
    let mut spec = spec.clone();
    let Limits { vcpu_percent, emulator_percent, .. } = spec.limits;
    spec.limits = Limits { vcpu_percent, emulator_percent, ..Limits::default() };
    spec.process.sandbox = None;
    spec.process.arguments.clear();
    if M::jails(&spec) {
        (spec.process.jailer, spec.process.user, spec.process.group) = (None, None, None);
    }
    // It is as if it were not said.
    spec.process.jailer = spec.process.jailer.filter(|jailer| *jailer);
    // What is demanded of a VM makes none.
    spec.review = Requirements::default();
    spec
}

/// A machine type of QEMU's is no word of a VMM that has one kind of machine: another than the one that stands where none is
/// named is refused, and not passed over.
pub(crate) fn one_kind<M: MicroVm>(spec: &MachineSpec) -> Result<(), StartError> {
    if spec.machine == MachineSpec::named("").machine {
        return Ok(());
    }
    let why = format!(
        "`{}` is a machine type of QEMU's, and {} has one kind of machine: leave it out",
        spec.machine.escape_debug(),
        M::CALLED
    );
    Err(StartError::Unsayable { backend: M::NAME, items: vec![format!("machine: {why}")] })
}

/// What is said of a VMM's process, as words for it; these switch its seccomp off, which it has by itself.
pub(crate) fn process_words(process: &Process, unconfined: &[&str]) -> Vec<OsString> {
    let unconfined = if process.sandbox == Some(false) { unconfined } else { &[] };
    unconfined.iter().map(OsString::from).chain(process.arguments.iter().map(OsString::from)).collect()
}

/// What a VMM is run with.
pub(crate) struct Prepared {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) sockets: SocketDirectory,
    /// Where the guest's serial port leads.
    pub(crate) serial: File,
    /// Where its API is to be.
    pub(crate) api: PathBuf,
    /// The line to its guest's agent, where it has one.
    pub(crate) agent: Option<(PathBuf, u32)>,
    /// The user that it runs as, and whether a jailer becomes that by itself.
    pub(crate) account: Option<Account>,
    pub(crate) jailed: bool,
    /// Why it stays root, where that is not asked for.
    pub(crate) stays_root: Option<String>,
    /// Its namespaces, where it has some of its own.
    pub(crate) apart: Option<Apart>,
}

/// Where a VMM's API is to be.
pub(crate) fn socket(sockets: &SocketDirectory) -> PathBuf {
    sockets.path().join("api")
}

/// Runs a VMM, and waits with `ready` until its guest runs. One that does not get there is ended, and its words are told.
pub(crate) fn run<M: MicroVm>(
    vmm: &M,
    attempt: &mut Attempt<'_>,
    prepared: Prepared,
    ready: impl FnOnce(&mut Starting<'_>) -> Result<(), ApiError>,
) -> Result<Running, StartError> {
    let Prepared { program, arguments, sockets, serial, api, agent, account, jailed, stays_root, apart } =
        prepared;
    let started_as = account.clone().filter(|_| !jailed);
    let (agent, agent_port) = agent.unzip();
    let patience = vmm.common().patience;
    let deadline = Instant::now() + patience;
    let machine = attempt.machine;
    let input = Input::make(M::READS, sockets.path())
        .map_err(|source| StartError::Write { path: sockets.path().join(INPUT), source })?;
    // By this people find a machine in a list of processes.
    let title = format!("{} guest={}", M::NAME, machine.name);
    let group = Group::make(machine)?;
    let door = group.as_ref().map(Group::door).transpose()?;
    let (mut child, running) = attempt.launch(Vmm {
        program: &program,
        arguments: &arguments,
        within: Path::new("/"),
        inherits: &input.inherits(),
        rights: Rights { no_new: started_as.is_some(), ..Rights::default() },
        account: started_as,
        stays_root,
        cgroup: group.as_ref().zip(door.as_ref()),
        sockets: Some(&sockets),
        qmp: Some(api.clone()),
        agent,
        agent_port,
        // Those of the specification are the host's own: they stay when the VMM goes.
        taps: Vec::new(),
        accelerator: Accelerator::Kvm,
        streams: Streams { input: input.read.as_ref(), output: Some(&serial), title: Some(&title) },
        apart: apart.as_ref(),
    })?;
    let mut starting = Starting { api: Api::at(&api, patience), child: &mut child, deadline };
    match ready(&mut starting) {
        Ok(()) => {
            sockets.keep();
            // A jailer has become it by now.
            Ok(Running { user: account.map(|account| account.name), ..running })
        }
        Err(error) => Err(told(attempt, &mut child, patience, error)),
    }
}

/// A VMM that is starting.
pub(crate) struct Starting<'c> {
    pub(crate) api: Api,
    child: &'c mut Child,
    deadline: Instant,
}

impl Starting<'_> {
    /// Whether its process is still there.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the API answers at all.
    pub(crate) fn answers(&mut self, path: &str) -> Result<(), ApiError> {
        self.until(|api| api.get(path).map(|_| true))
    }

    /// Waits until the API says that the guest stands like this. The process is looked at between: a VMM that does not
    /// take its machine ends.
    pub(crate) fn greet<M: MicroVm>(&mut self, wanted: &str) -> Result<(), ApiError> {
        self.until(|api| match state::<M>(api) {
            Ok(state) => Ok(state == wanted),
            // Before its guest is made it may refuse to tell of it.
            Err(ApiError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn until(&mut self, ready: impl Fn(&Api) -> Result<bool, ApiError>) -> Result<(), ApiError> {
        loop {
            match ready(&self.api) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(ApiError::Connect { source, .. })
                    if matches!(
                        source.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                    ) => {}
                Err(error) => return Err(error),
            }
            if self.child.try_wait().map_err(ApiError::Io)?.is_some() {
                return Err(ApiError::Closed("at its start".to_owned()));
            }
            if Instant::now() >= self.deadline {
                return Err(ApiError::Silent { what: "its start".to_owned(), after: Duration::ZERO });
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// What a VMM that did not get ready says; it is gone afterwards.
fn told(attempt: &Attempt<'_>, child: &mut Child, patience: Duration, error: ApiError) -> StartError {
    if let Ok(Some(status)) = child.try_wait() {
        return StartError::Exited { status, said: attempt.said() };
    }
    match error {
        ApiError::Closed(_) => attempt.ended(child),
        error => {
            if let Err(source) = attempt.abandon(child) {
                return StartError::Process(source);
            }
            match error {
                ApiError::Silent { .. } => StartError::NotReady { after: patience, said: attempt.said() },
                source => StartError::Api { machine: attempt.machine.name.clone(), source },
            }
        }
    }
}

/// What the kernel counts for a VMM's threads and taps; what it counts itself its backend adds.
pub(crate) fn statistics<M: MicroVm>(machine: &Stored, running: &Running) -> Statistics {
    let pid = running.process.pid;
    let taps: Vec<String> = machine.spec.networks.iter().filter_map(|network| network.tap.clone()).collect();
    Statistics {
        at_ms: now_ms(),
        process_ns: threads(pid),
        resident: resident(pid),
        cpus: cpus(pid, M::CPU_THREAD),
        disks: Vec::new(),
        networks: networks(&taps),
        balloon: None,
        kvm: Vec::new(),
    }
}

/// The disks that a VMM has by their paths on the host, as QEMU answers `query-block`: raw ones, whose files are as large as
/// they are. None where the size of one cannot be told; a disk without a path is passed over.
pub(crate) fn blocks(paths: impl Iterator<Item = Option<String>>) -> Option<Value> {
    let block = |path: String| {
        let size = File::open(&path).and_then(|mut file| file.seek(SeekFrom::End(0))).ok()?;
        Some(json!({ "inserted": { "file": path, "image": { "virtual-size": size } } }))
    };
    paths.flatten().map(block).collect::<Option<Vec<_>>>().map(Value::from)
}

/// Virtio devices by their types (virtio 1.2, section 5), as QEMU answers `query-pci`. That they are PCI functions is not
/// said by it: Firecracker has them without PCI.
pub(crate) fn virtio(kinds: impl Iterator<Item = u64>) -> Value {
    // The vendor of all of them, and the device of type 0 (section 4.1.2).
    let ids = kinds.map(|kind| json!({ "id": { "vendor": 0x1af4, "device": 0x1040 + kind } }));
    json!([{ "devices": ids.collect::<Vec<_>>() }])
}

/// One request whose answer nobody reads.
pub(crate) fn done(machine: &Stored, answer: Result<Value, ApiError>) -> Result<(), ControlError> {
    answer.map(drop).map_err(|source| unusable(machine, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_hypervisor::CloudHypervisor;
    use crate::firecracker::Firecracker;

    #[test]
    fn their_words_are_states() {
        for states in [condition::<Firecracker>, condition::<CloudHypervisor>] {
            assert_eq!(states("Running"), Condition::new(State::Running, ""));
            assert_eq!(states("Paused").state, State::Paused);
            for other in ["Not started", "Created", "Shutdown", "", "a\nb"] {
                let found = states(other);
                assert_eq!(found.state, State::Stuck, "{other}");
                assert!(!found.why.contains('\n'));
            }
        }
    }
}

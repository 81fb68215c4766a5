//! Starting: files and sockets first, then the process, then its API until the guest runs.

use super::{Firecracker, NAME, argv, control};
use crate::account::account;
use crate::cgroup::Group;
use crate::console;
use crate::http::{Api, ApiError};
use crate::launch::Streams;
use crate::sockets::SocketDirectory;
use crate::store::{SERIAL, write_atomically};
use crate::supervise::{self, Attempt, Vmm, empty_file, interface_exists};
use crate::{Running, StartError, Stored};
use serde_json::{Value, json};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, Endpoint, NetworkKind};

/// The configuration file in the machine's directory.
pub(super) const CONFIG: &str = "vmm.json";
/// What Firecracker itself tells, in the machine's directory.
pub(super) const LOG: &str = "vmm.log";

/// What it tells there once the guest runs.
const STARTED: &str = "uccessfully started microvm";
/// How long it is left in peace until it tells so: one that is asked anything while it refuses its configuration dies
/// of the question, and its reason with it.
const QUIET: Duration = Duration::from_secs(2);

pub(super) fn start(firecracker: &Firecracker, machine: &Stored) -> Result<Running, StartError> {
    supervise::start(machine, NAME, |attempt| run(firecracker, attempt, None))
}

/// What a VMM goes on from: the state and the memory of a snapshot.
pub(super) struct Kept {
    pub(super) state: PathBuf,
    pub(super) memory: PathBuf,
}

pub(super) fn go_on(firecracker: &Firecracker, machine: &Stored, kept: &Kept) -> Result<Running, StartError> {
    supervise::start(machine, NAME, |attempt| run(firecracker, attempt, Some(kept)))
}

/// What of the host is missing, in the words of every backend.
fn check(spec: &MachineSpec) -> Result<(), StartError> {
    let unsayable = |item: &str, why: &str| {
        Err(StartError::Unsayable { backend: NAME, items: vec![format!("{item}: {why}")] })
    };
    if account(spec.process.user.as_deref())?.is_some() {
        return unsayable(
            "process.user",
            "Firecracker makes its own socket, in a directory that is closed to other users",
        );
    }
    let bridges = spec.networks.iter().filter(|network| network.kind == NetworkKind::Bridge);
    for bridge in bridges.filter_map(|network| network.bridge.as_deref()) {
        if !interface_exists(bridge) {
            return Err(StartError::NoBridge(bridge.to_owned()));
        }
    }
    if spec.boot.kernel.is_none() {
        return unsayable(
            "boot.kernel",
            "Firecracker has no firmware: it starts a kernel, and none is named",
        );
    }
    Ok(())
}

fn run(
    firecracker: &Firecracker,
    attempt: &mut Attempt<'_>,
    kept: Option<&Kept>,
) -> Result<Running, StartError> {
    let deadline = Instant::now() + firecracker.patience;
    let machine = attempt.machine;
    check(&machine.spec)?;
    let spec = argv::whole(machine);
    let config = argv::config(&spec)?;
    if let Some(socket) = spec.vsock.as_ref().and_then(|vsock| vsock.socket.as_deref()) {
        remove_stale(Path::new(socket));
    }
    let sockets = SocketDirectory::make(&machine.state, &machine.name)?;
    let program = firecracker.program()?;
    let serial = match spec.serials.first() {
        Some(port) if port.to == Endpoint::File => {
            empty_file(Path::new(port.path.as_deref().unwrap_or_default()))?
        }
        _ => empty_file(&machine.file(SERIAL))?,
    };
    drop(empty_file(&machine.file(LOG))?);
    let fail = |path: PathBuf| |source| StartError::Write { path, source };
    let input = console::input(sockets.path()).map_err(fail(sockets.path().join(console::INPUT)))?;
    let mut text = format!("{config:#}").into_bytes();
    text.push(b'\n');
    write_atomically(&machine.directory(), CONFIG, &text).map_err(fail(machine.file(CONFIG)))?;
    let (socket, file) = (sockets.path().join("api"), machine.file(CONFIG));
    let arguments = argv::argv(&machine.name, &socket, &machine.file(LOG), kept.is_none().then_some(&*file));
    let title = argv::title(&machine.name);
    let group = Group::make(machine)?;
    let door = group.as_ref().map(Group::door).transpose()?;
    let (mut child, running) = attempt.launch(Vmm {
        program: &program,
        arguments: &arguments,
        inherits: &[],
        account: None,
        cgroup: group.as_ref().zip(door.as_ref()),
        sockets: Some(&sockets),
        qmp: Some(socket.clone()),
        agent: None,
        // Those of the specification are the host's own: they stay when the VMM goes.
        taps: Vec::new(),
        accelerator: Accelerator::Kvm,
        streams: Streams { input: Some(&input), output: Some(&serial), title: Some(&title) },
    })?;
    let api = Api::at(&socket, firecracker.patience);
    let ready = match kept {
        None => {
            let said = || std::fs::read_to_string(machine.file(LOG)).is_ok_and(|log| log.contains(STARTED));
            let quiet = Instant::now() + QUIET;
            while !said() && Instant::now() < quiet && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(2));
            }
            greet(&api, &mut child, deadline, "Running")
        }
        Some(kept) => greet(&api, &mut child, deadline, "Not started").and_then(|()| load(&api, kept)),
    };
    match ready {
        Ok(()) => {
            sockets.keep();
            Ok(running)
        }
        Err(error) => Err(told(attempt, &mut child, firecracker.patience, error)),
    }
}

/// A socket that a VMM before has left: Firecracker removes none.
fn remove_stale(socket: &Path) {
    let is_socket = socket.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(socket).is_err() {
        // Where that fails, Firecracker says so.
        let _ = std::fs::remove_file(socket);
    }
}

/// Waits until the API says that the guest stands like this. The process is looked at between: a VMM that does not
/// take its configuration ends.
fn greet(api: &Api, child: &mut Child, deadline: Instant, wanted: &str) -> Result<(), ApiError> {
    loop {
        match control::state(api) {
            Ok(state) if state == wanted => return Ok(()),
            Ok(_) => {}
            Err(ApiError::Connect { source, .. })
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(error),
        }
        if child.try_wait().map_err(ApiError::Io)?.is_some() {
            return Err(ApiError::Closed("at its start".to_owned()));
        }
        if Instant::now() >= deadline {
            return Err(ApiError::Silent { what: "its start".to_owned(), after: Duration::ZERO });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn load(api: &Api, kept: &Kept) -> Result<(), ApiError> {
    let body: Value = json!({
        "snapshot_path": kept.state,
        "mem_backend": { "backend_type": "File", "backend_path": kept.memory },
        "resume_vm": true,
    });
    api.put("/snapshot/load", Some(&body)).map(drop)
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

//! Starting: files and sockets first, then the process, then its API until the guest runs.

use super::{CloudHypervisor, NAME, argv, control};
use crate::account::account;
use crate::cgroup::Group;
use crate::console;
use crate::http::{Api, ApiError};
use crate::launch::Streams;
use crate::sockets::SocketDirectory;
use crate::store::SERIAL;
use crate::supervise::{self, Attempt, Vmm, empty_file, interface_exists};
use crate::{Running, StartError, Stored};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, NetworkKind};

pub(super) fn start(vmm: &CloudHypervisor, machine: &Stored) -> Result<Running, StartError> {
    supervise::start(machine, NAME, |attempt| run(vmm, attempt, None))
}

/// Starts a VMM whose guest goes on from the snapshot in this directory.
pub(super) fn go_on(vmm: &CloudHypervisor, machine: &Stored, from: &Path) -> Result<Running, StartError> {
    supervise::start(machine, NAME, |attempt| run(vmm, attempt, Some(from)))
}

/// What of the host is missing, in the words of every backend.
fn check(spec: &MachineSpec) -> Result<(), StartError> {
    let unsayable = |item: &str, why: &str| {
        Err(StartError::Unsayable { backend: NAME, items: vec![format!("{item}: {why}")] })
    };
    if account(spec.process.user.as_deref())?.is_some() {
        return unsayable(
            "process.user",
            "Cloud Hypervisor makes its own socket, in a directory that is closed to other users",
        );
    }
    for bridge in spec.networks.iter().filter(|network| network.kind == NetworkKind::Bridge) {
        let name = bridge.bridge.as_deref().unwrap_or_default();
        if !interface_exists(name) {
            return Err(StartError::NoBridge(name.to_owned()));
        }
    }
    if spec.boot.kernel.is_none() && spec.firmware.path.is_none() {
        return unsayable(
            "boot.kernel",
            "neither a kernel nor `firmware.path` is named, and one of them is started",
        );
    }
    Ok(())
}

fn run(vmm: &CloudHypervisor, attempt: &mut Attempt<'_>, from: Option<&Path>) -> Result<Running, StartError> {
    let deadline = Instant::now() + vmm.patience;
    let machine = attempt.machine;
    check(&machine.spec)?;
    let words = argv::words(machine)?;
    let program = vmm.program()?;
    let serial = empty_file(&machine.file(SERIAL))?;
    let sockets = SocketDirectory::make(&machine.state, &machine.name)?;
    let fail = |path: std::path::PathBuf| |source| StartError::Write { path, source };
    let input = console::input(sockets.path()).map_err(fail(sockets.path().join(console::INPUT)))?;
    let socket = sockets.path().join("api");
    let mut arguments: Vec<OsString> =
        vec!["--api-socket".into(), format!("path={}", socket.display()).into()];
    match from {
        None => arguments.extend(words.into_iter().map(OsString::from)),
        Some(from) => {
            arguments.extend(["--restore".into(), format!("source_url=file://{}", from.display()).into()]);
        }
    }
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
    let api = Api::at(&socket, vmm.patience);
    let ready = match from {
        None => greet(&api, &mut child, deadline, "Running"),
        // It was kept standing still.
        Some(_) => greet(&api, &mut child, deadline, "Paused")
            .and_then(|()| control::put(&api, "vm.resume", None).map(drop)),
    };
    match ready {
        Ok(()) => {
            sockets.keep();
            Ok(running)
        }
        Err(error) => Err(told(attempt, &mut child, vmm.patience, error)),
    }
}

/// Waits until the API says that the guest stands like this. The process is looked at between: a VMM that does not
/// take its command line ends.
fn greet(api: &Api, child: &mut Child, deadline: Instant, wanted: &str) -> Result<(), ApiError> {
    loop {
        match control::state(api) {
            Ok(state) if state == wanted => return Ok(()),
            // Before its guest is made it refuses to tell of it.
            Ok(_) | Err(ApiError::Refused { .. }) => {}
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
        std::thread::sleep(Duration::from_millis(5));
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

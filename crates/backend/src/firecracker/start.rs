//! Starting: files and sockets first, then the process, then its API until the guest runs.

use super::{Firecracker, NAME, argv};
use crate::http::{Api, ApiError};
use crate::microvm::{self, Prepared, check, socket};
use crate::sockets::SocketDirectory;
use crate::store::{SERIAL, write_atomically};
use crate::supervise::{self, Attempt, empty_file};
use crate::{Running, StartError, Stored};
use serde_json::{Value, json};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vmwright_model::machine::Endpoint;

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

fn run(
    firecracker: &Firecracker,
    attempt: &mut Attempt<'_>,
    kept: Option<&Kept>,
) -> Result<Running, StartError> {
    let machine = attempt.machine;
    let none = "Firecracker has no firmware: it starts a kernel, and none is named";
    check::<Firecracker>(&machine.spec, machine.spec.boot.kernel.as_ref().map(|_| ()).ok_or(none))?;
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
    let mut text = format!("{config:#}").into_bytes();
    text.push(b'\n');
    let file = machine.file(CONFIG);
    write_atomically(&machine.directory(), CONFIG, &text)
        .map_err(|source| StartError::Write { path: file.clone(), source })?;
    let config = kept.is_none().then_some(&*file);
    let arguments = argv::argv(&spec, &socket(&sockets), &machine.file(LOG), config);
    let prepared = Prepared { program, arguments, sockets, serial };
    microvm::run(firecracker, attempt, prepared, |starting| match kept {
        None => {
            let said = || std::fs::read_to_string(machine.file(LOG)).is_ok_and(|log| log.contains(STARTED));
            let quiet = Instant::now() + QUIET;
            while !said() && Instant::now() < quiet && starting.lives() {
                std::thread::sleep(Duration::from_millis(2));
            }
            starting.greet::<Firecracker>("Running")
        }
        Some(kept) => starting.greet::<Firecracker>("Not started").and_then(|()| load(&starting.api, kept)),
    })
}

/// A socket that a VMM before has left: Firecracker removes none.
fn remove_stale(socket: &Path) {
    let is_socket = socket.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(socket).is_err() {
        // Where that fails, Firecracker says so.
        let _ = std::fs::remove_file(socket);
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

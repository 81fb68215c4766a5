//! Starting: files and sockets first, then the process, then its API until the guest runs.

use super::jail::{self, Jail};
use super::{Firecracker, NAME, argv};
use crate::http::{Api, ApiError};
use crate::microvm::{self, Prepared, check, socket};
use crate::sockets::{self, SocketDirectory};
use crate::store::{SERIAL, VSOCK, write_for_now};
use crate::supervise::{self, Attempt, empty_file};
use crate::view::{Use, View};
use crate::{Running, StartError, Stored, whole};
use serde_json::{Value, json};
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

pub(super) fn start(
    firecracker: &Firecracker,
    machine: &Stored,
    launched: &mut dyn FnMut(),
) -> Result<Running, StartError> {
    supervise::start(machine, NAME, launched, |attempt| run(firecracker, attempt, None, None))
}

/// What a VMM goes on from: the state and the memory of a snapshot.
pub(super) struct Kept {
    pub(super) state: PathBuf,
    pub(super) memory: PathBuf,
}

pub(super) fn go_on(firecracker: &Firecracker, machine: &Stored, kept: &Kept) -> Result<Running, StartError> {
    supervise::start(machine, NAME, &mut || {}, |attempt| run(firecracker, attempt, Some(kept), None))
}

/// The same of a copy of the machine `of`.
pub(super) fn go_on_beside(
    firecracker: &Firecracker,
    copy: &Stored,
    of: &Stored,
    kept: &Kept,
) -> Result<Running, StartError> {
    supervise::start(copy, NAME, &mut || {}, |attempt| run(firecracker, attempt, Some(kept), Some(of)))
}

/// What Firecracker is shown as a user of its own, as [`microvm::view`]; with what it goes on from.
///
/// # Errors
/// Why it stays root.
pub(super) fn view(
    firecracker: &Firecracker,
    machine: &Stored,
    config: &Value,
    kept: Option<&Kept>,
) -> Result<Option<View>, String> {
    // That there is no program is told by the start.
    let Ok(program) = firecracker.program() else { return Ok(None) };
    let places = jail::places(config).into_iter().filter(|(_, inside, _)| inside != jail::VSOCK);
    let files = places.filter_map(|(pointer, _, readonly)| {
        let path = config.pointer(&pointer)?.as_str()?;
        Some((path.into(), if readonly { Use::Read } else { Use::Write }))
    });
    let kept = kept.into_iter().flat_map(|kept| [&kept.state, &kept.memory]);
    microvm::view(machine, &program, files.chain(kept.map(|path| (path.clone(), Use::Read))))
        .map_err(|why| format!("Firecracker stays root: {why}"))
}

fn run(
    firecracker: &Firecracker,
    attempt: &mut Attempt<'_>,
    kept: Option<&Kept>,
    copy_of: Option<&Stored>,
) -> Result<Running, StartError> {
    let machine = attempt.machine;
    let none = "Firecracker has no firmware: it starts a kernel, and none is named";
    check::<Firecracker>(&machine.spec, machine.spec.boot.kernel.as_ref().map(|_| ()).ok_or(none))?;
    let spec = argv::whole(machine);
    let mut config = argv::config(&spec)?;
    crate::seed::make(machine)?;
    let vsock = spec.vsock.as_ref().and_then(|vsock| vsock.socket.as_deref()).map(Path::new);
    if let Some(vsock) = vsock {
        // In a jail it is a link to a short one.
        if !jail::wanted(&spec) {
            sockets::check(vsock)?;
        }
        sockets::remove_stale(vsock);
    }
    let program = firecracker.program()?;
    // A copy goes together with what it is a copy of.
    let (view, stays_root) = match copy_of {
        None => match view(firecracker, machine, &config, kept) {
            Ok(view) => (view, None),
            Err(why) => (None, Some(why)),
        },
        Some(_) => (None, None),
    };
    let account = view.as_ref().map(View::account);
    let owner = account.as_ref().map(|account| (account.uid, account.gid));
    let sockets = SocketDirectory::make(&machine.state, &machine.name, owner)?;
    let serial = match spec.serials.first() {
        Some(port) if port.to == Endpoint::File => {
            empty_file(Path::new(port.path.as_deref().unwrap_or_default()))?
        }
        _ => empty_file(&machine.file(SERIAL))?,
    };
    // That of an earlier user is not this one's.
    let _ = std::fs::remove_file(machine.file(LOG));
    drop(empty_file(&machine.file(LOG))?);
    let write = |config: &Value| {
        let mut text = format!("{config:#}").into_bytes();
        text.push(b'\n');
        write_for_now(&machine.directory(), CONFIG, &text)
            .map_err(|source| StartError::Write { path: machine.file(CONFIG), source })
    };
    let prepared = if jail::wanted(&spec) {
        let mut jail = Jail::make(machine, &program, sockets.path())?;
        jail.give(&machine.file(LOG), jail::LOG)?;
        if let Some(vsock) = vsock {
            jail.link_vsock(vsock)?;
        }
        jail.configure(&mut config)?;
        write(&config)?;
        if let Some(Kept { state, memory }) = kept {
            jail.show(state, jail::STATE, true)?;
            jail.show(memory, jail::MEMORY, true)?;
        }
        let inside = kept.is_none().then_some(Path::new(jail::CONFIG));
        let mut arguments = jail.words();
        arguments.extend(argv::argv(&spec, Path::new(jail::API), Path::new(jail::LOG), inside));
        let api = jail.api();
        // Not by the link to it: who is in the jail may replace what that leads to.
        let agent = microvm::agent_line(&spec).map(|(_, port)| (jail.vsock(), port));
        let Jail { jailer, account, mut apart, .. } = jail;
        if copy_of.is_some() {
            apart.own_network();
        }
        let (account, apart) = (Some(account), Some(apart));
        let (program, jailed) = (jailer, true);
        Prepared { program, arguments, sockets, serial, api, agent, account, jailed, stays_root, apart }
    } else {
        write(&config)?;
        let api = socket(&sockets);
        let file = machine.file(CONFIG);
        let arguments = argv::argv(&spec, &api, &machine.file(LOG), kept.is_none().then_some(&*file));
        let mut agent = microvm::agent_line(&spec);
        let apart = match (view, copy_of) {
            (Some(view), _) => {
                if let Some(vsock) = vsock {
                    let made = microvm::link_vsock(vsock, &sockets)?;
                    agent = agent.map(|(_, port)| (made, port));
                }
                let files = [(&*file, Use::Read), (&machine.file(LOG), Use::Write)];
                Some(microvm::shown(machine, view, &files, &sockets)?)
            }
            (None, Some(of)) => {
                // It makes its socket in the machine's directory as it sees it.
                agent = agent.map(|(_, port)| (machine.file(VSOCK), port));
                Some(whole::apart(machine, of)?)
            }
            (None, None) => None,
        };
        let jailed = false;
        Prepared { program, arguments, sockets, serial, api, agent, account, jailed, stays_root, apart }
    };
    let inside = Kept { state: jail::STATE.into(), memory: jail::MEMORY.into() };
    let load_from = kept.map(|kept| if jail::wanted(&spec) { &inside } else { kept });
    let tracked = argv::tracked(&spec);
    microvm::run(firecracker, attempt, prepared, |starting| match load_from {
        None => {
            let said = || std::fs::read_to_string(machine.file(LOG)).is_ok_and(|log| log.contains(STARTED));
            let quiet = Instant::now() + QUIET;
            while !said() && Instant::now() < quiet && starting.lives() {
                std::thread::sleep(Duration::from_millis(2));
            }
            starting.greet::<Firecracker>("Running")
        }
        Some(kept) => {
            starting.greet::<Firecracker>("Not started").and_then(|()| load(&starting.api, kept, tracked))
        }
    })
}

fn load(api: &Api, kept: &Kept, tracked: bool) -> Result<(), ApiError> {
    let mut body: Value = json!({
        "snapshot_path": kept.state,
        "mem_backend": { "backend_type": "File", "backend_path": kept.memory },
        "resume_vm": true,
    });
    if tracked {
        // By the name that every version knows (since 1.13 `track_dirty_pages`).
        body["enable_diff_snapshots"] = true.into();
    }
    api.put("/snapshot/load", Some(&body)).map(drop)
}

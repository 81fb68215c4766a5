//! Starting: files and sockets first, then the process, then its API until the guest runs.

use super::{CloudHypervisor, NAME, argv, control};
use crate::microvm::{self, Prepared, check, socket};
use crate::sockets::{self, SocketDirectory};
use crate::store::{SERIAL, VSOCK};
use crate::supervise::{self, Attempt, empty_file};
use crate::{Running, StartError, Stored, whole};
use std::ffi::OsString;
use std::path::Path;

pub(super) fn start(
    vmm: &CloudHypervisor,
    machine: &Stored,
    launched: &mut dyn FnMut(),
) -> Result<Running, StartError> {
    supervise::start(machine, NAME, launched, |attempt| run(vmm, attempt, None, None))
}

/// Starts a VMM whose guest goes on from the snapshot in this directory.
pub(super) fn go_on(vmm: &CloudHypervisor, machine: &Stored, from: &Path) -> Result<Running, StartError> {
    supervise::start(machine, NAME, &mut || {}, |attempt| run(vmm, attempt, Some(from), None))
}

/// The same of a copy of the machine `of`.
pub(super) fn go_on_beside(
    vmm: &CloudHypervisor,
    copy: &Stored,
    of: &Stored,
    from: &Path,
) -> Result<Running, StartError> {
    supervise::start(copy, NAME, &mut || {}, |attempt| run(vmm, attempt, Some(from), Some(of)))
}

/// Starts a VMM that has no machine: it gets one from elsewhere. What of the machine is this host's own is made as for a
/// start, since the guest comes with the paths that it had.
pub(super) fn wait(vmm: &CloudHypervisor, attempt: &mut Attempt<'_>) -> Result<Running, StartError> {
    let machine = attempt.machine;
    check::<CloudHypervisor>(&machine.spec, Ok(()))?;
    argv::words(machine)?;
    crate::seed::make(machine)?;
    let prepared = prepare(vmm, machine, Vec::new())?;
    microvm::run(vmm, attempt, prepared, |starting| starting.answers("/api/v1/vmm.ping"))
}

/// Program, sockets and streams, and the words that every VMM gets around those of its machine.
fn prepare(vmm: &CloudHypervisor, machine: &Stored, words: Vec<OsString>) -> Result<Prepared, StartError> {
    let program = vmm.program()?;
    let spec = argv::prepared(machine);
    if let Some(vsock) = spec.vsock.as_ref().and_then(|vsock| vsock.socket.as_deref()) {
        sockets::check(Path::new(vsock))?;
        sockets::remove_stale(Path::new(vsock));
    }
    let serial = empty_file(&machine.file(SERIAL))?;
    let sockets = SocketDirectory::make(&machine.state, &machine.name, None)?;
    let api = socket(&sockets);
    let mut arguments: Vec<OsString> = vec!["--api-socket".into(), format!("path={}", api.display()).into()];
    arguments.extend(words);
    arguments.extend(microvm::process_words(&machine.spec.process, &["--seccomp", "false"]));
    let agent = microvm::agent_line(&spec);
    Ok(Prepared {
        program,
        arguments,
        sockets,
        serial,
        api,
        agent,
        account: None,
        jailed: false,
        stays_root: super::stays_root(machine),
        apart: None,
    })
}

fn run(
    vmm: &CloudHypervisor,
    attempt: &mut Attempt<'_>,
    from: Option<&Path>,
    copy_of: Option<&Stored>,
) -> Result<Running, StartError> {
    let machine = attempt.machine;
    let boots = machine.spec.boot.kernel.is_some() || machine.spec.firmware.path.is_some();
    let none = "neither a kernel nor `firmware.path` is named, and one of them is started";
    check::<CloudHypervisor>(&machine.spec, boots.then_some(()).ok_or(none))?;
    let words = argv::words(machine)?;
    crate::seed::make(machine)?;
    let words = match from {
        None => words.into_iter().map(OsString::from).collect(),
        Some(from) => vec!["--restore".into(), format!("source_url=file://{}", from.display()).into()],
    };
    let mut prepared = prepare(vmm, machine, words)?;
    if let Some(of) = copy_of {
        prepared.apart = Some(whole::apart(machine, of)?);
        // It makes its socket in the machine's directory as it sees it.
        prepared.agent = prepared.agent.map(|(_, port)| (machine.file(VSOCK), port));
    }
    microvm::run(vmm, attempt, prepared, |starting| match from {
        None => starting.greet::<CloudHypervisor>("Running"),
        // It was kept standing still.
        Some(_) => starting
            .greet::<CloudHypervisor>("Paused")
            .and_then(|()| control::put(&starting.api, "vm.resume", None).map(drop)),
    })
}

//! What a review does with a microVM beyond asking: copies of its guest go on from its state in second VMMs, which see throw-away
//! disks and sockets in the place of its own, and a network that leads nowhere.

use super::beside;
use super::channels::Channels;
use super::exercise::{ANSWERS, Exerciser, answers};
use super::twin::Twin;
use super::unfinished::{Kind, Pending};
use crate::backends;
use crate::error::chain;
use std::path::Path;
use std::time::Instant;
use vmwright_backend::{Copies, State, Stored};
use vmwright_model::MachineSpec;
use vmwright_model::machine::NetworkKind;
use vmwright_review::{Guest, Saved, Undone, Vmm};

/// Longest address of a UNIX socket, in bytes (unix(7)): a longer one of a vsock does not lie in the machine's directory.
const ADDRESS: usize = 107;

pub(super) fn restored(
    of: &Exerciser<'_>,
    vmm: &dyn Copies,
    look: &mut dyn FnMut(&dyn Guest, &dyn Vmm) -> bool,
) -> Result<Saved, Undone> {
    let (channels, here) = (of.channels, of.channels.machine);
    if let Some(why) = single(here) {
        return Err(Undone::Cannot(format!("it has no second VMM on this host: {why}")));
    }
    for (number, disk) in here.spec.disks.iter().enumerate().filter(|(_, disk)| !disk.readonly) {
        let path = disk.path.as_deref().unwrap_or_default();
        beside::small_enough(number, Path::new(path)).map_err(Undone::Cannot)?;
    }
    let way = channels.way_of_copy()?;
    let _pending = Pending::of(of, Kind::Still)?;
    let kept = Twin::make(here, "state", |_, _| Ok(())).map_err(Undone::Cannot)?;
    channels.let_go();
    let began = Instant::now();
    let bytes = vmm.keep_for_copies(here, &kept.machine).map_err(|error| Undone::Failed(chain(&error)))?;
    let stood_still = began.elapsed();
    loop {
        let copy = Twin::make(here, "copy", disks).map_err(Undone::Cannot)?;
        vmm.go_on_beside(&copy.machine, here, &kept.machine)
            .map_err(|error| Undone::Failed(chain(&error)))?;
        let channels = copy.channels().by(way.clone());
        answers(&channels, ANSWERS);
        if !look(&channels, &channels) {
            break;
        }
    }
    goes_on(channels)?;
    Ok(Saved { bytes, stood_still, without: Vec::new() })
}

fn goes_on(channels: &Channels<'_>) -> Result<(), Undone> {
    let failed = |error: String| Undone::Failed(error);
    let backend = backends::of(channels.machine).map_err(|error| failed(chain(&error)))?;
    let state = backend.look(channels.machine).map_err(|error| failed(chain(&error)))?.state;
    if state != State::Running {
        return Err(failed(format!("it was saved, and does not go on: it is {state}")));
    }
    answers(channels, ANSWERS);
    Ok(())
}

/// Places of its own for the disks that a copy writes.
fn disks(spec: &mut MachineSpec, place: &Path) -> Result<(), String> {
    for (number, disk) in spec.disks.iter_mut().enumerate().filter(|(_, disk)| !disk.readonly) {
        disk.path = Some(place.join(format!("disk{number}")).display().to_string());
    }
    Ok(())
}

/// Why a machine has no second VMM on the same host; none where it can have one.
fn single(machine: &Stored) -> Option<&'static str> {
    let spec = &machine.spec;
    let jailed = spec.process.jailer == Some(true);
    let reasons = [
        (!rustix::process::geteuid().is_root(), "to run it apart takes root"),
        (!spec.host_devices.is_empty(), "it holds a device of the host, which cannot be held twice"),
        (spec.confidential.is_some(), "its memory is confidential, and cannot be read to be kept"),
        (spec.tpm.is_some(), "its trusted platform module keeps one state"),
        (!spec.shares.is_empty(), "it shares a directory with the host, whose daemon serves one VMM"),
        (
            spec.disks.iter().any(|disk| disk.vhost_user.is_some()),
            "it has a disk whose daemon serves one VMM",
        ),
        (
            spec.vsock.as_ref().is_some_and(|vsock| vsock.socket.is_some()) && !jailed,
            "the socket of its vsock lies where the specification places it, and is taken while it runs",
        ),
        (
            spec.vsock.is_some() && !jailed && machine.file("vsock").as_os_str().len() > ADDRESS,
            "the socket of its vsock lies outside of its directory, which is too long for one, and is taken while it runs",
        ),
        (
            spec.networks
                .iter()
                .any(|one| !matches!(one.kind, NetworkKind::Tap | NetworkKind::Bridge | NetworkKind::None)),
            "it has a network whose other end takes one VMM",
        ),
    ];
    reasons.into_iter().find(|(holds, _)| *holds).map(|(_, why)| why)
}

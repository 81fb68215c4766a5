//! What guest and host have in common beside the network: directories of the host, and the socket between the two.

use super::observe::Observed;
use super::Gate;
use crate::gates::component;
use crate::quote;
use crate::scope::Session;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Share, ShareDriver};

/// Types of the devices (virtio 1.2, section 5).
const NINE_P: u32 = 9;
const SOCKET: u32 = 19;
const FILES: u32 = 26;

/// The largest table of mounts that is read, in bytes.
const MOUNTS: usize = 64 << 10;

/// What the guest has mounted, as it says (`/proc/mounts`); none where no directory is shared.
pub(super) fn observe(session: &Session<'_>) -> Option<Result<String, String>> {
    let shares = !session.scope.spec.shares.is_empty();
    shares.then(|| session.guest_file("/proc/mounts", MOUNTS).map_err(|error| format!("/proc/mounts: {error}")))
}

pub(super) fn judge(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    let of = |driver: ShareDriver| spec.shares.iter().filter(|share| share.driver == driver).count();
    let wanted = [
        ("virtio-fs", FILES, of(ShareDriver::VirtioFs), "shares"),
        ("9p", NINE_P, of(ShareDriver::NineP), "shares"),
        ("vsock", SOCKET, usize::from(spec.vsock.is_some()), "vsock"),
    ];
    for (name, kind, wanted, about) in wanted.into_iter().filter(|(.., wanted, _)| *wanted > 0) {
        gate.aspects.about(about);
        // Whether the guest has a driver for each that the VMM made is said with all virtio devices.
        let Some(made) = gate.of_vmm(name, &seen.virtio_vmm) else { continue };
        let made = made.iter().filter(|one| **one == kind).count();
        gate.aspects.expect(made >= wanted, || format!("{name}: the VMM has {made}, the specification says {wanted}"));
    }
    gate.aspects.about("shares");
    let Some(answer) = &seen.shared else { return };
    let Some(mounts) = gate.of_guest("shared directories", answer).cloned() else { return };
    for share in &spec.shares {
        let place = mounted(&mounts, share);
        match &place {
            Some(_) => gate.aspects.pass(),
            None => gate.aspects.unknown(format!("the guest has not mounted `{}`, so that nothing of it was seen there", share.tag)),
        }
        let host = share.path.as_deref().or(share.socket.as_deref()).unwrap_or_default();
        let said = place.map_or_else(|| "not mounted".to_owned(), |place| format!("mounted at {}", quote::line(place)));
        gate.row(&format!("share {}", share.tag), host, "", &said);
    }
}

/// Where a share is mounted: what is mounted is named by its tag (proc_mounts(5)).
fn mounted<'a>(mounts: &'a str, share: &Share) -> Option<&'a str> {
    let kind = match share.driver {
        ShareDriver::VirtioFs => "virtiofs",
        ShareDriver::NineP => "9p",
    };
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (what, place, of) = (words.next()?, words.next()?, words.next()?);
        (component(&share.tag) == Some(what) && of == kind).then_some(place)
    })
}

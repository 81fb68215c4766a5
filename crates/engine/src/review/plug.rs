//! Devices that are plugged into a running VM for a moment.

use super::channels::Channels;
use crate::aside::private;
use crate::backends::{self, Chosen};
use crate::error::chain;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use vmwright_backend::request::Device;
use vmwright_backend::store::Stored;
use vmwright_backend::{Backend, Request, Unwatched, perform, user_of};
use vmwright_review::{Undone, Unplugged, Vmm};

/// How long a guest may take to let go of a device.
const LETS_GO: Duration = Duration::from_secs(15);

/// Names of the devices in the VMM.
const DISK: &str = "vmwright-review-disk";
const CARD: &str = "vmwright-review-card";

/// Plugs a disk with these bytes and a card that leads nowhere, calls `look` with the card's MAC address, and unplugs both.
/// `vmm` is the process of the machine's VMM.
pub(super) fn plugged(
    machine: &Stored,
    vmm: u32,
    bytes: &[u8],
    look: &mut dyn FnMut(&str),
) -> Result<Unplugged, Undone> {
    // For a QEMU of its own vmwright opens the disk.
    if !matches!(Chosen::of(machine), Ok(Chosen::Qemu)) {
        reaches(vmm).map_err(Undone::Cannot)?;
    }
    let backend = backends::of(machine).map_err(|error| Undone::Cannot(chain(&error)))?;
    let to = Plugs { machine, backend: &*backend };
    let place = private(&machine.state, "plug").map_err(Undone::Cannot)?;
    let result = between(&to, &place.join("disk.raw"), bytes, look);
    // A VMM that holds the disk still goes on with it, without a name.
    let _ = fs::remove_dir_all(&place);
    result
}

/// Whether a VMM can have a throw-away disk.
fn reaches(vmm: u32) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    let theirs = i32::try_from(vmm).ok().and_then(|pid| user_of(pid).ok());
    if theirs.is_some_and(|(theirs, _)| theirs == own) {
        return Ok(());
    }
    Err("its VMM runs as another user, who cannot reach a throw-away disk".to_owned())
}

/// The same of the VMM of a machine that runs.
pub(super) fn reachable(channels: &Channels<'_>) -> Result<(), String> {
    channels.process().map_or(Err("its VMM does not run".to_owned()), |vmm| reaches(vmm.pid))
}

fn between(
    to: &Plugs<'_>,
    path: &Path,
    bytes: &[u8],
    look: &mut dyn FnMut(&str),
) -> Result<Unplugged, Undone> {
    let write = || -> std::io::Result<u64> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        stored(path)
    };
    let before = write().map_err(|error| Undone::Cannot(format!("{}: {error}", path.display())))?;
    // The prefix of QEMU's guests; the rest tells two reviews at once apart.
    let [.., high, low] = std::process::id().to_be_bytes();
    let mac = format!("52:54:00:fe:{high:02x}:{low:02x}");
    let disk = Device::Disk {
        name: DISK.to_owned(),
        path: path.to_owned(),
        format: "raw".to_owned(),
        readonly: false,
    };
    to.attach(disk)?;
    let card = Device::Unconnected { name: CARD.to_owned(), mac: mac.clone() };
    if let Err(why) = to.attach(card) {
        // The first error is the one to tell.
        let _ = to.detach(DISK);
        return Err(why);
    }
    look(&mac);
    let (card, disk) = (to.detach(CARD), to.detach(DISK));
    let mut now = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut now)).and_then(|_| stored(path));
    let after = read.map_err(|error| Undone::Failed(format!("{}: {error}", path.display())))?;
    Ok(Unplugged { disk, card, bytes: now, stored: (before, after) })
}

/// Bytes that a file takes: `st_blocks` counts 512 each (inode(7)).
fn stored(path: &Path) -> std::io::Result<u64> {
    Ok(fs::metadata(path)?.blocks() * 512)
}

/// A machine that devices are plugged into, by its backend.
struct Plugs<'a> {
    machine: &'a Stored,
    backend: &'a dyn Backend,
}

impl Plugs<'_> {
    fn attach(&self, device: Device) -> Result<(), Undone> {
        match perform(self.backend, self.machine, Request::Attach(device), &mut Unwatched) {
            Ok(_) => Ok(()),
            Err(error) => {
                let why = chain(&error);
                if why.contains("No more available PCI slots") {
                    // libvirt's words.
                    return Err(Undone::Cannot(format!("it has no free port: {why}")));
                }
                Err(if why.contains("no free port") { Undone::Cannot(why) } else { Undone::Failed(why) })
            }
        }
    }

    fn detach(&self, name: &str) -> Result<(), String> {
        let what = Request::Detach { device: name.to_owned(), patience: LETS_GO };
        perform(self.backend, self.machine, what, &mut Unwatched).map(drop).map_err(|error| chain(&error))
    }
}

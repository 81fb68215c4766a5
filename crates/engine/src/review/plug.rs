//! Devices that are plugged into a running VM for a moment.

use super::twin::private;
use crate::error::chain;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::request::Device;
use vmwright_backend::store::Stored;
use vmwright_backend::{Request, Unwatched, perform};
use vmwright_review::{Undone, Unplugged};

/// How long a guest may take to let go of a device.
const LETS_GO: Duration = Duration::from_secs(15);

/// Names of the devices in the VMM.
const DISK: &str = "vmwright-review-disk";
const CARD: &str = "vmwright-review-card";

/// Plugs a disk with these bytes and a card that leads nowhere, calls `look` with the card's MAC address, and unplugs both.
pub(super) fn plugged(
    machine: &Stored,
    bytes: &[u8],
    look: &mut dyn FnMut(&str),
) -> Result<Unplugged, Undone> {
    if machine.spec.process.user.is_some() {
        return Err(Undone::Cannot(
            "its VMM runs as another user, who cannot reach a throw-away disk".to_owned(),
        ));
    }
    let place = private(machine, "plug").map_err(Undone::Cannot)?;
    let result = between(machine, &place.join("disk.raw"), bytes, look);
    // A VMM that holds the disk still goes on with it, without a name.
    let _ = fs::remove_dir_all(&place);
    result
}

fn between(
    machine: &Stored,
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
    attach(machine, disk)?;
    let card = Device::Unconnected { name: CARD.to_owned(), mac: mac.clone() };
    if let Err(why) = attach(machine, card) {
        // The first error is the one to tell.
        let _ = detach(machine, DISK);
        return Err(why);
    }
    look(&mac);
    let (card, disk) = (detach(machine, CARD), detach(machine, DISK));
    let mut now = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut now)).and_then(|_| stored(path));
    let after = read.map_err(|error| Undone::Failed(format!("{}: {error}", path.display())))?;
    Ok(Unplugged { disk, card, bytes: now, stored: (before, after) })
}

/// Bytes that a file takes: `st_blocks` counts 512 each (inode(7)).
fn stored(path: &Path) -> std::io::Result<u64> {
    Ok(fs::metadata(path)?.blocks() * 512)
}

fn attach(machine: &Stored, device: Device) -> Result<(), Undone> {
    match perform(&Qemu::default(), machine, Request::Attach(device), &mut Unwatched) {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = chain(&error);
            Err(if why.contains("no free port") { Undone::Cannot(why) } else { Undone::Failed(why) })
        }
    }
}

fn detach(machine: &Stored, name: &str) -> Result<(), String> {
    let what = Request::Detach { device: name.to_owned(), patience: LETS_GO };
    perform(&Qemu::default(), machine, what, &mut Unwatched).map(drop).map_err(|error| chain(&error))
}

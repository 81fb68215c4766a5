//! Devices that come and go: in the running domain, and in what it is started from.

use super::control::{EditFailed, condition};
use super::places::{Plugged, plugged};
use super::rpc::Device as Scope;
use super::{DeviceStands, Libvirt};
use std::time::{Duration, Instant};

/// How long a guest may take to let go of a device.
const LET_GO: Duration = Duration::from_secs(60);
/// How often libvirt is asked whether it has.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn device(libvirt: &Libvirt, name: &str, device: &str) -> Result<DeviceStands, EditFailed> {
    let mut client = libvirt.connection.connect(libvirt.patience)?;
    let domain = client.domain(name)?;
    let running = condition(client.state(&domain)?).state.alive();
    let live = match running {
        true => plugged(&client.xml(&domain, false)?, device)?,
        false => Plugged::Absent,
    };
    Ok(DeviceStands { running, live, kept: plugged(&client.xml(&domain, true)?, device)? })
}

pub(super) fn plug(
    libvirt: &Libvirt,
    name: &str,
    device: &str,
    away: bool,
    live_and_kept: (bool, bool),
) -> Result<(), EditFailed> {
    let scope = match live_and_kept {
        (true, true) => Scope::Both,
        (true, false) => Scope::Live,
        (false, true) => Scope::Config,
        (false, false) => return Ok(()),
    };
    let mut client = libvirt.connection.connect(libvirt.patience)?;
    let domain = client.domain(name)?;
    if !away {
        return Ok(client.attach(&domain, device, scope)?);
    }
    client.detach(&domain, device, scope)?;
    let deadline = Instant::now() + LET_GO;
    while live_and_kept.0 && plugged(&client.xml(&domain, false)?, device)? != Plugged::Absent {
        if Instant::now() >= deadline {
            return Err(EditFailed::Held { seconds: LET_GO.as_secs() });
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

//! `vmwright plan attach` and `plan detach`: what a domain has, and the plan that changes it.

use crate::create::{self, told};
use crate::{Environment, Error, domains, storage};
use vmwright_formats::{DomainXml, MachineSpecView};
use vmwright_host::paths::{self, Lies as Lying};
use vmwright_model::{Need, Plan, Probe};
use vmwright_plan::intents::{AttachDevice, Lies, PlugSite, Source, attach, detach};
use vmwright_rules::Reading;

/// What is read besides what the rules need: who has which disk and address, and what domains are started from.
pub(crate) const NEEDS: &[Need] = &[
    Need::Probe(Probe::Vmms),
    Need::Probe(Probe::Libvirt),
    Need::Glob("/etc/libvirt/qemu/*.xml"),
    Need::Glob("/home/*/.config/libvirt/qemu/*.xml"),
    Need::Glob("/root/.config/libvirt/qemu/*.xml"),
];

/// The plan that plugs a device in; or with the name of one, that unplugs it.
pub(crate) fn plan(
    reading: &Reading<'_>,
    vm: &str,
    device: Result<&AttachDevice, &str>,
    host_id: &str,
    environment: &Environment,
) -> Result<Plan, Error> {
    if reading.one::<MachineSpecView>().is_some() {
        return Err(Error::Argument(format!(
            "vmwright made {vm}: `vmwright vm attach` plugs a device in at once, and `[[disk]]` and `[[network]]` of its specification from its next start"
        )));
    }
    let domain = domains::named(reading, vm)?;
    if !domain.kept {
        return Err(Error::Unread("what the domain is started from (root can read it)"));
    }
    let running = storage::runs(reading, vm, environment)?.ok_or(storage::UNSEEN)?;
    let seen = reading.of_every_vm::<DomainXml>();
    let own = seen.iter().filter(|seen| {
        seen.domains.iter().any(|domain| domain.name.as_ref().is_some_and(|name| name.value == vm))
    });
    let live: Vec<&str> = own.map(|seen| seen.text.as_str()).collect();
    let site = PlugSite {
        id: host_id,
        connection: domain.connection,
        domain: vm,
        kept: &domain.xml,
        live: &live,
        running,
        taken: &create::taken(reading, environment)?,
    };
    match device {
        Ok(device) => {
            let (device, source) = looked_at(device)?;
            Ok(attach(&site, &device, &source)?)
        }
        Err(name) => Ok(detach(&site, name)?),
    }
}

/// The device with words that are known and a path that is whole, and what was found there.
fn looked_at(device: &AttachDevice) -> Result<(AttachDevice, Source), Error> {
    let AttachDevice::Disk { path, format, bus, readonly } = device else {
        return Ok((device.clone(), Source { lies: Lies::Nothing, base: None }));
    };
    for (word, known) in [(format, &["raw", "qcow2"][..]), (bus, &["virtio", "scsi", "sata", "usb"][..])] {
        if !known.contains(&word.as_str()) {
            let word = word.escape_debug();
            return Err(Error::Argument(format!("`{word}` is none of {}", known.join(", "))));
        }
    }
    let path = storage::absolute("--disk", path)?;
    let lies = paths::look_at(std::slice::from_ref(&path)).remove(&path).unwrap_or(Lying::Nothing);
    let base = match &lies {
        Lying::File { base: Some((base, _)), .. } => Some(base.clone()),
        _ => None,
    };
    let (format, bus, readonly) = (format.clone(), bus.clone(), *readonly);
    let device = AttachDevice::Disk { path: path.into(), format, bus, readonly };
    Ok((device, Source { lies: told(lies), base }))
}

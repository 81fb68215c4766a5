//! Devices that come and go while the guest runs.

use super::Qemu;
use super::control::{ask, monitor, unusable};
use super::qmp::{Qmp, QmpError};
use super::reach;
use super::tap;
use crate::request::{Answer, Device};
use crate::supervise::running;
use crate::{ControlError, Operation, Running, Stored};
use serde_json::{Value, json};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};
use vmwright_model::machine::{Network, NetworkKind};

/// How long the monitor is kept for waiting on an event, before others get their turn.
const TURN: Duration = Duration::from_secs(1);
/// How long a node may stay in use once its device is gone. It takes QEMU a few turns of its loop.
const LET_GO: Duration = Duration::from_secs(2);
/// Longest name of a device.
const NAME_MAX: usize = 64;

fn failed(machine: &Stored, operation: Operation, why: impl Into<String>) -> ControlError {
    ControlError::Failed { machine: machine.name.clone(), operation, why: why.into() }
}

/// Plugs a device. What was made for one that QEMU then refuses is taken away again.
pub(super) fn attach(qemu: &Qemu, machine: &Stored, device: &Device) -> Result<Answer, ControlError> {
    let refuse = |why: String| failed(machine, Operation::Attach, why);
    let name = match device {
        Device::Disk { name, .. } | Device::Network { name, .. } | Device::Unconnected { name, .. } => name,
    };
    // QEMU's own rule for ids (`id_wellformed`): a letter, then letters, digits, `-`, `.` and `_`.
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic())
        || name.len() > NAME_MAX
        || !name.bytes().all(letters)
    {
        return Err(refuse(format!(
            "`{}` is no name for a device: letters, digits, `-`, `.` and `_`, beginning with a letter, at most {NAME_MAX}",
            name.escape_debug()
        )));
    }
    let running = running(machine)?;
    let mut qmp = monitor(machine, &running, qemu.patience)?;
    let peripherals = peripherals(&mut qmp).map_err(|source| unusable(machine, source))?;
    if peripherals.contains(name) {
        return Err(refuse(format!("it has a device `{name}` already")));
    }
    let bus = free_bus(&mut qmp).map_err(|source| unusable(machine, source))?;
    let plugged = match device {
        Device::Disk { path, format, readonly, .. } => {
            disk(&mut qmp, &running, name, path, format, *readonly, &bus)
        }
        Device::Network { bridge, mac, .. } => {
            let to = bridge.as_deref().map_or(Leads::Out, Leads::Bridge);
            network(&mut qmp, machine, name, to, mac.as_deref(), &bus)
        }
        Device::Unconnected { mac, .. } => network(&mut qmp, machine, name, Leads::Nowhere, Some(mac), &bus),
    };
    plugged.map(|()| Answer::Attached(name.clone())).map_err(|why| match why {
        Unplugged::Words(why) => refuse(why),
        Unplugged::Monitor(QmpError::Refused { description, .. }) if description.contains("does not support hotplugging") || description.contains("no slot/function") => {
            refuse(format!("it has no free port to plug it into; its specification needs a `[[controller]]` of kind `pci` and model `pcie-root-port` for each ({description})"))
        }
        Unplugged::Monitor(QmpError::Refused { description, .. }) => refuse(description),
        Unplugged::Monitor(error @ QmpError::Lent { .. }) => refuse(crate::chain(&error)),
        Unplugged::Monitor(source) => unusable(machine, source),
    })
}

enum Unplugged {
    Words(String),
    Monitor(QmpError),
}

impl From<QmpError> for Unplugged {
    fn from(error: QmpError) -> Self {
        Unplugged::Monitor(error)
    }
}

fn disk(
    qmp: &mut Qmp,
    running: &Running,
    name: &str,
    path: &Path,
    format: &str,
    readonly: bool,
    bus: &Option<String>,
) -> Result<(), Unplugged> {
    if path.to_str().is_none() || !path.is_absolute() {
        return Err(Unplugged::Words(format!("the path `{}` is not absolute, or not UTF-8", path.display())));
    }
    if !matches!(format, "raw" | "qcow2") {
        return Err(Unplugged::Words(format!("`{}` is no format: raw or qcow2", format.escape_debug())));
    }
    let node = format!("{name}-node");
    let mut nodes = reach::disk(qmp, running, path, format, readonly)?;
    nodes["node-name"] = node.as_str().into();
    qmp.execute("blockdev-add", Some(nodes))?;
    let mut arguments = json!({ "driver": "virtio-blk-pci", "id": name, "drive": node });
    on(&mut arguments, bus);
    qmp.execute("device_add", Some(arguments)).map(drop).map_err(|error| {
        // The first error is the one to tell.
        let _ = qmp.execute("blockdev-del", Some(json!({ "node-name": node })));
        error.into()
    })
}

/// Where a network interface leads.
enum Leads<'a> {
    /// Through QEMU's own network of user mode.
    Out,
    /// Onto a bridge of the host.
    Bridge(&'a str),
    Nowhere,
}

/// A hub of QEMU's that has no port but the one that leads nowhere.
const NOWHERE: u32 = 0x7fff_0000;

fn network(
    qmp: &mut Qmp,
    machine: &Stored,
    name: &str,
    to: Leads<'_>,
    mac: Option<&str>,
    bus: &Option<String>,
) -> Result<(), Unplugged> {
    let node = format!("{name}-net");
    let mut netdev = json!({ "id": node, "type": "user" });
    let tap = match to {
        Leads::Out => None,
        Leads::Bridge(bridge) => {
            Some(tap::open(tap::Wanted::on(bridge)).map_err(|error| Unplugged::Words(crate::chain(&error)))?)
        }
        Leads::Nowhere => {
            netdev = json!({ "id": node, "type": "hubport", "hubid": NOWHERE });
            None
        }
    };
    if let Some(tap) = &tap {
        qmp.execute_with("getfd", json!({ "fdname": node }), tap.file.as_fd())?;
        netdev = json!({ "id": node, "type": "tap", "fd": node });
    }
    let own = Network { mac: mac.map(str::to_owned), ..Network::of(NetworkKind::User) };
    let mac = super::argv::mac(&format!("{}/{name}", machine.name), 0, &own);
    if let Some(other) = holder_of(qmp, &mac) {
        return Err(Unplugged::Words(format!("its device `{other}` has the MAC address {mac} already")));
    }
    qmp.execute("netdev_add", Some(netdev))?;
    let mut arguments =
        json!({ "driver": "virtio-net-pci", "id": name, "netdev": node, "mac": mac, "romfile": "" });
    on(&mut arguments, bus);
    qmp.execute("device_add", Some(arguments)).map(drop).map_err(|error| {
        // The first error is the one to tell.
        let _ = qmp.execute("netdev_del", Some(json!({ "id": node })));
        error.into()
    })
}

fn on(arguments: &mut Value, bus: &Option<String>) {
    if let Some(bus) = bus {
        arguments["bus"] = bus.as_str().into();
    }
}

/// The interface of this machine that has a MAC address.
fn holder_of(qmp: &mut Qmp, mac: &str) -> Option<String> {
    for directory in ["/machine/peripheral", "/machine/peripheral-anon"] {
        for name in children(qmp, directory).unwrap_or_default() {
            let path = format!("{directory}/{name}");
            // What is no interface has no such property.
            let found = qmp.execute("qom-get", Some(json!({ "path": path, "property": "mac" })));
            if found.is_ok_and(|found| found.as_str().is_some_and(|found| found.eq_ignore_ascii_case(mac))) {
                return Some(name);
            }
        }
    }
    None
}

/// A PCI Express port with nothing in it. Without any, QEMU's default bus has to do: it can be plugged into on the
/// `pc` machine type and not on `q35`.
fn free_bus(qmp: &mut Qmp) -> Result<Option<String>, QmpError> {
    let buses = qmp.execute("query-pci", None)?;
    let devices = buses
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|bus| bus["devices"].as_array().into_iter().flatten());
    let free = devices.filter(|device| {
        let below = &device["pci_bridge"]["devices"];
        device["pci_bridge"].is_object() && below.as_array().is_none_or(Vec::is_empty)
    });
    // Ports that are named can be named as a bus.
    Ok(free.filter_map(|port| port["qdev_id"].as_str()).find(|id| !id.is_empty()).map(str::to_owned))
}

/// Names of devices that have one.
fn peripherals(qmp: &mut Qmp) -> Result<Vec<String>, QmpError> {
    children(qmp, "/machine/peripheral")
}

fn children(qmp: &mut Qmp, path: &str) -> Result<Vec<String>, QmpError> {
    let list = qmp.execute("qom-list", Some(json!({ "path": path })))?;
    let child = |one: &Value| {
        one["type"].as_str()?.starts_with("child<").then_some(())?;
        one["name"].as_str().map(str::to_owned)
    };
    Ok(list.as_array().into_iter().flatten().filter_map(child).collect())
}

/// Unplugs a device and waits until the guest has let go of it; what it was made of goes too.
pub(super) fn detach(
    qemu: &Qemu,
    machine: &Stored,
    device: &str,
    patience: Duration,
) -> Result<Answer, ControlError> {
    let refuse = |why: String| failed(machine, Operation::Detach, why);
    let path = {
        let mut qmp = monitor(machine, &running(machine)?, qemu.patience)?;
        find(&mut qmp, device).map_err(|source| unusable(machine, source))?
    };
    let Some(path) = path else {
        return Err(refuse(format!(
            "it has no device `{}`; 'vmwright vm stats {}' names its disks",
            device.escape_debug(),
            machine.name
        )));
    };
    let drive = backends(qemu, machine, &path)?;
    let deadline = Instant::now() + patience;
    let mut asked = false;
    loop {
        let mut qmp = monitor(machine, &running(machine)?, qemu.patience)?;
        if !asked {
            match qmp.execute("device_del", Some(json!({ "id": path }))) {
                Ok(_) => {}
                // An earlier try that the guest has not answered.
                Err(QmpError::Refused { description, .. })
                    if description.contains("in the process of unplug") => {}
                Err(QmpError::Refused { description, .. }) => return Err(refuse(description)),
                Err(source) => return Err(unusable(machine, source)),
            }
            asked = true;
        }
        let turn = TURN.min(deadline.saturating_duration_since(Instant::now()));
        qmp.wait_event("DEVICE_DELETED", turn).map_err(|source| unusable(machine, source))?;
        // The event may have come while nobody listened, or for another device.
        let gone = qmp.execute("qom-list", Some(json!({ "path": path })));
        match gone {
            Err(QmpError::Refused { .. }) => break,
            Err(source) => return Err(unusable(machine, source)),
            Ok(_) if Instant::now() >= deadline => {
                let seconds = patience.as_secs();
                return Err(refuse(format!(
                    "the guest has not let go of `{device}` within {seconds} s; it still may, and 'detach' can be asked again"
                )));
            }
            Ok(_) => {}
        }
    }
    for (command, key, name) in drive {
        let end = Instant::now() + LET_GO;
        loop {
            match ask(qemu, machine, command, Some(json!({ key: name }))) {
                // QEMU takes the device away before the device's own hold on its node ends.
                Err(ControlError::Monitor { source: QmpError::Refused { description, .. }, .. })
                    if Instant::now() < end
                        && ["in use", "busy"].iter().any(|word| description.contains(word)) =>
                {
                    std::thread::sleep(Duration::from_millis(20));
                }
                // A node that serves something else too stays.
                Ok(_) | Err(ControlError::Monitor { source: QmpError::Refused { .. }, .. }) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Answer::Done)
}

/// The object path of a device: by its id, or of a disk by its node's name.
fn find(qmp: &mut Qmp, device: &str) -> Result<Option<String>, QmpError> {
    if peripherals(qmp)?.iter().any(|name| name == device) {
        return Ok(Some(format!("/machine/peripheral/{device}")));
    }
    let blocks = qmp.execute("query-block", None)?;
    let found =
        blocks.as_array().into_iter().flatten().find(|block| block["inserted"]["node-name"] == device);
    // `qdev` is an id, or the path of the device's inner half.
    Ok(found.and_then(|block| block["qdev"].as_str()).map(|qdev| {
        let outer = qdev.strip_suffix("/virtio-backend").unwrap_or(qdev);
        if outer.starts_with('/') { outer.to_owned() } else { format!("/machine/peripheral/{outer}") }
    }))
}

/// What is to be removed after a device: its network or its block nodes.
fn backends(
    qemu: &Qemu,
    machine: &Stored,
    path: &str,
) -> Result<Vec<(&'static str, &'static str, String)>, ControlError> {
    let get = |property: &str| {
        let told = ask(qemu, machine, "qom-get", Some(json!({ "path": path, "property": property })));
        match told {
            Err(ControlError::Monitor { source: QmpError::Refused { .. }, .. }) => Ok(None),
            told => told.map(|value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)),
        }
    };
    let mut found = Vec::new();
    if let Some(node) = get("drive")? {
        found.push(("blockdev-del", "node-name", node.clone()));
        found.push(("blockdev-del", "node-name", format!("{node}-file")));
    }
    if let Some(net) = get("netdev")? {
        found.push(("netdev_del", "id", net));
    }
    Ok(found)
}

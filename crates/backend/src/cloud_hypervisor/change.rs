//! Devices that come and go, and sizes that change, while the guest runs.

use super::CloudHypervisor;
use super::control::ask;
use crate::disks::failed;
use crate::microvm::{api, unusable};
use crate::request::{Answer, Device, Resize};
use crate::supervise::running;
use crate::{ControlError, Operation, Stored};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) fn attach(
    vmm: &CloudHypervisor,
    machine: &Stored,
    device: &Device,
) -> Result<Answer, ControlError> {
    let (request, body, name) = match device {
        Device::Disk { name, path, format, readonly } => {
            let kind = match format.as_str() {
                "raw" => "Raw",
                "qcow2" => "Qcow2",
                other => {
                    return Err(failed(
                        machine,
                        Operation::Attach,
                        format!("`{other}` is neither raw nor qcow2"),
                    ));
                }
            };
            (
                "vm.add-disk",
                json!({ "id": name, "path": path, "readonly": readonly, "image_type": kind }),
                name,
            )
        }
        Device::Network { .. } | Device::Unconnected { .. } => {
            let why = "it plugs into taps that are there already; name one in the specification";
            return Err(failed(machine, Operation::Attach, why));
        }
    };
    ask(vmm, machine, request, Some(&body)).map(|_| Answer::Attached(name.clone()))
}

/// Asks the guest to let go of a device, and waits until the configuration has it no more.
pub(super) fn detach(
    vmm: &CloudHypervisor,
    machine: &Stored,
    device: &str,
    patience: Duration,
) -> Result<Answer, ControlError> {
    ask(vmm, machine, "vm.remove-device", Some(&json!({ "id": device })))?;
    let (api, deadline) = (api(vmm, &running(machine)?), Instant::now() + patience);
    loop {
        let info = api.get("/api/v1/vm.info").map_err(|source| unusable(machine, source))?;
        if info["device_tree"].get(device).is_none() {
            return Ok(Answer::Done);
        }
        if Instant::now() >= deadline {
            let why = format!("the guest has not let go of `{device}` within {} s", patience.as_secs());
            return Err(failed(machine, Operation::Detach, why));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn resize(vmm: &CloudHypervisor, machine: &Stored, what: &Resize) -> Result<Answer, ControlError> {
    let one = |key: &str, value: Value| ask(vmm, machine, "vm.resize", Some(&json!({ key: value })));
    match what {
        Resize::Cpus { count } => {
            one("desired_vcpus", (*count).into()).map(|_| Answer::Resized(u64::from(*count)))
        }
        Resize::Memory { bytes } => {
            let whole = vmwright_formats::machine_spec::parse_size(&machine.spec.memory.size).unwrap_or(0);
            // What is less than the machine has goes into its balloon.
            if *bytes < whole && machine.spec.balloon.is_some() {
                one("desired_balloon", (whole - bytes).into())?;
            } else {
                one("desired_ram", (*bytes).into())?;
            }
            Ok(Answer::Resized(*bytes))
        }
        Resize::Disk { disk, bytes } => {
            let named = |id: &str| {
                ask(vmm, machine, "vm.resize-disk", Some(&json!({ "id": id, "desired_size": bytes })))
            };
            let number =
                disk.parse::<usize>().ok().and_then(|at| machine.spec.disks.get(at).map(|one| (at, one)));
            // A disk without a name has one by its number.
            let id = match number {
                Some((at, one)) => one.target.clone().unwrap_or_else(|| format!("_disk{at}")),
                None => disk.clone(),
            };
            named(&id).map(|_| Answer::Resized(*bytes))
        }
    }
}

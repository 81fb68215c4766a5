//! What Cloud Hypervisor tells of a running machine, in the form of QEMU's own answers: so whoever asks a VMM need not know
//! which one it is.

use super::CloudHypervisor;
use crate::microvm::{MicroVm as _, api_of, blocks, unusable, virtio};
use crate::{ControlError, Stored};
use serde_json::{Value, json};
use vmwright_model::machine::DiskFormat;

/// What the node of a virtio device's PCI function is called in the tree of its devices, before the device's own name.
const FUNCTION: &str = "_virtio-pci-";

/// Devices that have the same name in every machine (`vmm/src/device_manager.rs`), with their types (virtio 1.2, section 5).
const ONES: [(&str, u64); 5] =
    [("__console", 3), ("__rng", 4), ("__balloon", 5), ("__iommu", 23), ("__watchdog", 35)];

/// The parts of its configuration that are virtio devices whose names stand there, with their types.
const DEVICES: [(&str, u64); 5] = [("net", 1), ("disks", 2), ("vsock", 19), ("fs", 26), ("pmem", 27)];

/// What would be QEMU's answer to a command that asks, where Cloud Hypervisor tells it.
pub(super) fn told(
    vmm: &CloudHypervisor,
    machine: &Stored,
    command: &str,
) -> Result<Option<Value>, ControlError> {
    let info = api_of(vmm, machine)?.get(CloudHypervisor::STATE);
    let info = info.map_err(|source| unusable(machine, source))?;
    if command == "query-block" {
        // Of other formats the file has another size than the disk.
        let raw = machine.spec.disks.iter().all(|disk| disk.format == DiskFormat::Raw);
        let disks = info["config"]["disks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let paths = disks.iter().map(|disk| disk["path"].as_str().map(str::to_owned));
        return Ok(if raw { blocks(paths) } else { None });
    }
    Ok(answer(command, &info))
}

fn answer(command: &str, info: &Value) -> Option<Value> {
    let config = &info["config"];
    match command {
        "query-cpus-fast" => {
            let count = usize::try_from(config["cpus"]["boot_vcpus"].as_u64()?).ok()?;
            Some(vec![json!({}); count.min(1024)].into())
        }
        "query-memory-size-summary" => {
            let bytes = config["memory"]["size"].as_u64().filter(|bytes| *bytes > 0)?;
            Some(json!({ "base-memory": bytes }))
        }
        "query-balloon" => {
            config["balloon"].as_object()?;
            Some(json!({ "actual": info["memory_actual_size"].as_u64()? }))
        }
        "query-rx-filter" => {
            let cards = config["net"].as_array().map(Vec::as_slice).unwrap_or_default();
            let macs = cards.iter().filter_map(|one| one["mac"].as_str());
            Some(macs.map(|mac| json!({ "main-mac": mac })).collect())
        }
        "query-pci" => {
            let functions =
                info["device_tree"].as_object()?.keys().filter_map(|name| name.strip_prefix(FUNCTION));
            functions
                .map(|device| kind(device, config))
                .collect::<Option<Vec<_>>>()
                .map(|kinds| virtio(kinds.into_iter()))
        }
        _ => None,
    }
}

/// The type of a virtio device. None of those that the tree alone names: a device of vDPA can be any.
fn kind(device: &str, config: &Value) -> Option<u64> {
    let named = |one: &Value| one["id"] == device;
    let is = |part: &str| named(&config[part]) || config[part].as_array().into_iter().flatten().any(named);
    let one = ONES.iter().find(|(name, _)| *name == device);
    one.or_else(|| DEVICES.iter().find(|(part, _)| is(part))).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::answer;
    use serde_json::json;

    #[test]
    fn a_description_answers_what_qemu_would_be_asked() {
        let info = json!({
            "config": {
                "cpus": { "boot_vcpus": 2, "max_vcpus": 4 },
                "memory": { "size": 536_870_912 },
                "net": [{ "mac": "06:00:00:00:00:01" }, {}],
                "balloon": { "size": 1 << 20 },
                "disks": [{ "id": "_disk0" }, { "id": "root" }],
                "vsock": { "id": "_vsock1", "cid": 3 },
            },
            "device_tree": {
                "__ioapic": {}, "__rng": {}, "_virtio-pci-__rng": {}, "_virtio-pci-root": {}, "_virtio-pci-_vsock1": {},
            },
            "state": "Running",
            "memory_actual_size": 535_822_336,
        });
        let told = |command: &str| answer(command, &info);
        assert_eq!(told("query-cpus-fast"), Some(json!([{}, {}])));
        assert_eq!(told("query-memory-size-summary"), Some(json!({ "base-memory": 536_870_912 })));
        assert_eq!(told("query-balloon"), Some(json!({ "actual": 535_822_336 })));
        assert_eq!(told("query-rx-filter"), Some(json!([{ "main-mac": "06:00:00:00:00:01" }])));
        let id = |kind: u64| json!({ "id": { "vendor": 0x1af4, "device": 0x1040 + kind } });
        assert_eq!(told("query-pci"), Some(json!([{ "devices": [id(4), id(19), id(2)] }])), "as it has them");
        let other = json!({ "device_tree": { "_virtio-pci-_vdpa0": {} } });
        assert_eq!((answer("query-pci", &other), answer("query-balloon", &json!({}))), (None, None));
    }
}

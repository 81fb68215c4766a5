//! What Cloud Hypervisor tells of a running machine, in the form of QEMU's own answers: so whoever asks a VMM need not know
//! which one it is.

use super::CloudHypervisor;
use crate::microvm::{MicroVm as _, api_of, blocks, unusable};
use crate::{ControlError, Stored};
use serde_json::{Value, json};
use vmwright_model::machine::DiskFormat;

/// What would be QEMU's answer to a command that asks, where Cloud Hypervisor tells it. Which devices of virtio it has
/// made of its configuration it does not tell.
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
        _ => None,
    }
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
            },
            "state": "Running",
            "memory_actual_size": 535_822_336,
        });
        let told = |command: &str| answer(command, &info);
        assert_eq!(told("query-cpus-fast"), Some(json!([{}, {}])));
        assert_eq!(told("query-memory-size-summary"), Some(json!({ "base-memory": 536_870_912 })));
        assert_eq!(told("query-balloon"), Some(json!({ "actual": 535_822_336 })));
        assert_eq!(told("query-rx-filter"), Some(json!([{ "main-mac": "06:00:00:00:00:01" }])));
        assert_eq!((told("query-pci"), answer("query-balloon", &json!({}))), (None, None));
    }
}

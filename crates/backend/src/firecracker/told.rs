//! What Firecracker tells of a running machine, in the form of QEMU's own answers: so whoever asks a VMM need not know which
//! one it is.

use super::{Firecracker, argv, control};
use crate::microvm::{api_of, blocks, unusable, virtio};
use crate::supervise::running;
use crate::{ControlError, Stored};
use serde_json::{Value, json};

/// The parts of its configuration that are virtio devices, with their types (virtio 1.2, section 5).
const DEVICES: [(&str, u64); 6] =
    [("network-interfaces", 1), ("drives", 2), ("entropy", 4), ("balloon", 5), ("vsock", 19), ("pmem", 27)];

/// What would be QEMU's answer to a command that asks, where Firecracker tells it.
pub(super) fn told(
    firecracker: &Firecracker,
    machine: &Stored,
    command: &str,
) -> Result<Option<Value>, ControlError> {
    if command == "query-balloon" {
        let left = control::balloon(firecracker, machine, &running(machine)?);
        return Ok(left.map(|bytes| json!({ "actual": bytes })));
    }
    let config = api_of(firecracker, machine)?.get("/vm/config");
    let config = config.map_err(|source| unusable(machine, source))?;
    if command == "query-block" {
        // In a jail they have other paths than on the host, in the same order.
        let spec = argv::whole(machine);
        return Ok(blocks(
            spec.disks.iter().take(list(&config, "drives").len()).map(|disk| disk.host_path()),
        ));
    }
    Ok(answer(command, &config))
}

fn list<'a>(config: &'a Value, part: &str) -> &'a [Value] {
    config[part].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn answer(command: &str, config: &Value) -> Option<Value> {
    match command {
        "query-cpus-fast" => {
            let count = usize::try_from(config["machine-config"]["vcpu_count"].as_u64()?).ok()?;
            Some(vec![json!({}); count.min(256)].into())
        }
        "query-memory-size-summary" => {
            let bytes = config["machine-config"]["mem_size_mib"].as_u64()?.checked_mul(1 << 20)?;
            Some(json!({ "base-memory": bytes }))
        }
        "query-rx-filter" => {
            let macs = list(config, "network-interfaces").iter().filter_map(|one| one["guest_mac"].as_str());
            Some(macs.map(|mac| json!({ "main-mac": mac })).collect())
        }
        "query-pci" => {
            let count = |part: &str| list(config, part).len() + usize::from(config[part].is_object());
            Some(virtio(DEVICES.iter().flat_map(|(part, kind)| std::iter::repeat_n(*kind, count(part)))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::answer;
    use serde_json::json;

    #[test]
    fn a_configuration_answers_what_qemu_would_be_asked() {
        let config = json!({
            "balloon": null,
            "drives": [{ "drive_id": "a" }, { "drive_id": "b" }],
            "entropy": null,
            "machine-config": { "vcpu_count": 2, "mem_size_mib": 192 },
            "network-interfaces": [{ "guest_mac": "06:00:00:00:00:01" }],
            "vsock": { "guest_cid": 3, "uds_path": "/v" },
        });
        let told = |command: &str| answer(command, &config);
        assert_eq!(told("query-cpus-fast"), Some(json!([{}, {}])));
        assert_eq!(told("query-memory-size-summary"), Some(json!({ "base-memory": 192 << 20 })));
        assert_eq!(told("query-rx-filter"), Some(json!([{ "main-mac": "06:00:00:00:00:01" }])));
        let devices = told("query-pci").expect("told");
        let kinds: Vec<u64> = devices[0]["devices"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["id"]["device"].as_u64())
            .map(|id| id - 0x1040)
            .collect();
        assert_eq!(kinds, [1, 2, 2, 19]);
        assert_eq!(told("query-tpm"), None);
        assert_eq!(answer("query-cpus-fast", &json!({ "machine-config": [] })), None);
    }
}

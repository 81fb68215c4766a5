//! What a disk may move in a second, while the guest runs.

use super::control::ask;
use super::qmp::QmpError;
use super::{Qemu, resize};
use crate::request::{Answer, Limit, Limited};
use crate::{ControlError, Operation, Stored};
use serde_json::{Map, Value, json};

/// The limits of a direction, which QEMU refuses beside those of both.
const BYTES: [&str; 3] = ["bps-total", "bps-read", "bps-write"];
const OPERATIONS: [&str; 3] = ["iops-total", "iops-read", "iops-write"];

pub(super) fn limit(qemu: &Qemu, machine: &Stored, what: &Limit) -> Result<Answer, ControlError> {
    let failed = |why: String| {
        let operation = Operation::Limit;
        ControlError::Failed { machine: machine.name.clone(), operation, why }
    };
    let Limited::Disk(wanted) = &what.device else {
        return Err(failed("QEMU limits no networks; `tc` on the host limits its tap".to_owned()));
    };
    let block = resize::find(qemu, machine, Operation::Limit, wanted)?;
    let refused = |error| match error {
        ControlError::Monitor { source: QmpError::Refused { description, .. }, .. } => failed(description),
        other => other,
    };
    if let Some(group) = group(machine, &block) {
        // Disks of one group share its limits, and so this change.
        let place = json!({ "path": format!("/objects/{group}"), "property": "limits" });
        let mut limits = ask(qemu, machine, "qom-get", Some(place.clone())).map_err(refused)?;
        change(limits.as_object_mut().into_iter().next(), &BYTES, what.bytes);
        change(limits.as_object_mut().into_iter().next(), &OPERATIONS, what.operations);
        let (path, property) = (&place["path"], &place["property"]);
        let set = json!({ "path": path, "property": property, "value": limits });
        ask(qemu, machine, "qom-set", Some(set)).map_err(refused)?;
        return Ok(Answer::Done);
    }
    let now = |key: &str| block["inserted"][key].as_u64().unwrap_or(0);
    let mut set = json!({ "id": block["qdev"] });
    let mut put = |keys: [&str; 3], limit: Option<u64>| match limit {
        Some(limit) => keys.iter().zip([limit, 0, 0]).for_each(|(key, value)| set[key] = value.into()),
        None => keys.iter().for_each(|key| set[key] = now(key).into()),
    };
    put(["bps", "bps_rd", "bps_wr"], what.bytes);
    put(["iops", "iops_rd", "iops_wr"], what.operations);
    ask(qemu, machine, "block_set_io_throttle", Some(set)).map_err(refused)?;
    Ok(Answer::Done)
}

/// Puts a limit of both directions in the place of those that there are. Bursts go with them: QEMU refuses a burst that
/// is smaller than the limit, and one without a limit.
fn change(limits: Option<&mut Map<String, Value>>, keys: &[&str; 3], limit: Option<u64>) {
    let (Some(limits), Some(limit)) = (limits, limit) else { return };
    for (key, value) in keys.iter().zip([limit, 0, 0]) {
        limits.insert((*key).to_owned(), value.into());
        limits.insert(format!("{key}-max"), 0.into());
        limits.insert(format!("{key}-max-length"), 1.into());
    }
}

/// The group of a disk that was started with limits (`[disk.limits]`): their filter is named by the disk's number.
pub(super) fn group(machine: &Stored, block: &Value) -> Option<String> {
    let node = block["inserted"]["node-name"].as_str()?;
    let at: usize = node.strip_prefix("disk")?.strip_suffix("-limited")?.parse().ok()?;
    let limits = machine.spec.disks.get(at)?.limits.as_ref()?;
    Some(limits.group.as_ref().map_or(format!("limits{at}"), |name| format!("limits-{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_both_directions_takes_the_place_of_all_others() {
        let mut limits = json!({ "bps-read": 7, "iops-total": 5, "iops-size": 0 });
        change(limits.as_object_mut(), &BYTES, Some(100));
        change(limits.as_object_mut(), &OPERATIONS, None);
        assert_eq!(
            (&limits["bps-total"], &limits["bps-read"], &limits["bps-read-max-length"]),
            (&json!(100), &json!(0), &json!(1))
        );
        assert_eq!(limits["iops-total"], 5);
    }
}

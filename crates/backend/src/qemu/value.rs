//! Values of a running QEMU that a plan sets and sets back: only such as the monitor tells exactly.

use super::control::ask;
use super::{Qemu, limit, resize};
use crate::request::{Limit, Limited};
use crate::{ControlError, Operation, Stored};
use serde_json::{Value, json};
use vmwright_model::plan::QmpValue;

/// What a limit of a disk is called by `query-block` and, of a group, by its object.
struct Names {
    own: &'static str,
    group: &'static str,
}

/// Limits that a change of the two above takes away, by both names: of one direction, and of bursts.
const OTHERS: [(&str, &str); 11] = [
    ("bps_rd", "bps-read"),
    ("bps_wr", "bps-write"),
    ("iops_rd", "iops-read"),
    ("iops_wr", "iops-write"),
    ("bps_max", "bps-total-max"),
    ("bps_rd_max", "bps-read-max"),
    ("bps_wr_max", "bps-write-max"),
    ("iops_max", "iops-total-max"),
    ("iops_rd_max", "iops-read-max"),
    ("iops_wr_max", "iops-write-max"),
    ("iops_size", "iops-size"),
];

pub(super) fn value(qemu: &Qemu, machine: &Stored, value: &QmpValue) -> Result<u64, ControlError> {
    match value {
        QmpValue::DiskBytes { disk } => {
            limit_of(qemu, machine, *disk, &Names { own: "bps", group: "bps-total" })
        }
        QmpValue::DiskRequests { disk } => {
            limit_of(qemu, machine, *disk, &Names { own: "iops", group: "iops-total" })
        }
        QmpValue::MigrationBandwidth | QmpValue::MigrationDowntime => {
            let told = ask(qemu, machine, "query-migrate-parameters", None)?;
            number(machine, &told, parameter(value))
        }
    }
}

pub(super) fn set(qemu: &Qemu, machine: &Stored, value: &QmpValue, to: u64) -> Result<(), ControlError> {
    let (disk, bytes, operations) = match value {
        QmpValue::DiskBytes { disk } => (*disk, Some(to), None),
        QmpValue::DiskRequests { disk } => (*disk, None, Some(to)),
        QmpValue::MigrationBandwidth | QmpValue::MigrationDowntime => {
            let arguments = json!({ parameter(value): to });
            return ask(qemu, machine, "migrate-set-parameters", Some(arguments)).map(drop);
        }
    };
    let device = Limited::Disk(disk.to_string());
    limit::limit(qemu, machine, &Limit { device, bytes, operations }).map(drop)
}

/// Whether it is a parameter of migrations, and of nothing else.
pub(super) fn is_of_migration(value: &QmpValue) -> bool {
    matches!(value, QmpValue::MigrationBandwidth | QmpValue::MigrationDowntime)
}

fn parameter(value: &QmpValue) -> &'static str {
    match value {
        QmpValue::MigrationDowntime => "downtime-limit",
        _ => "max-bandwidth",
    }
}

/// The limit of both directions of a disk. One of a single direction or a burst beside it would be lost: that is refused.
fn limit_of(qemu: &Qemu, machine: &Stored, disk: u32, names: &Names) -> Result<u64, ControlError> {
    let block = resize::find(qemu, machine, Operation::Limit, &disk.to_string())?;
    let group = limit::group(machine, &block);
    let limits = match &group {
        Some(group) => {
            let place = json!({ "path": format!("/objects/{group}"), "property": "limits" });
            ask(qemu, machine, "qom-get", Some(place))?
        }
        None => block["inserted"].clone(),
    };
    let named = |(own, of_group): (&'static str, &'static str)| if group.is_some() { of_group } else { own };
    let other =
        OTHERS.into_iter().map(named).find(|name| limits[*name].as_u64().is_some_and(|most| most > 0));
    if let Some(other) = other {
        return Err(failed(
            machine,
            format!("disk {disk} has the limit {other} besides, which a change of {} takes away", names.own),
        ));
    }
    number(machine, &limits, named((names.own, names.group)))
}

fn number(machine: &Stored, told: &Value, name: &str) -> Result<u64, ControlError> {
    told[name].as_u64().ok_or_else(|| failed(machine, format!("QEMU does not tell {name}")))
}

fn failed(machine: &Stored, why: String) -> ControlError {
    ControlError::Failed { machine: machine.name.clone(), operation: Operation::Query, why }
}

//! The messages of the rule beside: the guest dirties memory faster than it is sent.

use super::ENDLESS;
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::strong("Live migration not completed after"),
    Sign::strong("Live migration is not completed after"),
    Sign::strong("Live migration stuck for"),
    Sign::strong("Migration appears stuck"),
    Sign::strong("Live migration monitoring * is not progressing"),
    Sign::strong("Live migration stalled"),
    Sign::strong("Migration is stuck: Hasn't progressed in"),
    Sign::strong("Migration stalling: remaining"),
    Sign::strong(
        "The migration took * seconds which is exceeding the configured maximum time for migrations",
    ),
    Sign::strong("exceeding the configured maximum time for migrations"),
    Sign::strong("The migration is not converging"),
    Sign::support("auto-increased downtime to continue migration"),
    Sign::support("migration out job: canceled by client").and(&["timeout"]),
    Sign::support("migration job: canceled by client").and(&["timeout"]),
    Sign::support("migration timed out"),
    Sign::support("Migration timeout"),
    Sign::strong("VirtualMachineInstanceMigration").and(&["has been aborted", "not completed after"]),
    Sign::strong("cpu throttle percentage:"),
    Sign::strong("cpu-throttle-percentage"),
    Sign::support("Auto converge throttle:"),
    Sign::support("secs, memory * remaining").and(&["Migration running for"]),
    Sign::support("Memory remaining: ").and(&["migrati", "Dirty rate:"]),
    Sign::support("Memory remaining: ").and(&["migrate", "Dirty rate:"]),
    Sign::support("dirty pages rate:").and(&["remaining ram:"]),
    Sign::support("dirty-pages-rate").and(&["remaining"]),
    Sign::support("never converge"),
    Sign::support("not converge"),
    Sign::hint("dirty rate"),
    // Proxmox, QemuMigrate.pm.
    Sign::strong("capping downtime limit to maximum possible"),
    // KubeVirt, migration monitor.
    // What a complaint makes of a configuration.
    Sign::support("Dirty rate:").said(ENDLESS).or_near(),
    Sign::support("Data remaining:").and(&["Data processed:"]).said(ENDLESS).or_near(),
    Sign::support("stress").said(ENDLESS).or_near(),
    Sign::strong("Aborting migration: not completed after"),
    Sign::strong("Aborting migration: stuck for"),
    Sign::strong("aborting migration due to completion timeout"),
    Sign::strong("Turn auto convergence on to tune it"),
];

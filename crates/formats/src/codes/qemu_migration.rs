//! What the target's QEMU says of a migration stream that it cannot take.
//!
//! QEMU 7.2 to 10.2: `migration/savevm.c`, `migration/vmstate.c`, `migration/ram.c`, `hw/pci/pci.c`.

use super::{Line, line};

/// What follows `load of migration failed:`, and the messages before it.
pub(super) const LINES: &[Line] = &[
    line(
        "load of migration failed: invalid argument",
        "the state does not fit this machine: other machine type, devices, sizes or version; the line before names what",
        &["migration/machine-mismatch", "migration/state-section-mismatch"],
    ),
    line(
        "load of migration failed: input/output error",
        "the stream ended too early: the source, its QEMU or the network went away, or a device could not read its state",
        &["migration/port-blocked", "migration/state-section-mismatch"],
    ),
    line(
        "load of migration failed: operation not permitted",
        "a device refused its state after it was read",
        &["migration/state-section-mismatch"],
    ),
    line(
        "load of migration failed: no such file or directory",
        "a part of a device's state is not known here: the source is newer or has other features",
        &["migration/state-section-mismatch", "migration/target-older"],
    ),
    line(
        "load of migration failed: cannot allocate memory",
        "the target has no memory for the VM",
        &["migration/memory-limit"],
    ),
    line(
        "load of migration failed: operation not supported",
        "the source uses a way of migration that this QEMU does not know",
        &["migration/target-older"],
    ),
    line(
        "load of migration failed: connection reset by peer",
        "the source went away",
        &["migration/port-blocked"],
    ),
    line("load of migration failed: broken pipe", "the source went away", &["migration/port-blocked"]),
    line(
        "unknown savevm section or instance",
        "the source has a device that the target was not given",
        &["migration/machine-mismatch"],
    ),
    line(
        "savevm: unsupported version",
        "the source's device is newer than the target's",
        &["migration/target-older", "migration/state-section-mismatch"],
    ),
    line(
        "machine type received is",
        "the two QEMUs run different machine types",
        &["migration/machine-mismatch"],
    ),
    line(
        "missing section footer for",
        "a device's state is longer or shorter than here",
        &["migration/state-section-mismatch"],
    ),
    line(
        "expected vmdescription section",
        "the stream is out of step after a device's state",
        &["migration/state-section-mismatch"],
    ),
    line(
        "length mismatch:",
        "a block of memory has another size: memory, video memory or a ROM",
        &["migration/machine-mismatch"],
    ),
    line(
        "unknown ramblock",
        "the source has memory that the target was not given, as of a device",
        &["migration/machine-mismatch"],
    ),
    line(
        "get_pci_config_device: bad config data",
        "a PCI device is set up otherwise here: other capabilities or BARs",
        &["migration/machine-mismatch"],
    ),
    line(
        "unknown combination of migration flags",
        "the stream is out of step: the sides have different capabilities, or data was lost",
        &["migration/state-section-mismatch"],
    ),
    line(
        "not a migration stream",
        "something else speaks on the port, or one side uses TLS, multifd or compression and the other does not",
        &["migration/tls-failure", "migration/machine-mismatch"],
    ),
    line(
        "but received capability is",
        "the two QEMUs were given different migration capabilities",
        &["migration/machine-mismatch"],
    ),
    line(
        "postcopy needs matching ram page sizes",
        "huge pages on one side alone",
        &["migration/memory-limit"],
    ),
    line(
        "state blocked by non-migratable device",
        "a device of the VM cannot move",
        &["migration/non-migratable-device"],
    ),
];

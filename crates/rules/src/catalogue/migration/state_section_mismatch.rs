//! # A device's saved state cannot be loaded
//!
//! ## What it is
//! Machine and versions fit, and still the target refuses the state of one device: the bytes are inconsistent,
//! or the kernel below (KVM, VFIO, vhost) does not take them back.
//!
//! Heard as: the state of one device cannot be loaded at the target.
//!
//! Known by: error while loading state for instance 0x0 of device; load of migration failed: Invalid argument;
//! get_pci_config_device; Bad config data; virtio features mismatched; restore of saved state fails; arrives and then
//! fails: section footer, vmstate, subsection, virtqueue state, size mismatch; qemu -loadvm; Failed to load;
//! incompatible snapshot of memory.
//!
//! ## Why it happens
//! A guest driver or backend left a queue in a state that the target cannot check (virtio indices after a lost
//! connection), the hosts' kernels differ (nested state, XSAVE size, GIC and timer registers), a vhost-user
//! backend or a VFIO driver lost or refused its blob, the stream was cut, or the file with the state is
//! damaged.
//!
//! ## Confirm
//! The target's `/var/log/libvirt/qemu/NAME.log`: the first message before "load of migration failed" names the
//! device and the field. `uname -r` on both hosts.
//!
//! ## Refute
//! The message names a version, a machine type, an unknown section or another size: that is
//! migration/machine-mismatch. A missing CPU feature is migration/cpu-incompatible.
//!
//! ## Fix
//! Bring both kernels (and backend versions) to one state, or take the device named away before the migration
//! and add it after it. If the state came from a file, check that it is whole; start the guest afresh where it
//! cannot be mended.
//!
//! ## References
//! QEMU `migration/savevm.c`, `migration/vmstate.c`, `hw/virtio/virtio.c` (virtio_load),
//! `target/i386/machine.c`, `hw/vfio/migration.c`; Linux `Documentation/virt/kvm/api.rst`
//! (KVM_SET_NESTED_STATE).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration"],
    needs: &[Need::Glob("/var/log/libvirt/qemu/*.log")],
    signs: &[
        Sign::proof("VQ {n} address 0x0 inconsistent with Host index"),
        Sign::strong("VQ {n} address 0x0 "),
        Sign::strong("inconsistent with Host index 0x"),
        Sign::strong("VQ {n} size 0x{size} < last_avail_idx"),
        Sign::strong("Received nested state when kernel cannot restore it"),
        Sign::strong("Received unsupported nested state size"),
        Sign::strong("Received invalid nested state format"),
        Sign::strong("vCPU set in guest-mode inconsistent with"),
        Sign::strong("Failed to set nested state"),
        Sign::strong("Error loading  back-end state of"),
        Sign::strong("Error loading back-end state of"),
        Sign::strong("Error saving back-end state of"),
        Sign::strong("Failed to load device config space"),
        Sign::strong("Failed loading device config space"),
        Sign::strong("Failed to load device state: "),
        Sign::strong("error while loading state for instance 0x{n} of device 'cpu").unless(LAYOUT),
        Sign::strong("error while loading state for instance 0x{n} of device 'kvm").unless(LAYOUT),
        Sign::strong("error while loading state for instance 0x{n} of device").unless(LAYOUT),
        Sign::strong("error while loading state section id").unless(LAYOUT),
        Sign::strong("error while loading state").unless(LAYOUT),
        Sign::support("Failed to load {device}:{field}").unless(LAYOUT),
        Sign::support("Unable to restore KVM interrupt controller state"),
        Sign::strong("Unexpected vGIC"),
        Sign::strong("Failed to load XBZRLE page"),
        Sign::strong("error: Failed to restore domain").and(&["load of migration failed"]),
        Sign::support("load of migration failed: Input/output error"),
        Sign::hint("load of migration failed"),
        Sign::support("Error -5 while loading VM state"),
        Sign::support("Error -22 while loading VM state"),
        Sign::support("while loading VM state"),
        Sign::strong("save image is incomplete"),
        Sign::strong("image magic is incorrect"),
        Sign::support("loadvm failed: -22"),
        Sign::hint("failed in post-copy phase"),
        // QEMU 10.1 and later word it anew.
        Sign::strong("Load state of device {device} failed").unless(LAYOUT),
        Sign::support("Failed to load vmstate version_id").unless(LAYOUT),
        Sign::support("Section footer error, section_id").unless(LAYOUT),
        Sign::support("Error while loading vmstate").unless(LAYOUT),
        // Cloud Hypervisor and Firecracker.
        Sign::support("Failed to restore devices from snapshot"),
        Sign::support("Could not restore * state from snapshot"),
        Sign::strong("Features 0x{have} unsupported. Allowed features: 0x"),
        Sign::strong("Invalid number of virtqueues: 0x"),
        Sign::support("Failed to set state RESUMING"),
        Sign::support("tpm-emulator: Setting the stateblob"),
        Sign::support("multifd: received "),
        Sign::support("failed to receive packet via multifd channel"),
        Sign::support("multifd*flags received"),
        Sign::strong("RAM postcopy is enabled but have 0 byte advise"),
        Sign::strong("RAM postcopy is disabled but have 16 byte advise"),
        Sign::support("Ack, bad migration stream"),
        Sign::support("Illegal RAM offset"),
        Sign::support("Failed to decompress XBZRLE page"),
        Sign::support("Read section footer failed"),
        Sign::support("Failed to read section ID"),
        Sign::support("Unable to read ID string for section"),
        Sign::support("Expected vmdescription section, but got"),
        Sign::support("inconsistent stream when loading the gtree"),
        Sign::support("loadvm failed during postcopy"),
        Sign::strong("SETUP STATE: EOS not found"),
        Sign::strong("vfio*: Unknown tag 0x"),
        Sign::strong("Output state validation failed"),
        Sign::strong("Save of field"),
        Sign::strong("failed to save SaveStateEntry"),
        Sign::strong("Too large vmstate data to save"),
        Sign::strong("DBus vmstate buffer is too large"),
        Sign::strong("Migration source has lost inode"),
        Sign::strong("is not the same inode as in the migration source"),
        Sign::strong("Node with non-root ID"),
        Sign::strong("vfio_load_device_config_state() failed"),
        Sign::strong("got device state packet but not doing multifd transfer"),
        Sign::strong("ENABLE_COLO command come in migration stream"),
        Sign::strong("unterminated multifd device state idstr"),
        Sign::strong("Failed to peek at channel"),
        Sign::strong("Received INIT_DATA_SENT but switchover ack is not used"),
        Sign::strong("qemu_loadvm_approve_switchover failed"),
    ],
    words: &["migrat", "restore", "saved state", "load of migration", "loadvm", "resume"],
    tells: "/var/log/libvirt/qemu/NAME.log on the target",
    remedy: "bring both hosts' kernels and backends to one version, or detach the named device for the migration",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::DebugSpecialist),
    ..Rule::NEW
};

/// Messages that say that versions or layouts differ: then the section is only where it shows.
const LAYOUT: &[&str] = &[
    "Unknown savevm section or instance",
    "savevm: unsupported version {found} for ",
    "incoming version_id {found} is too",
    "get_pci_config_device: Bad config data",
    "Unknown ramblock ",
    "ize mismatch: {block}: 0x",
    "ength mismatch: {block}: 0x",
    "Machine type received is '{sent}' and local is '{local}'",
    "Mismatched RAM page size",
    "tpm-emulator",
    "Missing section footer for",
];

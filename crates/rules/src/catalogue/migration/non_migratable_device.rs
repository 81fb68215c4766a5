//! # A device or feature of the VM cannot migrate
//!
//! ## What it is
//! QEMU can move only state that it knows. A host device, a share that is mounted, a backend without dirty
//! logging, a CPU flag tied to this host: each registers a migration blocker, and libvirt refuses some of them
//! before QEMU is asked.
//!
//! Heard as: one VM cannot be moved, the others can: shared directory, host device, local TPM or bridge binding.
//!
//! ## Why it happens
//! PCI or mediated devices by VFIO without a migration driver, 9p, virtio-fs with a daemon that cannot hand
//! over, ivshmem, virtio-gpu with 3D, vhost-user backends without log support, vDPA, local or passed-through
//! TPM, `invtsc` without a TSC frequency, `hv-passthrough`, SEV, formats other than raw, qcow2 and qed's heirs,
//! NVMe emulation, nested guests on old QEMU or kernels.
//!
//! ## Confirm
//! The message names the device. `virsh dumpxml NAME | grep -E
//! '<hostdev|<filesystem|<shmem|<tpm|invtsc|launchSecurity'`; QEMU's monitor: `info migrate` lists the blockers
//! since 6.0.
//!
//! ## Refute
//! No such device in the configuration and no blocker in the message: another obstacle.
//!
//! ## Fix
//! Detach the device before the migration and attach another after it (failover pairs of virtio-net and a VF do
//! that), unmount the share in the guest, replace the backend by one that can migrate, give the TSC frequency.
//! What cannot move must be shut down and started on the target.
//!
//! ## References
//! QEMU `migration/migration.c` (migrate_add_blocker), `migration/savevm.c`, `hw/vfio/migration.c`,
//! `hw/9pfs/9p.c`, `hw/virtio/vhost.c`, `target/i386/kvm/kvm.c`; libvirt `src/qemu/qemu_migration.c`
//! (qemuMigrationSrcIsAllowed).

#[path = "preflight/devices.rs"]
mod preflight;

use crate::catalogue::snapshot::blocked_by_device::{config_blockers, saves, weigh};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::strong("State blocked by non-migratable device"),
        Sign::strong("non-migratable device"),
        Sign::strong("State blocked by non-migratable CPU device"),
        Sign::strong("State blocked due to non-migratable CPUID feature"),
        Sign::strong("Migration is disabled when VirtFS export path"),
        Sign::strong("Migration disabled: vhost-user backend lacks"),
        Sign::strong("Migration disabled: vhost lacks VHOST_F_LOG_ALL"),
        Sign::strong("Migration disabled: failed to allocate shared memory"),
        Sign::strong("Migration disabled: TPM emulator does not support"),
        Sign::strong("Migration disabled for VFIO device"),
        Sign::strong("VFIO device doesn't support migration"),
        Sign::strong("VFIO migration is not supported in kernel"),
        Sign::strong("Migration is disabled for VFIO device"),
        Sign::strong("Migration is currently not supported with"),
        Sign::strong("Multiple VFIO devices migration is supported only if"),
        Sign::strong("virgl is not yet migratable"),
        Sign::strong("Migration is disabled when using feature 'peer mode' in device 'ivshmem'"),
        Sign::strong("vhost-scsi does not support migration"),
        Sign::strong("protected VMs are currently not migratable"),
        Sign::strong("SEV: Migration is not implemented"),
        Sign::strong("SEV-SNP: Migration is not implemented"),
        Sign::strong("does not support live migration"),
        Sign::support("does not support migration"),
        Sign::strong("CPU flag prevents migration"),
        Sign::strong("Live migration disabled due to MTE"),
        Sign::support("Nested VMX virtualization does not support live migration yet"),
        Sign::support("Nested virtualization does not support live migration yet"),
        Sign::strong("the vdagent chardev doesn't yet support migration"),
        Sign::strong("VFIO migration is not supported with background snapshot"),
        Sign::strong("This operating system kernel does not support v* migration"),
        Sign::strong("cannot migrate a domain with <hostdev"),
        Sign::strong("cannot migrate a domain with <interface type="),
        Sign::strong("domain has assigned non-USB host devices"),
        Sign::strong("domain has assigned host devices"),
        Sign::strong("cannot migrate domain: "),
        Sign::strong("domain is marked for auto destroy"),
        Sign::strong("domain has 'invtsc' CPU feature but"),
        Sign::strong("domain has CPU feature: invtsc"),
        Sign::strong("migration with legacy shmem device is not supported"),
        Sign::strong("cannot be migrated, only shmem with role="),
        Sign::strong("vDPA devices cannot be migrated"),
        Sign::strong("a slirp-helper cannot be migrated"),
        Sign::strong("migration with virtiofs device is not supported"),
        Sign::strong("migration with this virtiofs device is not supported"),
        Sign::strong("cannot migrate this domain without dbus-vmstate support"),
        Sign::strong("migration with transient disk is not supported"),
        Sign::support("cannot migrate domain with I/O error"),
        Sign::strong("hardware poisoned memory"),
        Sign::strong("can't migrate VM which uses local devices"),
        Sign::strong("can't migrate running VM which uses"),
        Sign::strong("cannot migrate VMI which does not use"),
        Sign::strong("VMI uses a PCI host devices"),
        Sign::strong("HostDeviceNotLiveMigratable"),
        Sign::strong("VirtIOFSNotLiveMigratable"),
        Sign::strong("cannot migrate VMI: "),
        Sign::support("NotLiveMigratable"),
        // Proxmox, QemuMigrate.pm.
        Sign::proof("can't live migrate running VM which uses following mapped devices"),
        Sign::strong("missing mapped devices").and(&["migrat"]),
        Sign::strong("VMs with 'clipboard' set to 'vnc' are not live migratable"),
        // Incus and LXD.
        Sign::strong("Live migration requires migration.stateful to be set to true"),
        // nova, exception.py.
        Sign::strong("not supported for vTPM-enabled instance"),
        Sign::strong("Stateful migration requires migration.stateful"),
        Sign::strong("is not migratable, but --only-migratable was specified"),
        Sign::support(": Migration disabled"),
        Sign::support("Failed to mmap VFIO migration region"),
        Sign::strong("disallowing migration blocker (--only-migratable)"),
        Sign::support("in a node with auto-generated name '{node}' can't be migrated"),
        Sign::support("Cannot migrate bitmap '"),
    ],
    words: &[
        "migrat",
        "live migration",
        "virsh migrate",
        "qm migrate",
        "host device",
        "passthrough",
        "another host",
        "other host",
        "MigrateToURI",
    ],
    tells: "virsh dumpxml NAME, and info migrate in QEMU's monitor",
    remedy: "detach or replace what cannot migrate before migrating, or shut the guest down and start it on the target",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mine = saves(cx) != Some(true);
    let mut draft = weigh(cx, cx.blank(), RULE.signs, mine);
    // Configuration alone speaks where the user wants to migrate.
    if cx.said("migrat") && mine {
        let strength = if draft.any() { Strength::Hint } else { Strength::Support };
        draft = config_blockers(cx, draft, strength);
    }
    vec![draft.verdict()]
}

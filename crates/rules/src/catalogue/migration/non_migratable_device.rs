//! # A device or feature of the VM cannot migrate
//!
//! ## What it is
//! QEMU can move only state that it knows. A host device, a share that is mounted, a backend without dirty
//! logging, a CPU flag tied to this host: each registers a migration blocker, and libvirt refuses some of them
//! before QEMU is asked.
//!
//! Heard as: one VM cannot be moved, the others can: shared directory, host device, local TPM or bridge binding.
//!
//! Known by: domain has assigned non-USB host devices; cannot migrate domain with; State blocked by non-migratable
//! device; vfio, vhost-user, 9p, ivshmem, nested VMX or SEV; migration disabled; cannot live migrate with passthrough,
//! hostdev, SR-IOV, TPM, virtiofs, local USB; error names a device or feature as the blocker; only offline possible.
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

#[path = "messages/non_migratable_device.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["migration"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: messages::SIGNS,
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

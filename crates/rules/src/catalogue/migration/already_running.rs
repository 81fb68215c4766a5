//! # A previous migration, job or stale domain is in the way
//!
//! ## What it is
//! Only one job may change a domain at a time, and a domain's name and UUID may be active in one place only. An
//! earlier migration that did not end, a block job, or a left-over domain or QEMU on the target refuses the new
//! one.
//!
//! Heard as: a second attempt to move the VM fails; an interrupted migration or leftover domain is in the way.
//!
//! Known by: domain is already active or being migrated; job already in progress; cannot acquire lock during migrate;
//! left over domain on destination; previous attempt hangs; second attempt says in progress; target has the VM defined
//! or running; migrate cancel, abort; stuck after network loss; paused incoming leftover.
//!
//! ## Why it happens
//! A cancelled or failed migration left its job, its lock (Proxmox `migrate`, nova task state, a KubeVirt
//! migration object), or a paused QEMU on the target; a post-copy migration failed and waits for recovery; a
//! backup or block copy runs; the domain was defined on the target before with the same name and another UUID.
//!
//! ## Confirm
//! `virsh domjobinfo NAME`, `virsh domstate --reason NAME` on both hosts, `virsh blockjob NAME DISK --info`;
//! `virsh list --all` on the target; `ss -ltnp | grep 4915`; `qm config ID | grep lock`; `kubectl get vmim -A`.
//!
//! ## Refute
//! No job is listed, and the target knows neither the name nor the UUID.
//!
//! ## Fix
//! Let the job end or abort it (`virsh domjobabort NAME`); remove the left-over definition or paused domain on
//! the target after making sure that it is not the one that serves; resume a failed post-copy
//! (`--postcopy-resume`), never destroy its source; take the stale lock away (`qm unlock`).
//!
//! ## References
//! libvirt `src/qemu/qemu_migration.c`, `src/conf/virdomainjob.c`, `src/conf/virdomainobjlist.c`; QEMU
//! `migration/migration.c` (migrate_prepare); KubeVirt `pkg/virt-api/webhooks`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["migration"],
    signs: &[
        Sign::proof("another migration job is already running for domain"),
        Sign::proof("There's a migration process in progress"),
        Sign::proof("The incoming migration has already been started"),
        Sign::proof("in-flight migration detected"),
        Sign::proof("VM is locked (migrate)"),
        Sign::strong("Guest is waiting for an incoming migration"),
        Sign::proof("held by monitor=remoteDispatchDomainMigrate"),
        Sign::strong("Can't migrate the vm that was paused due to previous migration"),
        Sign::strong("being actively monitored by another thread"),
        Sign::strong("post-copy migration of domain * has not failed"),
        Sign::strong("post-copy migration of domain * already in progress"),
        Sign::strong("is not processing incoming migration"),
        Sign::strong("migration protocol going backwards"),
        Sign::strong("domain has active block job").and(&["migrati"]),
        Sign::strong("domain has active block job").and(&["migrate"]),
        Sign::strong("already exists with uuid").and(&["migrati"]),
        Sign::strong("already exists with uuid").and(&["migrate"]),
        Sign::strong("already defined with uuid").and(&["migrati"]),
        Sign::strong("already defined with uuid").and(&["migrate"]),
        Sign::strong("domain is already active as").and(&["migrati"]),
        Sign::strong("domain is already active as").and(&["migrate"]),
        Sign::strong("' is already active").and(&["migrati"]),
        Sign::strong("' is already active").and(&["migrate"]),
        Sign::strong("already running").and(&["migration aborted"]),
        Sign::strong("already running on target").and(&["migrati"]),
        Sign::strong("already running on target").and(&["migrate"]),
        Sign::strong("Bitmap with the same name ('{name}') already exists on destination"),
        Sign::strong("Address already in use").and(&["-incoming"]),
        Sign::strong("task_state migrating"),
        Sign::strong("The instance is already being migrated"),
        Sign::strong("an in-progress migration"),
        Sign::strong("Migration is already in progress"),
        Sign::strong("migration already in progress"),
        Sign::support("can't lock file '/var/lock/qemu-server/lock-").and(&["migrati"]),
        Sign::support("can't lock file '/var/lock/qemu-server/lock-").and(&["migrate"]),
        Sign::support("cannot acquire state change lock").and(&["migrati"]),
        Sign::support("cannot acquire state change lock").and(&["migrate"]),
        Sign::support("cannot abort migration in post-copy mode"),
        Sign::support("QEMU reports migration is still running"),
        Sign::support("domain '{name}' is not being migrated"),
        Sign::support("disk '{disk}' already in active block job").and(&["migrati"]),
        Sign::support("disk '{disk}' already in active block job").and(&["migrate"]),
        Sign::support("paused (migrating)"),
        Sign::support("volume * already exists").and(&["migration aborted"]),
        Sign::hint("cannot migrate domain with * snapshots"),
        Sign::support("disallowing migration blocker (migration/snapshot in progress)"),
        Sign::support("block device is in use by migration"),
        Sign::support("device_del not allowed while migrating"),
        Sign::strong("Failed to obtain guest migration lock"),
        Sign::strong("VM is locked (migrate)"),
        Sign::strong("VM is locked ("),
        Sign::strong("VMI is not eligible for migration because another migration job is in progress"),
        Sign::strong("vmi is ineligible for migration because another migration job is running"),
        Sign::strong("Unable to migrate vmi because vmi is shutdown"),
        Sign::strong("migration job * already executed"),
        Sign::strong("Migrate recover can only be run when postcopy is paused"),
        Sign::strong("Cannot resume if there is no paused migration"),
        Sign::strong("migrate-pause is currently only supported during postcopy-active state"),
        Sign::strong("Device {d} is already in the process of unplug"),
        Sign::strong("RAM block '{b}' resized during precopy"),
        Sign::strong("cannot abort incoming migration; use virDomainDestroy instead"),
        Sign::strong("cannot abort VM start; use virDomainDestroy instead"),
        Sign::strong("no job is active on the domain"),
        Sign::strong("current job is not outgoing migration in post-copy mode"),
        Sign::strong("domain is pmsuspended"),
        Sign::strong("cannot do managed save for transient domain"),
        Sign::strong("leaving the domain paused"),
        Sign::strong("finish step ignored that migration was cancelled"),
        Sign::strong("Postcopy migration in progress, cannot cancel"),
        Sign::strong("Illegal migration incoming state"),
        Sign::strong("Illegal migration status"),
        Sign::strong("Switchover is interrupted"),
        Sign::strong("There is already an ongoing migration"),
        Sign::strong("Can't receive a migration when a VM is already created"),
        Sign::strong("Cannot migrate while on-demand memory restore is in progress"),
    ],
    words: &["migrat", "already", "previous", "stale", "left over", "locked", "aborted", "cancel", "retry"],
    explains: &["libvirt/monitor-unresponsive", "machine/id-in-use"],
    tells: "virsh domjobinfo NAME; virsh list --all on the target",
    remedy: "end or abort the earlier job, and remove the left-over domain on the target once it is sure not to be the live one",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    ..Rule::NEW
};

//! # Live migration needs volumes that both nodes can use: ReadWriteMany
//!
//! ## What it is
//! During live migration two virt-launcher pods, on two nodes, open the same volumes. KubeVirt therefore calls a VM
//! migratable only if each of its claims has the access mode ReadWriteMany. A ReadWriteOnce claim also keeps the target
//! pod from attaching.
//!
//! Heard as: the Migrate button is grey; a VM is not live migratable because its volume is ReadWriteOnce.
//!
//! Known by: LiveMigratable false: DisksNotLiveMigratable; PVC is not shared, ReadWriteOnce; cannot drain the node;
//! access mode of DataVolume; local-path.
//!
//! ## Why it happens
//! The storage class offers RWX only for block mode and the DataVolume asks for a file system; local or hostPath storage
//! is used; the default access mode of the storage profile is RWO; a hostDisk is not shared; the vTPM or EFI state claim
//! lies in an RWO class.
//!
//! ## Confirm
//! `kubectl get vmi <vm> -o jsonpath='{.status.conditions}'`: LiveMigratable is False, reason DisksNotLiveMigratable;
//! `kubectl get pvc -o custom-columns=NAME:.metadata.name,MODES:.spec.accessModes,MODE:.spec.volumeMode`.
//!
//! ## Refute
//! All claims are RWX and the reason is another (InterfaceNotLiveMigratable, HostDeviceNotLiveMigratable).
//!
//! ## Fix
//! Create the volumes as RWX (usually `volumeMode: Block` on Ceph RBD), or migrate the storage first.
//!
//! ## References
//! KubeVirt user guide "Live Migration", limitations; `pkg/virt-handler/vm.go` `checkVolumesForMigration()`; CDI
//! storage profiles.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kubevirt", "migration", "storage"],
    signs: &[
        Sign::proof("live migration requires that all PVCs must be shared"),
        Sign::proof("DisksNotLiveMigratable"),
        Sign::proof("cannot migrate VMI with non-shared HostDisk"),
        Sign::proof("cannot migrate VMI with non-shared PVCs"),
        Sign::proof("is not shared, live migration requires"),
        Sign::strong("is RWO and not included in the migration volumes"),
        Sign::strong("Backend storage PVC is not RWX"),
        Sign::support("Multi-Attach error for volume").and(&["virt-launcher"]),
        Sign::support("EvictionStrategy is set but vmi is not migratable").and(&["PVC"]),
        Sign::support("VMI is not migratable").and(&["ReadWriteOnce"]),
        Sign::strong("cannot migrate VMI: PVC "),
        Sign::strong("cannot migrate VMI with containerDisk").and(&["ReadWriteOnce"]),
        Sign::support("is configured with an eviction strategy but is not live-migratable"),
        Sign::support("accessModes are not supported").and(&["kubevirt"]),
        Sign::support("MULTI_NODE_MULTI_WRITER").and(&["kubevirt"]),
        Sign::strong("multi node access modes are only supported on rbd `block` type volumes"),
        Sign::strong("Multi-Attach error for volume").and(&["migration"]),
        Sign::strong("ReadWriteOnce").said(&["migrat"]).or_near(),
        Sign::support("RWO     ").said(&["migrat"]).or_near(),
        Sign::strong("cannot migrate VMI: PVC * is not shared"),
        Sign::strong("requires that all PVCs must be shared (using ReadWriteMany access mode)"),
        Sign::strong("cannot migrate VMI with non-shared"),
        Sign::strong("references block mode PVC"),
        Sign::strong("DisksNotLiveMigratable"),
        Sign::strong("HotplugNotLiveMigratable"),
    ],
    words: &["live migration", "kubevirt", "readwritemany", "rwx", "not migratable", "readwriteonce"],
    explains: &["migration/storage-not-shared", "kubevirt/scheduling-conflict"],
    tells: "kubectl get pvc",
    remedy: "create the VM's volumes with the access mode ReadWriteMany (mostly in block mode)",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let mut once = None;
    let mut live = None;
    for text in cx.texts_of(&["kubernetes_yaml"]) {
        for (number, line) in text.lines() {
            match line.trim().trim_start_matches("- ").trim_matches('"') {
                "ReadWriteOnce" => once = once.or_else(|| text.quote(number)),
                "evictionStrategy: LiveMigrate" => live = live.or_else(|| text.quote(number)),
                _ => {}
            }
        }
    }
    if let (Some(once), Some(live)) = (once, live) {
        draft = draft.because(Strength::Support, Some(once), "only one node can use the volume").because(
            Strength::Hint,
            Some(live),
            "the VM is to be migrated on eviction",
        );
    }
    vec![draft.verdict()]
}

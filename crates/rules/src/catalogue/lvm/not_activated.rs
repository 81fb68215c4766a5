//! # The volume, or its thin pool, is not active
//!
//! ## What it is
//! A logical volume has a device node only while it is active. The metadata knows the volume (`lvs` shows it), but
//! `/dev/VG/LV` does not exist, so the VM's disk "does not exist".
//!
//! Heard as: after a reboot the VMs on a volume group do not start; the volume or thin pool is inactive.
//!
//! Known by: /dev/vg/lv missing; lvchange -ay; LV status not available; inactive after reboot; activation of logical
//! volume is prohibited, autoactivation; thin pool tmeta check failed.
//!
//! ## Why it happens
//! Activation skipped (`k` flag of thin snapshots), `auto_activation_volume_list` or `volume_list` in lvm.conf,
//! storage that came after boot-time activation, another host that holds it exclusively (lvmlockd), thin
//! metadata that needs a check ("Manual repair required"), missing thin-provisioning-tools in the initramfs, a
//! missing physical volume.
//!
//! ## Confirm
//! `lvs -o lv_name,lv_attr,lv_active`: place 5 of the attributes is `-` and not `a`; `lvscan` says "inactive";
//! `vgchange -ay --test VG` tells why it would refuse.
//!
//! ## Refute
//! `lvs` does not show the volume at all: then its physical volume is hidden or it was removed.
//!
//! ## Fix
//! `lvchange -ay VG/LV` (`-K` to ignore the skip flag); for a thin pool that needs repair `lvconvert --repair
//! VG/POOL` with the pool's other volumes off; a missing PV must come back first.
//!
//! ## References
//! lvchange(8) (-a, -K), lvmautoactivation(7), lvmthin(7) (repair); libvirt
//! `src/storage/storage_backend_logical.c`; LVM2 `lib/activate/`.

use crate::prelude::*;
use lvs::{Kept, Volume, kept, paths, volumes};
use vmwright_formats::Images;

#[path = "state/lvs.rs"]
pub(crate) mod lvs;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
    needs: &[
        Need::Glob("/etc/lvm/backup/*"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Probe(Probe::Images),
    ],
    signs: &[
        Sign::strong("can't activate LV '{volume}'"),
        Sign::strong("Check of pool {pool} failed"),
        Sign::strong("Manual repair required"),
        Sign::strong("activation failed: ").and(&["thin"]),
        Sign::strong("Activation of logical volume {volume} is prohibited while"),
        Sign::strong("is not active locally"),
        Sign::strong("Failed to activate new LV"),
        Sign::strong("Failed to activate thin"),
        Sign::strong("Refusing activation of partial LV"),
        Sign::strong("Refusing activation of LV"),
        // libvirt's volumes are files too; of those it speaks with their pool.
        Sign::strong("Volume {volume} is not active").unless(&["storage pool"]),
        Sign::strong("volume group * not active"),
        Sign::strong("0 logical volume(s) in volume group \"{group}\" now active"),
        Sign::strong("  inactive          '/dev/"),
        Sign::strong("LV Status*NOT available"),
        Sign::strong("Not activating {volume} since it does not pass activation filter"),
        Sign::strong("does not pass activation filter"),
        Sign::support("lvchange -ay"),
        Sign::support("vgchange -ay"),
        Sign::support("Couldn't find device with uuid"),
        Sign::support("device-mapper: reload ioctl on * failed"),
        Sign::support("device-mapper: create ioctl on * failed"),
        Sign::support("transaction_id").and(&["thin"]),
        Sign::support("thin_check: execvp failed"),
        Sign::support("/usr/sbin/thin_check: execvp failed"),
        Sign::support("Cannot activate LVs in VG {group} while PVs appear on duplicate devices"),
        Sign::support("Cannot access VG {group} with system ID"),
        // lvm2, activate.c and dev_manager.c.
        Sign::strong("Cannot activate thin pool"),
        Sign::strong("Aborting. Failed to locally activate thin pool"),
        Sign::strong("Thin pool transaction_id is {found}, while expected"),
        Sign::strong("Thin pool {pool} transaction_id is {found}, while expected"),
        Sign::strong("Cannot process volume group").and(&["not active"]),
        Sign::strong("Volume is not active locally"),
        Sign::strong("must be active to perform this operation"),
        // The volume's node is not there: QEMU, Proxmox (`qm start`), oVirt.
        Sign::support("Could not open '/dev/pve/{volume}': No such file or directory"),
        Sign::support("no such logical volume"),
        Sign::hint("/dev/mapper/*No such file or directory"),
        Sign::hint("/dev/pve/*No such file or directory"),
        Sign::strong("-wi-------").said(&["not start", "reboot", "fail", "missing"]),
        Sign::strong("twi---").said(&["not start", "reboot", "fail"]),
        Sign::strong("can't activate LV"),
        Sign::strong("no such volume group '"),
        Sign::strong("no such thin pool"),
        Sign::strong("target support missing from kernel"),
        Sign::strong("is incomplete and --activationmode partial was not specified"),
        Sign::strong("Cannot activate {lv}: pool incomplete"),
        Sign::support("Activation disabled. No device-mapper interaction will be attempted"),
        Sign::strong("Compiled without libdevmapper support"),
    ],
    words: &["lvm", "not active", "inactive", "activate", "logical volume", "thin pool", "lvchange"],
    explains: &["storage/image-missing"],
    tells: "lvs -o lv_name,lv_attr,lv_active",
    remedy: "activate the volume (lvchange -ay VG/LV), after repairing the thin pool or bringing back a missing physical volume if LVM says so",
    applicability: Applicability::NeedsApproval,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let wanted = super::super::storage::cache_mode_unsafe::disks(cx);
    let volumes = volumes(cx);
    for volume in volumes.iter() {
        draft = draft.looked();
        let Volume { name, group, .. } = volume;
        let [plain, mapped] = paths(group, name);
        let used = wanted
            .iter()
            .find(|disk| disk.source.as_deref().is_some_and(|path| path == plain || path == mapped));
        if volume.attributes[4] == b'-'
            && let Some(disk) = used
        {
            draft = draft
                .because(Strength::Strong, volume.quote.clone(), "the volume is not active")
                .because(Strength::Support, disk.quote.clone(), "a VM's disk")
                .about(Subject::new(SubjectKind::Path, &plain))
                .title(format!("the logical volume {group}/{name} of the VM is not active"));
            // One that is skipped on purpose takes another word than its name.
            let plain = !group.is_empty() && volume.attributes[9] != b'k';
            let draft = if plain {
                draft
                    .remedy(format!("activate the logical volume {group}/{name}"))
                    .action(activate(group, name))
            } else {
                draft
            };
            return vec![draft.verdict()];
        }
    }
    // Nobody lists the volumes of a live host: LVM's own copy of the metadata knows them, and their nodes are not there.
    for Kept { name, group, quote } in kept(cx) {
        let paths = paths(&group, &name);
        for seen in cx.all::<Images>() {
            draft = draft.looked();
            let mut missing = paths.iter().filter_map(|path| seen.of(path)?.missing());
            let Some(gone) = missing.find(|why| why.value == "does not exist") else { continue };
            draft = draft
                .because(Strength::Strong, seen.quote(gone.line), "a VM's disk has no node")
                .because(Strength::Strong, quote.clone(), "LVM knows the volume")
                .about(Subject::new(SubjectKind::Path, &paths[0]))
                .title(format!("the logical volume {group}/{name} of the VM is not active"));
            let remedy = format!("activate the logical volume {group}/{name}");
            return vec![draft.remedy(remedy).action(activate(&group, &name)).verdict()];
        }
    }
    // A pool is activated at boot with the volumes in it, where nothing stops it.
    let pool = volumes.iter().find(|volume| volume.is_pool() && volume.is_inactive());
    if let Some(pool) = pool
        && let Some(thin) = volumes.iter().find(|volume| volume.is_thin() && volume.is_inactive())
    {
        draft = draft
            .because(Strength::Strong, pool.quote.clone(), "the thin pool is not active")
            .because(Strength::Support, thin.quote.clone(), "nor are volumes in it")
            .title(format!("the thin pool {}/{} is not active", pool.group, pool.name));
    }
    vec![draft.verdict()]
}

fn activate(group: &str, name: &str) -> Action {
    Action::LogicalVolume { volume: format!("{group}/{name}"), from: false, to: true }
}

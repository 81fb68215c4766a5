//! # The volume, or its thin pool, is not active
//!
//! ## What it is
//! A logical volume has a device node only while it is active. The metadata knows the volume (`lvs` shows it), but
//! `/dev/VG/LV` does not exist, so the VM's disk "does not exist".
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
use vmwright_formats::lines::lines;

pub const RULE: Rule = Rule {
    tags: &["storage", "boot"],
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
        Sign::strong("Volume {volume} is not active"),
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
        Sign::hint("/dev/mapper/*No such file or directory"),
        Sign::hint("/dev/pve/*No such file or directory"),
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

/// Listings are short; what is longer is a log.
const LISTING: usize = 1 << 20;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let wanted = super::super::storage::cache_mode_unsafe::disks(cx);
    for text in cx.texts().iter().filter(|text| text.text.len() < LISTING) {
        for (number, line) in lines(&text.text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(attributes) = words.get(2).filter(|word| word.len() == 10 && word.is_ascii()) else {
                continue;
            };
            if !attributes.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric())
                || !attributes.contains('-')
            {
                continue;
            }
            let (volume, group) = (words[0].trim_matches(['[', ']']), words[1]);
            draft = draft.looked();
            // A VM's disk names it as /dev/VG/LV or /dev/mapper/VG-LV, where dashes are doubled.
            let plain = format!("/dev/{group}/{volume}");
            let mapped = format!("/dev/mapper/{}-{}", group.replace('-', "--"), volume.replace('-', "--"));
            let used = wanted
                .iter()
                .find(|disk| disk.source.as_deref().is_some_and(|path| path == plain || path == mapped));
            if attributes.as_bytes()[4] == b'-'
                && let Some(disk) = used
            {
                draft = draft
                    .because(Strength::Strong, text.quote(number), "the volume is not active")
                    .because(Strength::Support, disk.quote.clone(), "a VM's disk")
                    .about(Subject::new(SubjectKind::Path, &plain))
                    .title(format!("the logical volume {group}/{volume} of the VM is not active"));
                return vec![draft.verdict()];
            }
        }
    }
    vec![draft.verdict()]
}

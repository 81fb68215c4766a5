//! # No address space identifier is free for one more encrypted VM
//!
//! ## What it is
//! Each running SEV VM holds one ASID, which selects its key. The processor has a fixed number (for example 509),
//! split by the BIOS between SEV-ES/SNP and plain SEV. When none of the kind is left, KVM refuses the next VM with
//! "Device or resource busy".
//!
//! Heard as: some confidential guests start and one more does not.
//!
//! Known by: no free ASID; SEV_INIT or LAUNCH_START fails with many guests; minimum SEV ASID in BIOS; max encrypted
//! guests reached; error ENOSPC or EBUSY from KVM_SEV_INIT; only some confidential VMs start, one more fails; ES and
//! SNP share few identifiers; limit reached; stop another.
//!
//! ## Why it happens
//! As many VMs of the kind run as there are ASIDs; a cgroup's `misc.max` allows fewer; or VMs were ended so fast
//! that their ASIDs wait for a DF_FLUSH of the firmware. A small SEV-ES space limit makes SEV-ES run out early.
//!
//! ## Confirm
//! `cat /sys/fs/cgroup/misc.capacity`, then `cat /sys/fs/cgroup/<group>/misc.current misc.max`; `dmesg` shows the
//! ranges of ASIDs. QEMU says `ret=-16 fw_error=0`.
//!
//! ## Refute
//! `misc.current` is well below `misc.capacity` and `misc.max`. A capacity of 0 is sev/disabled-in-firmware.
//!
//! ## Fix
//! Stop encrypted VMs that are not needed, move some to another host, or raise the SEV-ES ASID space limit in the
//! BIOS; raise `misc.max` where a cgroup is the limit.
//!
//! ## References
//! Linux `arch/x86/kvm/svm/sev.c` `sev_asid_new()`; `Documentation/admin-guide/cgroup-v2.rst`, Misc;
//! `kernel/cgroup/misc.c` `misc_cg_try_charge()`; AMD SEV firmware ABI, ACTIVATE.

use super::guest_memory_unpinned::status::weigh;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev", "capacity"],
    signs: &[
        // EBUSY of sev_asid_new().
        Sign::proof("sev_kvm_init: failed to initialize ret=-16 fw_error=0"),
        Sign::proof("sev_common_kvm_init: failed to initialize ret=-16 fw_error=0"),
        Sign::proof("sev_guest_init: failed to initialize ret=-16 fw_error=0"),
        Sign::strong("LAUNCH_START ret=-16 fw_error=0"),
        Sign::strong("charge rejected by the misc controller for sev"),
        Sign::strong("Error creating VM: *Device or resource busy").and(&["sev-snp"]),
        Sign::strong("Insufficient devices.kubevirt.io/sev"),
        Sign::strong("sev.amd.com/snp").and(&["Insufficient sev.amd.com"]),
        Sign::strong("Insufficient sev-snp.amd.com/esids"),
        Sign::strong("Insufficient amd.com/sev"),
        Sign::hint("No space left on device").and(&["sev_asid"]),
    ],
    words: &["asid", "sev guests", "another sev vm", "resource busy", "how many sev"],
    tells: "/sys/fs/cgroup/misc.capacity",
    remedy: "stop encrypted VMs that are not needed, or give this kind more ASIDs in the BIOS or in misc.max",
    disruption: Disruption::GuestRestart,
    needs: &[
        Need::File("/sys/fs/cgroup/misc.capacity"),
        Need::File("/sys/fs/cgroup/misc.current"),
        Need::Glob("/sys/fs/cgroup/*/misc.current"),
        Need::Command(&["dmesg"]),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    // ASID_OWNED and INVALID_ASID; RESOURCE_LIMIT may be another resource.
    let mut draft = weigh(cx, cx.draft(), &[0x0C, 0x0D], Strength::Strong);
    draft = weigh(cx, draft, &[0x17], Strength::Support);
    for kind in ["sev", "sev_es"] {
        let (Some(all), Some(used)) = (count(cx, "misc.capacity", kind), count(cx, "misc.current", kind))
        else {
            continue;
        };
        draft = draft.looked();
        if all.0 > 0 && used.0 >= all.0 {
            draft = draft
                .because(Strength::Strong, used.1, "every ASID is in use")
                .because(Strength::Support, all.1, "the processor has no more")
                .title(format!("all {} ASIDs of kind {kind} are in use", all.0));
        }
    }
    vec![draft.verdict()]
}

/// The number behind a resource's name in a file of the misc controller.
fn count(cx: &Context<'_>, file: &str, kind: &str) -> Option<(u64, Option<Evidence>)> {
    let texts = cx.texts_named(|source| source.ends_with(file));
    let mut found = texts.flat_map(|text| text.lines().map(move |(number, line)| (text, number, line)));
    found.find_map(|(text, number, line)| {
        let (name, value) = line.trim().split_once(' ')?;
        (name == kind).then(|| Some((value.trim().parse().ok()?, text.quote(number)))).flatten()
    })
}

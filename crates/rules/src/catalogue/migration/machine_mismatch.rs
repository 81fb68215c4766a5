//! # Machine type, device layout or QEMU version differ between source and target
//!
//! ## What it is
//! A migration stream, a saved state and an internal snapshot are lists of sections, one for each device and
//! RAM block, in the format of the machine type that wrote them. The reader finds a section it has no device
//! for, another size, or a version that it does not know.
//! Heard as: a saved or running VM is refused by another version of QEMU or another layout of devices, mostly
//! going back to the older one.
//!
//! Known by: Unknown ramblock, length mismatch; Machine type received differs; missing section; device in different
//! slot; unknown savevm section; instance id; device tree unequal: other size of ROM, RAM, BAR or number of devices;
//! incoming side started with other arguments; PCI address; load state failed; pc-i440fx against q35.
//!
//! ## Why it happens
//! The target was started with another machine type, another memory size, another order of devices or another
//! ROM size. An alias (`pc`, `q35`, `virt`) resolved to another version. The target's QEMU is older than the
//! source's, or a distribution's machine type is unknown there. Devices were hot-plugged and not repeated. A
//! backward migration met a section that only the newer version writes.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep machine=` on the source while it runs, `qemu-system-x86_64 --version` on both
//! hosts, `diff` of the two command lines in `/var/log/libvirt/qemu/NAME.log` (the target's has `-incoming`).
//!
//! ## Refute
//! Both command lines are equal but for `-incoming`, and both QEMU versions too: then a device's state itself
//! is broken (migration/state-section-mismatch).
//!
//! ## Fix
//! Start the target with the versioned machine type and the very devices, addresses, sizes and ROM files of the
//! source, hot-plugged ones included. Migrate forward only, to the same or a newer QEMU. A saved state of an
//! older layout must be started with that layout, or discarded.
//!
//! ## References
//! QEMU `migration/savevm.c` (qemu_loadvm_section_start_full, configuration section), `migration/vmstate.c`,
//! `hw/pci/pci.c` (get_pci_config_device), `docs/devel/migration/compatibility.rst`; libvirt
//! `src/conf/domain_conf.c` (virDomainDefCheckABIStability).

#[path = "preflight/pair.rs"]
pub(crate) mod pair;
#[path = "preflight/machine.rs"]
mod preflight;

use crate::prelude::*;
use sides::{two_machines, two_qemus};

#[path = "messages/machine_mismatch.rs"]
mod messages;

#[path = "state/sides.rs"]
pub(crate) mod sides;

pub const RULE: Rule = Rule {
    tags: &["migration"],
    needs: &[
        Need::Glob("/var/log/libvirt/qemu/*.log"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Glob("/var/cache/libvirt/qemu/capabilities/*.xml"),
        Need::Command(&["qemu-system-x86_64", "--version"]),
        Need::Command(&["qemu-system-x86_64", "-machine", "help"]),
    ],
    signs: messages::SIGNS,
    words: &["migrat", "upgrade", "downgrade", "version", "older qemu", "machine type", "restore"],
    explains: &[
        "migration/state-section-mismatch",
        "machine/type-unsupported",
        "machine/device-model-unsupported",
    ],
    tells: "the two command lines in /var/log/libvirt/qemu/NAME.log",
    remedy: "start the target with the source's versioned machine type and the same devices and sizes, on the same or a newer QEMU",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let fails = cx.stands("load of migration failed");
    if !fails && !cx.stands("migrat") {
        return vec![draft.verdict()];
    }
    if let Some([one, other]) = two_qemus(cx) {
        let strength = if fails { Strength::Strong } else { Strength::Support };
        draft = draft
            .because(strength, other.quote, "another QEMU than the other side's")
            .title(format!("one side runs QEMU {}, the other {}", one.value, other.value));
    }
    if let Some([one, other]) = two_machines(cx) {
        draft = draft
            .because(Strength::Strong, other.quote, "another machine type than the other side's")
            .title(format!("one side runs machine type {}, the other {}", one.value, other.value));
    }
    vec![draft.verdict()]
}

//! # Machine type, device layout or QEMU version differ between source and target
//!
//! ## What it is
//! A migration stream, a saved state and an internal snapshot are lists of sections, one for each device and
//! RAM block, in the format of the machine type that wrote them. The reader finds a section it has no device
//! for, another size, or a version that it does not know.
//! Heard as: a saved or running VM is refused by another version of QEMU or another layout of devices, mostly
//! going back to the older one.
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
    signs: &[
        Sign::proof("Machine type received is '{sent}' and local is '{local}'"),
        Sign::proof("Unknown savevm section or instance"),
        Sign::proof("savevm: unsupported version {found} for "),
        Sign::proof("incoming version_id {found} is too new for local version_id"),
        Sign::proof("incoming version_id {found} is too old for local minimum version_id"),
        Sign::proof("get_pci_config_device: Bad config data"),
        Sign::proof("Unknown ramblock "),
        Sign::proof("Size mismatch: {block}: 0x"),
        Sign::proof("Length mismatch: {block}: 0x"),
        Sign::proof("Mismatched RAM page size"),
        Sign::strong("Mismatched GPAs for block"),
        Sign::strong("Postcopy needs matching RAM page sizes"),
        Sign::strong("Postcopy needs matching target page sizes"),
        Sign::strong("Received TARGET_PAGE_BITS is"),
        Sign::strong("Failed to load PCIDevice:config"),
        Sign::strong("Missing section footer for"),
        Sign::strong("Mismatched section id in footer"),
        Sign::strong("Capability {name} is *, but received capability is"),
        Sign::strong("Received unknown capability"),
        Sign::strong("Configuration section missing"),
        Sign::strong("Unsupported migration stream version"),
        Sign::strong("SaveVM v2 format is obsolete"),
        Sign::strong("Not a migration stream"),
        Sign::strong("Unknown combination of migration flags"),
        Sign::strong("Unknown savevm section type"),
        Sign::support("Unknown savevm section "),
        Sign::strong("multifd: received packet magic"),
        Sign::strong("multifd: received packet version"),
        Sign::strong("saved image requires vnet_hdr=on"),
        Sign::strong("saved image requires TUN_F_UFO"),
        Sign::strong("Features 0x* unsupported. Allowed features"),
        Sign::strong("VQ {n} size 0x{size} < last_avail_idx").and(&["-incoming"]),
        Sign::support("Input validation failed: "),
        Sign::hint("error while loading state for instance 0x{n} of device"),
        Sign::hint("error while loading state section id"),
        // libvirt compares the definitions, on migration, restore and revert.
        Sign::strong("Target * does not match source"),
        Sign::strong("Unknown migration cookie feature"),
        Sign::strong("Unsupported migration cookie feature"),
        // The target cannot even build the source's machine.
        Sign::strong("unsupported machine type").and(&["-incoming"]),
        Sign::strong("unsupported machine type").and(&["live migrat"]),
        Sign::strong("does not support machine type").and(&["migrat"]),
        Sign::strong("is not a valid device model name").and(&["-incoming"]),
        Sign::strong("Property '*' not found").and(&["-incoming"]),
        Sign::strong("machine type * is not supported").and(&["migrat"]),
        Sign::strong("Destination host emulator is different"),
        Sign::support("load of migration failed").and(&["downgrad"]),
        Sign::support("load of migration failed").and(&["older version"]),
        Sign::support("load of migration failed").and(&["older qemu"]),
        Sign::support("load of migration failed").and(&["upgrad"]),
        Sign::hint("load of migration failed"),
        // QEMU 10.1 and later word it anew.
        Sign::strong("Unknown section or instance '{section}'"),
        Sign::strong("unsupported version {found} for '{section}' v"),
        Sign::strong("UUID received is {received} and local is"),
        Sign::strong("Migration option '{option}' is not supported by QEMU binary"),
        Sign::strong("offline migration is not supported by the destination host"),
        // Proxmox.
        Sign::strong("target node * too old"),
        Sign::strong("Remote tunnel endpoint * upgrade required"),
    ],
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

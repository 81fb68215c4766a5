//! # Two parts of the VM's configuration contradict each other
//!
//! ## What it is
//! Each setting is known, but two of them cannot stand together: a CPU topology that does not multiply to the vCPUs, an
//! IDE disk on q35, NUMA cells whose memory is not the VM's, a device on a bus that the machine type has not.
//!
//! Heard as: two options of the configuration exclude each other; refused since one was added.
//!
//! ## Why it happens
//! One place was edited and not the other; a definition was carried over to another machine type; a wrapper adds options
//! of its own to those given by hand.
//!
//! ## Confirm
//! The message names both. `virsh -r dumpxml VM` (vcpu against topology, controllers against machine); for QEMU read
//! `-smp`, `-machine`, `-numa`, `-device` side by side.
//!
//! ## Refute
//! The value is refused alone as well: then it is unknown here (`machine/device-model-unsupported`) or invalid
//! (`machine/invalid-xml`).
//!
//! ## Fix
//! Bring the two into agreement; the message or the two quoted lines say which.
//!
//! ## References
//! QEMU `hw/core/machine-smp.c`, `hw/core/numa.c`, `system/vl.c`, `system/qdev-monitor.c`; libvirt
//! `src/qemu/qemu_validate.c`, `src/conf/domain_validate.c`, `src/conf/domain_addr.c`.

#[path = "state/contradictions.rs"]
mod state;

use crate::prelude::*;
use state::{of_arguments, of_domains};

pub const RULE: Rule = Rule {
    tags: &["machine", "boot"],
    signs: &[
        Sign::proof("CPU topology doesn't match"),
        Sign::proof("product of the hierarchy must match maxcpus"),
        Sign::proof("maxcpus must be equal to or greater than smp"),
        Sign::proof("cpu topology: sockets"),
        Sign::strong("Invalid CPU topology"),
        Sign::strong("options are incompatible"),
        Sign::proof("total memory for NUMA nodes"),
        Sign::strong("hugepages are not allowed with"),
        // Guest NUMA nodes and memory devices.
        Sign::strong("have overlapping vCPU ids"),
        Sign::strong("Duplicate NUMA "),
        Sign::strong("must correspond to existing guest's NUMA cell"),
        Sign::strong("Exactly one 'cell' element per guest NUMA cell allowed"),
        Sign::strong("refers to a non-existent NUMA node"),
        Sign::strong("numa configuration should use either mem= or memdev="),
        Sign::strong("NUMA node is missing. Please use '-numa node' option"),
        Sign::strong("exceeds the number of numa nodes"),
        Sign::strong("Parameter -numa node,mem is not supported by this machine type"),
        Sign::strong("NUMA is not supported by this machine-type"),
        Sign::strong("already busy memdev"),
        Sign::strong("specifies a busy memdev"),
        Sign::strong("can't add memory device"),
        Sign::strong("no slots where allocated, please specify the 'slots' option"),
        Sign::strong("invalid slot# {n}, should be less than {max}"),
        Sign::strong("' are incompatible").and(&["prealloc=on"]),
        Sign::strong("not supported without guest numa node"),
        Sign::strong("has to be configured when enabling memory hotplug"),
        Sign::strong("memory slots were specified but maximum memory"),
        Sign::proof("USB is disabled for this domain, but USB devices are present"),
        Sign::proof("IDE controllers are unsupported for this QEMU binary or machine type"),
        Sign::strong("is unsupported for this QEMU binary or machine type"),
        Sign::strong("are unsupported for this QEMU binary or machine type"),
        Sign::strong("-device*PCI: slot {slot} function {function} not available for*in use by"),
        Sign::strong("-device*PCI: slot {slot} function 0 already occupied by"),
        Sign::strong("Attempted double use of PCI"),
        Sign::strong("PCI: single function device can't be populated"),
        Sign::strong("indicates single function, but"),
        Sign::strong("cannot be plugged into the PCI controller with index="),
        Sign::strong("needs to be an integrated device (bus=0)"),
        Sign::strong("doesn't support hotplug").and(&["requires hotplug capability"]),
        Sign::strong("but index must be larger than bus"),
        Sign::strong("No '{bus}' bus found for device"),
        Sign::hint("No PCI buses available"),
        Sign::strong("can't go on {bus} bus"),
        Sign::support("Bus '{bus}' not found"),
        Sign::strong("machine type does not support if="),
        Sign::strong("graphics device is needed for attribute value"),
        Sign::strong("TCG features are incompatible with domain type"),
        Sign::strong("UEFI requires ACPI"),
        Sign::strong("is already used by another device").and(&["boot order"]),
        Sign::strong("used for more than one device"),
        Sign::strong("are mutually exclusive"),
        Sign::support("is mutually exclusive with"),
        Sign::support("cannot be used together"),
        Sign::support("can't be used together"),
        Sign::support("cannot be combined with"),
        Sign::support("is not allowed with"),
        Sign::support("is incompatible with").unless(&["CPU is incompatible with"]),
        Sign::hint("conflicts with"),
        Sign::support("missing 'nvdimm' in '-M'"),
        Sign::support("Cannot specify both"),
        Sign::support("can only be used with"),
        Sign::hint("is only supported with"),
        Sign::hint("unsupported configuration: "),
        Sign::strong("not supported without spice graphics"),
        Sign::strong("must be the only video device"),
        Sign::strong("Only one primary video device"),
        Sign::strong("specified twice"),
        Sign::strong("Found duplicate drive address"),
        Sign::strong("in use by another SCSI"),
        Sign::strong("not defined in iothreadid"),
        Sign::strong("Only a single IDE controller is supported"),
        Sign::strong("Only 1 IDE controller is supported"),
        Sign::strong("' requires ACPI"),
        Sign::strong("is only supported with Q35"),
        Sign::strong("can't add memory backend"),
        Sign::strong("cannot be specified when firmware autoselection"),
        Sign::strong("not compatible with guest architecture or machine type"),
        Sign::strong("cannot be set at the same time"),
        Sign::strong("requires caching mode"),
        Sign::strong("requires device IOTLB mode"),
        Sign::strong("requires dma-remap=1"),
        Sign::strong("Conflict between '"),
        Sign::support("is only valid for"),
        Sign::support("is supported only with"),
        Sign::support("supported only with"),
        Sign::support("only supported for"),
        Sign::support("is not compatible with"),
        Sign::support("cannot be used with mode="),
        Sign::strong("Multiqueue tap cannot be used with hubs"),
        Sign::strong("no audio device with ID"),
        Sign::strong("only allowed with -kernel option"),
        Sign::strong("cannot be used with -daemonize"),
        Sign::proof("Hyper-V * requires Hyper-V "),
        Sign::strong("Hyper-V * (hv-{one}) requires "),
        Sign::strong("Failed to start VNC server*Cannot assign requested address"),
        Sign::strong("Failed to bind socket: Cannot assign requested address"),
        Sign::strong("Failed to get VM UUID from QEMU command-line"),
    ],
    words: &["topology", "i440fx", "conflict", "contradict", "unsupported configuration"],
    tells: "virsh -r dumpxml VM",
    remedy: "bring the two settings into agreement",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    vec![of_arguments(cx, of_domains(cx, cx.draft())).verdict()]
}

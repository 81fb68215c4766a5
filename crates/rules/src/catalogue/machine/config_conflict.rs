//! # Two parts of the VM's configuration contradict each other
//!
//! ## What it is
//! Each setting is known, but two of them cannot stand together: a CPU topology that does not multiply to the vCPUs, an
//! IDE disk on q35, NUMA cells whose memory is not the VM's, a device on a bus that the machine type has not.
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

use super::hotplug_port_shared::twice;
use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

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
    let mut draft = cx.draft();
    for xml in cx.all::<DomainXml>() {
        for domain in xml.domains.iter().filter(|domain| !domain.fragment) {
            let topology = domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
            let count = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count.as_ref());
            if let (Some(topology), Some(count)) = (topology, count)
                && topology.cpus().is_some_and(|cpus| cpus != count.value)
            {
                draft = draft
                    .because(
                        Strength::Strong,
                        xml.quote(topology.line),
                        "it multiplies to another number of CPUs",
                    )
                    .because(Strength::Support, xml.quote(count.line), "than the domain has")
                    .title("the CPU topology does not multiply to the number of vCPUs");
            }
            let q35 = domain.os.machine.as_ref().filter(|machine| machine.value.contains("q35"));
            let ide = domain
                .devices
                .disks
                .iter()
                .filter_map(|disk| disk.bus.as_ref())
                .find(|bus| bus.value == "ide");
            if let (Some(machine), Some(ide)) = (q35, ide) {
                draft = draft
                    .because(Strength::Strong, xml.quote(ide.line), "the disk is on IDE")
                    .because(Strength::Support, xml.quote(machine.line), "q35 has no IDE controller")
                    .title("a disk on IDE with machine type q35, which has none");
            }
            let cells = domain.cpu.as_ref().map_or(&[][..], |cpu| &cpu.cells);
            let sum: Option<u64> = cells.iter().map(|cell| Some(cell.memory.as_ref()?.value)).sum();
            if let (Some(sum), Some(memory), Some(cell)) = (sum, &domain.memory, cells.first())
                && sum > memory.value
                && domain.max_memory.is_none()
            {
                draft = draft
                    .because(Strength::Support, xml.quote(cell.line), "the NUMA cells have more memory")
                    .because(Strength::Hint, xml.quote(memory.line), "than the domain");
            }
        }
    }
    for xml in cx.all::<DomainXml>() {
        if let Some((again, first)) = twice(&xml) {
            draft = draft
                .because(Strength::Strong, xml.quote(again), "this PCI address is given a second time")
                .because(Strength::Support, xml.quote(first), "it was given here first")
                .title("two devices have one PCI address");
        }
    }
    for args in cx.all::<QemuArgs>() {
        let smp = args.first("smp");
        let number = |key: &str| smp.and_then(|smp| smp.opts().get(key)?.parse::<u64>().ok());
        let (sockets, cores, threads) = (number("sockets"), number("cores"), number("threads"));
        let most = number("maxcpus").or_else(|| number("cpus"));
        let rest = number("dies").unwrap_or(1).saturating_mul(number("clusters").unwrap_or(1));
        if let (Some(sockets), Some(cores), Some(most), Some(smp)) = (sockets, cores, most, smp) {
            let product =
                sockets.saturating_mul(cores).saturating_mul(threads.unwrap_or(1)).saturating_mul(rest);
            if threads.is_some() && product != most {
                let quote = args.quote(smp.value_line);
                draft = draft.because(Strength::Strong, quote, "the topology does not multiply to the CPUs");
            }
        }
    }
    vec![draft.verdict()]
}

//! Settings of one VM that cannot stand together.

use crate::catalogue::machine::hotplug_port_shared::twice;
use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

/// Adds contradictions of domain XML.
pub(crate) fn of_domains<'r>(cx: &Context<'r>, mut draft: Draft<'r>) -> Draft<'r> {
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
    draft
}

/// Adds contradictions of QEMU's arguments.
pub(crate) fn of_arguments<'r>(cx: &Context<'r>, mut draft: Draft<'r>) -> Draft<'r> {
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
    draft
}

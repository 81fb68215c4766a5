//! # Device interrupts land on CPUs that run vCPUs, or on another node
//!
//! ## What it is
//! An interrupt is handled on the CPU that its affinity names. Interrupts of host devices on CPUs kept for vCPUs
//! steal time from the guest; those of an assigned device on another NUMA node add latency to each of them.
//!
//! Heard as: latency peaks or one busy core: the interrupts of the VF, NIC or NVMe land on the VM's own CPUs or on
//! another node; irqbalance.
//!
//! Known by: one core does all network interrupts; irqbalance moves interrupts onto isolated cores; latency spikes on
//! pinned vCPUs; smp_affinity; softirq on one CPU; set_affinity, smp_affinity_list, RSS, queue to CPU mapping; NIC
//! throughput limited by single core; NVMe on wrong socket; jitter from device interrupts.
//!
//! ## Why it happens
//! irqbalance spreads interrupts over all CPUs, isolated ones included unless told; `isolcpus=` without
//! `managed_irq` leaves the queues of multi-queue devices there; the kernel ran out of vectors and moved them.
//!
//! ## Confirm
//! `cat /proc/interrupts`: columns of the vCPUs' CPUs count up for devices of the host; `cat
//! /proc/irq/<n>/effective_affinity_list` and `smp_affinity_list`; `cat /sys/bus/pci/devices/<address>/numa_node`.
//!
//! ## Refute
//! Only timer, call-function and the VM's own vfio interrupts count up on those CPUs.
//!
//! ## Fix
//! `IRQBALANCE_BANNED_CPULIST` for the isolated CPUs (or stop irqbalance), `irqaffinity=` and
//! `isolcpus=managed_irq,domain,<list>` on the command line, `smp_affinity_list` for the VM's vfio interrupts.
//!
//! ## References
//! Linux `Documentation/core-api/irq/irq-affinity.rst`, kernel-parameters.txt (irqaffinity, isolcpus),
//! `kernel/irq/cpuhotplug.c`, `arch/x86/kernel/apic/vector.c`; irqbalance(1).

use crate::prelude::*;
use vmwright_formats::{DomainXml, Interrupts, KernelCmdline};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["performance", "passthrough"],
    signs: &[
        Sign::strong("Affinity broken due to vector space exhaustion"),
        Sign::strong("IRQBALANCE_BANNED_CPU"),
        Sign::hint("irqbalance"),
        Sign::hint("smp_affinity"),
        Sign::hint("effective_affinity"),
        Sign::support("interrupt affinity"),
        Sign::support("IRQ affinity"),
        Sign::hint("No irq handler for vector"),
    ],
    words: &[
        "irqbalance",
        "affinity",
        "latency spikes",
        "jitter",
        "isolated",
        "interrupts",
        "stutter",
        "one core",
    ],
    explains: &["numa/pinning-ineffective"],
    tells: "/proc/interrupts",
    remedy: "keep host interrupts off the vCPUs' CPUs: ban them for irqbalance and set the affinity lists",
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::PerformanceEngineer),
    needs: &[Need::File("/proc/interrupts"), Need::File("/proc/cmdline")],
    check,
    ..Rule::NEW
};

/// The CPUs that the kernel keeps for vCPUs, at most 4096.
fn isolated(cmdline: &KernelCmdline) -> Vec<usize> {
    cmdline.get("isolcpus").and_then(|found| found.value).map(cpus_of).unwrap_or_default()
}

/// The CPUs to which domains pin their vCPUs, where that is what is complained of.
fn pinned(cx: &Context<'_>) -> Vec<usize> {
    if !cx.asked(RULE.words) {
        return Vec::new();
    }
    let domains = cx.all::<DomainXml>();
    let pins = domains.iter().flat_map(|seen| &seen.domains).flat_map(|domain| &domain.cputune.vcpus);
    pins.flat_map(|pin| cpus_of(&pin.cpuset)).collect()
}

/// The CPUs of a list like `2-5,8`; what is no number (`managed_irq`, `^3`) is passed over.
fn cpus_of(value: &str) -> Vec<usize> {
    let mut cpus = Vec::new();
    for part in value.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cpus.extend(first..=last.min(4095));
        }
    }
    cpus
}

/// A device of the host most of whose interrupts are handled on isolated CPUs.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let mut isolated: Vec<usize> = cx.all::<KernelCmdline>().iter().flat_map(|one| isolated(one)).collect();
    let pinned = pinned(cx);
    // Whoever pins vCPUs and complains of jitter has no other use for these CPUs.
    let strength = if pinned.is_empty() { Strength::Support } else { Strength::Strong };
    isolated.extend(pinned);
    for text in cx.texts_with(["CPU0 ", "-MSI", "-edge"]).filter(|_| !isolated.is_empty()) {
        let mut columns: Vec<usize> = Vec::new();
        for (number, line) in text.lines() {
            let mut words = line.split_whitespace();
            if line.trim_start().starts_with("CPU0 ") {
                columns = words.filter_map(|cpu| cpu.strip_prefix("CPU")?.parse().ok()).collect();
                continue;
            }
            // `grep 131: /proc/interrupts` has no heading: the columns are the CPUs from 0 on.
            if columns.is_empty() && (line.contains("-MSI") || line.contains("-edge")) {
                let counts = words.clone().skip(1).take_while(|word| word.parse::<u64>().is_ok()).count();
                columns = if counts > 1 { (0..counts).collect() } else { Vec::new() };
            }
            let irq = words.next().and_then(|first| first.strip_suffix(':')?.parse::<u32>().ok());
            let counts: Vec<u64> =
                words.by_ref().take(columns.len()).filter_map(|one| one.parse().ok()).collect();
            if irq.is_none() || columns.is_empty() || counts.len() != columns.len() || line.contains("vfio") {
                continue;
            }
            let on = |keep: bool| -> u64 {
                let all = columns.iter().zip(&counts).filter(|(cpu, _)| isolated.contains(cpu) == keep);
                all.map(|(_, count)| *count).fold(0, u64::saturating_add)
            };
            if on(true) > 10_000 && on(true) > on(false) {
                let device = words.last().unwrap_or("a device").to_owned();
                draft = draft
                    .because(
                        strength,
                        text.quote(number),
                        "most of its interrupts hit CPUs that are kept for vCPUs",
                    )
                    .title(format!("interrupts of {device} are handled on CPUs that are kept for vCPUs"));
                // One is enough: more of the same kind add no certainty.
                break;
            }
        }
    }
    if cx.asked(RULE.words) {
        draft = draft.because(Strength::Support, crowded(cx), "one CPU handles nearly all interrupts");
    }
    // With both at hand, interrupts that stay away from isolated CPUs are an answer.
    let looked = !isolated.is_empty() && cx.one::<Interrupts>().is_some();
    vec![if looked { draft.looked() } else { draft }.verdict()]
}

/// The line of a device that has nearly all interrupts of its table, and them on one of several CPUs.
fn crowded(cx: &Context<'_>) -> Option<Evidence> {
    cx.texts_with("CPU0 ").find_map(|text| {
        let (_, heading) =
            text.lines_with("CPU0 ").find(|(_, line)| line.trim_start().starts_with("CPU0 "))?;
        let cpus = heading.split_whitespace().count();
        let (mut total, mut most) = (0_u64, (0_u64, 0_u32));
        for (number, line) in text.lines() {
            let mut words = line.split_whitespace();
            if words.next().and_then(|first| first.strip_suffix(':')?.parse::<u32>().ok()).is_none() {
                continue;
            }
            for count in words.take(cpus).filter_map(|word| word.parse::<u64>().ok()) {
                total = total.saturating_add(count);
                most = most.max((count, number));
            }
        }
        let crowd = cpus > 1 && most.0 > 100_000 && most.0 >= total / 10 * 9;
        if crowd { text.quote(most.1) } else { None }
    })
}

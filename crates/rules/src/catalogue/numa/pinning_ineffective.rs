//! # CPUs are pinned, but the pinning does not keep them free
//!
//! ## What it is
//! Pinning says where a vCPU may run, not that nobody else runs there. Without room of their own the emulator's
//! threads, I/O threads, vhost workers, other VMs and the host's tasks share the CPUs of the vCPUs, and the guest
//! sees jitter though its vCPUs are pinned one to one.
//!
//! Heard as: vCPUs are pinned to isolated cores and it still stutters when the disk or host is busy; emulator and
//! I/O threads.
//!
//! Known by: isolcpus, nohz_full or cset missing; other tasks run on pinned cores; emulatorpin, hyperthread siblings of
//! one core used twice; latency despite vcpupin; steal; real-time or gaming VM stutters despite pinning; kworker,
//! softirq or other VMs on same cores; sibling; isolate; cpuset.cpus exclusive.
//!
//! ## Why it happens
//! `<emulatorpin>` and `<iothreadpin>` are missing; two VMs name the same CPUs; nothing is isolated on the host
//! (`isolcpus`, cpuset partitions, systemd AllowedCPUs); or vCPUs float over a set of CPUs that `isolcpus` took out
//! of load balancing: they all stay on the first of them.
//!
//! ## Confirm
//! `virsh vcpupin VM`, `virsh emulatorpin VM`, `virsh iothreadpin VM ...`, `ps -eLo psr,comm | sort -n`, `cat
//! /sys/devices/system/cpu/isolated`.
//!
//! ## Refute
//! Emulator and I/O threads have CPUs of their own, and `perf sched` shows nobody else on the vCPUs' CPUs.
//!
//! ## Fix
//! Pin emulator and I/O threads to housekeeping CPUs, each vCPU to one CPU, keep the host's tasks away, and give no
//! CPU to two VMs.
//!
//! ## References
//! libvirt formatdomain, "CPU Tuning"; Linux `Documentation/admin-guide/kernel-parameters.txt` (isolcpus=),
//! `Documentation/admin-guide/cgroup-v2.rst` (cpuset.cpus.partition).

use super::cpuset_invalid::{BUDGET, sets};
use crate::catalogue::memory::hugepages_not_reserved::settings::ids;
use crate::prelude::*;
use std::collections::BTreeSet;
use vmwright_formats::domain_xml::Domain;
use vmwright_formats::{DomainXml, KernelCmdline};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["numa", "cpu", "performance"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::File("/proc/cmdline")],
    signs: &[
        Sign::support("isolcpus").and(&["same core"]),
        Sign::support("isolcpus").and(&["same CPU"]),
        Sign::support("all vcpus on one"),
        Sign::support("all vCPUs run on"),
        Sign::hint("vcpupin").and(&["latency"]),
        Sign::hint("vcpupin").and(&["stutter"]),
    ],
    words: &["pinning", "pinned", "jitter", "stutter", "isolcpus", "latency spikes", "real-time", "realtime"],
    tells: "virsh dumpxml VM",
    remedy: "give emulator and I/O threads CPUs of their own, and keep other work off the pinned CPUs",
    applicability: Applicability::NeedsApproval,
    escalation: Some(Agent::PerformanceEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let cmdlines = cx.all::<KernelCmdline>();
    let isolated = cmdlines.iter().find_map(|line| {
        let list = line.get("isolcpus")?.value?;
        // Flags such as `managed_irq,domain,` stand before the numbers.
        let from = list.find(|letter: char| letter.is_ascii_digit())?;
        Some(ids(&list[from..]))
    });
    let isolated = isolated.unwrap_or_default();
    let mut budget = BUDGET;
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    for (seen, at) in &domains(cx) {
        let domain = &seen.domains[*at];
        let tune = &domain.cputune;
        let Some(first) = tune.vcpus.first() else { continue };
        draft = draft.looked();
        let quote = || seen.quote(first.line);
        let pins = sets(tune.vcpus.iter().map(|pin| (pin.cpuset.as_str(), pin.line)), &mut budget);
        let single = pins.iter().all(|(set, _)| set.len() == 1);
        let pinned: BTreeSet<u32> = pins.iter().flat_map(|(set, _)| set.iter().copied()).collect();
        if !is_asked(cx, domain) {
            taken.extend(&pinned);
            continue;
        }
        if let Some(cpu) = pinned.intersection(&taken).next() {
            draft = draft
                .because(Strength::Strong, quote(), "another VM is pinned to the same CPUs")
                .title(format!("CPU {cpu} is given to two VMs"));
        }
        taken.extend(&pinned);
        if let Some(pin) = &tune.emulator {
            let shared = ids(&pin.cpuset).iter().all(|cpu| pinned.contains(cpu));
            if shared && single {
                let why = "the emulator's threads run on the CPUs of the vCPUs alone";
                draft = draft.because(Strength::Support, seen.quote(pin.line), why);
            }
        } else if !domain.fragment && single {
            draft = draft.because(
                Strength::Support,
                quote(),
                "vCPUs are pinned, and the emulator's threads are not",
            );
        }
        if let Some(threads) =
            domain.iothreads.as_ref().filter(|threads| threads.value > 0 && tune.iothreads.is_empty())
        {
            let why = "I/O threads run wherever they like";
            draft = draft.because(Strength::Hint, seen.quote(threads.line), why);
        }
        let isolated = |set: &[u32]| set.iter().all(|cpu| isolated.binary_search(cpu).is_ok());
        if let Some((_, line)) = pins.iter().find(|(set, _)| set.len() > 1 && isolated(set)) {
            let why = "the kernel does not balance load between isolated CPUs: the vCPU stays on the first";
            draft = draft.because(Strength::Strong, seen.quote(*line), why);
        }
    }
    vec![draft.verdict()]
}

fn is_asked(cx: &Context<'_>, domain: &Domain) -> bool {
    domain.name.as_ref().is_none_or(|name| cx.asks_about(&name.value))
}

/// Every domain with the text that it stands in, those that nobody asks about first; two texts of one domain count once.
fn domains<'r>(cx: &'r Context<'_>) -> Vec<(Seen<'r, DomainXml>, usize)> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::new();
    for seen in cx.of_every_vm::<DomainXml>() {
        for at in 0..seen.domains.len() {
            let name = seen.domains[at].name.as_ref().map(|name| name.value.clone());
            if name.as_ref().is_some_and(|name| known.contains(name)) {
                continue;
            }
            known.extend(name);
            let again = Seen { text: seen.text, view: std::sync::Arc::clone(&seen.view) };
            found.push((again, at));
        }
    }
    found.sort_by_key(|(seen, at)| is_asked(cx, &seen.domains[*at]));
    found
}

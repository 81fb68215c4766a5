//! # Sockets, cores, threads or caches shown to the guest do not match what it needs
//!
//! ## What it is
//! The guest sees another shape of CPU than it should: each vCPU as a socket of its own, no SMT where siblings are, or
//! siblings and caches that cross NUMA nodes. Licences and schedulers go by that shape.
//!
//! Heard as: the guest sees or uses only two or one of its processors; no hyper-threads, cores or L3 cache in the
//! guest; benchmark behind bare metal though pinned.
//!
//! Known by: guest sees many sockets, licence for two sockets only; Windows uses only part of the vCPUs; no
//! hyperthreads or L3 cache in lscpu; topology product must match maximum.
//!
//! ## Why it happens
//! Without `<topology>` libvirt and QEMU before 6.2 give one socket to each vCPU; Windows clients use two sockets at
//! most; on AMD, threads need the feature topoext; the guest's NUMA cells cut through a socket.
//!
//! ## Confirm
//! In the guest `lscpu` (Socket(s), Thread(s) per core, caches); on the host `virsh -r dumpxml VM`, elements vcpu,
//! topology and feature topoext.
//!
//! ## Refute
//! Sockets times dies, cores and threads equal the vCPUs and the guest shows the same.
//!
//! ## Fix
//! Write `<topology sockets='1' dies='1' cores='N' threads='M'/>`; on AMD add `<feature policy='require'
//! name='topoext'/>`; add `<cache mode='passthrough'/>`; pin siblings to siblings.
//!
//! ## References
//! QEMU `target/i386/cpu.c` ("This family of AMD CPU doesn't support hyperthreading"); `hw/core/machine-smp.c`; libvirt
//! formatdomain, CPU topology; Linux `arch/x86/kernel/smpboot.c`, `topology_sane()`.

#[path = "state/threads.rs"]
mod state;

use crate::prelude::*;
use state::{one_thread, socket_each, threads_asked};
use vmwright_formats::{CpuInfo, DomainXml, QemuArgs};

#[path = "messages/topology_not_exposed.rs"]
mod messages;

/// What people say of a guest that leaves processors unused.
pub(crate) const FEWER: &[&str] = &[
    "sees only",
    "only sees",
    "only two of",
    "only 2 of",
    "only one c",
    "uses only",
    "only uses",
    "shows only",
    "only shows",
    "only 1 c",
    "detects only",
    "only detects",
    "fewer c",
    "not all cores",
    "not all cpus",
    "all cores are not",
];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["cpu", "performance"],
    needs: &[Need::File("/proc/cpuinfo")],
    signs: messages::SIGNS,
    words: &[
        "sockets",
        "hyperthreading",
        "hyper-threading",
        "topology",
        "l3 cache",
        "threads per core",
        "no smt",
        "without smt",
        "not show threads",
        "only sees",
        "no hyperthreads",
        "no hyper-threads",
    ],
    tells: "virsh -r dumpxml VM",
    remedy: "write the CPU topology out (one socket, cores, threads), with topoext on AMD",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let asked = cx.asked(RULE.words);
    let amd = cx.one::<CpuInfo>().and_then(|cpu| {
        let vendor = cpu.vendor.as_ref().filter(|vendor| vendor.value == "AuthenticAMD")?;
        cpu.quote(vendor.line)
    });
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let topology = domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
            let count = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count.as_ref());
            let windows = domain.features.iter().any(|feature| feature.value == "hyperv");
            let line =
                count.filter(|count| count.value > 2 && windows && topology.is_none() && !domain.fragment);
            let strength = if asked { Strength::Strong } else { Strength::Hint };
            let line = line.and_then(|count| xml.quote(count.line));
            draft = draft.because(
                strength,
                line,
                "each vCPU is a socket of its own, and Windows clients use two",
            );
            let Some(topology) = topology else { continue };
            let threads = topology.threads.unwrap_or(1);
            let topoext = domain.cpu.as_ref().and_then(|cpu| cpu.feature("topoext"));
            if threads > 1 && amd.is_some() && topoext.is_none_or(|feature| feature.policy == "disable") {
                draft = draft
                    .because(Strength::Support, xml.quote(topology.line), "threads without topoext")
                    .because(Strength::Hint, amd.clone(), "an AMD CPU needs topoext to show threads");
            }
            if topology.sockets.is_some_and(|sockets| sockets > 2) && windows {
                draft = draft.because(
                    strength,
                    xml.quote(topology.line),
                    "Windows clients use two sockets at most",
                );
            }
            if asked && threads == 1 && domain.cputune.vcpus.len() > 1 {
                draft = draft.because(
                    Strength::Support,
                    xml.quote(topology.line),
                    "pinned vCPUs are shown without SMT",
                );
            }
        }
    }
    let named = cx.complaint().to_ascii_lowercase();
    let ryzen = amd.is_some() || ["ryzen", "epyc", "threadripper"].iter().any(|name| named.contains(name));
    for seen in cx.all::<QemuArgs>().iter().filter(|_| asked && ryzen) {
        let value = |name: &str| seen.first(name).and_then(|option| option.value.clone()).unwrap_or_default();
        let threads = value("smp").split(',').any(|part| part.starts_with("threads=") && part != "threads=1");
        let cpu = seen.first("cpu").filter(|_| threads && !value("cpu").contains("topoext"));
        let quote = cpu.and_then(|cpu| seen.quote(cpu.value_line));
        draft = draft.because(Strength::Strong, quote, "threads on an AMD CPU without topoext");
    }
    if asked && let Some(sockets) = socket_each(cx) {
        draft = draft.because(Strength::Support, Some(sockets), "each vCPU is shown as a socket of its own");
    }
    // What was asked for, and what the guest shows.
    if let (Some(one), Some((asked_for, quote))) = (one_thread(cx), threads_asked(cx)) {
        draft = draft.because(Strength::Strong, Some(one), "the guest shows one thread per core").because(
            Strength::Support,
            quote,
            &format!("{asked_for} were asked for"),
        );
    }
    vec![draft.verdict()]
}

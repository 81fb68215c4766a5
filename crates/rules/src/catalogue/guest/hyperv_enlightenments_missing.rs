//! # A Windows guest lacks Hyper-V enlightenments
//!
//! ## What it is
//! Windows asks the hypervisor by Hyper-V's interface for cheap timers, spinlocks, APIC access and TLB flushes.
//! Without it each of these is an exit to KVM: high idle load, slow I/O, stutter, and with many vCPUs
//! CLOCK_WATCHDOG_TIMEOUT.
//!
//! Heard as: an idle Windows guest uses a lot of host CPU, is sluggish or stutters; ostype other or Linux for
//! Windows.
//!
//! Known by: idle Windows VM burns CPU; slow or stuttering Windows 10 or 11; hv_stimer, hv_synic, hv_relaxed,
//! hypervclock; timer interrupts; blue screen clock watchdog timeout.
//!
//! ## Why it happens
//! The domain was written by hand or made as a Linux guest, `<hyperv>` was removed to hide the hypervisor,
//! `-cpu host` stands without `hv-*` flags, or only the three oldest of them are set (no stimer, synic,
//! hypervclock).
//!
//! ## Confirm
//! `virsh dumpxml NAME | sed -n '/<hyperv/,/<.hyperv>/p;/<clock/,/<.clock>/p'`, or the `-cpu` of the command
//! line: relaxed, vapic, spinlocks, vpindex, synic, stimer, frequencies, tlbflush, ipi and the hypervclock
//! timer should be there.
//!
//! ## Refute
//! They are all on; then the load is of another kind (drivers, storage, host).
//!
//! ## Fix
//! Add `<hyperv mode='custom'>` with relaxed, vapic, spinlocks retries 8191, vpindex, runtime, synic, stimer,
//! reset, frequencies, tlbflush, ipi (evmcs only for nested Intel), and `<timer name='hypervclock'
//! present='yes'/>` with HPET off; restart the guest.
//!
//! ## References
//! QEMU `docs/system/i386/hyperv.rst`; libvirt `formatdomain.html`, "Hypervisor features"; Linux
//! `arch/x86/kvm/hyperv.c`; libosinfo's Windows entries.

use crate::catalogue::cpu::topology_not_exposed::FEWER;
use crate::prelude::*;
use vmwright_formats::domain_xml::Domain;
use vmwright_formats::{DomainXml, QemuArgs};

/// Words of those who see nothing.
const DARK: [&str; 4] = ["black screen", "stays dark", "stays black", "no signal"];

/// Names by which people call Windows.
const WINDOWS: [&str; 8] =
    ["windows", "server 2012", "server 2016", "server 2019", "server 2022", "server 2025", "win10", "win11"];

pub const RULE: Rule = Rule {
    tags: &["guest", "windows", "performance"],
    rank: Rank::Specific,
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::strong("CLOCK_WATCHDOG_TIMEOUT"),
        Sign::support("DPC_WATCHDOG_VIOLATION"),
        Sign::support("HYPERVISOR_ERROR"),
        Sign::strong("hyperv enlightenments are not"),
        Sign::strong("without hyper-v enlightenments"),
        Sign::strong("Hyper-V enlightenments").and(&["missing"]),
        Sign::strong("ostype: l26").and(&["windows"]),
        Sign::strong("ostype: other").and(&["windows"]),
        Sign::strong("CLOCK WATCHDOG TIMEOUT"),
        Sign::support("0x00000101"),
        Sign::support("bugcheck 0x101"),
        Sign::support("stop code 0x101"),
        Sign::support("stop 0x101"),
        Sign::support("DPC WATCHDOG VIOLATION"),
        Sign::support("0x00000133"),
        Sign::support("IPI_WATCHDOG_TIMEOUT"),
        Sign::support("HAL_INITIALIZATION_FAILED"),
        Sign::support("HAL INITIALIZATION FAILED"),
        // A part of a domain's XML.
        Sign::support("<features>").unless(&["<hyperv", "hv-", "hv_"]).and(&["slow"]).said(&WINDOWS),
    ],
    words: &[
        "windows",
        "slow",
        "idle",
        "cpu usage",
        "hyper-v",
        "stutter",
        "latency",
        "enlightenment",
        "idling",
        "cpu load",
        "times the",
        "the time of",
        WINDOWS[1],
        WINDOWS[2],
        WINDOWS[3],
        WINDOWS[4],
        WINDOWS[5],
        WINDOWS[6],
        WINDOWS[7],
        DARK[0],
        DARK[1],
        DARK[2],
        DARK[3],
    ],
    tells: "virsh dumpxml NAME | grep -A15 '<hyperv'",
    remedy: "add the Hyper-V enlightenments and the hypervclock timer, switch HPET off, and restart the guest",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::PerformanceEngineer),
    check,
    ..Rule::NEW
};

/// Whether enough of the domain was pasted that a missing `<hyperv>` says something.
fn whole(domain: &Domain) -> bool {
    !domain.fragment && (domain.os.os_type.is_some() || !domain.features.is_empty())
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let windows = WINDOWS.iter().any(|name| cx.said(name));
    // A complaint about speed makes the lack the cause; else it is only worth a note.
    let slow = cx.asked(&["slow", "idle", "idling", "cpu usage", "cpu load", "stutter", "latency", "hyper-v", "times the", "the time of"])
        // A screen that stays dark is no lack of speed either.
        && !DARK.iter().any(|word| cx.said(word))
        // That it uses fewer processors than it has is no lack of speed: its topology is.
        && !FEWER.iter().any(|word| cx.said(word));
    let (strength, level) =
        if windows && slow { (Strength::Strong, Level::Warn) } else { (Strength::Support, Level::Note) };
    for seen in cx.all::<DomainXml>() {
        // libosinfo's mark in the metadata, or the name that people give.
        let marked = seen.text.holds("microsoft.com/win");
        for domain in seen.domains.iter().filter(|domain| whole(domain)) {
            let kvm = domain.domain_type.as_ref().is_some_and(|kind| kind.value == "kvm");
            let named =
                domain.name.as_ref().is_some_and(|name| name.value.to_ascii_lowercase().starts_with("win"));
            if !kvm || !(windows || marked || named) {
                continue;
            }
            if let Some(old) = domain.feature("hyperv") {
                // The three oldest alone: Windows goes on polling emulated timers.
                let timers = seen.text.holds("<stimer") || seen.text.holds("passthrough");
                let quote = seen.quote(old).filter(|_| !timers && windows && slow);
                draft = draft.because(Strength::Strong, quote, "<hyperv> without synic and stimer");
                continue;
            }
            draft = draft
                .because(strength, seen.quote(domain.line), "a Windows domain without <hyperv>")
                .level(level);
        }
    }
    for seen in cx.all::<QemuArgs>() {
        let kvm = seen.accelerators().iter().any(|one| one.value == "kvm");
        let Some(cpu) = seen.first("cpu").filter(|_| kvm && windows) else { continue };
        let value = cpu.value.as_deref().unwrap_or_default().replace('_', "-");
        if value.contains("hv-")
            && slow
            && !["hv-stimer", "hv-passthrough"].iter().any(|it| value.contains(it))
        {
            draft = draft.because(
                strength,
                seen.quote(cpu.value_line),
                "hv- flags without hv-synic and hv-stimer",
            );
        } else if !value.contains("hv-") {
            draft =
                draft.because(strength, seen.quote(cpu.value_line), "-cpu without any hv- flag").level(level);
        }
    }
    vec![draft.verdict()]
}

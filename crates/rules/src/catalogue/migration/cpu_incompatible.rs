//! # The target cannot give the CPU that the running guest has
//!
//! ## What it is
//! A guest that runs has read its CPUID once and goes on using what it found. The target must offer each of
//! those features. libvirt compares before it starts the target; without libvirt the guest dies at the first
//! missing instruction.
//! Heard as: VMs cannot be moved from the newer to the older host, the other way round they can.
//!
//! Known by: operation failed: guest CPU doesn't match on target; unacceptable CPU info; different generation, Intel to
//! AMD; host-passthrough; guest freezes or crashes on destination; missing features; mixed cluster, older and newer
//! Xeon or EPYC; kernel panic, illegal instruction or freeze shortly after move; microcode differs; baseline model;
//! processor flags.
//!
//! ## Why it happens
//! The hosts have different CPU generations, microcode, BIOS settings or kernels (TSX, MPX, PCID,
//! `arch-capabilities`), and the domain uses `host-passthrough` or a `host-model` expanded on the newer one. A
//! mitigation or a nested setting can take a feature away from one of two equal machines. A TSC frequency that
//! the target cannot scale belongs here too.
//!
//! ## Confirm
//! `virsh dumpxml NAME | sed -n '/<cpu/,/<.cpu>/p'` on the source while the guest runs, `virsh domcapabilities`
//! and `lscpu` on the target; `virsh hypervisor-cpu-compare FILE` there names what lacks.
//!
//! ## Refute
//! The comparison answers "identical" or "superset", and the target's log names a device or the machine type
//! instead of a feature.
//!
//! ## Fix
//! Give the domain a named model that all hosts have (`virsh hypervisor-cpu-baseline` over the capabilities of
//! all hosts) and start it anew. Bring microcode, BIOS and kernel of the hosts to one state. A running guest
//! can only go to a host that has its features.
//!
//! ## References
//! libvirt `src/cpu/cpu_x86.c` (x86Compute), `src/qemu/qemu_process.c` (qemuProcessVerifyCPUFeatures); docs
//! `formatdomain.html`, "CPU model and topology"; QEMU `docs/system/cpu-models-x86.rst.inc`;
//! `target/i386/kvm/kvm.c`; nova `virt/libvirt/driver.py` (_compare_cpu).

#[path = "preflight/cpu.rs"]
mod preflight;

use super::machine_mismatch::sides::two_cpus;
use crate::prelude::*;
use vmwright_formats::{CpuInfo, DomainXml};

#[path = "messages/cpu_incompatible.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["migration", "cpu"],
    needs: &[
        Need::File("/proc/cpuinfo"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Glob("/var/cache/libvirt/qemu/capabilities/*.xml"),
    ],
    signs: messages::SIGNS,
    words: &[
        "migrat",
        "different cpu",
        "cpu feature",
        "newer host",
        "older host",
        "host-passthrough",
        "incompatible",
    ],
    explains: &["cpu/feature-not-supported", "msr/set-failed", "migration/state-section-mismatch"],
    tells: "virsh hypervisor-cpu-compare FILE on the target",
    remedy: "use a CPU model that both hosts offer (hypervisor-cpu-baseline over all hosts), and restart the guest with it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    preflight: Some(preflight::judge),
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let hosts = cx.all::<CpuInfo>();
    // Two hosts side by side: features that one has and the other lacks.
    if let [one, other, ..] = hosts.as_slice()
        && let (Some(ours), Some(theirs)) = (&one.flags, &other.flags)
        && cx.stands("migrat")
    {
        let lacks = |of: &[String], from: &[String]| -> Vec<String> {
            from.iter().filter(|flag| !of.contains(flag)).cloned().collect()
        };
        let (less, more) = (lacks(&theirs.value, &ours.value), lacks(&ours.value, &theirs.value));
        let (host, line, lacking) =
            if less.len() >= more.len() { (other, theirs.line, less) } else { (one, ours.line, more) };
        if !lacking.is_empty() {
            let names = lacking.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            draft = draft
                .because(Strength::Strong, host.quote(line), "features of the other host lack here")
                .title(format!("one of the hosts lacks CPU features of the other: {names}"));
        }
    }
    if let Some([one, other]) = two_cpus(cx)
        && hosts.len() < 2
        && cx.stands("migrat")
    {
        let own = ["host-passthrough", "host-model"].iter().any(|word| cx.stands(word))
            || cx.lines_with(["cpu: host", "-cpu host"]).next().is_some();
        let strength = if own { Strength::Strong } else { Strength::Support };
        draft = draft
            .because(strength, other.quote, "the other host has another processor")
            .title(format!("one host has {}, the other {}", one.value, other.value));
    }
    if let Some(seen) = cx.one::<DomainXml>()
        && let Some(mode) =
            seen.first().and_then(|domain| domain.cpu.as_ref()).and_then(|cpu| cpu.mode.as_ref())
        && mode.value == "host-passthrough"
        && draft.any()
    {
        draft = draft.because(Strength::Hint, seen.quote(mode.line), "the guest sees the source's own CPU");
    }
    vec![draft.verdict()]
}

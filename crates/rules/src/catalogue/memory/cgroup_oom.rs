//! # The VM's cgroup has no room for the VMM beside guest memory
//!
//! ## What it is
//! The memory limit of the VMM's cgroup (a pod, container, systemd slice, or libvirt's `hard_limit`) counts guest
//! memory and everything else that the VMM takes: device emulation, page tables, I/O buffers, vhost, the page
//! cache of its images. When the sum meets the limit the kernel kills inside the cgroup, with memory free outside.
//!
//! Heard as: the VM or its pod is killed or restarted now and then with exit code 137 though the host has memory;
//! limit equals guest memory.
//!
//! Known by: memory cgroup out of memory: killed process qemu; MemoryMax or hard_limit; pod limit too tight; oom_memcg;
//! VM killed though host has free memory; slice limit, systemd MemoryMax, docker -m, pod; emulator overhead; only this
//! VM is killed; memory.max, oom_kill event.
//!
//! ## Why it happens
//! The limit was set to the guest's size, or a little above. The overhead is roughly 100 MiB, plus 8 MiB a vCPU,
//! plus 1/512 of guest memory for page tables, and much more with graphics, many disks or virtio-fs.
//!
//! ## Confirm
//! `dmesg | grep -e CONSTRAINT_MEMCG -e 'Memory cgroup'` names the cgroup and the VMM; `memory.events` of the cgroup
//! counts `oom_kill`; `kubectl describe pod` says OOMKilled, exit code 137.
//!
//! ## Refute
//! CONSTRAINT_NONE in the kernel's line: the host as a whole was short (`memory/host-oom`).
//!
//! ## Fix
//! Raise the limit above guest memory plus overhead, or do not set it: libvirt's documentation warns of
//! `hard_limit`. In a pod raise the limit of the compute container, or the operator's overhead ratio.
//!
//! ## References
//! Linux `mm/oom_kill.c`, `mm/memcontrol.c` (`mem_cgroup_print_oom_context`),
//! `Documentation/admin-guide/cgroup-v2.rst`; libvirt formatdomain, "Memory Tuning"; KubeVirt "Guest memory
//! overhead".

#[path = "state/pod_limits.rs"]
mod pod_limits;

use crate::prelude::*;
use pod_limits::{killed_in_pod, limits};
use vmwright_formats::DomainXml;

/// Text by which one sees that it was a VM's pod.
const POD: &[&str] = &["virt-launcher"];

pub const RULE: Rule = Rule {
    tags: &["memory", "container"],
    needs: &[
        Need::Command(&["dmesg"]),
        Need::Glob("/sys/fs/cgroup/machine.slice/*/memory.events"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: &[
        Sign::proof("Memory cgroup out of memory: Kill* process {pid} (qemu"),
        Sign::proof("Memory cgroup out of memory: Kill* process {pid} (firecracker"),
        Sign::proof("Memory cgroup out of memory: Kill* process {pid} (cloud-hyperviso"),
        Sign::proof("Memory cgroup out of memory: Kill* process {pid} (CPU {n}/KVM"),
        Sign::proof("Memory cgroup out of memory: Kill* process {pid} (kvm"),
        Sign::strong("Memory cgroup out of memory: Kill"),
        Sign::proof("oom-kill:constraint=CONSTRAINT_MEMCG*task=qemu"),
        Sign::proof("oom-kill:constraint=CONSTRAINT_MEMCG*task=CPU "),
        Sign::strong("oom-kill:constraint=CONSTRAINT_MEMCG"),
        Sign::support("memory: usage {used}kB, limit {limit}kB, failcnt"),
        // Kernels before 4.19.
        Sign::support("Task in {path} killed as a result of limit of"),
        Sign::strong("Task in /machine{path} killed as a result of limit of"),
        Sign::strong("Task in /kubepods{path} killed as a result of limit of"),
        Sign::strong("OOMKilled").and(POD),
        Sign::support("OOMKilled"),
        Sign::support("\"OOMKilled\": true"),
        Sign::strong("exit code 137").and(POD),
        Sign::hint("exited with code 137"),
        Sign::hint("Exit Code: * 137"),
        Sign::support("qemu-system-x86_64: terminating on signal 9").and(POD),
        Sign::strong("oom_kill process").and(&["memory.max"]),
        Sign::support("CONSTRAINT_NONE").against(),
        Sign::strong("OOMKilled").and(&["guest:"]),
        Sign::support("amount of requested guest memory ({a}) exceeds the launcher memory request"),
        Sign::support("Failed to prefault memory").and(&["memory.max"]),
    ],
    words: &["oomkilled", "oom killed", "pod", "limit", "container", "137"],
    explains: &["memory/host-oom"],
    tells: "dmesg",
    remedy: "raise the cgroup's memory limit above guest memory plus the VMM's overhead",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let said = draft.any();
    for seen in cx.all::<DomainXml>() {
        for domain in &seen.domains {
            let (Some(limit), Some(memory)) = (&domain.hard_limit, &domain.memory) else { continue };
            draft = draft.looked();
            // Less than 64 MiB over guest memory is less than any QEMU takes.
            if limit.value < memory.value.saturating_add(64 << 20) {
                draft = draft
                    .because(Strength::Strong, seen.quote(limit.line), "the limit leaves no room for the VMM")
                    .because(Strength::Hint, seen.quote(memory.line), "beside this guest memory")
                    .title("hard_limit is no larger than guest memory and the VMM's overhead");
                if !said {
                    draft = draft.level(Level::Warn);
                }
            }
        }
    }
    match limits(cx) {
        Some(limits) if limits.tight => {
            draft = draft
                .because(Strength::Strong, limits.limit, "the pod's limit leaves no room for the VMM")
                .because(Strength::Hint, limits.guest, "beside this guest memory");
        }
        Some(_) => draft = draft.looked(),
        None => {}
    }
    if !draft.any() && killed_in_pod(cx.complaint()) {
        draft.add(Strength::Support, false, None, "the complaint says so");
    }
    for text in cx.texts_named(|source| source.ends_with("memory.events")) {
        let killed = text.lines().find(|(_, line)| {
            let count = line.strip_prefix("oom_kill ").and_then(|count| count.trim().parse::<u64>().ok());
            count.is_some_and(|count| count > 0)
        });
        let quote = killed.and_then(|(number, _)| text.quote(number));
        draft = draft.because(Strength::Strong, quote, "the kernel killed in this cgroup for its limit");
    }
    vec![draft.verdict()]
}

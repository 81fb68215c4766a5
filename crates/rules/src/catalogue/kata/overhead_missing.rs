//! # No pod overhead is set, so the sandbox's VMM is killed by the pod's memory cgroup
//!
//! ## What it is
//! QEMU, virtiofsd, the shim and the guest kernel need memory beside what the containers ask for. A RuntimeClass tells
//! Kubernetes this as `overhead.podFixed`. Without it the pod's cgroup is only as large as the containers' limits, and
//! the kernel kills QEMU when it is full; all containers of the pod die at once.
//!
//! Heard as: small Kata pods die or are OOM-killed since an upgrade; RuntimeClass without overhead.
//!
//! Known by: pod is OOMKilled though the container uses little; runtimeClass without overhead podFixed; cgroup of the
//! sandbox counts the VMM; sandbox_cgroup_only; memory limit small; hypervisor killed inside cgroup; exit 137; pod
//! restarts; podFixed.
//!
//! ## Why it happens
//! The RuntimeClass was written by hand with a handler only; `sandbox_cgroup_only=true` puts all of the VMM into the
//! pod's cgroup; base memory or page cache of virtiofsd grew; huge VMs need more page tables than 160 MiB covers.
//!
//! ## Confirm
//! `kubectl get runtimeclass kata -o yaml` has no `overhead`; `dmesg`: "Memory cgroup out of memory: Killed process ...
//! (qemu-system-x86)" with a path below `kubepods`.
//! `cat memory.max memory.peak` in the pod's cgroup shows how near the limit it runs.
//!
//! ## Refute
//! The killed process is the application inside the guest (the guest's own console shows it), or overhead is set and
//! the node as a whole had no memory (memory/host-oom).
//!
//! ## Fix
//! Set `overhead.podFixed` (for QEMU at least memory 160Mi, cpu 250m; more for large VMs) and recreate the pods.
//!
//! ## References
//! Kubernetes "Pod Overhead"; Kata Containers `docs/design/host-cgroups.md`,
//! `docs/how-to/how-to-use-k8s-with-containerd-and-kata.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "memory"],
    signs: &[
        Sign::proof("Memory cgroup out of memory: Killed process {pid} (qemu-").and(&["kata"]),
        Sign::proof("Memory cgroup out of memory: Killed process {pid} (cloud-hypervis").and(&["kata"]),
        Sign::proof("Memory cgroup out of memory: Killed process {pid} (virtiofsd").and(&["kata"]),
        Sign::strong("Memory cgroup out of memory: Killed process {pid} (firecracker").and(&["kata"]),
        Sign::strong("Memory cgroup out of memory: Kill process {pid} (qemu-").and(&["kata"]),
        Sign::strong("oom-kill:constraint=CONSTRAINT_MEMCG*task=qemu-").and(&["kata"]),
        Sign::strong("oom-kill:constraint=CONSTRAINT_MEMCG*task=cloud-hyperv").and(&["kata"]),
        Sign::support("OOMKilled").and(&["kata", "qemu"]),
        Sign::support("pod overhead").and(&["kata"]),
        Sign::support("sandbox_cgroup_only=true").and(&["OOMKilled"]),
        Sign::support("sandbox_cgroup_only = true").and(&["OOMKilled"]),
        Sign::support("runtimeClassName: kata").said(&["oom", "killed", "dies"]),
    ],
    words: &["kata", "oomkilled", "overhead", "runtimeclass", "sandbox killed", "qemu killed"],
    explains: &["memory/cgroup-oom", "memory/host-oom", "kata/agent-timeout"],
    tells: "kubectl get runtimeclass",
    remedy: "set overhead.podFixed in the RuntimeClass and recreate the pods",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with("kind: RuntimeClass") {
        // One document of the YAML at a time.
        let (mut kata, mut class, mut overhead) = (None, false, false);
        for (number, line) in text.lines().chain([(0, "---")]) {
            let key = line.trim();
            if key == "---" {
                if let (Some(number), true, false) = (kata, class, overhead) {
                    let strength = if draft.any() || cx.said("oomkilled") {
                        Strength::Strong
                    } else {
                        Strength::Support
                    };
                    draft = draft.because(strength, text.quote(number), "the RuntimeClass has no overhead");
                }
                (kata, class, overhead) = (None, false, false);
                continue;
            }
            class |= key == "kind: RuntimeClass";
            overhead |= key.starts_with("overhead:");
            kata = kata.or((key.starts_with("handler:") && key.contains("kata")).then_some(number));
        }
    }
    vec![draft.verdict()]
}

//! # Affinity, selectors, taints or volumes leave no node for the VM
//!
//! ## What it is
//! The virt-launcher pod must fit a node in every respect at once: selectors, affinity, taints, volumes, CPU and memory.
//! The event FailedScheduling counts how many nodes failed at what. During migration the target must also be another
//! node than the source.
//!
//! Heard as: the VM waits although there are free nodes; anti-affinity, node selector, taints or a local volume;
//! maintenance or drain never ends.
//!
//! Known by: 0/3 nodes are available; untolerated taint; volume node affinity conflict; pod anti-affinity; VMI stays in
//! Scheduling; insufficient memory or cpu; Unschedulable; ErrorUnschedulable; nodeSelector; taint; evicted; resources;
//! PVC in other zone.
//!
//! ## Why it happens
//! A local volume ties the VM to one node and a selector to another; anti-affinity wants more nodes than there are; a
//! control plane taint is not tolerated; a node is cordoned; claims wait for the first consumer; a cluster of one node
//! has no migration target; dedicated CPUs are asked for without a CPU manager node.
//!
//! ## Confirm
//! `kubectl describe pod virt-launcher-...`, the last event; `kubectl get pv -o yaml | grep -A8 nodeAffinity`;
//! `kubectl describe node | grep -A3 Taints`.
//!
//! ## Refute
//! The event names only a device, a CPU label or huge pages: those have rules of their own.
//!
//! ## Fix
//! Loosen the one that is not needed: tolerate the taint, drop the selector, move the volume, add a node.
//!
//! ## References
//! Kubernetes "Scheduling, Preemption and Eviction"; KubeVirt user guide "Node assignment", "Live Migration";
//! `pkg/virt-controller/watch/migration/`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["kubevirt", "scheduling"],
    signs: &[
        Sign::strong("had volume node affinity conflict").and(&["virt-launcher"]),
        Sign::strong("had volume node affinity conflict").and(&["kubevirt"]),
        Sign::strong("t match pod anti-affinity rules").and(&["virt-launcher"]),
        Sign::strong("t match pod affinity rules").and(&["virt-launcher"]),
        Sign::strong("t match pod affinity/anti-affinity").and(&["virt-launcher"]),
        Sign::strong("t satisfy existing pods anti-affinity rules").and(&["virt-launcher"]),
        Sign::strong("had untolerated taint").and(&["virt-launcher"]),
        Sign::strong("that the pod didn*t tolerate").and(&["virt-launcher"]),
        Sign::strong("t match Pod*s node affinity").and(&["virt-launcher"]).unless(&[
            "cpu-model.node.kubevirt.io/",
            "cpu-feature.node.kubevirt.io/",
            "host-model-cpu.node.kubevirt.io/",
        ]),
        Sign::strong("t match node selector")
            .and(&["virt-launcher"])
            .unless(&["cpu-model.node.kubevirt.io/"]),
        Sign::support("node(s) were unschedulable").and(&["virt-launcher"]),
        Sign::support("unbound immediate PersistentVolumeClaims").and(&["virt-launcher"]),
        Sign::support("didn't find available persistent volumes to bind").and(&["virt-launcher"]),
        Sign::strong("Migration target pod for VMI [{name}] is currently unschedulable"),
        Sign::strong("migrationTargetPodUnschedulable"),
        Sign::support("Insufficient memory").and(&["virt-launcher"]),
        Sign::support("Insufficient cpu").and(&["virt-launcher"]),
        Sign::support("FailedUnschedulable").and(&["kubevirt"]),
        Sign::support("cpumanager: true").and(&["FailedScheduling"]),
        // The event as it is pasted alone: `0/3 nodes are available: ...`.
        Sign::support("nodes are available: *t match pod anti-affinity"),
        Sign::support("nodes are available: *had volume node affinity conflict"),
        Sign::support("nodes are available: *had untolerated taint"),
        Sign::support("nodes are available: *had taint"),
        Sign::support("nodes are available: *t match Pod's node affinity"),
        Sign::support("nodes are available: *t match node selector"),
        Sign::support("nodes are available: *Insufficient memory"),
        Sign::support("nodes are available: *Insufficient cpu"),
        Sign::support("nodes are available: *Insufficient ephemeral-storage"),
        Sign::support("nodes are available: *Too many pods"),
        Sign::support("nodes are available: *exceed max volume count"),
        Sign::support("nodes are available: *were unschedulable"),
        Sign::strong("Guest requested dedicated CPU placement").and(&["FailedScheduling"]),
        Sign::strong("Migration target pod for VMI"),
        Sign::strong("Waiting to schedule target pod for"),
        Sign::strong("reached pending pod timeout period"),
        Sign::support("kubernetes.io/hostname")
            .said(&["maintenance", "drain", "migrat", "pending", "scheduling"])
            .or_near(),
        Sign::support("requiredDuringSchedulingIgnoredDuringExecution")
            .said(&["schedul", "pending", "stuck", "no node"])
            .or_near(),
        Sign::strong("didn't satisfy existing pods anti-affinity"),
        Sign::strong("didn't match pod anti-affinity"),
        Sign::strong("is forbidden: no PriorityClass with name"),
        Sign::strong("virt-launcher pod has not yet been scheduled"),
        Sign::strong("Excluding node * with invalid tsc-frequency"),
        Sign::strong("number of requested VCPUS ({n}) exceeds the limit"),
        Sign::strong("CIDs exhausted"),
        Sign::strong("Delaying pod creation until topology hints are set"),
        Sign::support("Waiting on DataVolumes to be ready"),
        Sign::support("target pod not created because"),
        Sign::strong("Marked Migration * failed on vmi due to target pod disappearing"),
    ],
    words: &["kubevirt", "pending", "unschedulable", "affinity", "taint", "nodes are available"],
    tells: "kubectl describe pod",
    remedy: "loosen the selector, affinity, taint or volume that leaves no node, or add a node",
    escalation: Some(Agent::SystemsArchitect),
    ..Rule::NEW
};

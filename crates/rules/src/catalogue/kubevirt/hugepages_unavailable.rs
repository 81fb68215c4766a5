//! # No node offers the huge pages that the VM asks for
//!
//! ## What it is
//! `spec.domain.memory.hugepages.pageSize` becomes a request for `hugepages-2Mi` or `hugepages-1Gi` of the pod. Kubelet
//! offers what was reserved on the node when it started, by size. Without enough free pages of that size on one node the
//! pod stays pending.
//!
//! ## Why it happens
//! No pages were reserved, or of the other size; they were reserved after kubelet's start (restart it); other pods use
//! them; they lie on two NUMA nodes and the topology manager wants one; memory is no multiple of the page size.
//!
//! ## Confirm
//! `kubectl describe node <node> | grep hugepages` (Capacity, Allocatable, Allocated); on the node
//! `grep -i huge /proc/meminfo`.
//!
//! ## Refute
//! One node has as many free pages of that size as the VM's memory: another predicate decides.
//!
//! ## Fix
//! Reserve pages on the nodes (`hugepagesz=1G hugepages=N` or a tuned profile), restart kubelet, or drop the request.
//!
//! ## References
//! Kubernetes "Manage HugePages"; KubeVirt user guide "Hugepages support"; KubeVirt
//! `pkg/virt-launcher/virtwrap/converter/vcpu/`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kubevirt", "memory"],
    signs: &[
        Sign::proof("Insufficient hugepages-2Mi"),
        Sign::proof("Insufficient hugepages-1Gi"),
        Sign::proof("Insufficient hugepages-"),
        Sign::strong("not enough memory requested to allocate at least one hugepage per numa node"),
        Sign::strong("hugepages-2Mi: 0").and(&["FailedScheduling"]),
        Sign::strong("hugepages size could not be parsed"),
        Sign::support("is not a multiple of the page size").and(&["hugepages"]),
        Sign::support("Domain memory * is not a multiple of").and(&["hugepages"]),
        Sign::support("hugetlbfs filesystem mount *not available").and(&["virt-launcher"]),
        Sign::support("hugetlbfs").and(&["virt-launcher", "Insufficient"]),
    ],
    words: &["hugepages", "huge pages", "kubevirt", "pending", "hugepages-1gi", "pagesize"],
    explains: &["kubevirt/scheduling-conflict", "memory/hugepages-not-reserved"],
    tells: "kubectl describe node",
    remedy: "reserve huge pages of that size on the nodes and restart kubelet, or drop the request",
    disruption: Disruption::HostReboot,
    ..Rule::NEW
};

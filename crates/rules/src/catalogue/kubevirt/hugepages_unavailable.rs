//! # No node offers the huge pages that the VM asks for
//!
//! ## What it is
//! `spec.domain.memory.hugepages.pageSize` becomes a request for `hugepages-2Mi` or `hugepages-1Gi` of the pod. Kubelet
//! offers what was reserved on the node when it started, by size. Without enough free pages of that size on one node the
//! pod stays pending.
//!
//! Heard as: VMs with huge pages are never placed, small VMs are; insufficient hugepages-1Gi or 2Mi.
//!
//! Known by: insufficient hugepages-2Mi or hugepages-1Gi; pod with hugepages pending; node has no preallocated pages;
//! kubelet restarted.
//!
//! ## Why it happens
//! No pages were reserved, or of the other size; they were reserved after kubelet's start (restart it); other pods use
//! them; they lie on two NUMA nodes and the topology manager wants one; memory is no multiple of the page size.
//!
//! ## Confirm
//! `kubectl describe node <node> | grep hugepages` (Capacity, Allocatable, Allocated); on the node
//! `grep -i huge /proc/meminfo`.
//! Pages count whole: a VM of 3 GiB with pages of 1Gi on two NUMA nodes needs four.
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
        Sign::strong("unable to map backing store for guest RAM: Cannot allocate memory")
            .and(&["virt-launcher", "hugepages"]),
        Sign::support("hugetlbfs filesystem mount *not available").and(&["virt-launcher"]),
        Sign::support("hugetlbfs").and(&["virt-launcher", "Insufficient"]),
        Sign::strong("must be equal to or larger than page size"),
        Sign::strong("is not a multiple of the page size spec.domain.hugepages.size"),
        Sign::support("spec.domain.hugepages"),
        Sign::support("hugepages:")
            .said(&["never placed", "pending", "scheduling", "not scheduled"])
            .or_near(),
    ],
    words: &["hugepages", "huge pages", "kubevirt", "pending", "hugepages-1gi", "pagesize"],
    explains: &["kubevirt/scheduling-conflict", "memory/hugepages-not-reserved"],
    tells: "kubectl describe node",
    remedy: "reserve huge pages of that size on the nodes and restart kubelet, or drop the request",
    disruption: Disruption::HostReboot,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for size in ["2Mi", "1Gi"] {
        let name = format!("hugepages-{size}");
        let (mut asked, mut none, mut some) = (None, None, false);
        for (text, number, line) in cx.lines_with(["pageSize", name.as_str()]) {
            let Some((key, value)) = line.trim().split_once(':') else { continue };
            let (key, value) = (key.trim_matches('"'), value.trim().trim_matches(['"', ',', '\'', ' ']));
            if key == "pageSize" && value == size {
                asked = asked.or_else(|| text.quote(number));
            } else if key == name && value == "0" {
                none = none.or_else(|| text.quote(number));
            } else if key == name {
                some = true;
            }
        }
        if asked.is_some() && none.is_some() && !some {
            draft = draft
                .because(Strength::Strong, none, "no node offers pages of this size")
                .because(Strength::Support, asked, "the VM asks for them")
                .title(format!("the VM asks for huge pages of {size} and no node has any"));
        }
    }
    vec![draft.verdict()]
}

//! Faults that the host's own kernel reports.

use crate::prelude::*;
use vmwright_formats::KernelLog;

/// What begins the report of a fault.
const FAULTS: [&str; 7] = [
    "BUG: unable to handle",
    "BUG: kernel NULL pointer",
    "general protection fault",
    "Oops:",
    "BUG: soft lockup",
    "list_del corruption",
    "refcount_t:",
];

/// Beginnings of functions, and modules, in which the fault counts as KVM's or VFIO's.
const PLACES: [&str; 16] = [
    ":vhost_",
    "[vhost",
    ":kvm_",
    ":vmx_",
    ":svm_",
    ":__kvm_",
    ":mmu_",
    ":tdp_",
    ":nested_",
    ":vfio_",
    ":intel_iommu_",
    ":iommu_",
    "[kvm]",
    "[kvm_intel]",
    "[kvm_amd]",
    "[vfio",
];

/// Functions with such names in which a guest's own kernel waits.
const GUEST: [&str; 6] = ["kvm_wait", "kvm_clock", "kvm_steal", "kvm_guest", "kvm_async_pf", "kvm_kick"];

/// Adds a fault of the host's kernel in virtualization code.
pub(crate) fn add_fault<'r>(cx: &Context<'r>, mut draft: Draft<'r>) -> Draft<'r> {
    for log in cx.all::<KernelLog>() {
        let fault = log.messages.iter().find(|one| FAULTS.iter().any(|fault| one.text.contains(fault)));
        let Some(fault) = fault else { continue };
        let is_ours = |text: &str| {
            text.contains("RIP: ")
                && !GUEST.iter().any(|name| text.contains(name))
                && PLACES.iter().any(|place| text.contains(place))
        };
        let near = log.messages.iter().filter(|one| one.line >= fault.line).take(60);
        if let Some(place) = near.into_iter().find(|one| is_ours(&one.text)) {
            draft = draft
                .because(Strength::Strong, log.quote(place.line), "the fault is in virtualization code")
                .because(Strength::Support, log.quote(fault.line), "the host's kernel reports a fault");
        }
    }
    draft
}

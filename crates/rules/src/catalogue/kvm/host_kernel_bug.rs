//! # A bug of this host kernel's KVM, VFIO or IOMMU code
//!
//! ## What it is
//! The host's kernel itself goes wrong in virtualization code: a BUG, an oops or warning with a stack in `kvm`,
//! `kvm_intel`, `kvm_amd`, `vfio` or an IOMMU driver, or VMs that fail under this kernel and run under another.
//!
//! Heard as: since the host's kernel was updated VMs hang, crash or are slow; with the previous kernel all is
//! well.
//!
//! Known by: regression after host kernel update; WARNING or BUG in kvm, vfio or iommu modules; call trace on host;
//! downgrade of kernel helps; host oops when starting VM; new kernel of distribution makes all guests crash, reboot or
//! fail to boot; booting the previous host kernel from GRUB cures; oops, RIP, Tainted, BUG: unable to handle page
//! fault; backported fix.
//!
//! ## Why it happens
//! A regression of one kernel series or of a distribution's backport. Nested guests, SMM, large pages, live migration and
//! device assignment are the places where it shows first.
//!
//! ## Confirm
//! `journalctl -k` shows `RIP:` in a kvm or vfio function, or "WARNING ... at arch/x86/kvm/"; `uname -r` is newer than
//! the last good boot (`journalctl --list-boots`); the kernel's changelog names the function.
//!
//! ## Refute
//! The same fault under an older and under a newer kernel; "Hardware Error" (machine check) lines; a guest's own oops.
//!
//! ## Fix
//! Boot the previous kernel, or one in which the fix is named; report the stack to the distribution.
//!
//! ## References
//! Linux `virt/kvm/kvm_main.c`, `arch/x86/kvm/`, `drivers/vfio/`, `drivers/iommu/`;
//! `Documentation/admin-guide/bug-hunting.rst` (reading an oops); `MAINTAINERS`, entry KVM.

#[path = "state/kernel_fault.rs"]
mod state;

use crate::prelude::*;
pub(crate) use state::{Judged, judged};
use state::{add_fault, compared, complains_of_version};

pub const RULE: Rule = Rule {
    tags: &["kvm", "kernel"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::proof("kernel BUG at arch/x86/kvm/"),
        Sign::proof("kernel BUG at virt/kvm/"),
        Sign::proof("kernel BUG at arch/arm64/kvm/"),
        Sign::proof("kernel BUG at drivers/vfio/"),
        Sign::proof("kernel BUG at drivers/iommu/"),
        Sign::strong("WARNING: * at arch/x86/kvm/"),
        Sign::strong("WARNING: * at virt/kvm/"),
        Sign::strong("WARNING: * at arch/arm64/kvm/"),
        Sign::strong("WARNING: * at drivers/vfio/"),
        Sign::support("WARNING: * at drivers/iommu/"),
        Sign::support("WARNING: * at drivers/vhost/"),
        // A CPU that does not come out of a vCPU's or an emulator's system call.
        Sign::support("soft lockup - CPU#{cpu} stuck for {time}! [qemu"),
        Sign::support("soft lockup - CPU#{cpu} stuck for {time}! [CPU {vcpu}/KVM"),
        Sign::support("INFO: task CPU {vcpu}/KVM:{pid} blocked for more than"),
        Sign::support("gvt: vgpu {vgpu}: fail: "),
        Sign::support("BUG: Bad page state in process*qemu"),
        Sign::support("BUG: Bad page map in process*qemu"),
        Sign::support("BUG: Bad page map in process CPU"),
        // SMM and nesting left states that the CPU refuses to enter (5.15 to 5.18, and again with nested SMM).
        Sign::strong("KVM: entry failed, hardware error 0x80000021").and(&["SMM=1"]),
        Sign::strong("KVM internal error. Suberror: 1").and(&["SMM=1"]),
        // KVM_INTERNAL_ERROR_DELIVERY_EV (arch/x86/kvm/vmx/vmx.c): the guest can do nothing for it.
        Sign::support("KVM internal error. Suberror: 3"),
        Sign::support("kvm_intel.dump_invalid_vmcs=1"),
        Sign::support("kvm_amd.dump_invalid_vmcb=1"),
        // The host's interrupt was taken away while the device still used it.
        Sign::support("Present field in the IRTE entry is clear"),
        Sign::strong("Present field in the IRTE entry is clear").and(&["after an update"]),
        Sign::strong("Present field in the IRTE entry is clear").and(&["kernel update"]),
        Sign::strong("Present field in the IRTE entry is clear").and(&["kernel upgrade"]),
        Sign::strong("(kernel {old} to {new})"),
        Sign::strong("from kernel {old} to"),
        Sign::strong("works with kernel"),
        Sign::strong("worked with kernel"),
        Sign::strong("last working kernel"),
        Sign::strong("since kernel {version}"),
        Sign::strong("until kernel {version}"),
        Sign::strong("downgrading to kernel"),
        Sign::strong("working fine on kernel"),
        Sign::strong("works on kernel"),
        Sign::strong("works fine on kernel"),
        Sign::strong("on the previous kernel"),
        Sign::strong("with an older kernel"),
        Sign::strong("works with the previous kernel"),
        Sign::strong("works with the older kernel"),
        Sign::strong("works on the old kernel"),
        Sign::strong("downgrading the kernel"),
        Sign::support("after a kernel update"),
        Sign::support("after the kernel update"),
        Sign::support("after kernel upgrade"),
        Sign::support("since the kernel upgrade"),
        // Kernels that were compared.
        Sign::strong("Bad kernel: "),
        Sign::support("Good kernel: "),
        Sign::strong("since * kernel update"),
        Sign::strong("after * kernel update"),
        Sign::strong("since the * kernel upgrade"),
        Sign::strong("after upgrading * kernel"),
        Sign::strong("after updating * kernel"),
        Sign::strong("kernel regression"),
        Sign::strong("regression in*kernel"),
        Sign::strong("downgrade * kernel"),
        Sign::strong("downgraded * kernel"),
        Sign::strong("worked fine: linux"),
        Sign::strong("with the old kernel"),
        Sign::strong("in the previous kernel"),
        Sign::strong("booting the previous kernel"),
        Sign::strong("reverting to kernel"),
        Sign::strong("rolled back to kernel"),
        Sign::strong("pinning kernel"),
        Sign::strong("pinned kernel"),
        Sign::support("please adapt vmx_possible_passthrough_msrs[]"),
        Sign::support("KVM_SET_USER_MEMORY_REGION failed, slot=").unless(&[
            "Cannot allocate memory",
            "sev",
            "tdx",
        ]),
        Sign::strong("KVM_GET_DIRTY_LOG failed with"),
        Sign::support("kvm_init_vcpu: mmap'ing vcpu state failed"),
        Sign::support("KVM_CLEAR_DIRTY_LOG failed"),
        Sign::support("kvm: KVM_CAP_IRQ_ROUTING not supported by KVM"),
        Sign::support("Invalidation Queue Error"),
        Sign::strong("Invalid SPTE change: cannot replace a present leaf SPTE"),
        Sign::strong("Unexpected SPTE change!"),
        Sign::strong("VMXON faulted, MSR_IA32_FEAT_CTL"),
        Sign::strong(": reserved bits set on MMU-present spte"),
        Sign::support("svm: unexpected exit reason"),
        Sign::strong("Inconsistent VM-Entry/VM-Exit pair"),
    ],
    words: &["kernel update", "kernel upgrade", "new kernel", "older kernel", "host freezes", "host crash"],
    explains: &["kvm/emulation-failure", "vmm/known-bug"],
    tells: "journalctl -k -b",
    remedy: "boot another kernel of the host, older or with the fix, and report the stack",
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::DebugSpecialist),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = add_fault(cx, cx.draft());
    if let Some((good, bad)) = compared(cx) {
        draft = draft.because(Strength::Strong, good, "this kernel works").because(
            Strength::Support,
            bad,
            "and this one does not",
        );
    } else if complains_of_version(cx) {
        draft.add(
            Strength::Strong,
            false,
            None,
            "the complaint tells a kernel that works from one that does not",
        );
    }
    vec![draft.verdict()]
}

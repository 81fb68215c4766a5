//! # The host's kernel lacks a feature that the VMM needs
//!
//! ## What it is
//! The VMM, or an option of the VM, needs an interface that this kernel does not have: it is too old, or it was built
//! without the option.
//!
//! Heard as: a feature is refused on the old distribution's kernel and works on a newer one; not supported by the
//! host kernel.
//!
//! Known by: ioctl not supported, ENOTTY or ENOSYS from KVM; needs kernel 5.x or later; io_uring, userfaultfd, KVM_CAP,
//! guest_memfd missing; CentOS 7; unknown capability.
//!
//! ## Why it happens
//! A new VMM on a long-term distribution; a vendor or board kernel with a trimmed configuration; an option (io_uring,
//! guest_memfd, userfaultfd, iommufd, a Hyper-V enlightenment) that came later than the kernel.
//!
//! ## Confirm
//! `uname -r`; `zgrep CONFIG_KVM /proc/config.gz` or `grep CONFIG_KVM /boot/config-$(uname -r)`; the VMM's documentation
//! names the oldest kernel (Firecracker: 5.10).
//!
//! ## Refute
//! The kernel has the feature (its configuration says y or m and the module loads): a permission, sysctl or seccomp
//! filter refuses it instead.
//!
//! ## Fix
//! Boot a newer kernel of the distribution (backports, HWE), or leave out the option that needs it.
//!
//! ## References
//! QEMU `accel/kvm/kvm-all.c` ("kvm does not support"); Firecracker `docs/kernel-policy.md` and
//! `src/vmm/src/vstate/kvm.rs`; Cloud Hypervisor `hypervisor/src/kvm/mod.rs`; libvirt
//! `tools/virt-host-validate-common.c` ("Checking for Linux").

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["host", "kernel"],
    needs: &[Need::Command(&["uname", "-a"])],
    signs: &[
        Sign::strong("kvm version too old"),
        Sign::strong("kvm does not support {capability}"),
        Sign::strong("Please upgrade to at least kernel"),
        Sign::strong("FATAL: kernel too old"),
        Sign::strong("Checking for Linux >= *FAIL"),
        Sign::strong("Missing KVM capabilities"),
        Sign::strong("Missing KVM capability"),
        Sign::strong("KVM capability is missing"),
        Sign::strong("Required KVM capability"),
        Sign::strong("host kernel does not support"),
        Sign::strong("host kernel doesn't support"),
        Sign::strong("kernel is too old"),
        Sign::strong("not supported by your kernel"),
        Sign::strong("not supported by this kernel"),
        Sign::strong("not supported by the host kernel"),
        Sign::support("is not supported by kernel"),
        Sign::strong("kernel doesn't allow setting HyperV"),
        Sign::strong("minimum kernel version"),
        Sign::strong("requires Linux kernel"),
        Sign::support("requires kernel version"),
        Sign::support("io_uring*Function not implemented"),
        Sign::support("io_uring*not supported"),
        Sign::support("userfaultfd*Function not implemented"),
        Sign::support("KVM does not support guest_memfd"),
        Sign::support("Could not open /dev/iommu: No such file"),
        Sign::strong("# CONFIG_KVM is not set"),
        Sign::support("# CONFIG_VHOST_NET is not set"),
        Sign::support("# CONFIG_VFIO is not set"),
        Sign::support("# CONFIG_TUN is not set"),
        Sign::support("CONFIG_KVM_INTEL is not set"),
        Sign::support("CONFIG_KVM_AMD is not set"),
        Sign::strong("kvm version not supported"),
        Sign::strong("requires support on the KVM side"),
        // Cloud Hypervisor's check of what KVM can.
        Sign::strong("Capability missing: "),
        // Parameters that older kernels do not have.
        Sign::support("open /proc/sys/*: no such file or directory").unless(&["/proc/sys/net/bridge"]),
        Sign::support("Function not implemented (os error 38)"),
        Sign::strong("vhost_vsock kernel module not loaded"),
        Sign::support("kernel module not loaded").and(&["is not supported on this server"]),
        Sign::support("VHOST_VSOCK is not set"),
        Sign::strong("host lacks kvm mmu notifiers, -mem-path unsupported"),
        Sign::strong("failed to turn on HyperV SynIC in KVM"),
        Sign::strong("failed to create HyperV SynIC"),
        Sign::strong("failed to enable KVM_CAP_HYPERV_ENFORCE_CPUID"),
        Sign::support("kvm: bus lock detection unsupported"),
        Sign::support("Failed to enable notify vmexit cap"),
        Sign::support("KVM dirty ring not available, using bitmap method"),
        Sign::strong("userfaultfd not available: Function not implemented"),
        Sign::support("userfaultfd not available: "),
        Sign::strong("Missing userfault features"),
        Sign::strong("Missing userfault map features"),
        Sign::strong("Zero copy send feature not detected in host kernel"),
        Sign::support("__NR_userfaultfd failed"),
        Sign::support("UFFDIO_API failed"),
        Sign::strong("aio=native was specified, but is not supported in this build"),
        Sign::support("Detected old QEMU binary"),
        Sign::strong("This QEMU binary requires the membarrier system call"),
        Sign::strong("This QEMU binary requires MEMBARRIER_CMD_SHARED support"),
        Sign::strong("Trying to enable capability {n} of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 but failed"),
        Sign::strong("Enabling of KVM dirty ring failed"),
        Sign::strong("kernel does not support FUSE_POSIX_ACL"),
        Sign::strong("kernel does not support FUSE_SECURITY_CTX"),
        Sign::strong("Skipping reservation of swap space is not supported"),
        Sign::strong("Postcopy is not supported"),
        Sign::strong("postcopy_ram_incoming_init: No OS support"),
        Sign::strong("Zero copy currently only available on Linux"),
        Sign::strong("userfault: Region doesn't support COPY"),
        Sign::strong("background-snapshot is not supported by host kernel"),
        Sign::strong("Recursive read-only bind-mounts aren't currently supported"),
        Sign::strong("idmapping abilities are required but aren't supported on system"),
        Sign::strong("Failed to allocate ioas"),
        Sign::strong("Failed to allocate hwpt"),
        Sign::strong("Proper preallocation with migration requires a newer QEMU machine"),
        Sign::support("Kernel lacks CONFIG_SCHED_CORE support"),
        Sign::support("kernel not configured with CONFIG_KSM"),
        Sign::support("Failed to apply Landlock"),
        Sign::support("Error creating/adding/restricting ruleset"),
    ],
    words: &["kernel version", "old kernel", "uname", "lts kernel", "unsupported kernel"],
    tells: "uname -a",
    remedy: "boot a newer kernel, or one with the option built in, or leave out what needs it",
    disruption: Disruption::HostReboot,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for (text, versions) in cx.versions() {
        let Some(kernel) = versions.kernel.as_ref() else { continue };
        // Firecracker's kernel policy: 4.14 until version 1.7, 5.10 since.
        let oldest: &[u32] = match &versions.firecracker {
            Some(version) if version.value.at_least(&[1, 8]) => &[5, 10],
            Some(_) => &[4, 14],
            // QEMU 7.2 and later ask for what Linux 4.5 has (KVM_CAP_JOIN_MEMORY_REGIONS and others are older).
            None if draft.any() => &[4, 5],
            None => continue,
        };
        if !kernel.value.at_least(oldest) {
            draft = draft
                .because(
                    Strength::Strong,
                    text.quote(kernel.line),
                    "the kernel is older than the VMM supports",
                )
                .title(format!("kernel {} is older than the VMM supports", kernel.value.text));
        }
    }
    vec![draft.verdict()]
}

//! # The host fails what the Kata runtime needs
//!
//! ## What it is
//! Kata starts a VM for each pod: the host must offer KVM, the vhost modules and vsock to the container runtime. If
//! one is missing, `kata-runtime check` says so and each pod fails at sandbox creation.
//!
//! Heard as: Kata works on some nodes and not on this pool or cloud instance; not capable of running Kata
//! containers.
//!
//! Known by: kata-runtime check fails; CPU property missing, vhost_vsock or kvm module not loaded; system is not
//! capable of running; nested virtualization off on the node.
//!
//! ## Why it happens
//! The node is a VM without nested virtualization, VT-x or SVM is off, `vhost_vsock` or `vhost_net` are not loaded or
//! not built, the module parameter `nested` or `unrestricted_guest` is off, another hypervisor holds the CPU, or
//! confidential guests are configured on a host without SEV or TDX.
//!
//! ## Confirm
//! `kata-runtime check -v -n` lists each property; `ls -l /dev/kvm /dev/vhost-vsock /dev/vhost-net`; `lsmod | grep -E
//! 'kvm|vhost'`.
//! In a node that is a VM, `grep -cE 'vmx|svm' /proc/cpuinfo` is 0 where its hypervisor does not nest.
//!
//! ## Refute
//! The check says "System is capable of running Kata Containers" and "System can currently create".
//!
//! ## Fix
//! Enable virtualization (or nested virtualization for the node), load `vhost_vsock` and `vhost_net` at boot, and stop
//! the other hypervisor.
//!
//! ## References
//! Kata Containers `src/runtime/cmd/kata-runtime/kata-check.go`, `kata-check_amd64.go`; `docs/Developer-Guide.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "container"],
    signs: &[
        Sign::proof("System is not capable of running Kata Containers"),
        Sign::strong("CPU property not found"),
        Sign::strong("kernel property {module} not found"),
        Sign::support("kernel module parameter has unexpected value"),
        Sign::support("Module is not loaded and it can not be inserted"),
        Sign::strong("This system doesn't support Confidential Computing (Guest Protection)"),
        Sign::strong("Configured confidential guest but kvm does not support"),
        Sign::strong("another hypervisor running").and(&["kata"]),
        Sign::strong("Could not access KVM kernel module").and(&["containerd-shim-kata"]),
        Sign::strong("Could not access KVM kernel module").and(&["kata-runtime"]),
        // containerd's and CRI-O's words for what the runtime's shim says.
        Sign::strong("failed to create shim*Could not access KVM kernel module"),
        Sign::strong("failed to create shim*failed to initialize kvm"),
        Sign::strong("failed to create shim*/dev/kvm"),
        Sign::strong("/dev/kvm: no such file or directory").and(&["kata"]),
        Sign::strong("/dev/vhost-vsock: no such file or directory").and(&["kata"]),
        Sign::strong("/dev/vhost-vsock: no such device").and(&["kata"]),
        Sign::strong("vhost-vsock: failed to open vhost device").and(&["kata"]),
        Sign::strong("/dev/vhost-net: no such file or directory").and(&["kata"]),
        Sign::strong("/dev/mshv and /dev/kvm").and(&["kata"]),
        Sign::strong("host system doesn't support vsock"),
        Sign::strong("Failed to create KVM").and(&["kata"]),
        Sign::support("Guest SELinux is enabled, but SELinux is disabled on the host side"),
        Sign::strong("System can currently create Kata Containers").against(),
        Sign::strong("cannot open kvm device: ").and(&["kata"]),
        Sign::strong("no supported protection available"),
        Sign::strong("Protected Virtualization is not enabled on kernel command line"),
        Sign::strong("vhost_vsock").and(&["kata", "not found"]),
        Sign::strong("error creating vsock*no such device").and(&["kata"]),
        Sign::strong("Could not get a unique context ID for the vsock"),
        Sign::strong("Error creating KVM object").and(&["kata"]),
        Sign::strong("failed to open /dev/kvm").and(&["kata"]),
        Sign::strong("open /dev/vhost-vsock: ").and(&["kata"]),
        Sign::strong("create shim: open /dev/vhost-vsock: "),
        Sign::strong("invalid accelerator kvm").and(&["kata"]),
        Sign::support("kernel property not found"),
        Sign::strong("No usable VFIO backend: caps"),
        Sign::strong("not available; IOMMUFD passthrough requires it"),
        Sign::strong("kvm extension is not supported"),
        Sign::strong("failed to get the gid of /dev/kvm"),
        Sign::strong("This CPU does not support Secure Execution"),
        Sign::strong("guest protection requested but no guest protection available"),
        Sign::strong("SMT is not Off"),
        Sign::support("Not running network checks as super user"),
        Sign::strong("System is not capable of running"),
        Sign::strong("unable to check if running in VM"),
        Sign::strong("kernel property not found"),
        Sign::strong("kernel module parameter has unexpected value"),
        Sign::support("no usable IPv4 iptables binary found"),
    ],
    words: &["kata", "kata-runtime", "runtimeclass", "kata-check", "not capable", "failed to create shim"],
    explains: &["kvm/device-missing", "kvm/device-permission", "nested/not-exposed", "kvm/module-conflict"],
    tells: "kata-runtime check",
    remedy: "give the node KVM (nested virtualization where it is a VM) and load vhost_vsock and vhost_net",
    disruption: Disruption::HostReboot,
    needs: &[Need::File("/proc/modules"), Need::File("/proc/cpuinfo")],
    ..Rule::NEW
};

//! # The node's container runtime or security setting breaks virt-launcher
//!
//! ## What it is
//! virt-launcher is a pod that runs libvirt and QEMU with devices, capabilities and a seccomp profile of its own. A
//! container runtime, admission policy, SELinux or AppArmor setting, or sandboxed runtime class that does not grant them
//! stops it, although the VM itself is right.
//!
//! Heard as: launcher pods are rejected or crash because of pod security, SELinux, cgroups, containerd or CRI-O of
//! the nodes.
//!
//! Known by: virt-launcher crashes on start with this container engine, seccomp, PSA, SELinux or AppArmor; CRI-O,
//! containerd or docker default; compute container exits; failed to connect to socket cmd server; virt-handler or
//! launcher CrashLoopBackOff; capabilities; cgroup v2; SELinux relabel; k3s, Talos, OpenShift SCC; libvirt inside
//! cannot start.
//!
//! ## Why it happens
//! Pod Security Admission at "restricted" or a security context constraint rejects the pod; the profile
//! `kubevirt/kubevirt.json` is not on the node; the default runtime is gVisor or Kata; containerd sets a low memlock or
//! drops
//! devices (`device_ownership_from_security_context` off for block volumes); AppArmor or SELinux modules of the node
//! are older than KubeVirt needs; the kubelet root directory is not the usual one.
//!
//! ## Confirm
//! `kubectl describe pod virt-launcher-...` events; `kubectl -n kubevirt logs ds/virt-handler`; on the node `ausearch -m
//! avc` or `dmesg | grep DENIED`; `crictl info | grep -A5 runtimes`.
//!
//! ## Refute
//! The pod runs with the same settings on another node: then the node's devices or resources differ.
//!
//! ## Fix
//! Label the namespace for privileged pods, install the profile, use the plain runc handler, and switch on
//! `device_ownership_from_security_context`.
//!
//! ## References
//! KubeVirt `docs/container-runtime.md`, `docs/getting-started.md`, user guide "Installation" (AppArmor, SELinux,
//! container runtimes); CDI `doc/block_cri_ownership_config.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kubevirt", "security"],
    signs: &[
        Sign::strong("violates PodSecurity").and(&["virt-launcher"]),
        Sign::strong("violates PodSecurity").and(&["kubevirt"]),
        Sign::strong("unable to validate against any security context constraint").and(&["virt-launcher"]),
        Sign::proof("cannot load seccomp profile \"*kubevirt"),
        Sign::strong("seccomp*kubevirt/kubevirt.json"),
        Sign::strong("apparmor=\"DENIED\"").and(&["virt-launcher"]),
        Sign::strong("apparmor=\"DENIED\"*cri-containerd.apparmor.d").and(&["kubevirt"]),
        Sign::strong("avc:  denied*container_t*").and(&["virt-launcher"]),
        Sign::strong("avc: denied*virt_launcher"),
        Sign::strong("avc:  denied*virt_launcher"),
        Sign::strong("failed to set /proc/self/attr/keycreate").and(&["virt-launcher"]),
        Sign::strong("open /dev/null: permission denied").and(&["virt-launcher"]),
        Sign::strong("cannot execute binary /usr/libexec/qemu-kvm: Permission denied").and(&["virt-"]),
        Sign::strong("cannot execute binary *qemu-system-x86_64: Permission denied").and(&["virt-handler"]),
        Sign::strong("apparmor=\"DENIED\"*libvirtd").and(&["kubevirt"]),
        Sign::strong("failed to create unix socket for launcher cmd service"),
        Sign::support("/config': Permission denied")
            .and(&["virt-launcher", "Failed to open config space file"]),
        Sign::strong("failed to set up tun device"),
        Sign::strong("error relabeling required files"),
        Sign::strong("failed to relabel").and(&["virt-handler"]),
        Sign::strong("device_ownership_from_security_context"),
        Sign::strong("Could not open '/dev/{device}': Permission denied").and(&["virt-launcher"]),
        Sign::support("/dev/kvm: operation not permitted").and(&["virt-launcher"]),
        Sign::strong("failed to detect socket for containerDisk"),
        Sign::strong("failed to create containerd task").and(&["virt-launcher"]),
        Sign::strong("OCI runtime create failed").and(&["virt-launcher"]),
        Sign::strong("CreateContainerError").and(&["virt-launcher"]),
        Sign::support("RunContainerError").and(&["virt-launcher"]),
        Sign::strong("unable to find cgroup").and(&["virt-handler"]),
        Sign::strong("cannot set memory lock limits").and(&["virt-handler"]),
        Sign::strong("failed to set memlock").and(&["virt-handler"]),
        // NVIDIA's runtime as the node's default finds no GPU where vfio-pci has it.
        Sign::strong("no cuda-capable device").and(&["vfio-pci", "kubevirt"]),
        Sign::strong("default runtime: nvidia").and(&["vfio-pci"]),
        Sign::strong("Default Runtime: nvidia").and(&["vfio-pci"]),
        Sign::strong("runsc: ").and(&["virt-launcher"]),
        Sign::support("no runtime for").and(&["virt-launcher"]),
        Sign::support("server error. command SyncVMI failed").and(&["Operation not permitted"]),
        Sign::strong("failed to set process memlock").and(&["virt-"]),
        Sign::strong("failed to adjust memlock").and(&["virt-"]),
        Sign::strong("failed to adjust Qemu process memory limits"),
        Sign::strong("failed to get cgroup").and(&["virt-handler"]),
        Sign::strong("could not retrieve pid").and(&["virt-handler"]),
        Sign::strong("virt-chroot").and(&["operation not permitted"]),
        Sign::strong("virt-chroot").and(&["no such file or directory"]),
        Sign::strong("semanage").and(&["virt-handler"]),
        Sign::strong("failed to label tap device"),
        Sign::strong("failed to create tap device").and(&["virt-"]),
        Sign::strong("Unable to open /dev/kvm: Permission denied").and(&["virt-launcher"]),
        Sign::strong("Unable to open /dev/kvm: Operation not permitted").and(&["virt-launcher"]),
        Sign::strong("Could not access KVM kernel module: Permission denied").and(&["virt-launcher"]),
        Sign::strong("bind: permission denied").and(&["virt-launcher"]),
        Sign::strong("no matching socket found").and(&["virt-handler"]),
        Sign::strong("PodSecurityPolicy: unable to admit pod").and(&["virt-"]),
        Sign::strong("unable to validate against any security context constraint").and(&["kubevirt"]),
        Sign::strong("cannot limit locked memory of process").and(&["virt-launcher"]),
        Sign::strong("failed to set up vhost-net device"),
        Sign::strong("failed to detect isolation for launcher pod"),
        Sign::strong("the detected PID is 0. Is the isolation detector running in the host PID namespace"),
        Sign::strong("error relabeling file"),
        Sign::strong("failed to switch selinux context"),
        Sign::strong("failed to find mount for"),
        Sign::strong("VMI is missing SELinux context"),
        Sign::strong("VMI has invalid SELinux context"),
        Sign::strong("failed to bindmount containerDisk"),
        Sign::strong("failed to mount block hotplug volume"),
        Sign::strong("had failed to set device rule"),
        Sign::strong("cannot initialize new cgroup manager"),
        Sign::strong("cannot create child cgroup"),
        Sign::strong("still not ready after one minute"),
        Sign::strong("failed to determine if {x} is already mounted"),
        Sign::strong("virt-handler is not responsive, marking"),
        Sign::strong("Unable to mark vmi as unresponsive socket"),
        Sign::strong("Failed to set node {n} unschedulable"),
        Sign::support("No command socket found for vmi"),
        Sign::support("failed to dial cmd socket"),
        Sign::support("Can not update a VirtualMachineInstance with unresponsive command server"),
        Sign::support("cannot connect to libvirt daemon"),
        // passt in virt-launcher.
        Sign::strong("Couldn't create user namespace:").and(&["virt-launcher"]),
    ],
    words: &["kubevirt", "containerd", "cri-o", "podsecurity", "selinux", "apparmor"],
    explains: &[
        "access/apparmor-denied",
        "access/selinux-denied",
        "access/seccomp-kill",
        "access/capability-missing",
        "memory/locked-limit",
        "kvm/device-permission",
    ],
    tells: "kubectl describe pod",
    remedy: "allow virt-launcher what it needs in the runtime's and the cluster's security settings",
    escalation: Some(Agent::SecurityEngineer),
    ..Rule::NEW
};

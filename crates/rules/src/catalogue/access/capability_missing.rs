//! # The VMM lacks a capability
//!
//! ## What it is
//! Some calls are not a matter of files: making a tap needs CAP_NET_ADMIN, raw SCSI commands and port access need
//! CAP_SYS_RAWIO, raising the memlock limit needs CAP_SYS_RESOURCE or CAP_IPC_LOCK, real-time scheduling needs
//! CAP_SYS_NICE, namespaces need CAP_SYS_ADMIN. Without it the kernel answers EPERM, even to uid 0.
//!
//! Heard as: root in the container may not; operation not permitted although run as root; works on the host, not
//! in docker, podman or a pod.
//!
//! Known by: operation not permitted though it runs as root; works with --privileged or sudo; CAP_SYS_ADMIN,
//! CAP_NET_ADMIN, CAP_IPC_LOCK or CAP_SYS_RESOURCE dropped; setcap or AmbientCapabilities wanted; unprivileged
//! container cannot; rootless podman or docker; nspawn; CapEff, capsh; drop ALL in the security context; file
//! capabilities lost after replacing the binary.
//!
//! ## Why it happens
//! Containers keep a short list of capabilities, systemd units set `CapabilityBoundingSet`, libvirt drops all
//! capabilities of QEMU, and the session instance never had any.
//!
//! ## Confirm
//! `grep Cap /proc/<pid>/status`, then `capsh --decode=<CapEff>`; `docker inspect -f '{{.HostConfig.CapAdd}}' C`;
//! `systemctl show UNIT -p CapabilityBoundingSet`.
//!
//! ## Refute
//! The capability is in CapEff: then a device cgroup, seccomp, a user namespace or the file's mode refused.
//!
//! ## Fix
//! Grant the one capability that is missing (`--cap-add`, `AmbientCapabilities`, libvirt's `rawio='yes'`), or let
//! a privileged helper do the work beforehand: a tap made for the user, a limit set for the service.
//!
//! ## References
//! Linux `capabilities(7)`; `drivers/net/tun.c`, `tun_set_iff()`; libvirt `docs/formatdomain.rst`, "rawio";
//! `src/util/virprocess.c`, `virProcessSetMaxMemLock()`.

use crate::Hit;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["permission", "container"],
    signs: &[
        Sign::strong("cannot limit locked memory of process {pid} to {bytes}: Operation not permitted"),
        Sign::strong("cannot limit locked memory to {bytes}: Operation not permitted"),
        Sign::strong("failed to adjust resources: *operation not permitted"),
        Sign::support("could not configure /dev/net/tun*Operation not permitted"),
        Sign::support("Unable to create tap device {tap}: Operation not permitted"),
        Sign::support("ioctl(TUNSETIFF): Operation not permitted"),
        Sign::support("TUNSETIFF*Operation not permitted"),
        Sign::support("RTNETLINK answers: Operation not permitted"),
        Sign::strong("cannot create bridge * Operation not permitted"),
        Sign::strong("Cannot set scheduler parameters*Operation not permitted"),
        Sign::strong("Unable to set scheduler * Operation not permitted"),
        Sign::strong("failed to set scheduling polic*Operation not permitted"),
        // mbind() of memory below another's policy needs CAP_SYS_NICE; a wrong node answers EINVAL.
        Sign::strong("cannot bind memory to host NUMA nodes: Operation not permitted"),
        Sign::strong("missing CAP_{name}"),
        Sign::strong("lacks CAP_{name}"),
        Sign::strong("lack of CAP_{name}"),
        Sign::strong("need* CAP_{name} capability"),
        Sign::strong("requires CAP_{name}"),
        Sign::strong("does not have CAP_{name}"),
        Sign::strong("without CAP_{name}"),
        Sign::strong("unable to apply process capabilities"),
        Sign::strong("Unable to clear process capabilities"),
        Sign::strong("cannot apply process capabilities"),
        Sign::strong("capng_apply failed"),
        Sign::support("ioperm*: Operation not permitted"),
        Sign::support("iopl*: Operation not permitted"),
        Sign::strong("SG_IO*Operation not permitted"),
        Sign::support("mlockall*Operation not permitted"),
        Sign::support("failed to create tun device: Operation not permitted"),
        Sign::support("prlimit*operation not permitted"),
        Sign::strong("Please add the following setting to your container: --cap-add"),
        Sign::strong("add the following * --cap-add"),
        Sign::strong("capset: Operation not permitted"),
        Sign::support("mknod: /dev/{node}: Operation not permitted"),
        Sign::support("mount*make-rshared*Operation not permitted"),
        Sign::support("Operation not permitted").and(&["CapEff:*0000000000000000"]),
        Sign::support("Operation not permitted").and(&["--cap-drop"]),
        Sign::support("Operation not permitted").and(&["CapabilityBoundingSet="]),
        Sign::hint("NET_ADMIN"),
        Sign::hint("SYS_RAWIO"),
        Sign::strong("userfaultfd not available: Operation not permitted"),
        Sign::strong("userfaultfd failed: Operation not permitted"),
        Sign::strong("Failed to open userfault fd: Operation not permitted"),
        Sign::strong("Could not create TAP interface").and(&["operation not permitted"]),
        Sign::strong("Unable to enable namespace"),
        // QEMU in a container, as its scripts say.
        Sign::strong("Add the NET_ADMIN capability"),
        Sign::strong("failed to create bridge. * --cap-add NET_ADMIN"),
        Sign::strong("No permission to create macvtap interface"),
        Sign::strong("Raw I/O is not supported on this platform"),
        Sign::strong("Daemon failed to setup shared mounts base"),
        Sign::strong("process is missing required capability"),
        Sign::strong("setting capabilities failed").and(&["dnsmasq"]),
        Sign::strong("chown of PID file {f} failed"),
        Sign::strong("uffd_open() failed: Operation not permitted"),
        Sign::strong("Userfault feature detection failed"),
        // passt and pasta name no option in old releases; `check` looks at the port.
        Sign::hint("Failed to bind port {port} (Permission denied)"),
        Sign::support("Couldn't create user namespace: Operation not permitted").unless(&["virt-launcher"]),
        Sign::strong("ConfigureTap(*code: 1,"),
    ],
    words: &["capabilit", "cap_add", "cap-add", "net_admin", "privileged", "container"],
    explains: &["network/tap-permission"],
    tells: "grep Cap /proc/<pid>/status",
    remedy: "grant the one capability that is missing, or let a privileged helper do the work beforehand",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// passt and pasta refused a port that takes the right to bind ports below 1024.
const BIND: &str = "Failed to bind port {port} (Permission denied)";

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let low =
        |hit: &&Hit| hit.get("port").and_then(|port| port.parse().ok()).is_some_and(|port: u16| port < 1024);
    if let Some(hit) = cx.hits(BIND).iter().find(low) {
        draft = draft
            .because(Strength::Strong, cx.evidence(hit), "a port below 1024 takes CAP_NET_BIND_SERVICE")
            .title("passt lacks the capability to bind a port below 1024");
    }
    vec![draft.verdict()]
}

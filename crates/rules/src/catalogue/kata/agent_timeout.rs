//! # The Kata agent in the VM cannot be reached in time
//!
//! ## What it is
//! After the VM has started, the shim talks to the agent inside by vsock. If the guest does not come up, comes up slowly
//! or the agent dies, the connection times out and the sandbox is torn down. It is often a consequence.
//!
//! Heard as: pods with Kata stay in ContainerCreating and fail after a minute; no connection to the agent, vsock
//! or own guest kernel.
//!
//! Known by: failed to check if grpc server is working; context deadline exceeded; dial vsock timeout; sandbox creation
//! times out; guest does not come up, agent not reached; ttrpc closed; pod stuck ContainerCreating; guest console
//! silent; vsock; boot too slow under nesting; dial_timeout; create container failed.
//!
//! ## Why it happens
//! Nested or emulated virtualization makes the boot slower than `dial_timeout` (45 s); the guest kernel panics; guest
//! memory cannot be backed (a small `/dev/shm` in a nested container); `vhost_vsock` is not loaded or the CID is taken;
//! large images are pulled or copied inside one request; the agent was killed by the guest's OOM killer.
//!
//! ## Confirm
//! `journalctl -t kata` with `enable_debug` and `agent.log=debug`: does the guest's console reach the agent's first
//! lines? `kata-runtime exec <sandbox>` with the debug console; `df /dev/shm`; `dmesg | grep vsock`.
//! The CID and port in the message (1024 is the agent, 1026 the debug console) tell which connection failed.
//!
//! ## Refute
//! The console shows a kernel panic or the VMM died at once: that is the cause, and this message its echo.
//!
//! ## Fix
//! Remove what delays or stops the guest; raise `dial_timeout` and `create_container_timeout` on slow hosts.
//!
//! ## References
//! Kata Containers `src/runtime/virtcontainers/pkg/agent/protocols/client/client.go` `commonDialer()`,
//! `virtcontainers/kata_agent.go`; `src/runtime-rs/crates/agent/src/sock/`; `configuration.toml`, `dial_timeout`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "container"],
    signs: &[
        Sign::strong("timed out connecting to vsock "),
        Sign::strong("timed out connecting to hybrid vsocket"),
        Sign::strong("timed out connecting to remote sock"),
        Sign::strong("timed out connecting to unix socket").and(&["kata"]),
        Sign::strong("timeout waiting for hybrid vsocket handshake"),
        Sign::strong("HybridVsock trivial handshake failed"),
        Sign::strong("Failed to Check if grpc server is working"),
        Sign::strong("CreateContainerRequest timed out"),
        Sign::strong("CreateSandboxRequest timed out"),
        Sign::strong("StartContainerRequest timed out"),
        Sign::strong("CheckRequest timed out"),
        Sign::support("{name}Request timed out").and(&["kata"]),
        Sign::support("Dead agent").and(&["kata"]),
        Sign::support("failed to ping agent").and(&["kata"]),
        Sign::strong("connect to agent").and(&["kata", "timed out"]),
        Sign::strong("failed to connect to agent").and(&["kata"]),
        Sign::strong("agent server connection").and(&["timed out", "kata"]),
        Sign::support("context deadline exceeded").and(&["containerd-shim-kata"]),
        Sign::support("DeadlineExceeded").and(&["containerd-shim-kata"]),
        Sign::support("DeadlineExceeded").and(&["io.containerd.kata"]),
        Sign::support("vsock: connection timed out").and(&["kata"]),
        // runtime-rs, and the VMM whose API never comes up.
        Sign::strong("connect agent server").and(&["kata"]),
        Sign::strong("handshake error: malformed response code"),
        Sign::strong("agent health check").and(&["failed to do"]),
        Sign::strong("failed to connect to vsock").and(&["kata"]),
        Sign::strong("Failed to connect to QEMU instance (timeout"),
        Sign::strong("Failed to connect to API (timeout"),
        Sign::strong("Failed to connect to firecrackerinstance (timeout"),
        Sign::strong("Failed to connect to StratoVirt instance (timeout"),
        Sign::strong("create container timeout: "),
        Sign::support("timed out connecting to ").and(&["kata"]),
        Sign::support("failed to start sandbox * timed out").and(&["kata"]),
        Sign::support("vhost vsock: Guest CID *timed out"),
        Sign::support("No such device (os error 19)").and(&["kata", "vsock"]),
        Sign::support("Connection reset by peer (os error 104)").and(&["kata", "vsock"]),
        Sign::strong("failed to dial the VM over vsock"),
        Sign::strong("failed to dial \"firecracker.vsock\""),
        Sign::strong("timeout waiting for hybrid vsock"),
        Sign::strong("Dead agent"),
        Sign::strong("remote sock: failed to connect"),
        Sign::strong("timed out after * waiting for qemu"),
        Sign::strong("API socket connect timed out after"),
        Sign::strong("waiting vmm ready timeout"),
        Sign::strong("failed to connect agent"),
        Sign::strong("QMP init timed out"),
        Sign::strong("lost connection to VM"),
        Sign::strong("failed to ping hypervisor process"),
        Sign::support("dial hybrid vsock"),
        Sign::support("ttrpc: closed"),
        Sign::support("failed to wait nydusd API server ready"),
        Sign::support("timed out connecting to vsock"),
    ],
    words: &["kata", "timed out", "containercreating", "agent", "vsock", "sandbox"],
    tells: "journalctl -t kata",
    remedy: "find in the guest's console what stops or delays the agent, and raise dial_timeout on slow hosts",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};

//! # vhost-user backend and VMM disagree on features, regions or messages
//!
//! ## What it is
//! The two sides negotiate virtio features, protocol features, queues and memory regions by messages. If one side needs what
//! the other lacks, or answers otherwise than agreed, QEMU logs a failed message or refuses the device.
//!
//! Heard as: backend and VMM of different versions close the connection.
//!
//! Known by: Failed to read msg header; features lack VHOST_USER_PROTOCOL; vhost-user backend disconnect; set_mem_table
//! error; old DPDK, SPDK or OVS with new QEMU; max memslots.
//!
//! ## Why it happens
//! Backend and VMM are of different generations (SPDK, DPDK, rust-vmm backends, passt); the guest was started or migrated with
//! features the new backend does not offer; more queues are asked for than the backend has; memory hotplug needs more
//! regions than the backend's slots (8 in old ones); CONFIG or REPLY_ACK is missing; the backend crashes on a
//! message, and QEMU sees only "Read 0 instead of 12".
//!
//! ## Confirm
//! QEMU's log names the request number (docs/interop/vhost-user.rst lists them: 1 GET_FEATURES, 5 SET_MEM_TABLE,
//! 15 GET_PROTOCOL_FEATURES, 24 GET_CONFIG); the backend's log at the same second.
//!
//! ## Refute
//! The backend's process ended by itself (journal, core dump) before the message.
//!
//! ## Fix
//! Bring both sides to versions that know the same features, ask for no more queues than the backend has, plug vhost-user
//! devices before memory hotplug, or switch the feature off on the VMM's side.
//!
//! ## References
//! QEMU `docs/interop/vhost-user.rst`, `hw/virtio/vhost-user.c`, `hw/net/vhost_net.c`, `net/vhost-user.c`; DPDK
//! `lib/vhost/vhost_user.c`.

use crate::prelude::*;

const FS: &[&str] = &["vhost-user-fs", "virtiofsd"];

pub const RULE: Rule = Rule {
    tags: &["network", "storage"],
    signs: &[
        Sign::strong(
            "vhost-user device expecting VHOST_USER_PROTOCOL_F_CONFIG but the vhost-user backend does not support it",
        ),
        Sign::strong("VHOST_USER_PROTOCOL_F_CONFIG not supported"),
        Sign::strong("vhost-user backend supports VHOST_USER_PROTOCOL_F_CONFIG but QEMU does not"),
        Sign::strong("IOMMU support requires reply-ack and"),
        Sign::support("The maximum number of queues supported by the backend is"),
        Sign::support("you are asking more queues than supported"),
        Sign::strong("The backend specified a max ram slots limit"),
        Sign::strong("vhost backend memory slots limit"),
        Sign::strong("a used vhost backend has no free memory slots left"),
        Sign::strong("vhost lacks feature mask"),
        Sign::strong("Received unexpected msg type"),
        Sign::strong("Received bad msg size"),
        Sign::strong("vhost_backend_init failed: Protocol error"),
        Sign::support("vhost_backend_init failed").unless(FS),
        Sign::support("Failed to read msg header. Read {got} instead of {wanted}. Original request")
            .unless(FS),
        Sign::support("Failed to read msg header. Flags"),
        Sign::strong("Failed to read msg header. Size"),
        Sign::support("Failed to set msg fds").unless(FS),
        Sign::support("Failed to write msg. Wrote").unless(FS),
        Sign::support("vhost_set_features failed"),
        Sign::support("failed to init vhost_net for queue"),
        Sign::strong("vhost-user backend not capable of postcopy"),
        Sign::strong("Vhost-user Backend not support vhost-user protocol"),
        Sign::strong("VhostUserProtocolNotSupport"),
        Sign::support("Get protocol features failed"),
        Sign::support("Set features failed").and(&["vhost-user"]),
        Sign::strong("vhost user protocol * not supported"),
        Sign::strong("VHOST_CONFIG: *vhost message header is invalid"),
        Sign::strong("VHOST_CONFIG: *vhost read incorrect message"),
        Sign::strong("VHOST_CONFIG: *unknown vhost message type"),
        Sign::strong("VHOST_CONFIG: *received invalid negotiated features"),
        Sign::strong("VHOST_CONFIG: *features: unsupported"),
        Sign::strong("VHOST_CONFIG: *too many memory regions"),
        Sign::strong("VHOST_USER_SET_MEM_TABLE: received * regions"),
        Sign::support("incorrect NUMA * VHOST_USER"),
        Sign::support("Failed initializing vhost-user memory map").against(),
        Sign::support("Failed to read msg payload. Read"),
        Sign::support("Unexpected msg type. Expected"),
        Sign::support("vhost_get_config failed").and(&["vhost-user"]),
        Sign::support("vhost_get_features failed").and(&["vhost-user"]),
        Sign::support("vhost_set_owner failed").and(&["vhost-user"]),
        Sign::support("create session failed").and(&["vhost"]),
        Sign::support("vhost VQ {n} notifier binding failed"),
        Sign::strong("vhost_user_write() return {n}, close session failed"),
        Sign::strong("Failed to get mem fd"),
        Sign::strong("Error get inflight"),
        Sign::strong("Error set inflight"),
        Sign::strong("Error setting inflight"),
        Sign::strong("set device config space failed"),
        Sign::strong("Failed to send postcopy_advise to vhost"),
        Sign::strong("Verify ring failure on region"),
        Sign::strong("A maximum of {n} fds are allowed, however got"),
        Sign::strong("too big message request"),
        Sign::strong("Bad session id"),
        Sign::strong("Unable to map {x} for ring"),
        Sign::strong("relocated for ring"),
        Sign::strong("Connection on socket '{s}' destroyed while vhost device still attached"),
        Sign::strong("Removing port '{p}' while vhost device still attached"),
        Sign::strong("must be restarted").and(&["VM on socket"]),
        Sign::strong("rte_vhost_driver_disable_features failed"),
        Sign::strong("rte_vhost_driver_callback_register failed"),
        Sign::strong("Error checking guest features for vHost Device"),
        Sign::strong("Received unexpected message type, expected"),
        Sign::strong("Received bad message size, expected"),
        Sign::strong("get device config space failed"),
        Sign::strong("vhost_set_config_call failed"),
        Sign::support("Unexpected descriptor format for TX"),
        Sign::support("unexpected descriptor format for RX"),
        Sign::strong("Invalid features provided from vhost-user backend"),
    ],
    words: &["vhost-user", "vhostuser", "backend", "protocol", "queues"],
    tells: "/var/log/libvirt/qemu/VM.log",
    remedy: "bring backend and VMM to versions and settings that support the same features, queues and regions",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};

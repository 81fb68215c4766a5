//! # The DPDK switch cannot get or map the memory for a vhost-user port
//!
//! ## What it is
//! OVS-DPDK (and other DPDK switches) needs huge pages of its own for packet buffers, and maps the guest's memory from the
//! descriptors that QEMU sends. Either fails: DPDK does not start or a port has no memory pool, or the mapping of the
//! guest's regions is refused and the port's link stays down.
//!
//! Heard as: a DPDK vhost-user port passes no packet or PMD cannot map the guest's memory.
//!
//! Known by: mempool creation failed, insufficient hugepages for socket; dpdk-socket-mem; EAL: cannot get hugepage;
//! vhost memory region mmap; pmd init failed; OVS-DPDK mbuf; dpdk-init, EAL initialization; vhost-user client port
//! down; per-port memory; mempool of MTU 9000; numa socket memory zero.
//!
//! ## Why it happens
//! No huge pages are reserved, or not on the NUMA node of the NIC or VM; `dpdk-socket-mem` asks for more than a node has, or
//! gives node 1 nothing; pages are taken by guests first; the guest's memory is not shared or not from huge pages; the
//! switch runs as a user (openvswitch:hugetlbfs) who may not open the pages; larger MTUs and more queues need bigger pools.
//!
//! ## Confirm
//! `grep -i huge /proc/meminfo`; `cat /sys/devices/system/node/node*/hugepages/*/free_hugepages`;
//! `ovs-vsctl get Open_vSwitch . other_config dpdk_initialized`; `/var/log/openvswitch/ovs-vswitchd.log` around VHOST_CONFIG.
//!
//! ## Refute
//! `dpdk_initialized` is true and the log says that the guest's regions were mapped.
//!
//! ## Fix
//! Reserve huge pages on every node at boot, set `other_config:dpdk-socket-mem="<node0>,<node1>"`, give the guest
//! `<memoryBacking><hugepages/>` with shared access, then restart ovs-vswitchd before the VMs.
//!
//! ## References
//! Open vSwitch "DPDK vHost User Ports", "Using Open vSwitch with DPDK"; `lib/netdev-dpdk.c`, `lib/dpdk.c`; DPDK
//! `lib/vhost/vhost_user.c` (`vhost_user_mmap_region`), `lib/eal/linux/eal_memory.c`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["network", "ovs", "memory", "dpdk"],
    rank: Rank::Specific,
    needs: &[Need::File("/proc/meminfo")],
    signs: &[
        Sign::strong("VHOST_CONFIG: *mmap failed"),
        Sign::strong("VHOST_CONFIG: *failed to mmap region"),
        Sign::strong("VHOST_CONFIG: *failed to mmap"),
        Sign::strong("VHOST_CONFIG: *mmap_size"),
        Sign::strong("VHOST_CONFIG: *failed to allocate memory for"),
        Sign::support("VHOST_CONFIG: *mem table").and(&["failed"]),
        Sign::strong("EAL: No free hugepages reported in")
            .and(&["vswitchd"])
            .unless(&["DPDK Enabled - initialized", "Reactor started on core"]),
        Sign::strong("EAL: No free {size} kB hugepages reported").and(&["vswitchd"]),
        Sign::strong("EAL: *Cannot get hugepage information").and(&["vswitchd"]),
        Sign::strong("EAL: No available hugepages reported in")
            .and(&["vswitchd"])
            .unless(&["DPDK Enabled - initialized", "Reactor started on core"]),
        Sign::strong("EAL: No available {size} kB hugepages reported")
            .and(&["vswitchd"])
            .unless(&["DPDK Enabled - initialized", "Reactor started on core"]),
        Sign::strong("EAL: Not enough memory available on socket").and(&["vswitchd"]),
        Sign::strong("EAL: *Cannot init memory").and(&["vswitchd"]),
        // The same lines from another DPDK program speak of its own memory and of no switch.
        Sign::support("EAL: No free").unless(&[
            "no mounted hugetlbfs",
            "DPDK Enabled - initialized",
            "Reactor started on core",
        ]),
        Sign::support("EAL: Not enough memory available on socket"),
        Sign::hint("EAL: *Cannot get hugepage information"),
        Sign::support("EAL: Couldn't get fd on hugepage file"),
        Sign::support("EAL: Cannot allocate memory"),
        Sign::strong("Insufficient memory to create memory pool for netdev"),
        Sign::strong("Failed to create memory pool for netdev"),
        Sign::strong("Unable to initialize DPDK: Cannot allocate memory"),
        Sign::strong("Unable to initialize DPDK"),
        Sign::strong("not enough memory on socket"),
        Sign::support("dpdk_initialized * false"),
        Sign::support("dpdk-socket-mem").and(&["Cannot allocate memory"]),
        Sign::support("could not add network device {port} to ofproto (Cannot allocate memory)"),
        Sign::support("could not open network device {port} (Cannot allocate memory)"),
        Sign::strong("vhost_set_mem_table failed").and(&["VHOST_CONFIG"]),
        Sign::support("failed to set up vhost-user memory").and(&["dpdkvhostuser"]),
        Sign::strong("DPDK Initialization Failed"),
        Sign::strong("Failed to create mempool \"{m}\" with a request of"),
        Sign::strong("does not support MTU configuration, max packet size supported"),
        Sign::strong("Interface {i} unable to setup rxq"),
        Sign::strong("Interface {i} unable to setup txq"),
        Sign::strong("Per port memory for DPDK devices"),
        Sign::strong("vhost-postcopy-support and mlockall are not compatible"),
        Sign::strong("No user configured shared mempool mbuf sizes found suitable for port"),
        Sign::strong("Could not disable multiprocess, DPDK won't be available"),
        Sign::strong("DPDK Disabled - Use other_config:dpdk-init to enable"),
        Sign::strong("max threads count has been reached").and(&["DPDK"]),
        Sign::strong("There's no available (non-isolated) pmd thread on numa node"),
    ],
    words: &["ovs-dpdk", "dpdkvhostuser", "hugepage", "huge page", "socket-mem", "vhostuser"],
    explains: &["vhost-user/protocol-mismatch", "ovs/bridge-or-port-missing", "vhost-user/socket-missing"],
    tells: "/sys/devices/system/node/node*/hugepages",
    remedy: "reserve huge pages on each node, set dpdk-socket-mem to fit, and share the guest's memory",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    ..Rule::NEW
};

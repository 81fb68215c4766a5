//! # A container's memory limit asks for more than the host or the sandbox VM may have
//!
//! ## What it is
//! Kata adds the limits of all containers to the VM's base memory by hotplug. QEMU and Cloud Hypervisor were started
//! with a maximum, which Kata takes from the host's memory; a sum above it cannot be plugged, and the container fails.
//!
//! ## Why it happens
//! The limit is larger than the node, or nearly so and the base memory (`default_memory`, 2048 MiB) comes on top; the
//! limits of several containers add up; `default_maxmemory` is set low; the slots (`memory_slots`, 10) are used up; or a
//! guest kernel cannot plug the amount at once.
//!
//! ## Confirm
//! `grep MemTotal /proc/meminfo`; the sum of `limits.memory` of the pod plus `default_memory`; `maxmem=` on QEMU's
//! command line.
//!
//! ## Refute
//! The sum is below `maxmem`: then it is the guest's kernel or the cgroup (kata/overhead-missing).
//!
//! ## Fix
//! Lower the limits, use a larger node, or raise `default_maxmemory` and `memory_slots` as far as the host has memory.
//!
//! ## References
//! Kata Containers `src/runtime/virtcontainers/sandbox.go` `updateMemory()`, `qemu.go` `hotplugMemory()`, `clh.go`
//! `ResizeMemory()`; QEMU `hw/mem/memory-device.c`; `docs/how-to/how-to-set-sandbox-config-kata.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "memory"],
    signs: &[
        Sign::proof("not enough space, currently 0x* in use of total").and(&["kata"]),
        Sign::strong("no enough space, currently 0x* in use of total").and(&["kata"]),
        Sign::strong("Requested memory size is greater than total memory on host"),
        Sign::strong("memory exceeds host"),
        Sign::strong("exceeds the host memory").and(&["kata"]),
        Sign::strong("exceeds max memory").and(&["kata"]),
        Sign::strong("larger than the max memory").and(&["kata"]),
        Sign::strong("no free memory slots available").and(&["kata"]),
        Sign::strong("no slots were specified").and(&["kata"]),
        Sign::strong("cannot set up guest memory 'mem").and(&["kata"]),
        Sign::strong("cannot set up guest memory 'dimm").and(&["kata"]),
        Sign::strong("unable to map backing store for guest RAM: Cannot allocate memory").and(&["kata"]),
        Sign::strong("unable to map backing store for hugepages").and(&["kata"]),
        Sign::strong("Failed to resize memory from {from} to {to}"),
        Sign::strong("InsufficientHotplugRam"),
        Sign::strong("Not enough space in the hotplug RAM region"),
        Sign::strong("hotplug memory").and(&["kata", "QMP command failed"]),
        Sign::support("Add {size}MB mem*fail"),
        Sign::support("Large hotplug. Adding"),
        Sign::support("failed to update container memory").and(&["kata"]),
        Sign::support("reach max hotplug memory").and(&["kata"]),
    ],
    words: &["kata", "memory limit", "hotplug", "limits.memory", "more memory", "large limit"],
    explains: &["migration/memory-limit", "machine/config-conflict"],
    tells: "/proc/meminfo",
    remedy: "lower the pod's memory limits below the host's memory minus the sandbox's base, or raise default_maxmemory",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::File("/proc/meminfo")],
    ..Rule::NEW
};

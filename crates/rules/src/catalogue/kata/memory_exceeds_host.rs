//! # A container's memory limit asks for more than the host or the sandbox VM may have
//!
//! ## What it is
//! Kata adds the limits of all containers to the VM's base memory by hotplug. QEMU and Cloud Hypervisor were started
//! with a maximum, which Kata takes from the host's memory; a sum above it cannot be plugged, and the container fails.
//!
//! Heard as: with a large memory limit the Kata pod does not start, without a limit it does.
//!
//! Known by: memory limit bigger than node; cannot hotplug memory; default_memory plus limit; static sandbox sizing;
//! memory slots; max memory exceeds.
//!
//! ## Why it happens
//! The limit is larger than the node, or nearly so and the base memory (`default_memory`, 2048 MiB) comes on top; the
//! limits of several containers add up; `default_maxmemory` is set low; the slots (`memory_slots`, 10) are used up; or a
//! guest kernel cannot plug the amount at once.
//!
//! ## Confirm
//! `grep MemTotal /proc/meminfo`; the sum of `limits.memory` of the pod plus `default_memory`; `maxmem=` on QEMU's
//! command line.
//! The message names all three numbers: what is asked for, what the sandbox has, and the most it may have.
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
use vmwright_formats::MemInfo;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "memory"],
    signs: &[
        Sign::proof(
            "Unable to hotplug {asked} MiB memory, the SB has {now} MiB and the maximum amount is {most} MiB",
        ),
        Sign::strong("MiB memory, the SB has ").unless(&["and the maximum amount is"]),
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
        Sign::strong("InsufficientHotplugRam").unless(&["ch-remote"]),
        Sign::strong("Not enough space in the hotplug RAM region"),
        Sign::strong("hotplug memory").and(&["kata", "QMP command failed"]),
        Sign::support("Add {size}MB mem*fail"),
        Sign::support("Large hotplug. Adding"),
        Sign::support("failed to update container memory").and(&["kata"]),
        Sign::support("reach max hotplug memory").and(&["kata"]),
        Sign::strong("cannot hotplug negative size"),
        Sign::strong("memory specifications cannot be guaranteed").and(&["kata"]),
        Sign::strong("qemu hotplug memory").and(&["kata"]),
        Sign::strong("update container memory resources").and(&["kata"]),
        Sign::support("cannot set up guest memory 'entire-guest-memory-share'"),
        Sign::strong("Default memory size > available RAM"),
        Sign::strong("is greater than maximum allowed").and(&["memory"]),
        Sign::strong("maximum number of vCPUs '{n}' has been reached"),
        Sign::strong("Cannot hotplug {n} CPUs, currently this SB has"),
        Sign::strong("Please use command 'echo 1 > /proc/sys/vm/overcommit_memory'"),
        Sign::strong("Unable to hotplug {n} MiB memory, the SB has"),
        Sign::strong("memory size unchanged, the request memory size"),
        Sign::strong("overcommit_memory").and(&["virtio-mem"]),
    ],
    words: &["kata", "memory limit", "hotplug", "limits.memory", "more memory", "large limit"],
    explains: &["migration/memory-limit", "machine/config-conflict"],
    tells: "/proc/meminfo",
    remedy: "lower the pod's memory limits below the host's memory minus the sandbox's base, or raise default_maxmemory",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::File("/proc/meminfo")],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let host = cx.one::<MemInfo>().and_then(|seen| {
        let total = seen.bytes("MemTotal")?;
        Some((total.value, seen.quote(total.line)))
    });
    let Some((total, quote)) = host.filter(|_| cx.stands("kata")) else { return vec![draft.verdict()] };
    for text in cx.texts_with("limits:") {
        let mut limits = 0_u8;
        for (number, line) in text.lines() {
            if line.trim().starts_with("limits:") {
                limits = 4;
            }
            limits = limits.saturating_sub(1);
            let value = line.trim().strip_prefix("memory:").filter(|_| limits > 0);
            let asked = value.and_then(|value| quantity(value.trim().trim_matches(['"', '\''])));
            if asked.is_some_and(|asked| asked > total) {
                draft = draft
                    .because(Strength::Strong, text.quote(number), "the limit is above the host's memory")
                    .because(Strength::Support, quote.clone(), "the host has no more");
                return vec![draft.verdict()];
            }
        }
    }
    vec![draft.verdict()]
}

/// A quantity of memory as Kubernetes writes it (`512Mi`, `64Gi`, `1G`), in bytes.
fn quantity(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match &text[digits..] {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

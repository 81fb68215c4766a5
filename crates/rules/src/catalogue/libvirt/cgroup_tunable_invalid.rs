//! # A resource value of the domain is not valid for this host's cgroup version
//!
//! ## What it is
//! `<cputune>`, `<blkiotune>` and `<memtune>` are written into cgroup files. cgroup v1 took `cpu.shares` from 2
//! to 262144; cgroup v2 takes `cpu.weight` from 1 to 10000 only. Weights of block devices need the bfq (or cfq)
//! scheduler. A value that was right on one host is refused on another.
//!
//! Heard as: a VM with shares, weights or limits does not start since the host uses cgroup v2; value out of range.
//!
//! Known by: cpu shares out of range, value must be between; blkio weight; cputune period or quota rejected; cgroup v2
//! after upgrade; unable to write cpu.weight; invalid argument; shares 1024 no longer taken; start fails after
//! distribution upgrade with resource control; memtune, numatune, cpuset, io weight write refused.
//!
//! ## Why it happens
//! The host was upgraded to a distribution with cgroup v2, or the VM came from one with v1. Managers such as
//! OpenStack made shares of 1024 per vCPU, which pass 10000 with ten vCPUs. Or the controller is not delegated
//! to machine.slice, or not mounted at all.
//!
//! ## Confirm
//! `stat -fc %T /sys/fs/cgroup` (cgroup2fs or tmpfs), `virsh schedinfo NAME`, `virsh dumpxml NAME | grep -A9 tune`,
//! `cat /sys/fs/cgroup/machine.slice/cgroup.controllers`.
//!
//! ## Refute
//! The value lies in the range that the message names, and the controller is listed.
//!
//! ## Fix
//! Bring the value into the range of this cgroup version (1 to 10000 for v2 shares), or leave it out: without it
//! the kernel's default of 100 is used.
//!
//! ## References
//! Linux `Documentation/admin-guide/cgroup-v2.rst`, "CPU Interface Files"; libvirt `docs/cgroups.rst`;
//! `src/util/vircgroupv2.c`, `virCgroupV2SetCpuShares()`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["libvirt", "cgroup"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::File("/proc/self/mountinfo")],
    signs: &[
        Sign::proof("Value of cputune '{name}' must be in range"),
        Sign::proof("Value of cputune 'shares'"),
        Sign::proof("shares '{value}' must be in range ["),
        Sign::proof("cfs_period '{value}' must be in range ("),
        Sign::proof("cfs_quota '{value}' must be in range ("),
        Sign::proof("Invalid value '{value}' for 'cpu.weight'"),
        Sign::proof("Invalid value '{value}' for 'cpu.shares'"),
        Sign::strong("Invalid value '{value}' for 'cpu."),
        Sign::strong("Invalid value '{value}' for 'io."),
        Sign::strong("Invalid value '{value}' for 'blkio."),
        Sign::strong("Invalid value '{value}' for 'memory."),
        Sign::strong("Unable to write to '*/cpu.weight'"),
        Sign::strong("Unable to write to '*/cpu.shares'"),
        Sign::strong("Unable to write to '*/cpu.max'"),
        Sign::strong("Unable to write to '*/cpu.cfs_quota_us'"),
        Sign::strong("Unable to write to '*/io.bfq.weight'"),
        Sign::strong("Unable to write to '*/blkio.weight'"),
        Sign::proof("weight is valid only for bfq or cfq scheduler"),
        Sign::proof("blkio device weight is valid only for cfq scheduler"),
        Sign::strong("cgroup cpu is required for scheduler tuning"),
        Sign::strong("CPU tuning is not available on this host"),
        Sign::strong("Block I/O tuning is not available on this host"),
        Sign::strong("Memory cgroup is not available on this host"),
        Sign::support("cgroup CPU controller is not mounted"),
        Sign::strong("v2 controller '{name}' is not available"),
        Sign::strong("v1 controller '{name}' is not mounted"),
        Sign::strong("Failed to enable controller '{name}' for '"),
        Sign::support("Unable to write to '*/cpu.rt_runtime_us'"),
        Sign::strong("Failed to set CPU weight"),
        Sign::strong("cpuunits: value must have a maximum value of 10000"),
        Sign::strong("Value specified in CPUWeight is out of range"),
        Sign::strong("Value specified in CPUShares is out of range"),
        Sign::strong("blkio cgroup isn't mounted"),
        Sign::strong("cgroup memory controller is not mounted"),
        Sign::strong("cgroup cpuset controller is not mounted"),
        Sign::strong("cgroup CPU controller is not mounted"),
        Sign::strong("cgroup CPUACCT controller is not mounted"),
        Sign::strong("Could not find placement for v1 controller"),
        Sign::strong("Expecting a symlink at {p} for controller"),
        Sign::strong("Memory '{f}' must be less than"),
        Sign::strong("SCHED_CORE not supported by kernel"),
        Sign::strong("Cache level {n} does not support tuning"),
        Sign::strong("Cache allocation of size"),
        Sign::strong("Not enough room for allocation of"),
        Sign::strong("Missing or inconsistent resctrl info"),
        Sign::strong("cgroup controller is missing").and(&["limits"]),
        Sign::strong("Cannot apply disk limits as IO cgroup controller is missing"),
    ],
    words: &["cpu shares", "cpu.shares", "cpu.weight", "cgroup", "cputune"],
    tells: "stat -fc %T /sys/fs/cgroup; virsh dumpxml NAME",
    remedy: "bring the value into the range of this host's cgroup version (shares 1 to 10000 on v2) or remove it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Highest `cpu.weight` of cgroup v2 (`Documentation/admin-guide/cgroup-v2.rst`).
const WEIGHT_MAX: u64 = 10_000;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let v2 = |line: &str| {
        line.contains("cgroup2 /sys/fs/cgroup")
            || line.contains("/sys/fs/cgroup cgroup2")
            || line.contains("- cgroup2 ") && line.contains(" /sys/fs/cgroup ")
            || line.trim() == "cgroup2fs"
    };
    let second = cx.lines_with("cgroup2").any(|(_, _, line)| v2(line));
    let mut draft = cx.draft();
    for (text, number, line) in cx.lines_with("<shares>") {
        let shares = line.trim().strip_prefix("<shares>").and_then(|rest| rest.split('<').next());
        let Some(shares) = shares.and_then(|shares| shares.trim().parse::<u64>().ok()) else { continue };
        if shares > WEIGHT_MAX {
            let quote = text.quote(number);
            let strength = if second { Strength::Strong } else { Strength::Hint };
            draft = draft.because(strength, quote, "more shares than cgroup v2 takes");
        }
    }
    vec![draft.verdict()]
}

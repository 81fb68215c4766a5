//! # A cgroup quota throttles the VM
//!
//! ## What it is
//! A CPU quota lets a cgroup run for so long in each period, and then stops all of its threads until the next. A
//! VMM has more threads than vCPUs: I/O threads, vhost, device queues. With a quota of exactly the vCPU count they
//! eat the vCPUs' share, and all vCPUs stand still together: the guest sees no steal, only stalls.
//!
//! Heard as: the VM lags or stalls for parts of each period though the host is idle; cpulimit, quota, throttled.
//!
//! Known by: throttled, cpu.max, nr_throttled; CPU capped at one core; CFS quota, cputune; VM slow at regular
//! intervals; container CPU limit; steal-like; limited to a fraction of a core; throttled_usec; slow though host idle;
//! vcpu_quota; cgroup limit; instance type.
//!
//! ## Why it happens
//! `<quota>` in the domain, a CPU limit of the pod or container (Kubernetes turns `limits.cpu` into a quota),
//! `CPUQuota=` of the unit, Proxmox's `cpulimit`, or a flavor's `quota:cpu_quota`.
//!
//! ## Confirm
//! `cat cpu.max cpu.stat` in the VMM's cgroup (v1: `cpu.cfs_quota_us`): `nr_throttled` and `throttled_usec` grow.
//!
//! ## Refute
//! `cpu.max` begins with `max`, in this cgroup and all above it, or `nr_throttled` stands still while it stalls.
//!
//! ## Fix
//! Leave room for the VMM (two CPUs more than the vCPUs is a fair start), use weights (`cpu.weight`, `<shares>`)
//! instead of a quota, or set a quota for vCPUs only and none for the emulator.
//!
//! ## References
//! Linux `Documentation/scheduler/sched-bwc.rst`, `Documentation/admin-guide/cgroup-v2.rst` (cpu.max, cpu.stat);
//! libvirt formatdomain, "CPU Tuning" (quota, emulator_quota, global_quota).

use crate::catalogue::memory::hugepages_not_reserved::settings::{files, setting};
use crate::prelude::*;
use vmwright_formats::DomainXml;

/// What people say of a VM that is throttled.
const LAGS: &[&str] = &[
    "slow",
    "stall",
    "throttl",
    "lag",
    "stutter",
    "latency",
    "half speed",
    "half the speed",
    "half as fast",
];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["performance", "cpu", "cgroup"],
    needs: &[
        Need::Glob("/sys/fs/cgroup/machine.slice/*/cpu.max"),
        Need::Glob("/sys/fs/cgroup/machine.slice/*/cpu.stat"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: &[
        Sign::support("CPUQuota="),
        Sign::support("CPUThrottlingHigh"),
        Sign::support("quota:cpu_quota"),
        Sign::support("container_cpu_cfs_throttled"),
        Sign::support("--cpu-quota-us"),
        Sign::hint("cpu.cfs_quota_us"),
        Sign::hint("--cpus="),
        // What a complaint makes of a configuration.
        Sign::support("cpulimit:").said(LAGS).or_near(),
        Sign::support("<quota>").said(LAGS).or_near(),
        Sign::support("cpu.max").said(LAGS).or_near(),
        Sign::hint("nr_throttled"),
    ],
    words: &["throttle", "throttled", "quota", "cpu limit", "stalls", "idle", "freezes"],
    explains: &["perf/cpu-steal"],
    tells: "cpu.stat of the VMM's cgroup",
    remedy: "raise the quota above the vCPU count plus the VMM's own threads, or use weights instead",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let throttled = throttled(cx);
    let mut limits: Vec<_> = files(cx, "", "cpu.max").into_iter().map(|(_, found)| found).collect();
    limits.extend(setting(cx, "/sys/fs/cgroup/cpu.max", "cpu.max"));
    let limit =
        limits.into_iter().find(|limit| limit.value.starts_with(|first: char| first.is_ascii_digit()));
    let old = setting(cx, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "cpu.cfs_quota_us")
        .filter(|one| one.number() > Some(0));
    let limit = limit.or(old).and_then(|one| one.quote);
    if throttled.as_ref().is_some_and(|(count, _)| *count == 0) {
        return vec![draft.looked().verdict()];
    }
    if let Some((count, quote)) = throttled {
        draft = draft
            .because(Strength::Strong, quote, "the cgroup was stopped at its quota")
            .title(format!("the VM's cgroup was throttled {count} times"));
    }
    draft = draft.because(Strength::Support, limit, "a quota is set");
    let proxmox = setting(cx, "/etc/pve/qemu-server", "cpulimit")
        .filter(|one| one.value.parse::<f64>().is_ok_and(|n| n > 0.0));
    draft = draft.because(Strength::Support, proxmox.and_then(|one| one.quote), "a CPU limit is set");
    for seen in cx.all::<DomainXml>() {
        draft = draft.looked();
        for path in
            ["cputune/quota", "cputune/global_quota", "cputune/emulator_quota", "cputune/iothread_quota"]
        {
            let set = seen.elements(path).into_iter().find_map(|element| {
                let text = element.text()?;
                (text.value.trim().parse::<i64>().ok()? > 0).then_some(text.line)
            });
            draft = draft.because(
                Strength::Support,
                set.and_then(|line| seen.quote(line)),
                "the domain has a quota",
            );
        }
    }
    vec![draft.verdict()]
}

/// How often a cgroup was throttled, the most of all that were read.
fn throttled(cx: &Context<'_>) -> Option<(u64, Option<Evidence>)> {
    let counts = cx.lines_with("nr_throttled").filter_map(|(text, number, line)| {
        let (_, rest) = line.split_once("nr_throttled")?;
        let count = rest.trim_start_matches([':', '=', ' ', '\t']).split_whitespace().next()?;
        Some((count.trim_end_matches(',').parse::<u64>().ok()?, text.quote(number)))
    });
    counts.max_by_key(|(count, _)| *count)
}

//! # The host or provider gives the vCPUs less time than they ask for
//!
//! ## What it is
//! A vCPU is a thread of the host, and it waits when the host has more to run than CPUs. The guest sees that as
//! steal time, or, where steal is not passed on, as stalls, jumps of time and soft lockups that nothing in the
//! guest explains.
//!
//! Heard as: everything in the VMs is slow when others are busy; high st value in top; overcommitted host.
//!
//! Known by: st in top is high; noisy neighbour; overcommitted host; burstable credits used up; load average of host
//! over its cores; too many vCPUs; guest sluggish at some hours; %st; more vCPUs than threads; run queue; ready time;
//! neighbours; load on host.
//!
//! ## Why it happens
//! More busy vCPUs than CPUs on the host; a neighbour; a burstable instance without credits; a quota
//! (`perf/cpu-quota`); for a nested VM the VM below it is starved; a vCPU count above the host's CPUs.
//!
//! ## Confirm
//! In the guest `vmstat 1` or `top`: the last column, `st`; on the host `cat /proc/pressure/cpu` and `schedstat` of
//! the vCPU threads (second number: time spent waiting).
//!
//! ## Refute
//! Steal is 0 with `steal time` in `/proc/cpuinfo`'s paravirtual features and the host's run queues are short.
//!
//! ## Fix
//! Fewer vCPUs or VMs on the host, pinning with CPUs of their own, larger shares, or another instance class.
//!
//! ## References
//! Linux `Documentation/virt/kvm/x86/msr.rst` (MSR_KVM_STEAL_TIME), `kernel/watchdog.c`; proc(5), field steal;
//! libvirt formatdomain, "CPU Tuning".

use crate::catalogue::numa::cpuset_invalid::online;
use crate::prelude::*;
use vmwright_formats::DomainXml;

/// From this share of stolen time on a guest feels it, in percent.
const FELT: f64 = 5.0;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["performance", "cpu"],
    needs: &[
        Need::Command(&["lscpu"]),
        Need::File("/proc/pressure/cpu"),
        Need::Glob("/etc/libvirt/qemu/*.xml"),
    ],
    signs: &[
        Sign::support("steal time"),
        Sign::support("CPU steal"),
        Sign::strong("CPUCreditBalance"),
        Sign::support("CPU credits"),
        Sign::support("CPU Ready").and(&["vCPU"]),
        Sign::hint("soft lockup - CPU#{cpu} stuck for"),
        Sign::hint("rcu_sched self-detected stall on CPU"),
        Sign::hint("self-detected stall on CPU"),
        Sign::hint("rcu: INFO: rcu_preempt detected stalls"),
        Sign::support("VCPU{n} was not scheduled for"),
        Sign::hint("(steal "),
        Sign::support("overcommitted").and(&["vCPU"]),
        // A throttled VMM starves its vCPUs.
        Sign::support("throttled_usec {time}").unless(&["throttled_usec 0"]),
        Sign::support("throttled_time {time}").unless(&["throttled_time 0"]),
        Sign::support("kthread starved for"),
        Sign::support("Unless {kthread} kthread gets sufficient CPU time, OOM is now expected behavior"),
        Sign::support("kthread timer wakeup didn't happen for"),
        Sign::support("Breaking out of NMI-blocked state on VCPU"),
    ],
    words: &[
        "steal",
        "stall",
        "slow",
        "noisy neighbour",
        "noisy neighbor",
        "soft lockup",
        "sluggish",
        "stuck",
    ],
    tells: "vmstat 1",
    remedy: "give the VM's vCPUs CPU time of their own: fewer vCPUs on the host, pinning, larger shares",
    applicability: Applicability::ManualOnly,
    escalation: Some(Agent::SystemsArchitect),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with([" us sy id wa ", " %steal", "%Cpu", "%CPU", "%cpu", "Cpu(", "CPU(", "cpu("]) {
        let mut column = None;
        for (number, line) in text.lines().take(4096) {
            let stolen = match column {
                // Counted from the end, since the values of iostat and sar stand under a heading with a name.
                Some(at) => line.split_whitespace().rev().nth(at).and_then(|word| word.parse::<f64>().ok()),
                None => top(line),
            };
            let heading = || line.split_whitespace().rev().position(|word| matches!(word, "st" | "%steal"));
            // vmstat; iostat, sar and mpstat.
            if line.contains(" us sy id wa ") || line.contains(" %steal") {
                column = heading();
                draft = draft.looked();
            } else if line.trim().is_empty() {
                column = None;
            }
            if let Some(stolen) = stolen {
                draft = draft.looked();
                if (FELT..=100.0).contains(&stolen) {
                    draft = draft
                        .because(Strength::Strong, text.quote(number), "time is stolen from the guest")
                        .title(format!("{stolen}% of the guest's time is stolen"));
                    break;
                }
            }
        }
    }
    if let Some((cpus, quote)) = online(cx) {
        for seen in cx.all::<DomainXml>() {
            let counts = seen.domains.iter().filter_map(|domain| domain.vcpu.as_ref()?.count.as_ref());
            if let Some(count) = counts.into_iter().find(|count| count.value > cpus.len() as u64) {
                draft = draft
                    .because(Strength::Support, seen.quote(count.line), "the VM has more vCPUs")
                    .because(Strength::Hint, quote.clone(), "than the host has CPUs")
                    .title(format!("a VM has {} vCPUs on {} CPUs", count.value, cpus.len()));
            }
        }
    }
    vec![draft.verdict()]
}

/// Stolen time in a line of top: `%Cpu(s): 10.0 us, ..., 12.3 st`.
fn top(line: &str) -> Option<f64> {
    let rest = line.trim().to_ascii_lowercase();
    let rest = rest.strip_prefix("%cpu").or_else(|| rest.strip_prefix("cpu("))?;
    let before = rest.split(" st").next().filter(|before| before.len() < rest.len())?;
    before.rsplit([' ', ',']).next()?.trim_end_matches('%').parse().ok()
}

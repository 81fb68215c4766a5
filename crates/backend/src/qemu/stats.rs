//! What a running machine has done so far: counters of QEMU, of KVM, and of the host's kernel for QEMU's threads.

use super::Qemu;
use super::control::{monitor, unusable};
use super::qmp::Qmp;
use crate::request::{CpuStatistics, DiskStatistics, NetworkStatistics, Statistics};
use crate::supervise::{now_ms, running};
use crate::{ControlError, Running, Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Counters that are told of KVM at most; Linux 6.12 has about 60 for a VM and a CPU together.
const COUNTERS_MAX: usize = 512;

pub(super) fn statistics(qemu: &Qemu, machine: &Stored) -> Result<Statistics, ControlError> {
    let running = running(machine)?;
    let mut qmp = monitor(machine, &running, qemu.patience)?;
    let mut ask = |command: &str| qmp.execute(command, None).map_err(|source| unusable(machine, source));
    let cpus = ask("query-cpus-fast")?;
    let blocks = ask("query-blockstats")?;
    // A machine without a balloon refuses.
    let balloon = qmp.execute("query-balloon", None).ok().and_then(|told| told["actual"].as_u64());
    let kvm = kvm(&mut qmp);
    drop(qmp);
    let pid = running.process.pid;
    let process = times(Path::new(&format!("/proc/{pid}")));
    Ok(Statistics {
        at_ms: now_ms(),
        process_ns: threads(pid),
        resident: process.resident,
        cpus: cpus.as_array().into_iter().flatten().filter_map(|cpu| self::cpu(pid, cpu)).collect(),
        disks: blocks.as_array().into_iter().flatten().filter_map(disk).collect(),
        networks: networks(&running),
        balloon,
        kvm,
    })
}

#[derive(Default)]
struct Times {
    resident: u64,
    ran_ns: u64,
    waited_ns: u64,
}

/// `schedstat` and `status` of a process or thread (proc(5)); zeroes where it has just ended.
fn times(directory: &Path) -> Times {
    let text = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    let (ran_ns, waited_ns) = schedstat(&text("schedstat"));
    let status = text("status");
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Times { resident: resident.unwrap_or(0) * 1024, ran_ns, waited_ns }
}

/// Nanoseconds on a processor, and nanoseconds on a run queue (`Documentation/scheduler/sched-stats.rst`).
fn schedstat(text: &str) -> (u64, u64) {
    let mut numbers = text.split_ascii_whitespace().map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Of a process's own `schedstat` only the first thread counts.
fn threads(pid: i32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.map(|thread| times(&thread.path()).ran_ns).sum()
}

fn cpu(pid: i32, cpu: &Value) -> Option<CpuStatistics> {
    let thread = i32::try_from(cpu["thread-id"].as_i64()?).ok()?;
    let times = times(Path::new(&format!("/proc/{pid}/task/{thread}")));
    let (ran_ns, waited_ns) = (times.ran_ns, times.waited_ns);
    Some(CpuStatistics { cpu: cpu["cpu-index"].as_u64()?, thread, ran_ns, waited_ns })
}

/// One disk that the guest sees; QEMU's own nodes have none.
fn disk(block: &Value) -> Option<DiskStatistics> {
    let stats = &block["stats"];
    let number = |name: &str| stats[name].as_u64().unwrap_or(0);
    let name = [&block["node-name"], &block["device"], &block["qdev"]];
    let name = name.into_iter().find_map(|name| name.as_str().filter(|name| !name.is_empty()))?;
    block["qdev"].as_str()?;
    Some(DiskStatistics {
        name: name.chars().take(128).collect(),
        read: number("rd_bytes"),
        written: number("wr_bytes"),
        reads: number("rd_operations"),
        writes: number("wr_operations"),
        flushes: number("flush_operations"),
        read_ns: number("rd_total_time_ns"),
        write_ns: number("wr_total_time_ns"),
        failed: number("failed_rd_operations")
            + number("failed_wr_operations")
            + number("failed_flush_operations"),
    })
}

/// What a tap receives the guest has sent.
fn networks(running: &Running) -> Vec<NetworkStatistics> {
    let one = |tap: &String| {
        let directory = Path::new("/sys/class/net").join(tap).join("statistics");
        let number = |name: &str| {
            std::fs::read_to_string(directory.join(name))
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0)
        };
        NetworkStatistics {
            name: tap.clone(),
            received: number("tx_bytes"),
            sent: number("rx_bytes"),
            packets_received: number("tx_packets"),
            packets_sent: number("rx_packets"),
            dropped: number("tx_dropped") + number("rx_dropped"),
        }
    };
    running.taps.iter().map(one).collect()
}

/// KVM's counters, of the VM and summed over its CPUs. They come through files that KVM gives QEMU
/// (`KVM_GET_STATS_FD`), since QEMU 7.1; without KVM there are none.
fn kvm(qmp: &mut Qmp) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::new();
    for target in ["vm", "vcpu"] {
        let Ok(told) = qmp.execute("query-stats", Some(json!({ "target": target }))) else { continue };
        let lists = told.as_array().into_iter().flatten().filter(|list| list["provider"] == "kvm");
        let stats = lists.flat_map(|list| list["stats"].as_array().into_iter().flatten());
        for stat in stats {
            // Histograms are lists of numbers.
            let (Some(name), Some(value)) = (stat["name"].as_str(), stat["value"].as_u64()) else { continue };
            if sums.len() < COUNTERS_MAX || sums.contains_key(name) {
                let sum: &mut u64 = sums.entry(name.to_owned()).or_default();
                *sum = sum.saturating_add(value);
            }
        }
    }
    sums.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_times_are_read() {
        assert_eq!(schedstat("123 45 6\n"), (123, 45));
        assert_eq!(schedstat("rubbish"), (0, 0));
        let own = times(Path::new("/proc/self"));
        assert!(own.resident > 0);
    }

    #[test]
    fn a_disk_is_one_that_the_guest_sees() {
        let block = json!({ "node-name": "disk0", "qdev": "/machine/x", "stats": { "rd_bytes": 7, "failed_wr_operations": 1 } });
        let found = disk(&block).expect("a disk");
        assert_eq!((found.name.as_str(), found.read, found.failed), ("disk0", 7, 1));
        assert_eq!(disk(&json!({ "node-name": "firmware", "stats": {} })), None);
        assert_eq!(disk(&json!(7)), None);
    }
}

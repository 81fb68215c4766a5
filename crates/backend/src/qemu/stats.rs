//! What a running machine has done so far: counters of QEMU, of KVM, and of the host's kernel for QEMU's threads.

use super::Qemu;
use super::control::{monitor, unusable};
use super::qmp::Qmp;
use crate::request::{CpuStatistics, DiskStatistics, Statistics};
use crate::supervise::{now_ms, running};
use crate::vmm_process::{networks, resident, threads, times};
use crate::{ControlError, Stored};
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
    Ok(Statistics {
        at_ms: now_ms(),
        process_ns: threads(pid),
        resident: resident(pid),
        cpus: cpus.as_array().into_iter().flatten().filter_map(|cpu| self::cpu(pid, cpu)).collect(),
        disks: blocks.as_array().into_iter().flatten().filter_map(disk).collect(),
        networks: networks(&running.taps),
        balloon,
        kvm,
    })
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
    fn a_disk_is_one_that_the_guest_sees() {
        let block = json!({ "node-name": "disk0", "qdev": "/machine/x", "stats": { "rd_bytes": 7, "failed_wr_operations": 1 } });
        let found = disk(&block).expect("a disk");
        assert_eq!((found.name.as_str(), found.read, found.failed), ("disk0", 7, 1));
        assert_eq!(disk(&json!({ "node-name": "firmware", "stats": {} })), None);
        assert_eq!(disk(&json!(7)), None);
    }
}

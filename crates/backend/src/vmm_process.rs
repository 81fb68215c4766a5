//! What the kernel counts for a VMM's process, its threads and its taps.

use crate::request::{CpuStatistics, NetworkStatistics};
use std::path::Path;

/// Times of a process or thread, and its memory.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// Bytes in memory.
    pub(crate) resident: u64,
    /// Nanoseconds on a processor.
    pub(crate) ran_ns: u64,
    /// Nanoseconds on a run queue.
    pub(crate) waited_ns: u64,
}

/// `schedstat` and `status` of a process or thread (proc(5)); zeroes where it has just ended.
pub(crate) fn times(directory: &Path) -> Times {
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

/// Bytes of a process in memory.
pub(crate) fn resident(pid: i32) -> u64 {
    times(Path::new(&format!("/proc/{pid}"))).resident
}

/// Nanoseconds that all threads of a process ran: of its own `schedstat` only the first thread counts.
pub(crate) fn threads(pid: i32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.map(|thread| times(&thread.path()).ran_ns).sum()
}

/// Virtual CPUs by the names of their threads: this, and the CPU's number.
pub(crate) fn cpus(pid: i32, name: &str) -> Vec<CpuStatistics> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let one = |thread: std::fs::DirEntry| {
        let thread_name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        let cpu = thread_name.trim_end().strip_prefix(name)?.parse().ok()?;
        let Times { ran_ns, waited_ns, .. } = times(&thread.path());
        Some(CpuStatistics { cpu, thread: thread.file_name().to_str()?.parse().ok()?, ran_ns, waited_ns })
    };
    let mut found: Vec<CpuStatistics> = threads.filter_map(one).collect();
    found.sort_by_key(|cpu| cpu.cpu);
    found
}

/// Taps: what one receives the guest has sent.
pub(crate) fn networks(taps: &[String]) -> Vec<NetworkStatistics> {
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
    taps.iter().map(one).collect()
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
    fn virtual_cpus_are_known_by_their_threads_names() {
        let (told, heard) = std::sync::mpsc::channel::<()>();
        let thread =
            std::thread::Builder::new().name("vmw_cpu 7".to_owned()).spawn(move || heard.recv().is_err());
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let mut found = Vec::new();
        while found.is_empty() {
            found = cpus(pid, "vmw_cpu ");
        }
        assert_eq!(found[0].cpu, 7);
        drop(told);
        thread.expect("a thread").join().expect("no panic");
    }
}

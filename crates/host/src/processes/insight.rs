//! What only a tracer may see of a process: its namespaces, its memory by NUMA node, the files that it has open.

use super::errno;
use crate::text::escape;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

/// Most open files that are told of one process; a VM with hundreds of disks has fewer.
const FILES: usize = 512;

/// Most descriptors that are looked at.
const DESCRIPTORS: usize = 8192;

/// How long the summing of one process's memory may take: the kernel walks its page tables.
const MEMORY: Duration = Duration::from_millis(500);

/// Most bytes of one `numa_maps`.
const MAPS: u64 = 4 * 1024 * 1024;

/// Facts, one a line each.
pub(super) fn facts(pid: u32) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let process = match openat(CWD, format!("/proc/{pid}"), flags, Mode::empty()) {
        Ok(process) => process,
        Err(error) => return vec![format!("nothing: {}", crate::file::words(error))],
    };
    let mut facts = Vec::new();
    for name in ["mnt", "net", "pid", "user", "cgroup"] {
        match readlinkat(&process, format!("ns/{name}"), Vec::new()) {
            Ok(namespace) => {
                let own = readlinkat(CWD, format!("/proc/self/ns/{name}"), Vec::new());
                let whose = if own.as_ref() == Ok(&namespace) { "the host's" } else { "its own" };
                facts.push(format!("namespace {} {whose}", escape(namespace.as_bytes())));
            }
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return vec![format!("nothing: {}", crate::file::words(error))],
        }
    }
    facts.extend(memory(pid));
    facts.extend(open_files(pid, &process));
    facts
}

/// Memory by policy and node, from `numa_maps` (`Documentation/filesystems/proc.rst`).
fn memory(pid: u32) -> Vec<String> {
    let Ok(maps) = File::open(format!("/proc/{pid}/numa_maps")) else { return Vec::new() };
    summed(BufReader::new(maps.take(MAPS)), Instant::now() + MEMORY)
}

fn summed(maps: impl BufRead, ends: Instant) -> Vec<String> {
    let mut sums: BTreeMap<(String, bool, u32), u64> = BTreeMap::new();
    let mut whole = true;
    for line in maps.lines() {
        let Ok(line) = line else { break };
        if Instant::now() > ends {
            whole = false;
            break;
        }
        let mut words = line.split(' ');
        let (Some(_), Some(policy)) = (words.next(), words.next()) else { continue };
        let mut pages = Vec::new();
        let (mut page, mut huge) = (4, false);
        for word in words {
            if word == "huge" {
                huge = true;
            } else if let Some(size) = word.strip_prefix("kernelpagesize_kB=") {
                page = size.parse().unwrap_or(4);
            } else if let Some((node, count)) = word.strip_prefix('N').and_then(|rest| rest.split_once('='))
                && let (Ok(node), Ok(count)) = (node.parse::<u32>(), count.parse::<u64>())
            {
                pages.push((node, count));
            }
        }
        for (node, count) in pages {
            let sum = sums.entry((policy.to_owned(), huge, node)).or_default();
            *sum = sum.saturating_add(count.saturating_mul(page));
        }
    }
    let mut facts: Vec<String> = sums
        .into_iter()
        .map(|((policy, huge, node), sum)| {
            let kind = if huge { "huge" } else { "small" };
            format!("memory {} node {node} {kind} {sum} kB", escape(policy.as_bytes()))
        })
        .collect();
    if !whole {
        facts.push("memory more: not summed in time".to_owned());
    }
    facts
}

/// Device nodes and files, each once; of `/dev/net/tun` the interface too.
fn open_files(pid: u32, process: &OwnedFd) -> Vec<String> {
    let entries = match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(entries) => entries,
        Err(error) => return vec![format!("no open files: {}", crate::file::words(errno(&error)))],
    };
    let mut found = BTreeSet::new();
    for name in entries.flatten().take(DESCRIPTORS).map(|entry| entry.file_name()) {
        let name = name.to_string_lossy();
        let Ok(target) = readlinkat(process, format!("fd/{name}"), Vec::new()) else { continue };
        let target = escape(target.as_bytes());
        let device = target.starts_with("/dev/") && !target.starts_with("/dev/pts/") && target != "/dev/null";
        let file = target.starts_with('/') && !target.starts_with("/dev/") && !target.starts_with("/proc/");
        if !device && !file || found.len() >= FILES {
            continue;
        }
        let interface = if target == "/dev/net/tun" { interface(pid, &name) } else { None };
        found.insert(match interface {
            Some(interface) => format!("open {target} {interface}"),
            None => format!("open {target}"),
        });
    }
    found.into_iter().collect()
}

/// The interface behind a descriptor of `/dev/net/tun` (`drivers/net/tun.c`, `tun_chr_show_fdinfo`).
fn interface(pid: u32, descriptor: &str) -> Option<String> {
    let mut text = String::new();
    File::open(format!("/proc/{pid}/fdinfo/{descriptor}")).ok()?.take(4096).read_to_string(&mut text).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("iff:"))?.trim();
    (!name.is_empty()).then(|| escape(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_by_policy_and_node() {
        let maps = "55d0 default file=/usr/bin/qemu mapped=3 N0=3 kernelpagesize_kB=4\n\
                    7f00 bind:1 anon=512 dirty=512 N0=12 N1=500 kernelpagesize_kB=4\n\
                    7f10 bind:1 file=/dev/hugepages/x huge anon=2 N1=2 kernelpagesize_kB=2048\n\
                    7f20 default\nodd\n";
        let facts = summed(maps.as_bytes(), Instant::now() + Duration::from_secs(9));
        assert_eq!(
            facts,
            [
                "memory bind:1 node 0 small 48 kB",
                "memory bind:1 node 1 small 2000 kB",
                "memory bind:1 node 1 huge 4096 kB",
                "memory default node 0 small 12 kB",
            ]
        );
        let late = summed(maps.as_bytes(), Instant::now() - Duration::from_millis(1));
        assert_eq!(late, ["memory more: not summed in time"]);
    }

    #[test]
    fn this_process_is_seen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let facts = facts(std::process::id());
        let open = format!("open {}", file.path().display());
        assert!(facts.contains(&open), "{facts:?}");
        assert!(facts.iter().any(|fact| fact.starts_with("namespace net:[") && fact.ends_with("the host's")));
        assert_eq!(super::facts(u32::MAX), ["nothing: no such file or directory"]);
    }
}

//! The host's NUMA nodes and processors, whatever they were read from.

use crate::catalogue::memory::hugepages_not_reserved::settings::{files, ids, setting};
use crate::prelude::*;
use std::sync::Arc;
use vmwright_formats::{LsCpu, Numa};

/// A node of the host.
#[derive(Default)]
pub(crate) struct Node {
    /// Its number.
    pub id: u32,
    /// Its CPUs; empty where not told.
    pub cpus: Vec<u32>,
    /// Its memory in bytes.
    pub size: Option<u64>,
    /// Free memory in bytes and where that stands.
    pub free: Option<(u64, Option<Evidence>)>,
}

/// The nodes by their numbers: `numactl -H`, `lscpu`, and `/sys/devices/system/node`.
pub(crate) fn nodes(cx: &Reading<'_>) -> Arc<Vec<Node>> {
    cx.once(read)
}

fn read(cx: &Reading<'_>) -> Vec<Node> {
    let mut found: Vec<Node> = Vec::new();
    for seen in cx.all::<Numa>() {
        for node in &seen.nodes {
            let one = entry(&mut found, node.id);
            one.cpus = node.cpus.as_ref().map(|cpus| cpus.value.clone()).unwrap_or_default();
            one.size = node.size.as_ref().map(|size| size.value);
            one.free = node.free.as_ref().map(|free| (free.value, seen.quote(free.line)));
        }
    }
    for seen in cx.all::<LsCpu>() {
        for (id, cpus) in seen.nodes() {
            entry(&mut found, id).cpus = ids(cpus.value);
        }
    }
    // What people paste of it: `lscpu | grep NUMA` among other commands.
    for text in cx.texts_with("NUMA node").filter(|text| text.kind.0 != "lscpu") {
        // A kernel's log has it too, in few of its lines.
        let lines: String = text.lines_with("NUMA node").flat_map(|(_, line)| [line, "\n"]).collect();
        for (id, cpus) in <LsCpu as vmwright_formats::View>::read(&lines).0.nodes() {
            entry(&mut found, id).cpus = ids(cpus.value);
        }
    }
    let number = |source: &str| source.split("/node/node").nth(1)?.split('/').next()?.parse::<u32>().ok();
    for (source, list) in files(cx, "/devices/system/node/node", "/cpulist") {
        if let Some(id) = number(&source) {
            entry(&mut found, id).cpus = ids(&list.value);
        }
    }
    for text in cx.texts_named(|source| source.contains("/devices/system/node/node")) {
        let figure = |key: &str| {
            text.lines_with(key).find_map(|(line, words)| {
                let (_, value) = words.split_once(key)?;
                let size: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
                Some((size.checked_mul(1024)?, text.quote(line)))
            })
        };
        if let Some(id) = number(text.source) {
            let node = entry(&mut found, id);
            node.size = figure(" MemTotal:").map(|(size, _)| size).or(node.size);
            node.free = figure(" MemFree:").or(node.free.take());
        }
    }
    found.sort_by_key(|node| node.id);
    found
}

fn entry(found: &mut Vec<Node>, id: u32) -> &mut Node {
    let at = found.iter().position(|node| node.id == id).unwrap_or_else(|| {
        found.push(Node { id, ..Node::default() });
        found.len() - 1
    });
    &mut found[at]
}

/// The host's online CPUs, sorted, and where they stand; none where only a part of them may have been read.
pub(crate) fn online(cx: &Reading<'_>) -> Option<(Vec<u32>, Option<Evidence>)> {
    if let Some(found) = setting(cx, "/sys/devices/system/cpu/online", "system/cpu/online") {
        return Some((ids(&found.value), found.quote)).filter(|(cpus, _)| !cpus.is_empty());
    }
    for seen in cx.all::<LsCpu>() {
        if let Some(list) = seen.pairs.get("On-line CPU(s) list") {
            return Some((ids(list.value), seen.quote(list.line)));
        }
        if let Some(count) = seen.pairs.number("CPU(s)") {
            let count = u32::try_from(count.value).ok().filter(|count| (1..=8192).contains(count))?;
            let line = seen.pairs.get("CPU(s)").map(|found| found.line)?;
            return Some(((0..count).collect(), seen.quote(line)));
        }
    }
    let nodes = nodes(cx);
    let whole = !nodes.is_empty() && nodes.iter().all(|node| !node.cpus.is_empty());
    let line = cx.all::<Numa>().into_iter().find_map(|seen| {
        let line = seen.nodes.iter().rev().find_map(|node| node.cpus.as_ref())?.line;
        seen.quote(line)
    });
    whole.then(|| {
        let mut cpus: Vec<u32> = nodes.iter().flat_map(|node| node.cpus.iter().copied()).collect();
        cpus.sort_unstable();
        (cpus, line)
    })
}

/// How many CPUs all pinnings together may name: hundreds of VMs on the largest host, and no more work than that on
/// a hostile text.
pub(crate) const BUDGET: usize = 1 << 18;

/// CPU sets with their lines, as long as the budget lasts.
pub(crate) fn sets<'p>(
    pins: impl Iterator<Item = (&'p str, u32)>,
    budget: &mut usize,
) -> Vec<(Vec<u32>, u32)> {
    let within = pins.map_while(|(cpuset, line)| {
        if *budget == 0 {
            return None;
        }
        let set = ids(cpuset);
        *budget = budget.saturating_sub(set.len() + 1);
        Some((set, line))
    });
    within.collect()
}

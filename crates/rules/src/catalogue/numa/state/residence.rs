//! On which nodes a VM's memory lies, and where it may run: `numastat -p`, `taskset -cp`, `/proc/<pid>/status`.

use crate::catalogue::memory::hugepages_not_reserved::settings::ids;
use crate::prelude::*;

const HEADING: &str = "Per-node process memory usage";

/// The node on which at least four fifths of a VM's memory lie, by `numastat`.
pub(crate) fn memory(cx: &Context<'_>) -> Option<(u32, Option<Evidence>)> {
    cx.texts_with(HEADING).find_map(|text| {
        let mut columns: Vec<u32> = Vec::new();
        for (number, line) in text.lines().take(10_000) {
            if line.contains("Node 0") {
                let named = line.split("Node ").skip(1);
                columns = named.filter_map(|part| part.split_whitespace().next()?.parse().ok()).collect();
                continue;
            }
            let label = line.trim_start();
            let whole = label.starts_with("Total") || label.contains("(qemu") || label.contains("(kvm");
            if columns.len() < 2 || !whole || line.contains(HEADING) {
                continue;
            }
            let mut sizes: Vec<f64> =
                label.split_whitespace().rev().map_while(|word| word.parse::<f64>().ok()).collect();
            sizes.reverse();
            let (Some(total), true) = (sizes.last(), sizes.len() > columns.len()) else { continue };
            let of_nodes = &sizes[sizes.len() - 1 - columns.len()..sizes.len() - 1];
            // Less than this is no VM.
            let most =
                of_nodes.iter().zip(&columns).find(|(size, _)| **size > 256.0 && **size >= total * 0.8);
            if let Some((_, node)) = most {
                return Some((*node, text.quote(number)));
            }
        }
        None
    })
}

/// The CPUs on which a VM's process may run, where somebody looked.
pub(crate) fn affinity(cx: &Context<'_>) -> Option<(Vec<u32>, Option<Evidence>)> {
    let keys = ["current affinity list: ", "Cpus_allowed_list:"];
    cx.texts_with(keys).find_map(|text| {
        let found = text.lines_with(keys).find_map(|(number, line)| {
            let list = line
                .split_once("current affinity list: ")
                .or_else(|| line.split_once("Cpus_allowed_list:").filter(|_| text.holds("qemu")))?;
            Some((ids(list.1.trim()), text.quote(number)))
        });
        found.filter(|(cpus, _)| !cpus.is_empty())
    })
}

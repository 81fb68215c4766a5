//! NUMA nodes against CPUs and memory.

use super::super::{parse_cpu_list, parse_size};
use super::Book;
use vmwright_model::MachineSpec;

pub(super) fn check(book: &mut Book<'_>, spec: &MachineSpec) {
    let nodes = spec.numa.len();
    for (at, device) in spec.memory.devices.iter().enumerate() {
        if let Some(node) = device.node.filter(|node| *node as usize >= nodes.max(1)) {
            let key = format!("memory.device.{at}.node");
            book.tell(
                &key,
                &["numa"],
                format!("`{key}` is {node}, but there are {nodes} of `numa`, counted from 0"),
            );
        }
    }
    if nodes == 0 {
        return;
    }
    let most = spec.cpu.max.unwrap_or(spec.cpu.count);
    let mut taken: Vec<(u32, u32, usize)> = Vec::new();
    let mut memory = Some(0_u64);
    let mut follows = vec!["memory.size".to_owned()];
    for (at, cell) in spec.numa.iter().enumerate() {
        let key = format!("numa.{at}.cpus");
        for range in cell.cpus.as_deref().map(parse_cpu_list).and_then(Result::ok).unwrap_or_default() {
            if *range.end() >= most {
                let what =
                    format!("`{key}` names virtual CPU {}; there are {most}, counted from 0", range.end());
                book.tell(&key, &["cpu.count", "cpu.max"], what);
                break;
            }
            taken.push((*range.start(), *range.end(), at));
        }
        follows.push(format!("numa.{at}.memory"));
        memory = memory.zip(parse_size(&cell.memory).ok()).and_then(|(sum, bytes)| sum.checked_add(bytes));
        for (number, distance) in cell.distances.iter().enumerate() {
            let key = format!("numa.{at}.distance.{number}.to");
            if distance.to as usize >= nodes {
                let what = format!("`{key}` is {}, but there are {nodes} nodes, counted from 0", distance.to);
                book.tell(&key, &[&key], what);
            }
        }
    }
    taken.sort_unstable();
    let mut next = 0;
    for (first, last, at) in &taken {
        if *first < next {
            let key = format!("numa.{at}.cpus");
            book.tell(&key, &[&key], format!("`{key}` names virtual CPU {first}, which another node has"));
        }
        next = next.max(last + 1);
    }
    if let (Some(memory), Ok(size)) = (memory, parse_size(&spec.memory.size))
        && memory != size
    {
        let follows: Vec<&str> = follows.iter().map(String::as_str).collect();
        let what = format!(
            "the nodes of `numa` have {} MiB together, but `memory.size` is `{}`",
            memory >> 20,
            spec.memory.size
        );
        book.tell("memory.size", &follows, what);
    }
}

//! NUMA nodes of the host: `numactl -H`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One node. Sizes are in bytes; numactl prints MiB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumaNode {
    /// Its number.
    pub id: u32,
    /// Its CPUs.
    pub cpus: Option<Spanned<Vec<u32>>>,
    /// Its memory.
    pub size: Option<Spanned<u64>>,
    /// What is free of it.
    pub free: Option<Spanned<u64>>,
    /// Distances to all nodes, in their order.
    pub distances: Option<Spanned<Vec<u32>>>,
}

/// The nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numa {
    /// By first mention.
    pub nodes: Vec<NumaNode>,
}

/// More nodes than any kernel allows (`MAX_NUMNODES` is 1024).
const NODES_MAX: usize = 1024;

impl Numa {
    /// The node of this number.
    #[must_use]
    pub fn node(&self, id: u32) -> Option<&NumaNode> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The node of a CPU.
    #[must_use]
    pub fn node_of_cpu(&self, cpu: u32) -> Option<&NumaNode> {
        self.nodes.iter().find(|node| node.cpus.as_ref().is_some_and(|cpus| cpus.value.contains(&cpu)))
    }

    fn entry(&mut self, id: u32) -> Option<&mut NumaNode> {
        if let Some(at) = self.nodes.iter().position(|node| node.id == id) {
            return Some(&mut self.nodes[at]);
        }
        if self.nodes.len() >= NODES_MAX {
            return None;
        }
        self.nodes.push(NumaNode { id, ..NumaNode::default() });
        self.nodes.last_mut()
    }
}

impl View for Numa {
    const KIND: Kind = Kind::new("numa");
    const SUREST: u8 = 93;
    const MARKS: &[&str] = &["cpus:", "size:", "free:"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut in_distances = false;
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.starts_with("node distances") {
                in_distances = true;
            } else if let Some(rest) = line.strip_prefix("node ") {
                if !in_distances && node_line(&mut view, number, rest).is_none() {
                    issues.push(Issue::new(number, "not a line of numactl"));
                }
            } else if in_distances
                && let Some((id, rest)) = line.split_once(':')
                && let (Ok(id), Some(distances)) = (id.trim().parse(), numbers(rest))
                && let Some(node) = view.entry(id)
            {
                node.distances = Some(Spanned::new(distances, number));
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let node = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some("node")
                && words.next().is_some_and(|id| id.parse::<u32>().is_ok())
                && matches!(words.next(), Some("cpus:" | "size:" | "free:"))
        };
        if head.lines().any(node) {
            return 93;
        }
        if name.starts_with("numa") { 30 } else { 0 }
    }
}

fn node_line(view: &mut Numa, number: u32, rest: &str) -> Option<()> {
    let (id, rest) = rest.split_once(' ')?;
    let (key, value) = rest.split_once(':')?;
    let node = view.entry(id.parse().ok()?)?;
    let mib = || {
        let size: u64 = value.trim().strip_suffix("MB")?.trim().parse().ok()?;
        size.checked_mul(1 << 20)
    };
    match key {
        "cpus" => node.cpus = Some(Spanned::new(numbers(value)?, number)),
        "size" => node.size = Some(Spanned::new(mib()?, number)),
        "free" => node.free = Some(Spanned::new(mib()?, number)),
        _ => return None,
    }
    Some(())
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split_whitespace().map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes() {
        let text = "available: 2 nodes (0-1)\nnode 0 cpus: 0 1 4 5\nnode 0 size: 32094 MB\nnode 0 free: 120 MB\nnode 1 cpus: 2 3\nnode 1 size: lots\nnode distances:\nnode   0   1 \n  0:  10  21 \n  1:  21  10 \n";
        let (view, issues) = Numa::read(text);
        assert_eq!(issues, [Issue::new(6, "not a line of numactl")]);
        assert_eq!(view.node(0).and_then(|node| node.size.clone()), Some(Spanned::new(32094 << 20, 3)));
        assert_eq!(view.node(0).and_then(|node| node.free.as_ref().map(|free| free.value)), Some(120 << 20));
        assert_eq!(view.node_of_cpu(3).map(|node| node.id), Some(1));
        assert_eq!(
            view.node(1).and_then(|node| node.distances.clone()),
            Some(Spanned::new(vec![21, 10], 10))
        );
        assert_eq!(Numa::recognise("x", text), 93);
        assert_eq!(Numa::recognise("x", "node red\n"), 0);
    }
}

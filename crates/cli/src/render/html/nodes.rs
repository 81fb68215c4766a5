//! The picture of the NUMA nodes: a card each, with memory, huge pages, and a cell for each CPU.

use super::svg::{LETTER, Svg, fit, size};
use super::topology::{WIDTH, colour, letter};
use std::collections::BTreeMap;
use vmwright_model::Topology;
use vmwright_model::topology::HostNode;

const GAP: f64 = 14.0;
const MARGIN: f64 = 12.0;
const CELL: (f64, f64) = (26.0, 18.0);
const PITCH: (f64, f64) = (28.0, 21.0);

/// A bar that shows how much is used.
const GAUGE: (f64, f64) = (66.0, 9.0);

/// Where the words beside a bar begin.
const WORDS: f64 = 74.0;

/// How many CPUs of one node have a cell; those of a larger one are told as ranges.
const CELLS: u64 = 1024;

/// Where the cells of a card begin that tells of memory alone.
const CELLS_FROM: f64 = 54.0;

/// How many nodes are drawn.
const NODES: usize = 64;

/// How many marks all pins together make; a placement of every virtual CPU on every CPU says nothing after that.
const MARKS: usize = 1 << 16;

/// A virtual CPU on a CPU.
struct Mark {
    vm: usize,
    vcpu: u32,
    /// Whether the virtual CPU may run nowhere else.
    alone: bool,
}

/// The picture; nothing where no node is known.
pub(super) fn picture(topology: &Topology) -> String {
    let nodes = &topology.nodes[..topology.nodes.len().min(NODES)];
    if nodes.is_empty() {
        return String::new();
    }
    let marks = marks(topology);
    let small = nodes.iter().all(|node| node.cpus.count() <= 64);
    let columns = match nodes.len() {
        1 if small => 2,
        count => count.min(4),
    };
    let width = (WIDTH - GAP * (columns as f64 - 1.0)) / columns as f64;
    let mut svg = Svg::default();
    let mut top = 0.0;
    for row in nodes.chunks(columns) {
        let height = row.iter().map(|node| height(node, topology, width)).fold(0.0, f64::max);
        for (column, node) in row.iter().enumerate() {
            card(node, topology, &marks, (column as f64 * (width + GAP), top), (width, height), &mut svg);
        }
        top += height + GAP;
    }
    svg.finish("NUMA nodes with CPUs, memory and huge pages", (WIDTH, top))
}

fn marks(topology: &Topology) -> BTreeMap<u32, Vec<Mark>> {
    let all: u64 = topology.nodes.iter().map(|node| node.cpus.count()).sum();
    let mut marks: BTreeMap<u32, Vec<Mark>> = BTreeMap::new();
    let mut left = MARKS;
    for (vm, placement) in topology.placements.iter().enumerate() {
        // Bound to more than half of a host of several nodes is not bound.
        let bound =
            placement.pins.iter().filter(|(_, set)| topology.nodes.len() == 1 || set.count() * 2 <= all);
        for (vcpu, set) in bound {
            for cpu in set.numbers() {
                if left == 0 {
                    return marks;
                }
                left -= 1;
                marks.entry(cpu).or_default().push(Mark { vm, vcpu: *vcpu, alone: set.count() == 1 });
            }
        }
    }
    marks
}

fn per_row(width: f64) -> usize {
    (((width - 2.0 * MARGIN + PITCH.0 - CELL.0) / PITCH.0) as usize).max(1)
}

fn bound(node: &HostNode, topology: &Topology) -> usize {
    topology.placements.iter().filter(|one| one.nodes.has(node.id)).take(8).count()
}

fn height(node: &HostNode, topology: &Topology, width: f64) -> f64 {
    let rows = match node.cpus.count() {
        count if count <= CELLS => (count as usize).div_ceil(per_row(width)),
        _ => 1,
    };
    let bound = if bound(node, topology) == 0 { 0.0 } else { 18.0 };
    CELLS_FROM + 18.0 * node.pools.len() as f64 + bound + PITCH.1 * rows as f64 + MARGIN
}

fn card(
    node: &HostNode,
    topology: &Topology,
    marks: &BTreeMap<u32, Vec<Mark>>,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    svg: &mut Svg,
) {
    svg.rect("card", (x + 0.5, y + 0.5), (width - 1.0, height - 1.0));
    let (left, inner) = (x + MARGIN, width - 2.0 * MARGIN);
    let name =
        if topology.nodes.len() == 1 { "host, one node".to_owned() } else { format!("node {}", node.id) };
    svg.text("head", (left, y + 20.0), &name);
    let cpus = match node.cpus.count() {
        0 => "CPUs not read".to_owned(),
        1 => format!("1 CPU: {}", node.cpus),
        count => format!("{count} CPUs: {}", node.cpus),
    };
    svg.text("faint end", (left + inner, y + 20.0), &fit(&cpus, inner - 90.0, LETTER));
    let mut at = memory(node, (left, y + 30.0), inner, svg);
    for pool in &node.pools {
        let share = pool.free.map(|free| 1.0 - free as f64 / pool.total.max(1) as f64);
        gauge(share.filter(|_| pool.total > 0), (left, at - 9.0), GAUGE, svg);
        let free =
            pool.free.filter(|_| pool.total > 0).map(|free| format!(", {free} free")).unwrap_or_default();
        let words = format!("{} pages: {}{free}", size(pool.page), pool.total);
        svg.text("faint", (left + WORDS, at), &fit(&words, inner - WORDS, LETTER));
        at += 18.0;
    }
    let mut badge = left;
    let here = topology.placements.iter().enumerate().filter(|(_, one)| one.nodes.has(node.id)).take(8);
    for (number, (vm, one)) in here.enumerate() {
        if number == 0 {
            svg.text("faint", (left, at + 2.0), "memory of");
            badge = left + 64.0;
        }
        svg.titled(&format!("memory of {}", one.vm), |svg| {
            svg.rect(&colour(vm), (badge, at - 9.0), (18.0, 14.0));
            svg.text("mid tiny", (badge + 9.0, at + 2.0), &letter(vm).to_string());
        });
        badge += 22.0;
    }
    let cells = if bound(node, topology) == 0 { at - 6.0 } else { at + 12.0 };
    if node.cpus.count() > CELLS {
        svg.text("faint", (left, cells + 12.0), "too many CPUs for a cell each");
        return;
    }
    for (index, cpu) in node.cpus.numbers().enumerate() {
        let (row, column) = (index / per_row(width), index % per_row(width));
        let place = (left + PITCH.0 * column as f64, cells + PITCH.1 * row as f64);
        cell(cpu, marks.get(&cpu).map_or(&[], Vec::as_slice), topology, place, svg);
    }
}

/// A bar of memory and its figures; gives the baseline of the next line.
fn memory(node: &HostNode, (x, y): (f64, f64), width: f64, svg: &mut Svg) -> f64 {
    let Some(memory) = node.memory else {
        svg.text("faint", (x, y + 10.0), "memory not read");
        return y + 28.0;
    };
    let share = node.free.map(|free| 1.0 - free as f64 / memory.max(1) as f64);
    gauge(share, (x, y + 1.0), GAUGE, svg);
    let free = node.free.map(|free| format!(", {} free", size(free))).unwrap_or_default();
    svg.text("", (x + WORDS, y + 10.0), &fit(&format!("{}{free}", size(memory)), width - WORDS, LETTER));
    y + 28.0
}

/// How much of something is used; grey where that is not known.
fn gauge(used: Option<f64>, (x, y): (f64, f64), (width, height): (f64, f64), svg: &mut Svg) {
    match used {
        Some(used) => {
            svg.rect("free", (x, y), (width, height));
            svg.rect("used", (x, y), (width * used.clamp(0.0, 1.0), height));
        }
        None => svg.rect("rest", (x, y), (width, height)),
    }
}

fn cell(cpu: u32, marks: &[Mark], topology: &Topology, (x, y): (f64, f64), svg: &mut Svg) {
    let name = |mark: &Mark| {
        let vm = topology.placements.get(mark.vm).map_or("", |one| one.vm.as_str());
        format!("{}virtual CPU {} of {vm}", if mark.alone { "" } else { "perhaps " }, mark.vcpu)
    };
    let mut title = format!("CPU {cpu}");
    for (at, mark) in marks.iter().take(6).enumerate() {
        title.push_str(if at == 0 { ": " } else { ", " });
        title.push_str(&name(mark));
    }
    if marks.len() > 6 {
        title.push_str(&format!(" and {} more", marks.len() - 6));
    }
    let alone = marks.iter().filter(|mark| mark.alone).count();
    let mut vms: Vec<usize> = marks.iter().map(|mark| mark.vm).collect();
    vms.sort_unstable();
    vms.dedup();
    vms.truncate(3);
    svg.titled(&title, |svg| {
        svg.rect("cell", (x, y), CELL);
        let part = CELL.0 / vms.len().max(1) as f64;
        for (at, vm) in vms.iter().enumerate() {
            let sure = marks.iter().any(|mark| mark.vm == *vm && mark.alone);
            let class = format!("{}{}", colour(*vm), if sure { "" } else { " may" });
            svg.rect(&class, (x + part * at as f64, y), (part, CELL.1));
        }
        if alone > 1 {
            svg.rect("box twice", (x + 1.0, y + 1.0), (CELL.0 - 2.0, CELL.1 - 2.0));
        }
        svg.text("tiny mono mid", (x + CELL.0 / 2.0, y + 13.0), &cpu.to_string());
    });
}

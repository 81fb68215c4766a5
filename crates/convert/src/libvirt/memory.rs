//! Memory, its nodes, its devices.

use super::port::{Port, TEXT};
use std::collections::BTreeMap;
use vmwright_formats::machine_spec::{check, parse_cpu_list, parse_size};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Backing, Balloon, Distance, Hotplug, Limits, Memory, MemoryDevice, MemoryDeviceKind, MemoryMode,
    NumaCell, NumaPolicy,
};

/// Units of libvirt and their bytes.
const UNITS: [(&str, u64); 20] = [
    ("KiB", 1 << 10),
    ("k", 1 << 10),
    ("K", 1 << 10),
    ("KB", 1000),
    ("MiB", 1 << 20),
    ("M", 1 << 20),
    ("m", 1 << 20),
    ("MB", 1_000_000),
    ("GiB", 1 << 30),
    ("G", 1 << 30),
    ("g", 1 << 30),
    ("GB", 1_000_000_000),
    ("TiB", 1 << 40),
    ("T", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("PiB", 1 << 50),
    ("b", 1),
    ("bytes", 1),
    ("byte", 1),
    ("kb", 1000),
];

/// A size as the specification writes it, in its largest whole unit.
pub(super) fn size_text(bytes: u64) -> Option<String> {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let (name, shift) =
        units.into_iter().find(|(_, shift)| bytes != 0 && bytes.is_multiple_of(1 << shift))?;
    let text = format!("{}{name}", bytes >> shift);
    parse_size(&text).ok().map(|_| text)
}

fn bytes_of(port: &Port<'_>, name: &str) -> Option<u64> {
    let number: u64 = port.raw(name)?.trim().parse().ok()?;
    let unit = port.raw("unit").unwrap_or_else(|| "KiB".to_owned());
    let (_, factor) = UNITS.iter().find(|(unit_name, _)| *unit_name == unit)?;
    number.checked_mul(*factor)
}

/// Bytes of an element whose text is a number, with the unit as an attribute.
pub(super) fn bytes(port: &Port<'_>) -> Option<u64> {
    bytes_of(port, TEXT)
}

/// A number with its unit beside it.
pub(super) fn size(port: &mut Port<'_>, name: &str, field: &mut Option<String>) {
    if port.reading() {
        if let Some(text) = bytes_of(port, name).and_then(size_text) {
            *field = Some(text);
        }
    } else if let Some(bytes) = field.as_ref().and_then(|text| parse_size(text).ok()) {
        put_size(port, name, bytes);
    }
}

fn put_size(port: &mut Port<'_>, name: &str, bytes: u64) {
    port.put("unit", "KiB");
    port.put(name, (bytes >> 10).to_string());
}

/// A size that is there always.
fn whole(port: &mut Port<'_>, name: &str, field: &mut String) -> bool {
    let mut some = (!port.reading()).then(|| field.clone());
    size(port, name, &mut some);
    let there = some.is_some();
    *field = some.unwrap_or_default();
    there
}

/// Memory devices that libvirt counts into `<memory>`.
fn devices_bytes(memory: &Memory) -> u64 {
    let counted = memory.devices.iter().filter(|device| device.kind != MemoryDeviceKind::VirtioPmem);
    counted.filter_map(|device| parse_size(&device.size).ok()).fold(0, u64::saturating_add)
}

/// Sizes. The memory devices and nodes are read before.
pub(super) fn sizes(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let devices = devices_bytes(&spec.memory);
    let nodes: Option<u64> = spec
        .numa
        .iter()
        .map(|cell| parse_size(&cell.memory).ok())
        .try_fold(0_u64, |sum, one| sum.checked_add(one?));
    let memory = &mut spec.memory;
    port.option(
        "maxMemory",
        &mut memory.hotplug,
        || Hotplug { max: String::new(), slots: 0 },
        |port, hotplug| {
            let mut slots = (!port.reading() && hotplug.slots > 0).then_some(hotplug.slots);
            port.number("slots", 0..=256, &mut slots);
            hotplug.slots = slots.unwrap_or(0);
            whole(port, TEXT, &mut hotplug.max);
        },
    );
    if memory.hotplug.as_ref().is_some_and(|hotplug| hotplug.max.is_empty()) {
        memory.hotplug = None;
    }
    let mut total = parse_size(&memory.size).unwrap_or(0).saturating_add(devices);
    let held = spec.balloon.as_ref().and_then(|balloon| parse_size(balloon.size.as_ref()?).ok()).unwrap_or(0);
    port.child("memory", |port| {
        if port.reading() {
            total = bytes_of(port, TEXT).unwrap_or(total);
        } else {
            put_size(port, TEXT, total);
        }
        let mut dump = memory.dump;
        port.on_off("dumpCore", &mut dump);
        memory.dump = dump;
    });
    if port.reading() {
        // As libvirt: the nodes say how much there is, where there are any.
        let boot = nodes.filter(|sum| *sum > 0).or_else(|| total.checked_sub(devices));
        memory.size = boot.and_then(size_text).unwrap_or_else(|| Memory::default().size);
        total = parse_size(&memory.size).unwrap_or(0).saturating_add(devices);
    }
    port.child("currentMemory", |port| {
        if !port.reading() {
            put_size(port, TEXT, total.saturating_sub(held).max(1 << 10));
        } else if let (Some(now), Some(balloon)) = (bytes_of(port, TEXT), &mut spec.balloon) {
            balloon.size = total.checked_sub(now).and_then(size_text);
        }
    });
}

pub(super) fn backing(port: &mut Port<'_>, memory: &mut Memory, cells: &mut [NumaCell]) {
    port.child("memoryBacking", |port| {
        let mut pages: Vec<(Option<String>, Option<String>)> = Vec::new();
        if !port.reading() {
            let own = memory.hugepage_size.clone().filter(|_| memory.hugepages);
            pages.extend(own.map(|size| (Some(size), None)));
            let mut sizes: Vec<(&String, Vec<u32>)> = Vec::new();
            for (at, cell) in (0_u32..).zip(cells.iter()) {
                let Some(size) = &cell.hugepage_size else { continue };
                match sizes.iter_mut().find(|known| known.0 == size) {
                    Some(known) => known.1.push(at),
                    None => sizes.push((size, vec![at])),
                }
            }
            pages.extend(sizes.into_iter().map(|(size, nodes)| (Some(size.clone()), Some(ranges(&nodes)))));
        }
        let reading = port.reading();
        let whole = memory.hugepages || !pages.is_empty();
        if reading || whole {
            port.child_if("hugepages", true, |port| {
                if reading {
                    memory.hugepages = true;
                }
                port.list(
                    "page",
                    &mut pages,
                    || (None, None),
                    |port, (bytes, nodes)| {
                        size(port, "size", bytes);
                        port.text("nodeset", "cpu-list", nodes);
                        bytes.is_some()
                            && nodes.as_ref().is_none_or(|nodes| cells_of(nodes, cells.len()).is_some())
                    },
                );
            });
        }
        if reading {
            memory.hugepages &= pages.is_empty() || pages.iter().any(|(_, nodes)| nodes.is_none());
            for (bytes, nodes) in pages {
                match nodes.and_then(|nodes| cells_of(&nodes, cells.len())) {
                    Some(nodes) => {
                        nodes.into_iter().for_each(|at| cells[at].hugepage_size.clone_from(&bytes))
                    }
                    None => memory.hugepage_size = bytes,
                }
            }
        }
        let mut unmerged = memory.merge == Some(false);
        port.present("nosharepages", &mut unmerged);
        if reading && unmerged {
            memory.merge = Some(false);
        }
        port.present("locked", &mut memory.locked);
        port.child("source", |port| port.same::<Backing>("type", &mut memory.backing));
        port.child("access", |port| {
            port.or_default(&mut memory.shared, |port, shared| {
                port.word("mode", &[("shared", true)], shared)
            });
        });
        port.child("allocation", |port| {
            port.or_default(&mut memory.prealloc, |port, now| port.word("mode", &[("immediate", true)], now));
        });
    });
}

/// Numbers of nodes in a list; none where one of them is no node.
fn cells_of(nodes: &str, count: usize) -> Option<Vec<usize>> {
    let listed = parse_cpu_list(nodes).ok()?.into_iter().flatten();
    listed.map(|node| usize::try_from(node).ok().filter(|node| *node < count)).collect()
}

/// Ascending numbers as a list with ranges: `0,2-3`.
fn ranges(numbers: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let shown =
        parts.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
    shown.collect::<Vec<_>>().join(",")
}

pub(super) fn numa(port: &mut Port<'_>, cells: &mut Vec<NumaCell>) {
    if !port.reading() && cells.is_empty() {
        return;
    }
    port.child("numa", |port| {
        let mut next = 0;
        port.list("cell", cells, cell, |port, cell| {
            let mut id = Some(next);
            port.by("id", &mut id, |text| text.trim().parse().ok(), |id: &usize| Some(id.to_string()));
            // A specification counts its nodes in the order of the list.
            let fits = id == Some(next);
            next += 1;
            port.text("cpus", "cpu-list", &mut cell.cpus);
            whole(port, "memory", &mut cell.memory);
            port.word("memAccess", &[("shared", true), ("private", false)], &mut cell.shared);
            port.child("distances", |port| {
                port.list(
                    "sibling",
                    &mut cell.distances,
                    || Distance { to: 0, value: 10 },
                    |port, distance| {
                        let (mut to, mut value) = (Some(distance.to), Some(distance.value));
                        port.number("id", 0..=127, &mut to);
                        port.number("value", 10..=255, &mut value);
                        *distance = Distance { to: to.unwrap_or(0), value: value.unwrap_or(10) };
                        true
                    },
                );
            });
            // Elsewhere the numbers would mean other nodes; a node without memory is none.
            !port.reading() || (fits && !cell.memory.is_empty())
        });
        if port.reading() && cells.len() != port.node().children().filter(|node| node.name == "cell").count()
        {
            cells.clear();
        }
    });
}

fn cell() -> NumaCell {
    NumaCell {
        cpus: None,
        memory: String::new(),
        shared: None,
        hugepage_size: None,
        policy: None,
        distances: Vec::new(),
    }
}

fn policy(port: &mut Port<'_>, policy: &mut Option<NumaPolicy>) -> bool {
    let (mut mode, mut nodes) = policy.clone().map_or((None, None), |one| (Some(one.mode), Some(one.nodes)));
    port.same::<MemoryMode>("mode", &mut mode);
    port.text("nodeset", "cpu-list", &mut nodes);
    *policy = mode.zip(nodes).map(|(mode, nodes)| NumaPolicy { mode, nodes });
    policy.is_some()
}

pub(super) fn tuning(port: &mut Port<'_>, memory: &mut Memory, cells: &mut [NumaCell]) {
    port.child("numatune", |port| {
        port.child("memory", |port| {
            policy(port, &mut memory.policy);
        });
        let mut nodes: Vec<(usize, Option<NumaPolicy>)> = Vec::new();
        if !port.reading() {
            let own = cells.iter().enumerate().filter(|(_, cell)| cell.policy.is_some());
            nodes.extend(own.map(|(at, cell)| (at, cell.policy.clone())));
        }
        port.list(
            "memnode",
            &mut nodes,
            || (usize::MAX, None),
            |port, (at, one)| {
                let mut id = Some(*at);
                port.by("cellid", &mut id, |text| text.parse().ok(), |id| Some(id.to_string()));
                *at = id.unwrap_or(usize::MAX);
                policy(port, one) && *at < cells.len()
            },
        );
        if port.reading() {
            let found: BTreeMap<usize, Option<NumaPolicy>> = nodes.into_iter().collect();
            for (at, policy) in found {
                cells[at].policy = policy;
            }
        }
    });
}

pub(super) fn limits(port: &mut Port<'_>, limits: &mut Limits) {
    port.child("memtune", |port| {
        port.child("hard_limit", |port| size(port, TEXT, &mut limits.memory));
        port.child("soft_limit", |port| size(port, TEXT, &mut limits.memory_soft));
    });
}

const KINDS: &[(&str, MemoryDeviceKind)] = &[
    ("dimm", MemoryDeviceKind::Dimm),
    ("nvdimm", MemoryDeviceKind::Nvdimm),
    ("virtio-mem", MemoryDeviceKind::VirtioMem),
    ("virtio-pmem", MemoryDeviceKind::VirtioPmem),
];

pub(super) fn devices(port: &mut Port<'_>, memory: &mut Memory) {
    let device = || MemoryDevice {
        kind: MemoryDeviceKind::Dimm,
        size: String::new(),
        node: None,
        path: None,
        block: None,
        requested: None,
    };
    port.list("memory", &mut memory.devices, device, |port, device| {
        let mut kind = (!port.reading()).then_some(device.kind);
        port.word("model", KINDS, &mut kind);
        let Some(kind) = kind else { return false };
        device.kind = kind;
        port.child("source", |port| {
            port.child("path", |port| port.text(TEXT, "path", &mut device.path));
        });
        port.child("target", |port| {
            port.child("size", |port| {
                whole(port, TEXT, &mut device.size);
            });
            port.child("node", |port| port.number(TEXT, 0..=127, &mut device.node));
            port.child("block", |port| size(port, TEXT, &mut device.block));
            port.child("requested", |port| size(port, TEXT, &mut device.requested));
        });
        check("size", &device.size).is_ok()
    });
}

pub(super) fn balloon(port: &mut Port<'_>, balloon: &mut Option<Balloon>) {
    if port.reading() {
        let none = port.node().child("memballoon").and_then(|node| node.attribute("model")) == Some("none");
        // libvirt adds one where the text has none.
        *balloon = (!none).then(Balloon::default);
    }
    let there = balloon.is_some();
    port.child_if("memballoon", true, |port| {
        if there {
            port.put("model", "virtio");
        } else {
            port.put("model", "none");
        }
        let Some(balloon) = balloon else { return };
        port.or_default(&mut balloon.deflate_on_oom, |port, one| port.on_off("autodeflate", one));
        port.or_default(&mut balloon.free_page_reporting, |port, one| port.on_off("freePageReporting", one));
        port.child("stats", |port| port.number("period", 1..=86400, &mut balloon.statistics));
        super::address::of(port, &mut balloon.address);
    });
}

//! Memory: how much, what it is made of, guest nodes, devices of memory.

use super::super::argument::{Value, on_off};
use super::{ArgvError, Line, size};
use vmwright_formats::machine_spec::parse_cpu_list;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Backing, Memory, MemoryDevice, MemoryDeviceKind, MemoryMode, NumaPolicy};

/// Whether the machine's memory is one object that says what it is made of.
pub(super) fn one_backend(spec: &MachineSpec) -> bool {
    let memory = &spec.memory;
    spec.numa.is_empty()
        && (pages(memory)
            || memory.shared
            || memory.prealloc
            || memory.policy.is_some()
            || matches!(memory.backing, Some(Backing::Memfd | Backing::File)))
}

/// Whether memory comes from huge pages: libvirt also names the ordinary ones.
fn pages(memory: &Memory) -> bool {
    memory.hugepages && memory.hugepage_size.as_deref().is_none_or(is_huge)
}

fn is_huge(size: &str) -> bool {
    vmwright_formats::machine_spec::parse_size(size).is_ok_and(|bytes| bytes > 4096)
}

pub(super) fn memory(line: &mut Line<'_>) -> Result<(), ArgvError> {
    let spec = line.spec;
    let memory = &spec.memory;
    let bytes = size("memory.size", &memory.size)?;
    if one_backend(spec) {
        let huge = pages(memory).then_some(memory.hugepage_size.as_deref());
        let value = backend(line, "ram", bytes, huge, memory.shared, memory.policy.as_ref())?;
        let value = value.raw(&line.extra("memory"));
        let why = if pages(memory) {
            "memory from huge pages, all of it taken now or not at all"
        } else {
            "what the memory is made of"
        };
        line.push("-object", value, why);
    }
    let amount = if bytes.is_multiple_of(1 << 20) {
        format!("{}M", bytes >> 20)
    } else {
        format!("{}k", bytes.div_ceil(1024))
    };
    let mut value = Value::bare().with("size", amount);
    if let Some(hotplug) = &memory.hotplug {
        value.push("slots", hotplug.slots);
        value.push("maxmem", format!("{}k", size("memory.hotplug.max", &hotplug.max)?.div_ceil(1024)));
    }
    line.push("-m", value, "memory");
    if memory.locked {
        line.push("-overcommit", "mem-lock=on", "the host never swaps the guest's memory");
    }
    nodes(line)?;
    for (at, device) in memory.devices.iter().enumerate() {
        self::device(line, at, device)?;
    }
    Ok(())
}

/// One object of memory. `huge` says that it comes from huge pages, of this size or of the default one.
fn backend(
    line: &mut Line<'_>,
    id: &str,
    bytes: u64,
    huge: Option<Option<&str>>,
    shared: bool,
    policy: Option<&NumaPolicy>,
) -> Result<Value, ArgvError> {
    let spec = line.spec;
    let memory: &Memory = &spec.memory;
    let kind = match (huge, memory.backing) {
        (Some(_), _) | (None, Some(Backing::Memfd)) => "memory-backend-memfd",
        (None, Some(Backing::File)) => "memory-backend-file",
        (None, Some(Backing::Anonymous) | None) if shared => "memory-backend-memfd",
        (None, _) => "memory-backend-ram",
    };
    let mut value = Value::new(kind).with("id", id).with("size", bytes);
    if kind == "memory-backend-file" {
        // QEMU makes a file of its own in a directory, and removes its name.
        value.push("mem-path", "/dev/shm");
    }
    if let Some(page) = huge {
        value.push("hugetlb", "on");
        if let Some(page) = page {
            value.push("hugetlbsize", size("memory.hugepage_size", page)?);
        }
    }
    // A memfd is shared unless it is said not to be.
    if shared || (spec.bare && kind == "memory-backend-memfd") {
        value.push("share", on_off(shared));
    }
    value = value.on("prealloc", (huge.is_some() && !id.starts_with("memory")) || memory.prealloc);
    if let Some(policy) = policy.filter(|policy| policy.mode == MemoryMode::Restrictive) {
        let why = "`restrictive` is a matter of the process's control group, not of QEMU";
        line.lost(format!("{id}.policy"), format!("{why}: nodes {}", policy.nodes));
    }
    Ok(value.raw(&nodes_of(policy)))
}

/// Where memory comes from, in QEMU's words.
fn nodes_of(policy: Option<&NumaPolicy>) -> String {
    let mode = match policy.map(|policy| policy.mode) {
        Some(MemoryMode::Strict) => "bind",
        Some(MemoryMode::Preferred) => "preferred",
        Some(MemoryMode::Interleave) => "interleave",
        Some(MemoryMode::Restrictive) | None => return String::new(),
    };
    let mut value = Value::bare();
    let nodes = policy.map_or("", |policy| policy.nodes.as_str());
    for range in parse_cpu_list(nodes).unwrap_or_default() {
        let (from, to) = range.into_inner();
        let text = if from == to { from.to_string() } else { format!("{from}-{to}") };
        value.push("host-nodes", text);
    }
    String::from(value.with("policy", mode))
}

fn nodes(line: &mut Line<'_>) -> Result<(), ArgvError> {
    let spec = line.spec;
    for (at, cell) in spec.numa.iter().enumerate() {
        let item = format!("numa.{at}");
        let mut value = Value::new("node").with("nodeid", at);
        for range in
            cell.cpus.iter().flat_map(|cpus| cpus.split(',')).map(str::trim).filter(|range| !range.is_empty())
        {
            value.push("cpus", range);
        }
        let bytes = vmwright_formats::machine_spec::parse_size(&cell.memory);
        // A node may have processors alone: then it has no memory at all.
        if !cell.memory.starts_with('0') || bytes.is_ok() {
            let bytes = size(&format!("{item}.memory"), &cell.memory)?;
            let page = cell.hugepage_size.as_deref().or(spec.memory.hugepage_size.as_deref());
            let huge = (spec.memory.hugepages || cell.hugepage_size.is_some())
                .then_some(page)
                .filter(|page| page.is_none_or(is_huge));
            let id = format!("ram-node{at}");
            let policy = cell.policy.as_ref().or(spec.memory.policy.as_ref());
            let memory = backend(line, &id, bytes, huge, cell.shared.unwrap_or(spec.memory.shared), policy)?;
            let memory = memory.raw(&line.extra(&format!("{item}.memory")));
            line.push("-object", memory, "memory of a guest node");
            value.push("memdev", id);
        }
        let value = value.raw(&line.extra(&item));
        line.push("-numa", value, "a guest node: its CPUs and its memory");
    }
    for (at, cell) in spec.numa.iter().enumerate() {
        for distance in &cell.distances {
            let value =
                Value::new("dist").with("src", at).with("dst", distance.to).with("val", distance.value);
            line.push("-numa", value, "how far one guest node is from another");
        }
    }
    Ok(())
}

fn device(line: &mut Line<'_>, at: usize, device: &MemoryDevice) -> Result<(), ArgvError> {
    let item = format!("memory.device.{at}");
    let bytes = size(&format!("{item}.size"), &device.size)?;
    let id = format!("memory{at}");
    let extra = line.extra(&format!("{item}.memory"));
    // As the node that it belongs to, where that says anything.
    let spec = line.spec;
    let cell = device.node.and_then(|node| spec.numa.get(usize::try_from(node).ok()?));
    let policy = cell.and_then(|cell| cell.policy.as_ref()).or(spec.memory.policy.as_ref());
    let policy = policy.filter(|_| !extra.contains("host-nodes"));
    let mut ahead = false;
    let memory = match &device.path {
        Some(path) => Value::new("memory-backend-file")
            .with("id", &id)
            .with("size", bytes)
            .with("mem-path", path)
            // So that what the guest writes is in the file.
            .on("share", !extra.contains("share="))
            .raw(&nodes_of(policy)),
        None => {
            let own = cell.and_then(|cell| cell.hugepage_size.as_deref());
            let page = own.or(spec.memory.hugepage_size.as_deref());
            let huge = (spec.memory.hugepages || own.is_some())
                .then_some(page)
                .filter(|page| page.is_none_or(is_huge) && !extra.contains("hugetlb"));
            let shared = cell.and_then(|cell| cell.shared).unwrap_or(spec.memory.shared);
            ahead = device.kind == MemoryDeviceKind::VirtioMem
                && (huge.is_some() || extra.contains("hugetlb=on"));
            backend(line, &id, bytes, huge, shared && !extra.contains("share="), policy)?
        }
    };
    line.push("-object", memory.raw(&extra), "what a device of memory holds");
    let (driver, why) = match device.kind {
        MemoryDeviceKind::Dimm => ("pc-dimm".to_owned(), "a DIMM"),
        MemoryDeviceKind::Nvdimm => ("nvdimm".to_owned(), "a DIMM that keeps its content"),
        MemoryDeviceKind::VirtioMem => (line.virtio("virtio-mem"), "memory that comes and goes in blocks"),
        MemoryDeviceKind::VirtioPmem => (line.virtio("virtio-pmem"), "a file as persistent memory"),
    };
    let mut value = Value::new(driver).maybe("node", device.node).with("memdev", &id);
    if let Some(block) = &device.block {
        value.push("block-size", size(&format!("{item}.block"), block)?);
    }
    if let Some(requested) = &device.requested {
        let bytes =
            if requested.starts_with("0") { 0 } else { size(&format!("{item}.requested"), requested)? };
        value.push("requested-size", bytes);
    }
    // Blocks that are plugged are taken then, and not all that could ever be.
    let value = value.on("prealloc", ahead);
    line.device(&item, value.with("id", format!("memory-device{at}")), why);
    Ok(())
}

//! Memory.

use crate::json::{Port, size_text};
use serde_json::Value;
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Hotplug, Memory, MemoryDevice, MemoryDeviceKind};

/// How many DIMMs can be added (`HOTPLUG_COUNT` of Cloud Hypervisor's `memory_manager.rs`).
const SLOTS: u32 = 8;

pub(super) fn memory(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let zones = !spec.numa.is_empty();
    let even = !port.reading();
    let memory = &mut spec.memory;
    port.child_if("memory", even, |port| {
        size(port, memory, zones);
        port.flag("shared", &mut memory.shared);
        port.flag("hugepages", &mut memory.hugepages);
        port.size("hugepage_size", 1, &mut memory.hugepage_size);
        port.flag("prefault", &mut memory.prealloc);
        let mut merge = memory.merge.unwrap_or(false);
        port.flag("mergeable", &mut merge);
        memory.merge = merge.then_some(true);
        hotplug(port, memory);
        port.implied("reserve", false);
        port.implied("thp", true);
    });
    pmem(port, &mut memory.devices);
}

/// Memory in zones has no size as a whole.
fn size(port: &mut Port<'_>, memory: &mut Memory, zones: bool) {
    if let Some(Value::Array(zones)) = port.raw("zones").filter(|zones| *zones != &Value::Array(Vec::new())) {
        let mut sizes = zones.iter().map(|zone| zone.get("size").and_then(Value::as_u64));
        let whole = sizes.try_fold(0_u64, |whole, size| whole.checked_add(size?)).and_then(size_text);
        match whole {
            Some(whole) => memory.size = whole,
            None => port.tell("zones", "a zone has no size that memory can have"),
        }
        return;
    }
    if zones && !port.reading() {
        return port.put("size", 0);
    }
    let mut size = Some(memory.size.clone());
    port.size("size", 1, &mut size);
    memory.size = size.unwrap_or_default();
}

/// Memory that comes later: as DIMMs, or in blocks of one virtio-mem device.
fn hotplug(port: &mut Port<'_>, memory: &mut Memory) {
    let bytes = |text: &str| parse_size(text).unwrap_or(0);
    let is_mem = |device: &MemoryDevice| device.kind == MemoryDeviceKind::VirtioMem;
    if port.reading() {
        let number = |key: &str| port.raw(key).and_then(Value::as_u64).filter(|size| *size > 0);
        let (more, now) = (number("hotplug_size"), number("hotplugged_size"));
        let virtio = port.raw("hotplug_method").is_some_and(|method| method == "VirtioMem");
        let Some(more) = more else { return };
        if virtio {
            let Some(size) = size_text(more) else {
                return port.tell("hotplug_size", "no whole number of KiB");
            };
            let (kind, requested) = (MemoryDeviceKind::VirtioMem, now.and_then(size_text));
            memory.devices.push(MemoryDevice { kind, size, node: None, path: None, block: None, requested });
        } else if let Some(max) = bytes(&memory.size).checked_add(more).and_then(size_text) {
            memory.hotplug = Some(Hotplug { max, slots: SLOTS });
        } else {
            port.tell("hotplug_size", "no whole number of KiB");
        }
        return;
    }
    if let Some(device) = memory.devices.iter().find(|device| is_mem(device)) {
        port.put("hotplug_method", "VirtioMem");
        port.put("hotplug_size", bytes(&device.size));
        if let Some(now) = &device.requested {
            port.put("hotplugged_size", bytes(now));
        }
    } else if let Some(hotplug) = &memory.hotplug {
        let more = bytes(&hotplug.max).saturating_sub(bytes(&memory.size));
        if more > 0 {
            port.put("hotplug_size", more);
        }
    }
    port.implied("hotplug_method", "Acpi");
}

/// Files as persistent memory; of one without a size only the host knows how large it is.
fn pmem(port: &mut Port<'_>, devices: &mut Vec<MemoryDevice>) {
    // The virtio-mem device is told with the memory.
    let mem = devices.iter().position(|device| device.kind == MemoryDeviceKind::VirtioMem);
    if !port.reading() {
        for at in (0..devices.len()).filter(|at| Some(*at) != mem) {
            if devices[at].kind != MemoryDeviceKind::VirtioPmem || devices[at].path.is_none() {
                port.leave_out("/memory/device", at);
            }
        }
    }
    let is_pmem =
        |device: &MemoryDevice| device.kind == MemoryDeviceKind::VirtioPmem && device.path.is_some();
    let mut files: Vec<MemoryDevice> = devices.iter().filter(|device| is_pmem(device)).cloned().collect();
    let blank = || MemoryDevice {
        kind: MemoryDeviceKind::VirtioPmem,
        size: String::new(),
        node: None,
        path: None,
        block: None,
        requested: None,
    };
    port.list("pmem", "", &mut files, blank, |port, device| {
        super::pci::id(port, &mut None);
        port.text("file", "path", &mut device.path);
        let mut size = Some(device.size.clone()).filter(|size| !size.is_empty());
        port.size("size", 1, &mut size);
        port.implied("discard_writes", false);
        device.size = size.unwrap_or_default();
        device.path.is_some() && !device.size.is_empty()
    });
    if port.reading() {
        devices.append(&mut files);
    }
}

//! Memory, and what the pod may take of it.

use super::quantity::size;
use crate::json::Port;
use vmwright_model::MachineSpec;
use vmwright_model::machine::Hotplug;

/// Size of a huge page where the machine names none: that of x86 and ARM.
const PAGE: &str = "2MiB";

pub(super) fn memory(port: &mut Port<'_>, spec: &mut MachineSpec) {
    // A machine that says no size has what is asked of the node.
    port.child("resources", |port| {
        if port.reading() {
            let mut asked = None;
            for of in ["limits", "requests"] {
                port.child(of, |port| size(port, "memory", &mut asked));
            }
            spec.memory.size = asked.unwrap_or_else(|| spec.memory.size.clone());
        }
        port.child("limits", |port| size(port, "memory", &mut spec.limits.memory));
    });
    let memory = &mut spec.memory;
    port.child("memory", |port| {
        let mut guest = Some(memory.size.clone());
        size(port, "guest", &mut guest);
        memory.size = guest.unwrap_or_default();
        port.child("hugepages", |port| {
            let usual = || Some(PAGE.to_owned());
            let mut page = if memory.hugepages { memory.hugepage_size.clone().or_else(usual) } else { None };
            size(port, "pageSize", &mut page);
            if port.reading() {
                memory.hugepages = page.is_some();
                memory.hugepage_size = page;
            }
        });
        let mut most = memory.hotplug.as_ref().map(|hotplug| hotplug.max.clone());
        size(port, "maxGuest", &mut most);
        if port.reading() {
            // One device of virtio-mem grows and shrinks.
            memory.hotplug = most.map(|max| Hotplug { max, slots: 1 });
        }
    });
}

//! Processors and their enlightenments.

use super::{Crossing, get, has, on_off, take, take_child, take_if};
use crate::libvirt::Node;

pub(super) fn cross(crossing: &mut Crossing, domain: &mut Node) {
    if let Some(cpu) = domain.children_mut().find(|child| child.name == "cpu") {
        model(crossing, cpu);
    }
    if let Some(features) = domain.children_mut().find(|child| child.name == "features") {
        enlightenments(crossing, features);
    }
}

fn model(crossing: &mut Crossing, cpu: &mut Node) {
    let models = cpu.children_mut().filter(|child| child.name == "model");
    if let Some(vendor) = models.filter_map(|model| take(model, "@vendor_id")).next() {
        crossing.property("cpu", "vendor", vendor);
    }
    if get(cpu, "maxphysaddr@mode").as_deref() == Some("passthrough") {
        take(cpu, "maxphysaddr@mode");
        crossing.property("cpu", "host-phys-bits", "on");
        if let Some(limit) = take(cpu, "maxphysaddr@limit") {
            crossing.property("cpu", "host-phys-bits-limit", limit);
        }
    }
    cache(crossing, cpu);
}

/// What the guest sees of caches: the host's own, one that QEMU makes up, or none.
fn cache(crossing: &mut Crossing, cpu: &mut Node) {
    let Some(cache) = take_child(cpu, "cache") else { return };
    let model = crossing.spec.cpu.model.as_str();
    // Named models show no cache of the host's in any case.
    let of_host = matches!(model, "host" | "max");
    match cache.attribute("mode") {
        Some("passthrough") => {
            crossing.property("cpu", "host-cache-info", "on");
            crossing.property("cpu", "l3-cache", "off");
        }
        Some("emulate") => {
            crossing.property("cpu", "l3-cache", "on");
            if of_host {
                crossing.property("cpu", "host-cache-info", "off");
            }
        }
        Some("disable") => {
            if of_host {
                crossing.property("cpu", "host-cache-info", "off");
            }
            crossing.property("cpu", "l3-cache", "off");
        }
        _ => {}
    }
}

fn enlightenments(crossing: &mut Crossing, features: &mut Node) {
    for (path, property) in [
        ("pvspinlock@state", "kvm-pv-unhalt"),
        ("apic@eoi", "kvm-pv-eoi"),
        ("kvm/hint-dedicated@state", "kvm-hint-dedicated"),
        ("kvm/poll-control@state", "kvm-poll-control"),
        ("kvm/pv-ipi@state", "kvm-pv-ipi"),
        ("hyperv/stimer/direct@state", "hv-stimer-direct"),
    ] {
        let Some(state) = take_if(features, path, |state| on_off(state).is_some()) else { continue };
        // KVM's own choice where it is on; what libvirt turns off by leaving it out.
        let silent = match property {
            "kvm-pv-ipi" => state == "on",
            "kvm-hint-dedicated" | "kvm-poll-control" | "hv-stimer-direct" => state == "off",
            _ => false,
        };
        if !silent {
            crossing.property("cpu", property, state);
        }
    }
    // The specification's names have no blanks; a maker's name may.
    if crossing.spec.hyperv.vendor_id.is_none()
        && get(features, "hyperv/vendor_id@state").as_deref() == Some("on")
        && let Some(vendor) = take(features, "hyperv/vendor_id@value")
    {
        take(features, "hyperv/vendor_id@state");
        crossing.property("cpu", "hv-vendor-id", vendor);
    }
    if get(features, "kvm/dirty-ring@state").as_deref() == Some("on")
        && let Some(size) = take(features, "kvm/dirty-ring@size")
    {
        take(features, "kvm/dirty-ring@state");
        crossing.property("accel", "dirty-ring-size", size);
    }
    if has(features, "tcg/tb-cache")
        && let Some(bytes) = features.children_mut().find(|child| child.name == "tcg").and_then(|tcg| {
            let cache = take_child(tcg, "tb-cache")?;
            crate::libvirt::bytes(&cache)
        })
    {
        crossing.property("accel", "tb-size", (bytes >> 20).to_string());
    }
}

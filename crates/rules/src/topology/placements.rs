//! What VMs are given of the host: CPUs, nodes and devices, by their configurations and command lines.

use crate::Reading;
use crate::catalogue::memory::hugepages_not_reserved::{guests::every_command, settings::ids};
use vmwright_formats::domain_xml::Domain;
use vmwright_formats::{DomainXml, PciAddress, ProxmoxConf};
use vmwright_model::topology::{CpuSet, Placement};

/// More VMs than a reader can tell apart.
const VMS: usize = 256;

/// Most CPUs that a VM of KVM can have (`KVM_MAX_VCPUS` of x86 is 4096), and more devices than slots.
const EACH: usize = 4096;

/// How many CPUs all pins together may name: no more work than that on a hostile text.
const NAMED: usize = 1 << 18;

/// Every VM that is bound to something of the host; the VM in question first, the others by their names.
pub(super) fn placements(reading: &Reading<'_>) -> Vec<Placement> {
    let mut found: Vec<Placement> = Vec::new();
    let mut left = NAMED;
    for seen in reading.of_every_vm::<DomainXml>() {
        for domain in seen.domains.iter().take(VMS) {
            let name = domain.name.as_ref().map_or("", |name| name.value.as_str());
            let pins = domain.cputune.vcpus.iter().take(EACH);
            let pins = pins.filter(|pin| pin.id.is_some()).map_while(|pin| {
                let cpus = ids(&pin.cpuset);
                left = left.checked_sub(cpus.len())?;
                Some((u32::try_from(pin.id?).ok()?, cpus.into_iter().collect::<CpuSet>()))
            });
            let nodes = domain.numatune.as_ref().and_then(|tune| tune.nodeset.as_ref());
            let nodes = nodes.map(|nodes| ids(&nodes.value).into_iter().collect()).unwrap_or_default();
            let pins = pins.collect::<Vec<_>>().into_iter().chain(floating(domain)).collect();
            note(&mut found, name, pins, nodes, devices(domain));
        }
    }
    for command in every_command(reading) {
        let name = command.args.property("name", "guest").map(|name| name.value).unwrap_or_default();
        let addresses = command.args.devices("vfio-pci").filter_map(|(_, opts)| {
            let named = opts.get("host").or_else(|| opts.get("sysfsdev")?.rsplit('/').next())?;
            named.parse().ok()
        });
        note(&mut found, &name, Vec::new(), CpuSet::default(), addresses.take(EACH).collect());
    }
    for seen in reading.all::<ProxmoxConf>() {
        let name = seen.get("name").map_or("", |name| name.value);
        let addresses = seen.devices("hostpci").filter_map(|(_, value)| {
            let address = value.value.split([',', ';']).next()?;
            // Without a function all of them are meant; the first stands for them.
            let whole = if address.contains('.') { address.to_owned() } else { format!("{address}.0") };
            whole.parse().ok()
        });
        note(&mut found, name, Vec::new(), CpuSet::default(), addresses.take(EACH).collect());
    }
    found.retain(|one| !(one.pins.is_empty() && one.nodes.0.is_empty() && one.devices.is_empty()));
    let asked = reading.vm();
    found.sort_by(|a, b| (asked != Some(&a.vm), &a.vm).cmp(&(asked != Some(&b.vm), &b.vm)));
    found.truncate(VMS);
    found
}

/// The CPUs that all virtual ones share, where none is pinned by itself.
fn floating(domain: &Domain) -> Vec<(u32, CpuSet)> {
    let Some(vcpu) = domain.vcpu.as_ref().filter(|_| domain.cputune.vcpus.is_empty()) else {
        return Vec::new();
    };
    let (Some(set), Some(count)) = (&vcpu.cpuset, &vcpu.count) else { return Vec::new() };
    let cpus: CpuSet = ids(&set.value).into_iter().collect();
    let count = u32::try_from(count.value).unwrap_or(u32::MAX).min(EACH as u32);
    (0..count).map(|number| (number, cpus.clone())).collect()
}

fn devices(domain: &Domain) -> Vec<PciAddress> {
    let hostdevs = domain.devices.hostdevs.iter().filter_map(|device| device.address.as_ref());
    let cards = domain.devices.interfaces.iter().filter_map(|card| card.address.as_ref());
    hostdevs.chain(cards).map(|address| address.value).take(EACH).collect()
}

/// Adds what one text says of a VM to what others said.
fn note(
    found: &mut Vec<Placement>,
    name: &str,
    pins: Vec<(u32, CpuSet)>,
    nodes: CpuSet,
    devices: Vec<PciAddress>,
) {
    let name = if name.is_empty() { "a VM without a name" } else { name };
    let at = found.iter().position(|one| one.vm == name).unwrap_or_else(|| {
        found.push(Placement { vm: name.to_owned(), ..Placement::default() });
        found.len() - 1
    });
    let one = &mut found[at];
    if one.pins.is_empty() {
        one.pins = pins;
    }
    if one.nodes.0.is_empty() {
        one.nodes = nodes;
    }
    for device in devices {
        let device = device.to_string();
        if !one.devices.contains(&device) && one.devices.len() < EACH {
            one.devices.push(device);
        }
    }
}

//! What libvirt knows of a running VM, in the form of QEMU's own answers: its domain as it runs, whose devices libvirt has
//! given QEMU and asked it for, and its counts. So whoever asks a VMM need not know who has its monitor.

use super::control::unusable;
use super::rpc::Value as Figure;
use super::{Libvirt, rpc};
use crate::{ControlError, Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vmwright_formats::xml::{Document, Element};

/// PCI vendor of every virtio device, and the id of type 0 (virtio 1.2, section 4.1.2).
const VIRTIO: (u64, u64) = (0x1af4, 0x1040);
/// Most devices of a kind.
const MOST: usize = 1024;

/// What would be QEMU's answer to a command that asks, where libvirt knows it.
pub(super) fn told(
    libvirt: &Libvirt,
    machine: &Stored,
    command: &str,
) -> Result<Option<Value>, ControlError> {
    let fail = |source| unusable(&machine.name, source);
    let (mut client, domain) = libvirt.client(machine)?;
    let live = client.xml(&domain, false).map_err(fail)?;
    let sizes = if command == "query-block" {
        let all = client.all_stats().map_err(fail)?;
        all.iter().find(|stats| stats.domain.uuid == domain.uuid).map(sizes).unwrap_or_default()
    } else {
        BTreeMap::new()
    };
    Ok(answer(command, &live, &sizes))
}

/// Bytes of each disk by its target, as its guest sees it.
fn sizes(stats: &rpc::Stats) -> BTreeMap<String, u64> {
    let figure = |at: usize, what: &str| stats.figures.get(&format!("block.{at}.{what}"));
    let one = |at| match (figure(at, "name"), figure(at, "capacity")) {
        (Some(Figure::Text(name)), Some(Figure::Whole(bytes))) => {
            Some((name.clone(), u64::try_from(*bytes).ok()?))
        }
        _ => None,
    };
    (0..MOST).take_while(|at| figure(*at, "name").is_some()).filter_map(one).collect()
}

fn answer(command: &str, live: &str, sizes: &BTreeMap<String, u64>) -> Option<Value> {
    let (document, _) = Document::read(live);
    let root = document.roots().find(|root| root.name() == "domain")?;
    let devices = || root.child("devices").into_iter().flat_map(Element::children).take(MOST);
    let kib = |name: &str| {
        let kib: u64 = root.child_text(name)?.value.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    match command {
        "query-cpus-fast" => {
            let vcpu = root.child("vcpu")?;
            let now = vcpu.attr("current").map(|now| now.value);
            let count: usize = now.or_else(|| Some(vcpu.text()?.value.trim().to_owned()))?.parse().ok()?;
            Some(vec![json!({}); count.min(MOST)].into())
        }
        "query-memory-size-summary" => Some(json!({ "base-memory": kib("memory")? })),
        "query-balloon" => Some(json!({ "actual": kib("currentMemory")? })),
        "query-vm-generation-id" => root.child_text("genid").map(|id| json!({ "guid": id.value.trim() })),
        "query-rx-filter" => {
            let macs = devices()
                .filter(|one| one.name() == "interface")
                .filter_map(|one| one.child_attr("mac", "address"));
            Some(macs.map(|mac| json!({ "main-mac": mac.value })).collect())
        }
        "query-block" => {
            let disk = |disk: Element<'_>| {
                let source = disk.child("source")?;
                let path = source.attr("file").or_else(|| source.attr("dev"))?.value;
                let size = sizes.get(&disk.child_attr("target", "dev")?.value)?;
                Some(json!({ "inserted": { "file": path, "image": { "virtual-size": size } } }))
            };
            Some(devices().filter(|one| one.name() == "disk").filter_map(disk).collect())
        }
        "query-pci" => {
            let on_bus =
                devices().filter(|one| one.child_attr("address", "type").is_some_and(|on| on.value == "pci"));
            let (vendor, first) = VIRTIO;
            let ids = on_bus
                .filter_map(virtio)
                .map(|kind| json!({ "id": { "vendor": vendor, "device": first + kind } }));
            Some(json!([{ "devices": ids.collect::<Vec<_>>() }]))
        }
        _ => None,
    }
}

/// The type of a virtio device (virtio 1.2, section 5); none where it is another one.
fn virtio(device: Element<'_>) -> Option<u64> {
    let has = |value: Option<vmwright_model::Spanned<String>>| {
        value.is_some_and(|value| value.value.starts_with("virtio"))
    };
    let model = || has(device.attr("model"));
    let kind = match device.name() {
        "interface" => (has(device.child_attr("model", "type")), 1),
        "disk" => (has(device.child_attr("target", "bus")), 2),
        "controller" => match device.attr("type")?.value.as_str() {
            "virtio-serial" => (true, 3),
            "scsi" => (model(), 8),
            _ => return None,
        },
        "rng" => (model(), 4),
        "memballoon" => (model(), 5),
        "filesystem" => {
            let shared = device.child_attr("driver", "type").is_some_and(|driver| driver.value == "virtiofs");
            (true, if shared { 26 } else { 9 })
        }
        "video" => (has(device.child_attr("model", "type")), 16),
        "input" => (has(device.attr("bus")), 18),
        "vsock" => (model(), 19),
        "crypto" => (model(), 20),
        "memory" if model() => (true, if device.attr("model")?.value == "virtio-mem" { 24 } else { 27 }),
        "sound" => (model(), 25),
        "iommu" => (model(), 23),
        _ => return None,
    };
    kind.0.then_some(kind.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "<domain type='qemu' id='1'><memory unit='KiB'>786432</memory><currentMemory unit='KiB'>524288</currentMemory>\
        <vcpu placement='static' current='2'>4</vcpu><genid>8c9b-1</genid><devices>\
        <disk type='file' device='disk'><source file='/srv/a.qcow2' index='1'><x/></source><target dev='vda' bus='virtio'/>\
        <address type='pci' domain='0x0000'/></disk>\
        <disk type='file' device='disk'><source file='/srv/b.raw'/><target dev='sda' bus='sata'/><address type='drive'/></disk>\
        <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk>\
        <interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/><address type='pci'/></interface>\
        <interface type='user'><mac address='52:54:00:00:00:02'/><model type='e1000'/><address type='pci'/></interface>\
        <controller type='virtio-serial' index='0'><address type='pci'/></controller>\
        <controller type='pci' index='0' model='pcie-root'/><rng model='virtio'><address type='pci'/></rng>\
        <memballoon model='none'/></devices></domain>";

    #[test]
    fn a_domain_answers_as_its_qemu_would() {
        let sizes = BTreeMap::from([("vda".to_owned(), 4096), ("sda".to_owned(), 512)]);
        let ask = |command: &str| answer(command, LIVE, &sizes);
        assert_eq!(ask("query-cpus-fast"), Some(json!([{}, {}])));
        assert_eq!(ask("query-memory-size-summary"), Some(json!({ "base-memory": 805_306_368_u64 })));
        assert_eq!(ask("query-balloon"), Some(json!({ "actual": 536_870_912 })));
        assert_eq!(
            ask("query-rx-filter"),
            Some(json!([{ "main-mac": "52:54:00:00:00:01" }, { "main-mac": "52:54:00:00:00:02" }]))
        );
        let disk = |file: &str, size: u64| json!({ "inserted": { "file": file, "image": { "virtual-size": size } } });
        assert_eq!(ask("query-block"), Some(json!([disk("/srv/a.qcow2", 4096), disk("/srv/b.raw", 512)])));
        let ids: Vec<u64> = ask("query-pci").expect("known")[0]["devices"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|device| device["id"]["device"].as_u64())
            .collect();
        assert_eq!(ids, [0x1042, 0x1041, 0x1043, 0x1044]);
        assert_eq!(ask("query-vm-generation-id"), Some(json!({ "guid": "8c9b-1" })));
        assert_eq!(ask("query-tpm"), None);
        assert_eq!(answer("query-cpus-fast", "no domain", &sizes), None);
    }
}

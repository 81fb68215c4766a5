//! Cloud Hypervisor's JSON: what `vm.create` takes, and the configuration in the answer to `vm.info` (Cloud Hypervisor
//! `vmm/src/vm_config.rs`).
//!
//! A document has no name; its machine is called `machine`.

pub mod args;
mod console;
mod cpus;
mod devices;
mod disks;
mod memory;
mod networks;
mod numa;
mod pci;

use crate::defaults::explicit_on_kvm;
use crate::json::{self, Dialect, Port};
use crate::qemu::mac;
use crate::{Read, ReadError, Remark, Written};
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Character, Confidential, DiskBus, Endpoint, FirmwareKind, Foreign, ForeignFormat, NetworkKind,
    NetworkModel, Rng, Technology,
};

const DIALECT: Dialect = Dialect {
    format: ForeignFormat::CloudHypervisor,
    blank,
    explicit,
    describe,
    claimed: |_| false,
    depth: 1,
};

/// Reads a configuration, or the answer to `vm.info`.
///
/// # Errors
/// Where the text is no JSON, or nothing of it is Cloud Hypervisor's.
pub fn read(text: &str) -> Result<Read, ReadError> {
    let mut document = json::parse(text)?;
    if let Some(config) = document.get_mut("config").filter(|config| config.is_object()) {
        document = config.take();
    }
    from_document(&document)
}

/// Writes a configuration.
#[must_use]
pub fn write(spec: &MachineSpec) -> Written {
    let (document, remarks) = document(spec);
    Written { text: json::print(&document), remarks }
}

fn from_document(document: &Value) -> Result<Read, ReadError> {
    json::known(document, &["payload", "cpus", "memory", "disks"], "a configuration of Cloud Hypervisor")?;
    let (spec, remarks) = DIALECT.read(document);
    Ok(Read { spec, remarks })
}

/// The configuration of a machine as a JSON value, and the remarks of [`write`].
#[must_use]
pub fn document(spec: &MachineSpec) -> (Value, Vec<Remark>) {
    let options = |part: &Foreign| part.format == ForeignFormat::CloudHypervisor && part.at.starts_with('-');
    let (own, foreign): (Vec<Foreign>, Vec<Foreign>) = spec.foreign.iter().cloned().partition(options);
    let (document, mut remarks) = DIALECT.write(&MachineSpec { foreign, ..spec.clone() });
    // Options of the VMM are no part of a machine's configuration.
    remarks.extend(own.into_iter().map(|part| Remark {
        effect: crate::Effect::Lost,
        item: part.at,
        why: format!("the JSON has no word for {}", part.text),
    }));
    (document, remarks)
}

/// What Cloud Hypervisor is where nothing is said: a machine with PCI Express and ACPI, nearest to QEMU's `q35`, with
/// the host's processor, a source of randomness, a serial port that leads nowhere, and a console on its terminal.
fn blank() -> MachineSpec {
    let mut spec = MachineSpec::named("machine");
    spec.cpu.model = "host".to_owned();
    spec.memory.size = "512MiB".to_owned();
    spec.bare = true;
    spec.agent = false;
    spec.rngs = vec![Rng::default()];
    spec.serials = vec![Character { to: Endpoint::Null, ..Character::default() }];
    spec.consoles = vec![Character { to: Endpoint::Stdio, ..Character::default() }];
    spec
}

fn explicit(spec: &MachineSpec) -> MachineSpec {
    let ours = !spec.bare;
    let mut spec = explicit_on_kvm(spec);
    let name = spec.name.clone();
    for (at, network) in spec.networks.iter_mut().enumerate().filter(|_| ours) {
        network.mac = Some(mac(&name, at, network));
    }
    // Cloud Hypervisor never merges unasked, and needs no more CPUs than there are.
    spec.memory.merge = spec.memory.merge.filter(|merge| *merge);
    spec.cpu.max = spec.cpu.max.filter(|max| *max > spec.cpu.count);
    for disk in &mut spec.disks {
        disk.bus = disk.bus.or(Some(DiskBus::Virtio));
        disk.cache =
            disk.cache.or(disk.vhost_user.is_none().then_some(vmwright_model::machine::Cache::Writeback));
    }
    // They have a list of their own.
    spec.networks.sort_by_key(|network| network.kind == NetworkKind::Vdpa);
    for network in spec.networks.iter_mut().filter(|network| network.kind != NetworkKind::Hostdev) {
        network.model = network.model.or(Some(NetworkModel::Virtio));
    }
    spec
}

fn describe(port: &mut Port<'_>, spec: &mut MachineSpec) {
    cpus::cpus(port, spec);
    numa::numa(port, spec);
    memory::memory(port, spec);
    payload(port, spec);
    disks::disks(port, &mut spec.disks);
    networks::networks(port, &mut spec.networks);
    devices::rng(port, &mut spec.rngs);
    devices::balloon(port, &mut spec.balloon);
    devices::shares(port, &mut spec.shares);
    devices::vsock(port, &mut spec.vsock);
    // The one way to a guest's agent, of which the configuration does not speak.
    if port.reading() {
        spec.agent = spec.vsock.is_some();
    }
    devices::tpm(port, &mut spec.tpm);
    devices::host_devices(port, &mut spec.host_devices);
    devices::small(port, spec);
    console::both(port, spec);
    platform(port, spec);
    for off in ["iommu", "landlock_enable", "gdb"] {
        port.implied(off, false);
    }
}

/// Firmware, or a kernel.
fn payload(port: &mut Port<'_>, spec: &mut MachineSpec) {
    port.child("payload", |port| {
        port.text("firmware", "path", &mut spec.firmware.path);
        if port.reading() && spec.firmware.path.is_some() {
            // It is loaded as it is, and keeps nothing.
            spec.firmware.kind = Some(FirmwareKind::Uefi);
            spec.firmware.stateless = true;
        }
        port.text("kernel", "path", &mut spec.boot.kernel);
        port.text("initramfs", "path", &mut spec.boot.initrd);
        let mut cmdline = Some(spec.boot.cmdline.clone()).filter(|cmdline| !cmdline.is_empty());
        port.text("cmdline", "line", &mut cmdline);
        spec.boot.cmdline = cmdline.unwrap_or_default();
    });
}

fn platform(port: &mut Port<'_>, spec: &mut MachineSpec) {
    port.child("platform", |port| {
        // Its name until Cloud Hypervisor 48; the new one is an alias of it there.
        let key = if port.raw("system_uuid").is_some() { "system_uuid" } else { "uuid" };
        port.text(key, "uuid", &mut spec.uuid);
        for (key, technology) in [("sev_snp", Technology::SevSnp), ("tdx", Technology::Tdx)] {
            let mut on = spec.confidential.as_ref().is_some_and(|one| one.technology == technology);
            port.flag(key, &mut on);
            if port.reading() && on {
                spec.confidential = Some(Confidential::by(technology));
            }
        }
        port.implied("num_pci_segments", 1);
        port.implied("iommu_address_width_bits", 64);
        port.implied("iommufd", false);
        port.implied("vfio_p2p_dma", true);
    });
}

#[cfg(test)]
mod tests;

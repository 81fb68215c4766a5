//! Firecracker's JSON: what `--config-file` takes, and the answer to `GET /vm/config` (Firecracker
//! `src/vmm/src/resources.rs`, `src/vmm/src/vmm_config/`).
//!
//! A document has no name; its machine is called `machine`. The root device is the disk whose `boot_order` is 1, where
//! the kernel's command line ends with the words that Firecracker adds for it.

mod boot;
mod devices;
mod drives;
mod networks;

use crate::defaults::explicit_on_kvm;
use crate::json::{self, Dialect, Port};
use crate::qemu::mac;
use crate::{Read, ReadError, Written};
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Cache, Character, DiskBus, ForeignFormat, Lifecycle, NetworkModel, Reaction, Topology,
};

/// Most virtual CPUs of a microVM (`MAX_SUPPORTED_VCPUS`).
pub const CPUS_MAX: u32 = 32;

const MIB: u64 = 1 << 20;

const DIALECT: Dialect =
    Dialect { format: ForeignFormat::Firecracker, blank, explicit, describe, claimed: |_| false, depth: 1 };

/// Reads a configuration.
///
/// # Errors
/// Where the text is no JSON, or nothing of it is Firecracker's.
pub fn read(text: &str) -> Result<Read, ReadError> {
    let document = json::parse(text)?;
    json::known(&document, &["boot-source", "drives", "machine-config"], "a configuration of Firecracker")?;
    let (spec, remarks) = DIALECT.read(&document);
    Ok(Read { spec, remarks })
}

/// Writes a configuration.
#[must_use]
pub fn write(spec: &MachineSpec) -> Written {
    let (mut document, remarks) = DIALECT.write(spec);
    // Firecracker refuses a configuration without this list, also where it is empty.
    if document.get("drives").is_none() {
        document["drives"] = Value::Array(Vec::new());
    }
    Written { text: json::print(&document), remarks }
}

/// The configuration of a machine as a JSON value, and the remarks of [`write`].
#[must_use]
pub fn document(spec: &MachineSpec) -> (Value, Vec<crate::Remark>) {
    DIALECT.write(spec)
}

/// What Firecracker is where nothing is said: a machine of its own kind, nearest to QEMU's `microvm`, with the host's
/// processor, a serial port on its standard output, and an end where the guest reboots.
fn blank() -> MachineSpec {
    let mut spec = MachineSpec::named("machine");
    spec.machine = "microvm".to_owned();
    spec.cpu.model = "host".to_owned();
    spec.memory.size = "128MiB".to_owned();
    spec.bare = true;
    spec.agent = false;
    spec.serials = vec![Character::default()];
    spec.lifecycle = Lifecycle { on_reboot: Some(Reaction::Destroy), ..Lifecycle::default() };
    spec
}

fn explicit(spec: &MachineSpec) -> MachineSpec {
    let mut spec = explicit_on_kvm(spec);
    crate::libvirt::disks::name_targets(&mut spec.disks);
    for disk in &mut spec.disks {
        disk.bus = disk.bus.or(Some(DiskBus::Virtio));
        // Firecracker's own choice forgets what the guest flushed; ours does not.
        disk.cache = disk.cache.or(disk.vhost_user.is_none().then_some(Cache::Writeback));
    }
    let name = spec.name.clone();
    for (at, network) in spec.networks.iter_mut().enumerate() {
        network.model = network.model.or(Some(NetworkModel::Virtio));
        if network.mac.is_none() && name != "machine" {
            network.mac = Some(mac(&name, at, network));
        }
    }
    spec
}

fn describe(port: &mut Port<'_>, spec: &mut MachineSpec) {
    drives::drives(port, spec);
    boot::source(port, spec);
    machine_config(port, spec);
    networks::networks(port, &mut spec.networks);
    devices::balloon(port, &mut spec.balloon);
    devices::vsock(port, &mut spec.vsock);
    // The one way to a guest's agent, of which the configuration does not speak.
    if port.reading() {
        spec.agent = spec.vsock.is_some();
    }
    devices::entropy(port, &mut spec.rngs);
    devices::serial(port, &mut spec.serials);
    devices::memory(port, &mut spec.memory.devices);
}

fn machine_config(port: &mut Port<'_>, spec: &mut MachineSpec) {
    port.child("machine-config", |port| {
        let mut count = (!port.reading()).then_some(spec.cpu.count.min(CPUS_MAX));
        port.number("vcpu_count", 1..=CPUS_MAX, &mut count);
        spec.cpu.count = count.unwrap_or(spec.cpu.count);
        let mut size = Some(spec.memory.size.clone());
        port.size("mem_size_mib", MIB, &mut size);
        spec.memory.size = size.unwrap_or_default();
        let topology = spec.cpu.topology.as_ref();
        let mut threads = topology.and_then(|topology| topology.threads).is_some_and(|threads| threads == 2);
        port.flag("smt", &mut threads);
        // With an odd number of CPUs Firecracker has no pairs.
        if port.reading() && threads && spec.cpu.count.is_multiple_of(2) {
            let cores = Some(spec.cpu.count / 2);
            spec.cpu.topology = Some(Topology { threads: Some(2), cores, ..Topology::default() });
        }
        port.implied("track_dirty_pages", false);
        port.implied("cpu_template", "None");
        huge_pages(port, spec);
    });
}

fn huge_pages(port: &mut Port<'_>, spec: &mut MachineSpec) {
    if port.reading() {
        match port.raw("huge_pages").and_then(Value::as_str) {
            Some("2M") => {
                spec.memory.hugepages = true;
                spec.memory.hugepage_size = Some("2MiB".to_owned());
            }
            // The kernel joins pages where it can: the specification has no word for that.
            None | Some("None" | "Transparent") => {}
            Some(other) => {
                port.tell("huge_pages", format!("there are no huge pages of `{}`", other.escape_debug()))
            }
        }
    } else if spec.memory.hugepages {
        port.put("huge_pages", "2M");
    }
    port.implied("huge_pages", "None");
}

#[cfg(test)]
mod tests;

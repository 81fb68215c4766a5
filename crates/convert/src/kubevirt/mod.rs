//! KubeVirt's objects: VirtualMachine, VirtualMachineInstance, and the machine in a replica set or pool of them
//! (KubeVirt `staging/src/kubevirt.io/api/core/v1/schema.go`, API version v1), as YAML or JSON.
//!
//! Many things of a machine only a cluster knows: on which node it runs, what is behind a claim, an image, a network of
//! its own. They are read as what the VMM sees of them in its pod, are told, and are written back as they were.

mod claims;
mod cpu;
mod devices;
mod disks;
mod documents;
mod features;
mod firmware;
mod hyperv;
mod keys;
mod memory;
mod networks;
mod quantity;
mod small;
mod volumes;

use crate::defaults::explicit_on_kvm;
use crate::json::{Dialect, Port};
use crate::{Read, ReadError, Remark, Written, yaml};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{
    Balloon, Character, DiskBus, DiskDevice, ForeignFormat, NetworkModel, OnError, Video,
};

/// The first steps of a path that name one part of a machine: `spec/template/spec/domain/devices/disks`.
const DEPTH: usize = 6;

/// Most remarks whose lines are looked up.
const PLACED: usize = 1000;

/// Longest name of an object (`validation.DNS1123LabelMaxLength` of Kubernetes).
const NAME_MAX: usize = 63;

const DIALECT: Dialect = Dialect {
    format: ForeignFormat::Kubevirt,
    blank,
    explicit,
    describe,
    claimed: claims::is_claimed,
    depth: DEPTH,
};

/// Reads a text with one machine, and whatever objects stand beside it.
///
/// # Errors
/// Where the text is no YAML, or none or several of its objects are a machine.
pub fn read(text: &str) -> Result<Read, ReadError> {
    let found = documents::machine(yaml::documents(text)?)?;
    let mut remarks = Vec::new();
    keys::object(&found.document.value, found.kind, &mut remarks);
    let (mut spec, told) = DIALECT.read(&found.document.value);
    remarks.extend(told);
    spec.foreign.extend(found.others);
    Ok(Read { spec, remarks })
}

/// Writes a VirtualMachine, or what the machine was read from.
#[must_use]
pub fn write(spec: &MachineSpec) -> Written {
    let (document, mut remarks) = DIALECT.write(spec);
    let (text, own) = documents::print(&document, spec);
    remarks.extend(own);
    Written { text, remarks }
}

/// Says of each remark on a text where in it that is, which the remark tells of.
pub(crate) fn place(text: &str, remarks: &mut [Remark]) {
    let Ok(found) = yaml::documents(text).and_then(documents::machine) else { return };
    for remark in remarks.iter_mut().take(PLACED) {
        remark.item = claims::path(&remark.item, found.kind);
        if let Some(line) = found.document.marks.line_of(&found.document.value, &remark.item) {
            remark.why = format!("line {line}: {}", remark.why);
        }
    }
}

/// What KubeVirt makes where nothing is said: a machine with PCI Express on KVM, the host's processor, a serial port, a
/// screen, a balloon, and a channel for the guest agent.
fn blank() -> MachineSpec {
    let mut spec = MachineSpec::named("machine");
    spec.cpu.model = "host".to_owned();
    spec.bare = true;
    spec.serials = vec![Character::default()];
    spec.displays = vec![devices::screen()];
    spec.videos = vec![Video::of(devices::CARD)];
    spec.balloon = Some(Balloon::default());
    spec
}

fn explicit(spec: &MachineSpec) -> MachineSpec {
    let mut spec = explicit_on_kvm(spec);
    crate::libvirt::disks::name_targets(&mut spec.disks);
    for disk in &mut spec.disks {
        let usual = if disk.device == DiskDevice::Disk { DiskBus::Virtio } else { DiskBus::Sata };
        disk.bus = disk.bus.or(Some(usual));
        // KubeVirt's own choice, for reads too.
        disk.on_write_error = disk.on_write_error.or(Some(OnError::Stop));
    }
    for network in &mut spec.networks {
        network.model = network.model.or(Some(NetworkModel::Virtio));
    }
    spec
}

fn describe(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let kind = claims::kind(port, spec);
    port.put("apiVersion", kind.version);
    port.put("kind", kind.name);
    port.child("metadata", |port| name(port, spec));
    if kind.name == claims::MACHINE {
        // A machine that is described is not started by that.
        port.child("spec", |port| port.put("runStrategy", "Halted"));
    }
    within(port, kind.steps, &mut |port| instance(port, spec));
}

/// Goes down some keys.
fn within<'a>(port: &mut Port<'a>, steps: &[&str], inner: &mut dyn FnMut(&mut Port<'a>)) {
    match steps.split_first() {
        None => inner(port),
        Some((first, rest)) => port.child(first, |port| within(port, rest, inner)),
    }
}

fn name(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let mut name = (!port.reading()).then(|| label(&spec.name, NAME_MAX));
    port.text("name", "machine-name", &mut name);
    spec.name = name.unwrap_or_else(|| spec.name.clone());
    let mut namespace = claims::take(spec, claims::NAMESPACE).map(|part| part.text.clone());
    port.text("namespace", "word", &mut namespace);
    if let Some(namespace) = namespace.filter(|_| port.reading()) {
        claims::keep(spec, claims::NAMESPACE, namespace);
    }
}

/// A text as Kubernetes takes a name: small letters, digits and dashes, none of these at an end.
fn label(text: &str, most: usize) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(letter).collect();
    let text: String = text.trim_matches('-').chars().take(most).collect();
    let text = text.trim_end_matches('-');
    if text.is_empty() { "x".to_owned() } else { text.to_owned() }
}

fn instance(port: &mut Port<'_>, spec: &mut MachineSpec) {
    const ARCHITECTURES: [(&str, &str); 4] =
        [("amd64", "x86_64"), ("arm64", "aarch64"), ("s390x", "s390x"), ("ppc64le", "ppc64")];
    let usual = ARCHITECTURES[0].1;
    let known = ARCHITECTURES.iter().find(|(_, own)| *own == spec.arch && *own != usual);
    let mut arch = known.map(|(_, own)| *own).filter(|_| !port.reading());
    port.word("architecture", &ARCHITECTURES, &mut arch);
    port.implied("architecture", ARCHITECTURES[0].0);
    spec.arch = arch.unwrap_or(usual).to_owned();
    let mut volumes = volumes::Volumes::of(port, spec);
    let mut attached = networks::Attached::of(port, spec);
    port.child("domain", |port| {
        cpu::cpu(port, spec);
        memory::memory(port, spec);
        port.child("machine", |port| machine_type(port, spec));
        firmware::firmware(port, spec);
        features::features(port, spec);
        features::clock(port, &mut spec.clock);
        small::launch_security(port, &mut spec.confidential);
        small::reboots(port, spec);
        port.child_if("devices", true, |port| {
            disks::disks(port, spec, &mut volumes);
            networks::interfaces(port, spec, &mut attached);
            devices::devices(port, spec);
            disks::shares(port, spec, &mut volumes);
        });
    });
    networks::implied(port, spec, &attached);
    disks::without_words(port, spec, &mut volumes);
    volumes.list(port, spec);
    attached.list(port, spec);
}

fn machine_type(port: &mut Port<'_>, spec: &mut MachineSpec) {
    // An empty word says nothing.
    if port.raw("type").is_some_and(|name| name == "") {
        return;
    }
    let usual = blank().machine;
    let mut machine = (!port.reading() && spec.machine != usual).then(|| spec.machine.clone());
    port.text("type", "word", &mut machine);
    port.implied("type", usual.clone());
    spec.machine = machine.unwrap_or(usual);
}

#[cfg(test)]
mod tests;

//! libvirt's domain XML.
//!
//! Each part of the XML is described once, in the file of its topic, for both ways ([`port`]). Reading then compares
//! the text with what is written from the machine; the differences are kept as foreign parts ([`foreign`]), so that
//! the machine and its foreign parts give the same XML again.

mod address;
mod characters;
mod cpu;
mod devices;
pub(crate) mod disks;
mod foreign;
mod general;
mod guest;
mod hostdevs;
mod implied;
mod memory;
mod networks;
mod port;
mod process;
mod tree;

use crate::{Effect, Read, ReadError, Remark, Written, differences};
pub use disks::name_targets;
pub use foreign::Coverage;
pub(crate) use implied::place_of_name;
use port::Port;
pub(crate) use port::number;
use std::collections::BTreeSet;
pub(crate) use tree::{Content, Node};
use vmwright_model::machine::{
    Character, Disk, DiskBus, DiskDevice, Endpoint, FirmwareKind, Foreign, ForeignFormat, NetworkKind,
    NetworkModel,
};
use vmwright_model::{Issue, MachineSpec};

/// Reads a domain.
///
/// # Errors
/// Where the text is not well-formed XML, or no domain.
pub fn read(text: &str) -> Result<Read, ReadError> {
    read_counted(text).map(|(read, _)| read)
}

/// Reads a domain, and counts what of it the machine says and what is kept as foreign.
///
/// # Errors
/// As [`read`].
pub fn read_counted(text: &str) -> Result<(Read, Coverage), ReadError> {
    let wrong = |line, what: String| ReadError::Wrong(vec![Issue::new(line, what)]);
    let tree = tree::parse(text).map_err(|(line, what)| wrong(line, what))?;
    if tree.name != "domain" {
        return Err(wrong(1, format!("the outermost element is `{}`; a machine is a `domain`", tree.name)));
    }
    if tree.child("name").is_none_or(|name| name.text().is_empty()) {
        return Err(wrong(1, "the domain has no `name`".to_owned()));
    }
    let (mut spec, skipped) = machine(&tree);
    let mut coverage = Coverage::default();
    spec.foreign = foreign::difference(&tree, &domain(&explicit(&spec)), &skipped, &mut coverage);
    let remarks = remarks(&tree, &spec);
    Ok((Read { spec, remarks }, coverage))
}

/// Writes a domain.
#[must_use]
pub fn write(spec: &MachineSpec) -> Written {
    let mut named = spec.clone();
    let renamed: Vec<usize> = disks::without_strange_targets(&mut named.disks);
    let spec = &explicit(&named);
    let (tree, lost) = weave(spec, domain(spec));
    let mut remarks = differences::remarks(spec, &explicit(&machine(&tree).0), &[]);
    for at in renamed {
        remarks.push(Remark {
            effect: Effect::Approximated,
            item: format!("disk.{at}.target"),
            why: "libvirt takes a name of Linux alone, `vda`, `sdb`: it gets a free one".to_owned(),
        });
    }
    for part in lost {
        remarks.push(Remark {
            effect: Effect::Lost,
            item: part.at.clone(),
            why: format!("the domain has no such place any more for {}", part.text),
        });
    }
    Written { text: tree::print(&tree), remarks }
}

/// A domain with the foreign parts of its machine, and those that found no place.
fn weave(spec: &MachineSpec, plain: Node) -> (Node, Vec<&Foreign>) {
    let parts = || spec.foreign.iter().filter(|part| part.format == ForeignFormat::Libvirt);
    // What changes spellings must not change what is meant: the machine may have been edited since.
    let (mut spelled, mut usual) = (plain.clone(), plain);
    let lost = foreign::weave(&mut spelled, parts(), true);
    foreign::weave(&mut usual, parts(), false);
    // A disk that has no name gets one.
    let meant = |tree: &Node| explicit(&machine(tree).0);
    let same = meant(&spelled) == meant(&usual);
    (if same { spelled } else { usual }, lost)
}

/// The domain of a machine, with the foreign parts that are libvirt's own.
pub(crate) fn woven(spec: &MachineSpec) -> Node {
    let spec = &explicit(spec);
    weave(spec, domain(spec)).0
}

/// The foreign parts of a domain.
pub(crate) fn foreign_of(tree: &Node) -> Vec<Foreign> {
    let (spec, skipped) = machine(tree);
    foreign::difference(tree, &domain(&explicit(&spec)), &skipped, &mut Coverage::default())
}

/// Places among the elements in `devices` of those that the specification has no item for.
pub(crate) fn unread(tree: &Node) -> BTreeSet<usize> {
    let (_, skipped) = machine(tree);
    let devices = tree.child("devices").into_iter().flat_map(Node::children).enumerate();
    // An item is one of these lists; of the rest the specification has one at most, or none.
    let listed = [
        "disk",
        "controller",
        "filesystem",
        "interface",
        "serial",
        "parallel",
        "console",
        "channel",
        "input",
        "tpm",
        "graphics",
        "sound",
        "video",
        "hostdev",
        "watchdog",
        "memballoon",
        "rng",
        "panic",
        "vsock",
        "memory",
    ];
    devices
        .filter(|(_, node)| skipped.contains(&port::place(node)) || !listed.contains(&node.name.as_str()))
        .map(|(place, _)| place)
        .collect()
}

/// A disk of which all is read but where its bytes lie; none where it has a format that the specification has not.
pub(crate) fn disk_elsewhere(element: &Node) -> Option<Disk> {
    let mut devices = Node::new("devices");
    let mut element = element.clone();
    element.set("type", "file".to_owned());
    let encryption = element.child("source").and_then(|source| source.child("encryption")).cloned();
    element.content.retain(|one| !matches!(one, Content::Element(child) if child.name == "source"));
    let mut source = Node::new("source");
    source.set("file", "/elsewhere".to_owned());
    source.content.extend(encryption.map(Content::Element));
    element.content.push(Content::Element(source));
    devices.content.push(Content::Element(element));
    let mut found = Vec::new();
    disks::disks(&mut Port::reader(&devices), &mut found);
    found.pop()
}

/// Bytes of an element that is a size with a unit.
pub(crate) fn bytes(node: &Node) -> Option<u64> {
    memory::bytes(&Port::reader(node))
}

/// The machine with what is added to it where it is not `bare`, and without what goes without saying.
fn explicit(spec: &MachineSpec) -> MachineSpec {
    let ours = !spec.bare;
    let mut spec = crate::defaults::explicit(spec, Character { to: Endpoint::Pty, ..Character::default() });
    if ours {
        // What libvirt would choose for these is older.
        for disk in &mut spec.disks {
            disk.bus = disk.bus.or(Some(match disk.device {
                DiskDevice::Disk => DiskBus::Virtio,
                DiskDevice::Cdrom => DiskBus::Sata,
                DiskDevice::Floppy => DiskBus::Fdc,
                DiskDevice::Lun => DiskBus::Scsi,
            }));
        }
        for network in spec.networks.iter_mut().filter(|one| one.kind != NetworkKind::Hostdev) {
            network.model = network.model.or(Some(NetworkModel::Virtio));
        }
    }
    disks::name_targets(&mut spec.disks);
    if spec.firmware.kind == Some(FirmwareKind::Bios) && spec.firmware.path.is_none() {
        spec.firmware.kind = None;
    }
    spec
}

/// The machine that an XML says, without foreign parts, and the elements that it does not say.
fn machine(tree: &Node) -> (MachineSpec, BTreeSet<usize>) {
    let mut spec = MachineSpec::named("");
    spec.arch = String::new();
    spec.machine = String::new();
    spec.agent = false;
    spec.bare = true;
    let mut port = Port::reader(tree);
    describe(&mut port, &mut spec);
    implied::add(tree, &mut spec);
    (spec, port.into_skipped())
}

/// The XML that says a machine, without foreign parts.
fn domain(spec: &MachineSpec) -> Node {
    let mut spec = spec.clone();
    let mut port = Port::writer("domain");
    describe(&mut port, &mut spec);
    let mut tree = port.into_node();
    foreign::arrange(&mut tree);
    tree
}

/// A domain, both ways. What others need is read before them; [`foreign::arrange`] gives libvirt's order.
fn describe(port: &mut Port<'_>, spec: &mut MachineSpec) {
    general::identity(port, spec);
    general::os(port, spec);
    cpu::number(port, &mut spec.cpu);
    cpu::model(port, spec);
    general::features(port, spec);
    port.child("devices", |port| {
        port.child("emulator", |port| port.text(port::TEXT, "path", &mut spec.emulator));
        disks::disks(port, &mut spec.disks);
        devices::controllers(port, &mut spec.controllers);
        devices::shares(port, &mut spec.shares);
        networks::networks(port, &mut spec.networks);
        characters::characters(port, spec);
        devices::inputs(port, &mut spec.inputs);
        devices::tpm(port, &mut spec.tpm);
        devices::displays(port, &mut spec.displays);
        devices::sounds(port, &mut spec.sounds);
        devices::videos(port, &mut spec.videos);
        hostdevs::host_devices(port, &mut spec.host_devices);
        devices::small(port, spec);
        memory::devices(port, &mut spec.memory);
    });
    memory::sizes(port, spec);
    memory::backing(port, &mut spec.memory, &mut spec.numa);
    memory::tuning(port, &mut spec.memory, &mut spec.numa);
    memory::limits(port, &mut spec.limits);
    cpu::tuning(port, &mut spec.cpu.pinning, &mut spec.limits);
    process::block_limits(port, &mut spec.limits);
    process::partition(port, &mut spec.limits);
    guest::clock(port, &mut spec.clock);
    general::lifecycle(port, &mut spec.lifecycle);
    process::confidential(port, &mut spec.confidential);
    process::arguments(port, spec);
}

/// What was understood otherwise than it was said.
fn remarks(tree: &Node, spec: &MachineSpec) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut tell = |item: &str, why: String| {
        remarks.push(Remark { effect: Effect::Approximated, item: item.to_owned(), why });
    };
    let name = tree.child("name").map(Node::text).unwrap_or_default();
    if name != spec.name {
        tell("name", format!("`{}` is not a name that vmwright takes", name.escape_debug()));
    }
    let cpu = tree.child("cpu");
    if cpu.and_then(|cpu| cpu.attribute("mode")) == Some("host-model") {
        tell(
            "cpu.model",
            "`host-model` is the host's named model; `host` is the host's processor itself".to_owned(),
        );
    }
    if let Some(kind) = tree.attribute("type").filter(|kind| !["kvm", "qemu"].contains(kind)) {
        tell("accelerator", format!("the domain is one of `{kind}`"));
    }
    remarks
}

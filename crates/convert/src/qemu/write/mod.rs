//! A machine's command line.

mod boot;
mod character;
mod confidential;
mod controller;
mod cpu;
mod device;
mod disk;
mod display;
mod guest;
mod hostdev;
mod memory;
mod network;
mod place;
mod platform;
mod storage;
mod unsaid;

use super::argument::{Argument, Value};
use super::handles::Handles;
use crate::{Effect, Remark, crossing};
pub(crate) use place::{pci_bus, usb_bus};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;
use vmwright_formats::machine_spec::SizeError;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{ControllerKind, ForeignFormat};

/// Name of the virtio-serial port that guest agents look for.
pub const AGENT_PORT: &str = "org.qemu.guest_agent.0";

/// A command line, without the program, and what it says otherwise than the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The options, in their order.
    pub arguments: Vec<Argument>,
    /// What QEMU cannot say, and the machine would lack.
    pub remarks: Vec<Remark>,
    /// What else of the machine is not on the line: what is done before QEMU starts or from outside, names, and what
    /// this kind of device has not.
    pub unsaid: Vec<Remark>,
}

/// Why a specification is no command line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArgvError {
    /// A size is wrong.
    #[error("`{0}` has no usable size")]
    Size(String, #[source] SizeError),
    /// There are fewer taps than networks that need one.
    #[error("network {0} has no tap")]
    NoTap(usize),
    /// The specification says what QEMU's command line cannot say, and without which there is no machine.
    #[error("`{0}` is not for QEMU's command line")]
    Beyond(String),
    /// A value would be more than one line.
    #[error("the value of `{0}` holds a control character")]
    Control(String),
}

/// The command line of a machine, without the program.
///
/// # Errors
/// [`ArgvError`].
pub fn write(spec: &MachineSpec, handles: &Handles) -> Result<CommandLine, ArgvError> {
    // What libvirt said beyond the specification QEMU may have a word for.
    let crossed = crossing::into_qemu(spec);
    let (spec, remarks) = match &crossed {
        Some((spec, remarks)) => (spec, remarks.as_slice()),
        None => (spec, [].as_slice()),
    };
    let mut line = Line::new(spec, handles);
    line.out.unsaid.extend_from_slice(remarks);
    platform::process(&mut line);
    platform::machine(&mut line)?;
    cpu::cpu(&mut line);
    memory::memory(&mut line)?;
    guest::clock(&mut line);
    confidential::confidential(&mut line);
    boot::firmware(&mut line);
    boot::kernel(&mut line);
    boot::order(&mut line);
    // What devices refer to comes before them: their buses, then the devices.
    foreign_backends(&mut line);
    cpu::iothreads(&mut line);
    character::log_and_monitor(&mut line);
    controller::controllers(&mut line)?;
    character::characters(&mut line);
    boot::tpm(&mut line);
    device::rngs(&mut line);
    for at in 0..spec.disks.len() {
        disk::disk(&mut line, at)?;
    }
    for at in 0..spec.networks.len() {
        network::network(&mut line, at)?;
    }
    hostdev::host_devices(&mut line);
    device::shares(&mut line);
    device::vsock(&mut line);
    display::displays(&mut line);
    display::videos(&mut line)?;
    device::inputs(&mut line);
    display::sounds(&mut line);
    device::balloon(&mut line);
    device::watchdogs(&mut line);
    device::panics(&mut line);
    foreign(&mut line);
    unsaid::tell(&mut line);
    for argument in &spec.process.arguments {
        let argument = Argument {
            option: argument.clone().into(),
            value: None,
            why: "the specification adds this word as it is",
        };
        line.out.arguments.push(argument);
    }
    // One argument is one line in the record; a NUL cannot be passed at all.
    let control = |text: &str| text.chars().any(char::is_control);
    let bad = line
        .out
        .arguments
        .iter()
        .find(|argument| control(&argument.option) || argument.value.as_deref().is_some_and(control));
    match bad {
        Some(argument) => {
            let shown = argument.option.chars().filter(|letter| !letter.is_control()).take(40);
            Err(ArgvError::Control(shown.collect()))
        }
        None => Ok(line.out),
    }
}

/// Options of QEMU that the specification has no word for, whose objects devices refer to.
const BACKENDS: [&str; 9] =
    ["-object", "-blockdev", "-chardev", "-netdev", "-fsdev", "-audiodev", "-tpmdev", "-drive", "-add-fd"];

fn foreign_backends(line: &mut Line) {
    whole(line, true);
}

fn foreign(line: &mut Line) {
    whole(line, false);
}

fn whole(line: &mut Line, backends: bool) {
    for part in line.foreign() {
        if part.0.starts_with('-') && BACKENDS.contains(&part.0) == backends {
            let value = (!part.1.is_empty()).then(|| part.1.to_owned());
            let option = Cow::Owned(part.0.to_owned());
            line.out.arguments.push(Argument {
                option,
                value,
                why: "kept from another command line: the specification has no word for it",
            });
        }
    }
}

/// A command line that grows.
struct Line<'a> {
    spec: &'a MachineSpec,
    handles: &'a Handles,
    out: CommandLine,
    /// What a virtio device's name ends in.
    bus: &'static str,
    index: Index<'a>,
}

/// What is asked of the whole specification for each of its items, found once: a line stays linear in the machine.
#[derive(Default)]
struct Index<'a> {
    /// Kept properties by their item.
    extra: BTreeMap<&'a str, Vec<&'a str>>,
    /// Whether any device has a place of its own in the boot order.
    ordered: bool,
    /// The first disk of each kind that the firmware knows, by the kind's place in its type.
    first: [Option<usize>; 4],
    /// Numbers of SCSI controllers that have targets without LUNs.
    without_luns: BTreeSet<u32>,
    /// Whether the specification names a virtio-serial controller.
    serial_controller: bool,
    /// SATA disks and ISA serial ports that were written.
    sata: u32,
    isa: u32,
    /// Bus and slot where a function beside the first one is: the first one has to say so.
    shared_slots: BTreeSet<(u32, u32)>,
    /// Groups of limits that were written.
    limits: BTreeSet<String>,
}

impl<'a> Index<'a> {
    fn of(spec: &'a MachineSpec) -> Self {
        let mut index = Self::default();
        for part in
            spec.foreign.iter().filter(|part| part.format == ForeignFormat::Qemu && !part.text.is_empty())
        {
            index.extra.entry(&part.at).or_default().push(&part.text);
        }
        let disks = spec.disks.iter().filter_map(|disk| disk.boot_order);
        let networks = spec.networks.iter().filter_map(|network| network.boot_order);
        let devices = spec.host_devices.iter().filter_map(|device| device.boot_order);
        index.ordered = disks.chain(networks).chain(devices).next().is_some();
        index.first = disk::first_of_kinds(spec);
        let places = (spec.controllers.iter().map(|one| &one.address))
            .chain(spec.disks.iter().map(|one| &one.address))
            .chain(spec.networks.iter().map(|one| &one.pci))
            .chain(spec.host_devices.iter().map(|one| &one.address))
            .chain(spec.shares.iter().map(|one| &one.address))
            .chain(spec.videos.iter().map(|one| &one.address))
            .chain(spec.inputs.iter().map(|one| &one.address))
            .chain(spec.sounds.iter().map(|one| &one.address))
            .chain(spec.rngs.iter().map(|one| &one.address));
        for place in places.flatten().filter_map(|address| place::split(address.pci.as_deref()?)) {
            if let (bus, slot, 1..) = place {
                index.shared_slots.insert((bus, slot));
            }
        }
        let mut scsi = 0;
        for controller in &spec.controllers {
            match controller.kind {
                ControllerKind::VirtioSerial => index.serial_controller = true,
                ControllerKind::Scsi => {
                    let number = controller.index.unwrap_or(scsi);
                    scsi = scsi.max(number.saturating_add(1));
                    if !controller::has_luns(spec, controller.model.as_deref()) {
                        index.without_luns.insert(number);
                    }
                }
                _ => {}
            }
        }
        index
    }
}

impl<'a> Line<'a> {
    fn new(spec: &'a MachineSpec, handles: &'a Handles) -> Self {
        // microvm has no PCI: its virtio devices are on MMIO.
        let bus = if spec.machine.starts_with("microvm") { "device" } else { "pci" };
        Self { spec, handles, out: CommandLine::default(), bus, index: Index::of(spec) }
    }

    fn push(&mut self, option: &'static str, value: impl Into<String>, why: &'static str) {
        self.out.arguments.push(Argument { option: option.into(), value: Some(value.into()), why });
    }

    fn switch(&mut self, option: &'static str, why: &'static str) {
        self.out.arguments.push(Argument { option: option.into(), value: None, why });
    }

    /// A device, with what another command line said of it beyond the specification's words.
    fn device(&mut self, item: &str, value: Value, why: &'static str) {
        let value = value.raw(&self.extra(item));
        self.push("-device", value, why);
    }

    /// Properties that are kept for an item.
    fn extra(&self, item: &str) -> String {
        self.index.extra.get(item).map(|parts| parts.join(",")).unwrap_or_default()
    }

    /// What is kept of QEMU's own words: where, and the text.
    fn foreign(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let kept = self.spec.foreign.iter().filter(|part| part.format == ForeignFormat::Qemu);
        kept.map(|part| (part.at.as_str(), part.text.as_str()))
    }

    fn remark(&mut self, effect: Effect, item: impl Into<String>, why: impl Into<String>) {
        self.out.remarks.push(Remark { effect, item: item.into(), why: why.into() });
    }

    fn lost(&mut self, item: impl Into<String>, why: impl Into<String>) {
        self.remark(Effect::Lost, item, why);
    }

    /// What is not on the line, and no part that the machine would lack.
    fn unsaid(&mut self, item: impl Into<String>, why: impl Into<String>) {
        let (item, why) = (item.into(), why.into());
        self.out.unsaid.push(Remark { effect: Effect::Lost, item, why });
    }

    /// A virtio device's name on this machine's bus.
    fn virtio(&self, name: &str) -> String {
        format!("{name}-{}", self.bus)
    }
}

/// Whether a machine type is of the q35 family: PCI Express, AHCI instead of IDE.
fn is_q35(machine: &str) -> bool {
    machine == "q35" || machine.starts_with("pc-q35")
}

/// Bytes as QEMU's `-m` and sizes in KiB and MiB take them.
fn size(item: &str, text: &str) -> Result<u64, ArgvError> {
    vmwright_formats::machine_spec::parse_size(text).map_err(|error| ArgvError::Size(item.to_owned(), error))
}

#[cfg(test)]
mod tests;

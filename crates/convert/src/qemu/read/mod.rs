//! A machine out of a command line.

mod bag;
mod block;
mod buses;
mod character;
mod controller;
mod device;
mod disk;
mod display;
mod hostdev;
mod legacy;
mod memory;
mod network;
mod options;
mod platform;
mod small;

use super::argument::escape;
use crate::{Effect, Read, ReadError, Remark};
use bag::Bag;
use buses::Buses;
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::View;
use vmwright_formats::qemu_args::{QemuArgs, QemuCommand};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Foreign, ForeignFormat};

/// Reads the first QEMU command line of a text: as a shell takes it, as libvirt logs it, as `ps` shows it.
///
/// # Errors
/// [`ReadError`] where there is none.
pub fn read(text: &str) -> Result<Read, ReadError> {
    let (view, issues) = QemuArgs::read(text);
    match view.commands.first() {
        Some(found) => Ok(command(found)),
        None => Err(ReadError::Wrong(issues)),
    }
}

/// Reads one command line. What is not understood is in the machine's `foreign` part.
#[must_use]
pub fn command(command: &QemuCommand) -> Read {
    let mut reader = Reader::new();
    reader.program(command);
    for option in &command.options {
        reader.option(option);
    }
    for image in &command.images {
        reader.image(&image.value);
    }
    reader.finish();
    Read { spec: reader.spec, remarks: reader.remarks }
}

/// A backend's kind, by the option that makes it, and its id.
type Backend = (&'static str, String);

struct Reader {
    spec: MachineSpec,
    remarks: Vec<Remark>,
    devices: Vec<Bag>,
    /// What devices refer to, until one of them that is understood takes it.
    backends: BTreeMap<Backend, Bag>,
    /// The backends in the order in which they stood, and options that nothing refers to.
    order: Vec<Backend>,
    /// What the device that is being read has taken.
    taken: Vec<Backend>,
    buses: Buses,
    /// Machine properties, taken when all options are known.
    machine: Bag,
    /// Threads for disks: their numbers by their ids.
    iothread_ids: BTreeMap<String, u32>,
    /// Values of `-numa`.
    numa: Vec<Bag>,
    /// Values of `-global`.
    globals: Vec<Bag>,
    /// Drives of `-drive` that are no backend of a device.
    drives: Vec<Bag>,
    /// A card of `-net` that has no cable yet, and a cable that has no card.
    open_card: Option<usize>,
    open_cable: Option<vmwright_model::machine::Network>,
    /// What is left of the socket of the network that is being read.
    network_chardev: Option<Bag>,
    /// The id of the device that is being read.
    device_id: String,
    /// The codecs on the bus of each HDA card, by the card's id, `+` between them; and the cards that were read.
    codecs: BTreeMap<String, String>,
    hda: BTreeMap<String, usize>,
    /// Numbers of SCSI controllers that have targets without LUNs.
    without_luns: BTreeSet<u32>,
    /// ISA serial ports that were read.
    isa: u32,
    /// Whether there is a screen over SPICE.
    has_spice: bool,
    /// Audio backends that devices refer to which are kept as they are.
    audio_used: BTreeSet<String>,
    /// What a watchdog does that has not been read yet.
    pending_action: Option<vmwright_model::machine::WatchdogAction>,
    /// Whether QEMU adds devices that are not written.
    defaults: bool,
    switches: Switches,
}

/// What single options say of devices that would be there by default.
#[derive(Debug, Default)]
struct Switches {
    display: bool,
    vga: bool,
    serial: bool,
    network: bool,
    nographic: bool,
    accelerator: bool,
    cpu: bool,
    snapshot: bool,
    huge_path: Option<String>,
    prealloc: bool,
}

impl Reader {
    fn new() -> Self {
        let mut spec = MachineSpec::named("machine");
        spec.bare = true;
        // QEMU's own where `-m` is not there, on PCs.
        spec.memory.size = "128MiB".to_owned();
        spec.agent = false;
        Self {
            spec,
            remarks: Vec::new(),
            devices: Vec::new(),
            backends: BTreeMap::new(),
            order: Vec::new(),
            taken: Vec::new(),
            buses: Buses::default(),
            machine: Bag::empty("-machine"),
            iothread_ids: BTreeMap::new(),
            numa: Vec::new(),
            globals: Vec::new(),
            drives: Vec::new(),
            open_card: None,
            open_cable: None,
            network_chardev: None,
            device_id: String::new(),
            codecs: BTreeMap::new(),
            hda: BTreeMap::new(),
            pending_action: None,
            without_luns: BTreeSet::new(),
            isa: 0,
            audio_used: BTreeSet::new(),
            has_spice: false,
            defaults: true,
            switches: Switches::default(),
        }
    }

    fn remark(&mut self, effect: Effect, item: impl Into<String>, why: impl Into<String>) {
        self.remarks.push(Remark { effect, item: item.into(), why: why.into() });
    }

    /// Keeps a whole option, or properties of an item.
    fn keep(&mut self, at: impl Into<String>, text: impl Into<String>) {
        self.spec.foreign.push(Foreign { format: ForeignFormat::Qemu, at: at.into(), text: text.into() });
    }

    /// Keeps what is left of a bag as properties of an item.
    fn keep_rest(&mut self, item: &str, bag: &Bag) {
        let rest = bag.rest();
        if !rest.is_empty() {
            self.keep(item, rest);
        }
    }

    /// Remembers what devices may refer to.
    fn backend(&mut self, option: &'static str, bag: Bag) {
        let id = bag.get("id").or_else(|| bag.get("node-name")).unwrap_or_default().to_owned();
        let key = (option, id);
        if key.1.is_empty() || self.backends.contains_key(&key) {
            // Nothing can refer to it, or QEMU would refuse the line.
            self.keep(option, bag.raw);
            return;
        }
        self.order.push(key.clone());
        self.backends.insert(key, bag);
    }

    /// A backend that the device being read refers to. It is taken where the device is understood.
    fn take(&mut self, option: &'static str, id: &str) -> Option<Bag> {
        let key = (option, id.to_owned());
        let bag = self.backends.get(&key)?.clone();
        self.taken.push(key);
        Some(bag)
    }

    fn commit(&mut self) {
        for key in std::mem::take(&mut self.taken) {
            self.backends.remove(&key);
        }
    }

    fn finish(&mut self) {
        self.platform();
        self.memory();
        self.iothreads();
        self.firmware();
        for device in &self.devices {
            if let (Some(driver), Some(bus)) = (device.get("driver"), device.get("bus"))
                && driver.starts_with("hda-")
                && let Some(card) = bus.strip_suffix(".0")
            {
                let codecs = self.codecs.entry(card.to_owned()).or_default();
                // More than one is all that has to be known.
                if codecs.len() < 40 {
                    codecs.push_str(if codecs.is_empty() { "" } else { "+" });
                    codecs.push_str(driver);
                }
            }
        }
        for mut device in std::mem::take(&mut self.devices) {
            let whole = device.clone();
            match self.device(&mut device) {
                Some(item) => {
                    self.commit();
                    self.keep_rest(&item, &device);
                }
                None => {
                    self.taken.clear();
                    self.audio_used.extend(whole.get("audiodev").map(str::to_owned));
                    let text = self.buses.rewritten(&whole);
                    self.keep("-device", text);
                }
            }
        }
        self.drives();
        if self.switches.snapshot {
            self.spec.disks.iter_mut().for_each(|disk| disk.transient = true);
        }
        self.default_devices();
        self.globals();
        // Backends stand before what stays foreign and refers to them: the writer sees to that.
        for key in std::mem::take(&mut self.order) {
            if let Some(bag) = self.backends.remove(&key) {
                // One that nothing refers to is libvirt's own, and without a sound.
                let silent = matches!(bag.get("driver"), Some("none" | "spice"));
                if key.0 == "-audiodev" && silent && !self.audio_used.contains(&key.1) {
                    continue;
                }
                self.keep(key.0, bag.raw);
            }
        }
    }
}

/// A size as the specification writes it: in the largest unit that divides it.
fn size(bytes: u64) -> String {
    for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20)] {
        if bytes > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{}KiB", bytes.div_ceil(1024).max(1))
}

/// A size as QEMU's options take it: a number, and a unit where it is not the option's own.
fn qemu_size(text: &str, default_shift: u32) -> Option<u64> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit()).count();
    let number: u64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "" => default_shift,
        "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift).filter(|bytes| i64::try_from(*bytes).is_ok())
}

#[cfg(test)]
mod tests;

//! Interrupts kept away from the CPUs of a VM where no irqbalance does it: those of its own devices and of the cards that
//! it is reached by go to CPUs near by, and those that are set up from now on to others.

use super::Wanted;
use super::ground::Ground;
use crate::canonical::sha256;
use crate::header;
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::irq_affinity::{cpus, cpus_of_mask, mask};
use vmwright_formats::{IrqAffinity, Links, View};
use vmwright_model::need::Probe;
use vmwright_model::topology::CpuSet;
use vmwright_model::{Action, MachineSpec, Need};

/// Where systemd reads what it writes into files of the kernel at boot (tmpfiles.d(5)); of two lines for one file it takes
/// the first, so that all VMs share one.
const KEPT: &str = "/etc/tmpfiles.d/90-vmwright-interrupts.conf";
const FOLDER: &str = "/etc/tmpfiles.d";
const DEFAULT: &str = "/proc/irq/default_smp_affinity";

/// Cards below bonds below bridges.
const DEEPEST: usize = 4;

/// What has to be read of a host for them.
pub(super) const NEEDS: &[Need] =
    &[Need::Probe(Probe::Irqs), Need::Probe(Probe::Links), Need::File(KEPT), Need::Exists(FOLDER)];

/// The steps, and what they leave. `own` are the VM's CPUs, `near` those where its other threads run.
pub(super) fn away(
    ground: &Ground<'_>,
    spec: &MachineSpec,
    own: &BTreeSet<u32>,
    near: &BTreeSet<u32>,
) -> (Vec<Wanted>, Vec<String>) {
    let shown: CpuSet = own.iter().copied().collect();
    let Some(text) = ground.values.get("irq-affinity") else {
        return (Vec::new(), vec![format!("interrupts may come to CPUs {shown}: /proc/irq was not read")]);
    };
    let (mut steps, mut left) = (Vec::new(), Vec::new());
    let devices = devices(ground, spec);
    let mut others = 0;
    for irq in IrqAffinity::read(text).0.irqs {
        let Some(from) = cpus(&irq.allowed) else { continue };
        if !own.iter().any(|cpu| from.has(*cpu)) {
            continue;
        }
        let Some(device) =
            devices.iter().find(|(name, _)| is_of(&irq.handlers, name)).map(|(_, device)| device)
        else {
            others += 1;
            continue;
        };
        let to = match near.iter().any(|cpu| !own.contains(cpu)) {
            true => near.iter().copied().filter(|cpu| !own.contains(cpu)).collect(),
            false => without(&from, own),
        };
        if !to.0.is_empty() {
            let (from, to) = (from.to_string(), to.to_string());
            let why =
                format!("an interrupt of {device} does not take the time of {}'s virtual CPUs", spec.name);
            steps.push((Action::IrqAffinity { irq: Some(irq.number), from, to }, why));
        }
    }
    if !steps.is_empty() {
        left.push("interrupts that the kernel places itself, as those of NVMe queues, stay where they are, and the run says which; the others are moved until their device is set up anew".to_owned());
    }
    if others > 0 {
        left.push(format!(
            "{others} interrupts of other devices may come to CPUs {shown}: `irqaffinity=` on the kernel's command line keeps all of them away from the boot on (performance-engineer)"
        ));
    }
    steps.extend(from_now_on(ground, text, own, &mut left));
    (steps, left)
}

/// What is set up from now on, as at the VM's next start, and behind the next boot.
fn from_now_on(ground: &Ground<'_>, text: &str, own: &BTreeSet<u32>, left: &mut Vec<String>) -> Vec<Wanted> {
    let found = text.lines().find_map(|line| cpus_of_mask(line.strip_prefix("default mask ")?.trim()));
    let Some(from) = found else { return Vec::new() };
    let to = without(&from, own);
    if to == from || to.0.is_empty() {
        return Vec::new();
    }
    let why = "what its devices ask for when it starts comes to other CPUs".to_owned();
    let (mask, from, to) = (mask(&to), from.to_string(), to.to_string());
    let mut steps = vec![(Action::IrqAffinity { irq: None, from, to }, why)];
    let text = header::with(&format!("w {DEFAULT} - - - - {mask}\n"));
    let path = KEPT.to_owned();
    let keep = match ground.values.get(KEPT) {
        Some(found) if **found == text => None,
        Some(found) => Some(Action::FileWrite { path, from_sha256: sha256(found.as_bytes()), text }),
        None if ground.values.contains_key(FOLDER) => Some(Action::FileCreate { path, text, mode: 0o644 }),
        None => {
            left.push(format!("without {FOLDER} interrupts come to every CPU again from the next boot"));
            return steps;
        }
    };
    steps.extend(
        keep.map(|keep| (keep, "the same behind the next boot, for devices that come up later".to_owned())),
    );
    steps
}

fn without(from: &CpuSet, own: &BTreeSet<u32>) -> CpuSet {
    from.numbers().filter(|cpu| !own.contains(cpu)).collect()
}

/// Names that handlers of the VM's devices have in them, each with what it is.
fn devices(ground: &Ground<'_>, spec: &MachineSpec) -> BTreeMap<String, String> {
    let given = spec.host_devices.iter().map(|device| device.device.clone());
    let placed = ground.topology.placements.iter().filter(|placed| placed.vm == spec.name);
    let given = given.chain(placed.flat_map(|placed| placed.devices.clone()));
    let mut all: BTreeMap<String, String> = given.map(|name| (name.clone(), name)).collect();
    let links = ground.values.get("links").map(|text| Links::read(text).0).unwrap_or_default();
    let networks = spec.networks.iter();
    for name in networks.flat_map(|network| [&network.bridge, &network.parent]).flatten() {
        cards(&links, name, DEEPEST, &mut all);
    }
    all
}

/// The cards of an interface: it, or those below it.
fn cards(links: &Links, name: &str, deep: usize, all: &mut BTreeMap<String, String>) {
    if let Some(device) = links.of(name).and_then(|link| link.get("device")) {
        all.extend([name, device.value].map(|own| (own.to_owned(), format!("card {name}"))));
    }
    for port in links.ports(name).filter(|_| deep > 0) {
        cards(links, &port.name, deep - 1, all);
    }
}

/// Whether handlers name a device, and not one whose name begins like it: `eth0-TxRx-1`, `i40e-eth0-TxRx-1`,
/// `virtio3-input.0`, `vfio-msix[0](0000:01:00.0)`, `mlx5_comp1@pci:0000:3b:00.0`.
fn is_of(handlers: &str, name: &str) -> bool {
    handlers.match_indices(name).any(|(at, _)| {
        let part = |letter: Option<char>| {
            letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '.')
        };
        !part(handlers[..at].chars().next_back()) && !part(handlers[at + name.len()..].chars().next())
    })
}

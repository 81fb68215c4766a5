//! `devices`: what the specification gives the machine is there in the guest, with a driver.
//!
//! Three are compared: the specification, what the VMM says that it made, and what the guest sees. A virtio
//! device that the VMM made and no driver took is a failure whatever it is for.

mod assigned;
mod layout;
mod observe;
mod peripherals;
mod shares;
mod socket;
mod virtio;

pub(super) use observe::{blocks, disks_of_guest};
pub(crate) use observe::{GuestDisk, Observed, observe};

use super::{Judged, table};
use crate::aspects::Aspects;
use crate::interfaces;
use crate::quote;
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::{MachineSpec, Table};

/// What a kernel may keep for itself before it counts `MemTotal`, in bytes: 64 MiB for its image, firmware and
/// tables, and 1/32 of all for its page structures (64 bytes of each 4096 are 1/64).
fn reserve(size: u64) -> u64 {
    (64 << 20) + size / 32
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut gate = Gate {
        aspects: Aspects::default(),
        table: table("Devices", &["device", "specification", "VMM", "guest"]),
        agent: seen.agent.is_ok(),
    };
    gate.aspects.about("agent");
    if let Err(why) = &seen.agent {
        gate.aspects.unknown(quote::line(why));
    }
    gate.aspects.about("processors");
    processors(seen, spec, &mut gate);
    gate.aspects.about("memory");
    memory(seen, spec, &mut gate);
    gate.aspects.about("disks");
    disks(seen, spec, &mut gate);
    gate.aspects.about("networks");
    networks(seen, spec, &mut gate);
    gate.aspects.about("virtio");
    virtio::judge(seen, &mut gate);
    layout::judge(seen, spec, &mut gate);
    shares::judge(seen, spec, &mut gate);
    socket::judge(seen, spec, &mut gate);
    peripherals::judge(seen, spec, &mut gate);
    assigned::judge(seen, spec, &mut gate);
    if gate.agent {
        gate.aspects.about("agent").pass();
        gate.row("agent channel", "yes", "yes", "answers");
    }
    Judged { evidence: seen.evidence.clone(), tables: vec![gate.table], ..Judged::of(gate.aspects, "") }
}

/// The verdict in the making.
struct Gate {
    aspects: Aspects,
    table: Table,
    /// Whether the guest can be asked. That it cannot is said once, not for each device.
    agent: bool,
}

impl Gate {
    fn row(&mut self, device: &str, spec: &str, vmm: &str, guest: &str) {
        self.table.rows.push([device, spec, vmm, guest].map(quote::line).to_vec());
    }

    /// What the guest says, where it can be asked.
    fn of_guest<'a, T>(&mut self, device: &str, answer: &'a Result<T, String>) -> Option<&'a T> {
        if !self.agent {
            return None;
        }
        answer.as_ref().map_err(|why| self.aspects.unknown(format!("{device} in the guest: {}", quote::line(why)))).ok()
    }

    /// Whether the VMM has made as many virtio devices of a kind as the specification says. Whether the guest has a driver for
    /// each is said with all virtio devices.
    fn made(&mut self, seen: &Observed, name: &str, kind: u32, wanted: usize, about: &str) {
        if wanted == 0 {
            return;
        }
        self.aspects.about(about);
        let Some(all) = self.of_vmm(name, &seen.virtio_vmm) else { return };
        let made = all.iter().filter(|one| **one == kind).count();
        self.aspects.expect(made >= wanted, || format!("{name}: the VMM has {made}, the specification says {wanted}"));
    }

    fn of_vmm<'a, T>(&mut self, device: &str, answer: &'a Result<T, String>) -> Option<&'a T> {
        answer.as_ref().map_err(|why| self.aspects.unknown(format!("{device} of the VMM: {}", quote::line(why)))).ok()
    }
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "unknown".to_owned(), T::to_string)
}

fn processors(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    let wanted = u64::from(spec.cpu.count);
    let vmm = gate.of_vmm("processors", &seen.vcpus_vmm);
    let guest = gate.of_guest("processors", &seen.vcpus_guest);
    for (who, count) in [("the VMM", vmm), ("the guest", guest)] {
        if let Some(&count) = count {
            gate.aspects.expect(count == wanted, || format!("{who} has {count} processors, the specification says {wanted}"));
        }
    }
    gate.row("processors", &wanted.to_string(), &text(vmm), &text(guest));
}

fn memory(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    let wanted = match parse_size(&spec.memory.size) {
        Ok(wanted) => wanted,
        Err(error) => return gate.aspects.unknown(format!("memory: {error}")),
    };
    let vmm = gate.of_vmm("memory", &seen.memory_vmm);
    let guest = gate.of_guest("memory", &seen.memory_guest);
    if let Some(&size) = vmm {
        gate.aspects.expect(size == wanted, || {
            format!("the VMM gives {} of memory, the specification says {}", mib(size), spec.memory.size)
        });
    }
    if let Some(&size) = guest {
        let least = wanted.saturating_sub(reserve(wanted));
        gate.aspects.expect((least..=wanted).contains(&size), || {
            format!("the guest has {} of memory, of {} it should have {} at least", mib(size), spec.memory.size, mib(least))
        });
    }
    gate.row("memory", &spec.memory.size, &text(vmm.map(|&size| mib(size)).as_ref()), &text(guest.map(|&size| mib(size)).as_ref()));
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn disks(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    if spec.disks.is_empty() {
        return;
    }
    let blocks = gate.of_vmm("disks", &seen.blocks);
    let mut left: Option<Vec<&GuestDisk>> = gate.of_guest("disks", &seen.disks).map(|disks| disks.iter().collect());
    for (index, disk) in spec.disks.iter().enumerate() {
        let label = format!("disk {index}");
        let image = disk.host_path();
        let path = image.as_deref().unwrap_or("that is not on this host");
        let block = blocks.and_then(|blocks| blocks.iter().find(|block| Some(&block.file) == image.as_ref()));
        if blocks.is_some() {
            gate.aspects.expect(block.is_some(), || format!("{label}: the VMM has no disk {path}"));
        }
        let vmm = block.map_or_else(|| "not found".to_owned(), |block| format!("{} bytes", block.size));
        let mut guest = "unknown".to_owned();
        if let (Some(block), Some(left)) = (block, &mut left) {
            // The guest cannot know the path; size and write protection are what both sides know.
            let fits = |found: &&&GuestDisk| found.size == Ok(block.size) && found.readonly == Ok(disk.readonly);
            match left.iter().find(fits).copied() {
                Some(found) => {
                    left.retain(|other| !std::ptr::eq(*other, found));
                    match &found.driver {
                        Ok(driver) => {
                            guest = format!("{} ({driver})", found.name);
                            gate.aspects.pass();
                        }
                        Err(why) => {
                            guest.clone_from(&found.name);
                            gate.aspects.unknown(format!("{label}: driver of {}: {}", found.name, quote::line(why)));
                        }
                    }
                }
                None => {
                    guest = "not found".to_owned();
                    let kind = if disk.readonly { "read-only" } else { "writable" };
                    let has: Vec<String> = left.iter().map(|disk| disk.describe()).collect();
                    let has = if has.is_empty() { "no other disk".to_owned() } else { has.join(", ") };
                    let what = format!("{label}: the guest has no {kind} disk of {} bytes, but {}", block.size, quote::line(&has));
                    // A disk of unknown size might be the one.
                    let dark = left.iter().any(|disk| disk.size.is_err() || disk.readonly.is_err());
                    if dark { gate.aspects.unknown(what) } else { gate.aspects.fail(what) }
                }
            }
        }
        gate.row(&label, path, &vmm, &guest);
    }
}

fn networks(seen: &Observed, spec: &MachineSpec, gate: &mut Gate) {
    if spec.networks.is_empty() {
        return;
    }
    let found = gate.of_guest("networks", &seen.interfaces);
    for (index, network) in spec.networks.iter().enumerate() {
        let label = format!("network {index}");
        let mac = interfaces::expected_mac(network, index, &seen.vmm_macs);
        let Some(mac) = mac else {
            let why = seen.vmm_macs.as_ref().err().map_or("the VMM has no device for it", String::as_str);
            gate.aspects.unknown(format!("{label}: its MAC address is not known: {}", quote::line(why)));
            continue;
        };
        let made = seen.vmm_macs.as_ref().map(|macs| macs.contains(&mac));
        if made == Ok(false) {
            // query-rx-filter knows virtio devices only, so that this is no failure by itself.
            gate.aspects.unknown(format!("{label}: the VMM lists no virtio device with MAC address {mac}"));
        }
        let mut guest = "unknown".to_owned();
        if let Some(found) = found {
            match found.iter().find(|(interface, _)| interface.mac.as_ref() == Some(&mac)) {
                Some((interface, Ok(driver))) => {
                    guest = format!("{} ({driver})", interface.name);
                    gate.aspects.pass();
                }
                Some((interface, Err(why))) => {
                    let why = quote::line(why);
                    gate.aspects.unknown(format!("{label}: driver of {}: {why}", quote::line(&interface.name)));
                }
                None => {
                    guest = "not found".to_owned();
                    gate.aspects.fail(format!("{label}: the guest has no interface with MAC address {mac}"));
                }
            }
        }
        let made = if made == Ok(true) { "yes" } else { "unknown" };
        gate.row(&label, &mac, made, &guest);
    }
}

#[cfg(test)]
mod tests;

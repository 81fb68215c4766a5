//! Asking the VMM and the guest for their devices.

use super::assigned::{self, Assigned};
use super::layout::{self, Layout};
use super::peripherals::{self, Peripherals};
use super::shares;
use super::socket;
use super::virtio::{self, GuestVirtio};
use crate::gates::{component, uevent};
use crate::interfaces::{self, Interface};
use crate::quote;
use crate::scope::{GuestError, Session};
use serde_json::Value;

/// The most disks that are looked at.
const MOST_DISKS: usize = 256;

/// The largest file of the guest that is read here; only its head counts.
const FILE: usize = 4096;

/// What was seen. Every answer may be missing for a reason of its own.
pub(crate) struct Observed {
    /// Whether the guest can be asked at all.
    pub(crate) agent: Result<(), String>,
    pub(crate) vcpus_vmm: Result<u64, String>,
    /// Processors that are on line.
    pub(crate) vcpus_guest: Result<u64, String>,
    /// Bytes.
    pub(crate) memory_vmm: Result<u64, String>,
    /// `MemTotal` in bytes.
    pub(crate) memory_guest: Result<u64, String>,
    pub(crate) blocks: Result<Vec<Block>, String>,
    pub(crate) disks: Result<Vec<GuestDisk>, String>,
    pub(crate) vmm_macs: Result<Vec<String>, String>,
    pub(crate) interfaces: Result<Vec<WithDriver>, String>,
    /// Types of the virtio devices that the VMM made.
    pub(crate) virtio_vmm: Result<Vec<u32>, String>,
    /// The virtio devices that the guest sees.
    pub(crate) virtio_guest: Result<Vec<GuestVirtio>, String>,
    pub(crate) layout: Layout,
    /// Each directory that is shared; none where none is.
    pub(crate) shares: Option<Result<Vec<shares::Seen>, String>>,
    /// A call from the guest by vsock; none where the specification has none.
    pub(crate) call: Option<Result<socket::Call, String>>,
    /// Sound cards, watchdogs and USB.
    pub(crate) peripherals: Peripherals,
    /// Devices of the host, and graphics cards.
    pub(crate) assigned: Assigned,
    /// Lines that were read.
    pub(crate) evidence: Vec<String>,
}

/// An interface with its driver, or why that is not known.
pub(crate) type WithDriver = (Interface, Result<String, String>);

/// A disk as the VMM says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    pub(crate) file: String,
    /// As the guest sees it, in bytes.
    pub(crate) size: u64,
}

/// A disk as the guest sees it. Untrusted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GuestDisk {
    pub(crate) name: String,
    pub(crate) driver: Result<String, String>,
    /// Bytes.
    pub(crate) size: Result<u64, String>,
    pub(crate) readonly: Result<bool, String>,
}

impl GuestDisk {
    pub(crate) fn describe(&self) -> String {
        let size = self.size.as_ref().map_or_else(|_| "unknown size".to_owned(), |size| format!("{size} bytes"));
        let only = if self.readonly == Ok(true) { ", read-only" } else { "" };
        format!("{} ({size}{only})", self.name)
    }
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let mut evidence = Vec::new();
    let agent = session.waited.agent.as_ref().map(|_| ()).map_err(Clone::clone);
    let interfaces: Result<Vec<WithDriver>, String> = interfaces::of_guest(session).map(|found| {
        let with_driver = |interface: Interface| {
            let driver = driver(session, "/sys/class/net", &interface.name);
            (interface, driver)
        };
        found.into_iter().map(with_driver).collect()
    });
    let names: Vec<String> = interfaces.iter().flatten().map(|(interface, _)| interface.name.clone()).collect();
    Observed {
        vcpus_vmm: ask_vmm(session, "query-cpus-fast", |answer| Some(answer.as_array()?.len() as u64)),
        vcpus_guest: vcpus(session),
        memory_vmm: ask_vmm(session, "query-memory-size-summary", |answer| {
            let plugged = answer.get("plugged-memory").and_then(Value::as_u64).unwrap_or(0);
            answer.get("base-memory")?.as_u64()?.checked_add(plugged)
        }),
        memory_guest: memory(session, &mut evidence),
        blocks: blocks(session),
        disks: disks_of_guest(session),
        vmm_macs: interfaces::macs_of_vmm(session),
        layout: layout::observe(session, &names),
        shares: shares::observe(session),
        call: socket::observe(session),
        peripherals: peripherals::observe(session),
        assigned: assigned::observe(session),
        interfaces,
        virtio_vmm: ask_vmm(session, "query-pci", virtio::types_of_vmm),
        virtio_guest: agent.clone().and_then(|()| virtio::of_guest(session)),
        agent,
        evidence,
    }
}

fn ask_vmm<T>(session: &Session<'_>, command: &str, read: impl Fn(&Value) -> Option<T>) -> Result<T, String> {
    let answer = session.scope.vmm.query(command)?;
    read(&answer).ok_or_else(|| format!("{command}: the answer has another form"))
}

/// The VM's disks, as its VMM says.
pub(crate) fn blocks(session: &Session<'_>) -> Result<Vec<Block>, String> {
    ask_vmm(session, "query-block", |answer| Some(answer.as_array()?.iter().filter_map(block).collect()))
}

pub(super) fn block(entry: &Value) -> Option<Block> {
    let inserted = entry.get("inserted")?;
    let size = inserted.get("image")?.get("virtual-size")?.as_u64()?;
    Some(Block { file: file(inserted.get("file")?.as_str()?), size })
}

/// The path of a disk's file. A node with limits, or another filter, QEMU names by its options (`json:{"driver": "throttle", ...}`), in
/// which those of the nodes below it stand.
fn file(named: &str) -> String {
    let below = |text: &str| {
        let mut node: Value = serde_json::from_str(text).ok()?;
        while let Some(next) = node.get_mut("file").map(Value::take) {
            node = next;
        }
        node.get("filename")?.as_str().map(str::to_owned)
    };
    named.strip_prefix("json:").and_then(below).unwrap_or_else(|| named.to_owned())
}

fn vcpus(session: &Session<'_>) -> Result<u64, String> {
    let answer = session.ask("guest-get-vcpus")?;
    let list = answer.as_array().ok_or("guest-get-vcpus: the answer is no list")?;
    Ok(list.iter().filter(|entry| entry.get("online") == Some(&Value::Bool(true))).count() as u64)
}

fn memory(session: &Session<'_>, evidence: &mut Vec<String>) -> Result<u64, String> {
    let path = "/proc/meminfo";
    let text = read(session, path)?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:")).ok_or("/proc/meminfo has no MemTotal")?;
    evidence.push(quote::from(path, line));
    let kib: Option<u64> = line.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    kib.and_then(|kib| kib.checked_mul(1024)).ok_or_else(|| "MemTotal of /proc/meminfo is no number".to_owned())
}

/// Disks by `guest-get-disks`, without partitions and optical drives.
pub(crate) fn disks_of_guest(session: &Session<'_>) -> Result<Vec<GuestDisk>, String> {
    let answer = session.ask("guest-get-disks")?;
    let list = answer.as_array().ok_or("guest-get-disks: the answer is no list")?;
    let name = |entry: &Value| {
        let whole = entry.get("partition") == Some(&Value::Bool(false));
        let name = component(entry.get("name")?.as_str()?.strip_prefix("/dev/")?)?;
        (whole && !name.starts_with("sr")).then(|| name.to_owned())
    };
    let disk = |name: String| {
        let number = |file: &str| -> Result<u64, String> {
            let text = read(session, &format!("/sys/block/{name}/{file}"))?;
            text.trim().parse().map_err(|_| format!("/sys/block/{name}/{file} is no number"))
        };
        GuestDisk {
            driver: driver(session, "/sys/block", &name),
            // In sectors of 512 bytes whatever the disk's own are (Documentation/ABI/stable/sysfs-block).
            size: number("size").map(|sectors| sectors.saturating_mul(512)),
            readonly: number("ro").map(|value| value == 1),
            name,
        }
    };
    Ok(list.iter().take(MOST_DISKS).filter_map(name).map(disk).collect())
}

/// Driver of the device behind a directory of sysfs.
fn driver(session: &Session<'_>, class: &str, name: &str) -> Result<String, String> {
    let Some(name) = component(name) else { return Err("its name cannot be that of a device".to_owned()) };
    let path = format!("{class}/{name}/device/uevent");
    let text = read(session, &path)?;
    uevent(&text, "DRIVER").map(str::to_owned).ok_or_else(|| format!("{path} names no driver"))
}

pub(super) fn read(session: &Session<'_>, path: &str) -> Result<String, String> {
    session.guest_file(path, FILE).map_err(|error: GuestError| format!("{path}: {error}"))
}

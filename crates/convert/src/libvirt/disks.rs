//! Disks.

mod source;

use super::address;
use super::port::{Port, TEXT};
use std::collections::BTreeSet;
use vmwright_formats::machine_spec::check;
use vmwright_model::machine::{Aio, Disk, DiskBus, DiskDevice, DiskFormat, IoLimits, OnError};

const DEVICES: &[(&str, DiskDevice)] = &[
    ("disk", DiskDevice::Disk),
    ("cdrom", DiskDevice::Cdrom),
    ("floppy", DiskDevice::Floppy),
    ("lun", DiskDevice::Lun),
];

const AIO: &[(&str, Aio)] = &[("threads", Aio::Threads), ("native", Aio::Native), ("io_uring", Aio::IoUring)];

const ERRORS: &[(&str, OnError)] = &[
    ("stop", OnError::Stop),
    ("report", OnError::Report),
    ("ignore", OnError::Ignore),
    ("enospace", OnError::Enospace),
];

pub(super) fn disks(port: &mut Port<'_>, disks: &mut Vec<Disk>) {
    port.list("disk", disks, || Disk::empty(DiskFormat::Raw), disk);
}

/// Gives each disk that has none the next free name; libvirt knows a disk by nothing else.
pub fn name_targets(disks: &mut [Disk]) {
    let mut taken: BTreeSet<String> = disks.iter().filter_map(|disk| disk.target.clone()).collect();
    let mut next = [0_u32; 4];
    for disk in disks.iter_mut().filter(|disk| disk.target.is_none()) {
        let (kind, prefix) = match disk.bus {
            Some(DiskBus::Scsi | DiskBus::Sata | DiskBus::Usb) => (0, "sd"),
            Some(DiskBus::Ide) => (1, "hd"),
            Some(DiskBus::Fdc) => (2, "fd"),
            _ => (3, "vd"),
        };
        let name = loop {
            let name = format!("{prefix}{}", letters(next[kind]));
            next[kind] += 1;
            if taken.insert(name.clone()) {
                break name;
            }
        };
        disk.target = Some(name);
    }
}

/// Takes the names away that no domain can have (`diskTarget` of libvirt's `domaincommon.rng`); gives the places of
/// their disks.
pub(super) fn without_strange_targets(disks: &mut [Disk]) -> Vec<usize> {
    let known = |name: &str| {
        let kinds = ["fd", "hd", "sd", "vd", "xvd", "ubd"];
        let name = name.strip_prefix("ioemu:").unwrap_or(name);
        let rest = kinds.iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or_default();
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut found = Vec::new();
    for (at, disk) in disks.iter_mut().enumerate() {
        if disk.target.as_deref().is_some_and(|name| !known(name)) {
            disk.target = None;
            found.push(at);
        }
    }
    found
}

/// `a` to `z`, `aa`, `ab`, as the kernel names its disks.
pub(crate) fn letters(number: u32) -> String {
    let last = char::from(b'a' + u8::try_from(number % 26).expect("less than 26"));
    match number / 26 {
        0 => last.to_string(),
        before => format!("{}{last}", letters(before - 1)),
    }
}

fn disk(port: &mut Port<'_>, disk: &mut Disk) -> bool {
    let mut device = (!port.reading()).then_some(disk.device);
    port.word("device", DEVICES, &mut device);
    disk.device = device.unwrap_or_default();
    let known = format_is_known(port);
    let sourced = source::of(port, disk);
    let driver = disk.vhost_user.is_none();
    port.child("driver", |port| {
        if driver {
            port.put("name", "qemu");
            let mut format = (!port.reading()).then_some(disk.format);
            port.same("type", &mut format);
            disk.format = format.unwrap_or(DiskFormat::Raw);
        }
        port.same("cache", &mut disk.cache);
        port.word("error_policy", ERRORS, &mut disk.on_write_error);
        port.word("rerror_policy", ERRORS, &mut disk.on_read_error);
        port.word("io", AIO, &mut disk.aio);
        port.same("discard", &mut disk.discard);
        port.same("detect_zeroes", &mut disk.detect_zeroes);
        port.number("iothread", 1..=256, &mut disk.iothread);
        port.number("queues", 1..=1024, &mut disk.queues);
        port.number("queue_size", 2..=32768, &mut disk.queue_size);
    });
    if port.reading() && disk.secret.is_none() && disk.vhost_user.is_none() {
        // Older texts have it beside the source.
        source::secret(port, disk);
    }
    source::backing(port, disk);
    port.child("target", |port| {
        port.text("dev", "word", &mut disk.target);
        port.same("bus", &mut disk.bus);
    });
    port.option("iotune", &mut disk.limits, IoLimits::default, limits);
    port.present("readonly", &mut disk.readonly);
    port.present("shareable", &mut disk.shareable);
    port.present("transient", &mut disk.transient);
    port.child("serial", |port| port.text(TEXT, "word", &mut disk.serial));
    port.child("wwn", |port| port.text(TEXT, "hex", &mut disk.wwn));
    port.child("boot", |port| port.number("order", 1..=1024, &mut disk.boot_order));
    port.child("blockio", |port| {
        port.number("logical_block_size", 512..=2_097_152, &mut disk.logical_block);
        port.number("physical_block_size", 512..=2_097_152, &mut disk.physical_block);
    });
    address::of(port, &mut disk.address);
    !port.reading() || (known && sourced)
}

/// Whether the format of a disk is one of the specification's.
fn format_is_known(port: &Port<'_>) -> bool {
    let named = port.node().child("driver").and_then(|driver| driver.attribute("type"));
    named.is_none_or(|name| super::port::spec_word::<DiskFormat>(name).is_some())
}

fn limits(port: &mut Port<'_>, limits: &mut IoLimits) {
    let mut one = |name: &str, field: &mut Option<u64>| {
        port.child(name, |port| port.number(TEXT, 0..=i64::MAX as u64, field));
    };
    one("total_bytes_sec", &mut limits.bytes);
    one("read_bytes_sec", &mut limits.read_bytes);
    one("write_bytes_sec", &mut limits.write_bytes);
    one("total_iops_sec", &mut limits.iops);
    one("read_iops_sec", &mut limits.read_iops);
    one("write_iops_sec", &mut limits.write_iops);
    one("total_bytes_sec_max", &mut limits.bytes_burst);
    one("total_iops_sec_max", &mut limits.iops_burst);
    port.child("group_name", |port| port.text(TEXT, "word", &mut limits.group));
    let mut seconds = limits.burst_seconds;
    let of_bytes = limits.bytes_burst.is_some() || limits.iops_burst.is_none();
    let name = if of_bytes { "total_bytes_sec_max_length" } else { "total_iops_sec_max_length" };
    port.child(name, |port| port.number(TEXT, 0..=i64::MAX as u64, &mut seconds));
    limits.burst_seconds = seconds;
}

/// Whether a text is a path that a specification takes.
fn is_path(text: &str) -> bool {
    check("path", text).is_ok()
}

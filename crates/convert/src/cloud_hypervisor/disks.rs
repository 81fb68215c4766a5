//! Disks.

use super::pci;
use crate::json::{Port, bucket};
use serde_json::Value;
use vmwright_model::machine::{Cache, Disk, DiskBus, DiskDevice, DiskFormat, IoLimits};

/// Formats of images; FlatVmdk is left to the foreign parts, because its data lie in another file than the one named.
const FORMATS: &[(&str, DiskFormat)] = &[
    ("Raw", DiskFormat::Raw),
    ("Qcow2", DiskFormat::Qcow2),
    ("FixedVhd", DiskFormat::Vpc),
    ("Vhdx", DiskFormat::Vhdx),
];

pub(super) fn disks(port: &mut Port<'_>, disks: &mut Vec<Disk>) {
    let new = || Disk { bus: Some(DiskBus::Virtio), ..Disk::empty(DiskFormat::Raw) };
    port.list("disks", "/disk", disks, new, |port, disk| {
        if !port.reading() && !matches!(disk.device, DiskDevice::Disk | DiskDevice::Cdrom) {
            return false;
        }
        pci::device(port, &mut disk.target, &mut disk.address);
        port.flag("readonly", &mut disk.readonly);
        port.text("serial", "word", &mut disk.serial);
        number(port, "num_queues", 1, 1..=1024, &mut disk.queues);
        number(port, "queue_size", 128, 2..=32768, &mut disk.queue_size);
        port.option("rate_limiter_config", &mut disk.limits, IoLimits::default, |port, own| {
            bucket(port, "bandwidth", &mut own.bytes);
            bucket(port, "ops", &mut own.iops);
            own.bytes.is_some() || own.iops.is_some()
        });
        group(port, &mut disk.limits);
        for off in ["disable_io_uring", "disable_aio"] {
            port.implied(off, false);
        }
        port.implied("sparse", true);
        port.implied("lock_granularity", "ByteRange");
        let said = if served(port, disk) { disk.vhost_user.is_some() } else { image(port, disk) };
        port.implied("vhost_user", false);
        port.implied("direct", false);
        port.implied("image_type", "Unknown");
        port.implied("backing_files", false);
        said
    });
}

/// A disk that another process serves.
fn served(port: &mut Port<'_>, disk: &mut Disk) -> bool {
    let mut served = disk.vhost_user.is_some();
    port.flag("vhost_user", &mut served);
    if served {
        port.text("vhost_socket", "socket-path", &mut disk.vhost_user);
    }
    served
}

fn image(port: &mut Port<'_>, disk: &mut Disk) -> bool {
    let mut path = (!port.reading()).then(|| disk.host_path()).flatten();
    port.text("path", "path", &mut path);
    if port.reading() {
        disk.path.clone_from(&path);
    }
    let mut direct = matches!(disk.cache, Some(Cache::None | Cache::Directsync));
    port.flag("direct", &mut direct);
    if port.reading() {
        disk.cache = Some(if direct { Cache::None } else { Cache::Writeback });
    }
    let mut format = (!port.reading()).then_some(disk.format);
    match port.raw("image_type").and_then(Value::as_str) {
        None | Some("Unknown") if port.reading() => {
            port.tell(
                "image_type",
                "Cloud Hypervisor looks into the image; what a guest can write is never guessed here: raw",
            );
            port.implied("image_type", "Unknown");
        }
        _ => port.word("image_type", FORMATS, &mut format),
    }
    let known = port.raw("image_type").is_none_or(|format| format == "Unknown") || format.is_some();
    disk.format = format.unwrap_or(DiskFormat::Raw);
    // An image that builds upon others is opened only where that is said.
    if !port.reading() && disk.backing.is_some() {
        port.put("backing_files", true);
    }
    path.is_some() && known && (port.reading() || FORMATS.iter().any(|(_, one)| *one == disk.format))
}

fn group(port: &mut Port<'_>, limits: &mut Option<IoLimits>) {
    let mut group = limits.as_ref().and_then(|limits| limits.group.clone());
    port.text("rate_limit_group", "word", &mut group);
    if port.reading() && group.is_some() {
        limits.get_or_insert_default().group = group;
    }
}

/// A number that is this where it is absent.
pub(super) fn number(
    port: &mut Port<'_>,
    key: &str,
    usual: u32,
    range: std::ops::RangeInclusive<u32>,
    field: &mut Option<u32>,
) {
    if port.raw(key).is_none_or(|number| number != usual) {
        port.number(key, range, field);
    }
    port.implied(key, usual);
}

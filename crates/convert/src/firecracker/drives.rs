//! Disks.

use super::boot;
use crate::json::{Port, bucket};
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Aio, Cache, Disk, DiskBus, DiskDevice, DiskFormat, IoLimits};

/// The disk that the guest's root lies on.
pub(super) struct Root {
    /// Its place among the disks.
    pub(super) at: usize,
    pub(super) readonly: bool,
    /// The partition, by its UUID.
    pub(super) partition: Option<String>,
}

impl Root {
    /// The root device that a configuration names; none where it names several, which Firecracker refuses.
    pub(super) fn read(port: &Port<'_>) -> Option<Self> {
        let drives = port.raw("drives").and_then(Value::as_array)?;
        let is_root = |drive: &&Value| drive["is_root_device"] == true;
        // Their places are those of the drives that are read.
        let mut roots =
            drives.iter().filter(|drive| fits(drive)).enumerate().filter(|(_, drive)| is_root(drive));
        let (at, drive) = roots.next().filter(|_| roots.next().is_none())?;
        let partition = drive["partuuid"].as_str();
        let plain = |text: &&str| {
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        };
        Some(Self {
            at,
            readonly: drive["is_read_only"] == true,
            partition: partition.filter(plain).map(str::to_owned),
        })
    }
}

/// Whether a drive says where its bytes are.
fn fits(drive: &Value) -> bool {
    let path = |key: &str, format: &str| {
        drive[key].as_str().is_some_and(|text| vmwright_formats::machine_spec::check(format, text).is_ok())
    };
    drive.is_object() && (path("path_on_host", "path") || path("socket", "socket-path"))
}

pub(super) fn drives(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let root = if port.reading() { Root::read(port) } else { boot::root(spec) };
    let mut number = 0;
    let new = || Disk { bus: Some(DiskBus::Virtio), ..Disk::empty(DiskFormat::Raw) };
    port.list("drives", "/disk", &mut spec.disks, new, |port, disk| {
        let root = root.as_ref().filter(|root| root.at == number);
        let is_said = drive(port, disk, root);
        number += usize::from(is_said || !port.reading());
        is_said
    });
}

fn drive(port: &mut Port<'_>, disk: &mut Disk, root: Option<&Root>) -> bool {
    if port.reading() {
        disk.boot_order = root.map(|_| 1);
    } else if !matches!(disk.device, DiskDevice::Disk | DiskDevice::Cdrom) {
        return false;
    }
    port.text("drive_id", "word", &mut disk.target);
    if !port.reading() {
        // Letters, digits and underlines, says Firecracker's API.
        let id: String = disk.target.iter().flat_map(|target| target.chars()).map(letter).collect();
        port.put("drive_id", id);
        port.put("is_root_device", root.is_some());
        if let Some(partition) = root.and_then(|root| root.partition.as_deref()) {
            port.put("partuuid", partition);
        }
    }
    if disk.vhost_user.is_some() || port.raw("socket").is_some() {
        port.text("socket", "socket-path", &mut disk.vhost_user);
        if port.reading() {
            disk.cache = (port.raw("cache_type").and_then(Value::as_str) == Some("Writeback"))
                .then_some(Cache::Writeback);
        } else if disk.cache.is_some_and(|cache| cache != Cache::Unsafe) {
            port.put("cache_type", "Writeback");
        }
        port.implied("cache_type", "Unsafe");
        return disk.vhost_user.is_some();
    }
    let mut path = (!port.reading()).then(|| disk.host_path()).flatten();
    port.text("path_on_host", "path", &mut path);
    if port.reading() {
        disk.path = path.clone();
    }
    // A boolean that older versions demand.
    let mut readonly = Some(disk.readonly);
    port.truth("is_read_only", &mut readonly);
    disk.readonly = readonly.unwrap_or(false);
    if port.reading() {
        let writes = port.raw("cache_type").and_then(Value::as_str) == Some("Writeback");
        disk.cache = Some(if writes { Cache::Writeback } else { Cache::Unsafe });
    } else if disk.cache != Some(Cache::Unsafe) {
        port.put("cache_type", "Writeback");
    }
    port.implied("cache_type", "Unsafe");
    port.word("io_engine", &[("Async", Aio::IoUring), ("Sync", Aio::Threads)], &mut disk.aio);
    port.option("rate_limiter", &mut disk.limits, IoLimits::default, |port, own| {
        bucket(port, "bandwidth", &mut own.bytes);
        bucket(port, "ops", &mut own.iops);
        own.bytes.is_some() || own.iops.is_some()
    });
    path.is_some()
}

fn letter(letter: char) -> char {
    if letter.is_alphanumeric() { letter } else { '_' }
}

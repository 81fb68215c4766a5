//! Disks: where their bytes lie, and how the guest sees them.

use super::{Address, is_default};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// A disk. Exactly one of `path`, `lvm`, `volume`, `rbd`, `nbd`, `url` and `vhost_user` says where its bytes are; a
/// drive for removable media may have none.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Path of a file or block device.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// Logical volume.
    pub lvm: Option<Lvm>,
    /// Volume of a libvirt storage pool.
    pub volume: Option<Volume>,
    /// Image in a Ceph pool.
    pub rbd: Option<Rbd>,
    /// Export of an NBD server.
    pub nbd: Option<Nbd>,
    /// Image behind a URL that QEMU reads: `iscsi://`, `https://`, `ssh://`.
    #[schemars(extend("format" = "url"))]
    pub url: Option<String>,
    /// Socket of a vhost-user block server.
    #[schemars(extend("format" = "socket-path"))]
    pub vhost_user: Option<String>,
    /// Image format. Never guessed: a guest that writes a header into a raw disk could name any file.
    pub format: DiskFormat,
    /// Image that a qcow2 file builds upon; as the file itself says where absent.
    #[schemars(extend("format" = "path"))]
    pub backing: Option<String>,
    /// Format of that image.
    pub backing_format: Option<DiskFormat>,
    /// Whether the guest may not write.
    #[serde(default)]
    pub readonly: bool,
    /// Whether several machines may write at once (a cluster file system is in it).
    #[serde(default, skip_serializing_if = "is_default")]
    pub shareable: bool,
    /// Whether what the guest writes is forgotten at its end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transient: bool,
    /// What the guest sees.
    #[serde(default, skip_serializing_if = "is_default")]
    pub device: DiskDevice,
    /// What it is plugged into; virtio-blk for a disk, SATA for an optical drive where absent.
    pub bus: Option<DiskBus>,
    /// Name for people and for attach and detach, `vda`; made from the bus and the place in the list where absent.
    #[schemars(extend("format" = "word"))]
    pub target: Option<String>,
    /// Number that the guest can ask for: at most 20 bytes for virtio-blk (`VIRTIO_BLK_ID_BYTES`).
    #[schemars(extend("format" = "word"))]
    pub serial: Option<String>,
    /// World wide name, 16 hexadecimal digits.
    #[schemars(extend("format" = "hex"))]
    pub wwn: Option<String>,
    /// Place in the boot order, from 1.
    #[schemars(range(min = 1, max = 1024))]
    pub boot_order: Option<u32>,
    /// How the host caches.
    pub cache: Option<Cache>,
    /// How requests reach the host's kernel.
    pub aio: Option<Aio>,
    /// What becomes of blocks that the guest gives back.
    pub discard: Option<Discard>,
    /// Whether written zeros become unallocated blocks.
    pub detect_zeroes: Option<Discard>,
    /// What the VM does where a write fails.
    pub on_write_error: Option<OnError>,
    /// What the VM does where a read fails.
    pub on_read_error: Option<OnError>,
    /// Number of the I/O thread that serves it, from 1.
    #[schemars(range(min = 1, max = 256))]
    pub iothread: Option<u32>,
    /// Request queues, virtio only.
    #[schemars(range(min = 1, max = 1024))]
    pub queues: Option<u32>,
    /// Requests in a queue, virtio only; a power of two.
    #[schemars(range(min = 2, max = 32768))]
    pub queue_size: Option<u32>,
    /// Sector size that the guest sees, in bytes.
    #[schemars(range(min = 512, max = 2_097_152))]
    pub logical_block: Option<u32>,
    /// Size of a physical block, in bytes.
    #[schemars(range(min = 512, max = 2_097_152))]
    pub physical_block: Option<u32>,
    /// What it may do at most.
    pub limits: Option<IoLimits>,
    /// UUID or name of the libvirt secret that the image is encrypted with (LUKS).
    #[schemars(extend("format" = "word"))]
    pub secret: Option<String>,
    /// Where the guest sees it.
    pub address: Option<Address>,
}

impl Disk {
    /// A disk in this file or block device.
    #[must_use]
    pub fn at(path: impl Into<String>, format: DiskFormat) -> Self {
        Self { path: Some(path.into()), ..Self::empty(format) }
    }

    /// A disk whose bytes lie nowhere yet.
    #[must_use]
    pub fn empty(format: DiskFormat) -> Self {
        Self {
            path: None,
            lvm: None,
            volume: None,
            rbd: None,
            nbd: None,
            url: None,
            vhost_user: None,
            format,
            backing: None,
            backing_format: None,
            readonly: false,
            shareable: false,
            transient: false,
            device: DiskDevice::Disk,
            bus: None,
            target: None,
            serial: None,
            wwn: None,
            boot_order: None,
            cache: None,
            aio: None,
            discard: None,
            detect_zeroes: None,
            on_write_error: None,
            on_read_error: None,
            iothread: None,
            queues: None,
            queue_size: None,
            logical_block: None,
            physical_block: None,
            limits: None,
            secret: None,
            address: None,
        }
    }

    /// The path of its file or block device on the host, a logical volume's included; none where it is elsewhere.
    #[must_use]
    pub fn host_path(&self) -> Option<String> {
        let volume = |lvm: &Lvm| format!("/dev/{}/{}", lvm.group, lvm.volume);
        self.path.clone().or_else(|| self.lvm.as_ref().map(volume))
    }
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lvm {
    /// Volume group.
    #[schemars(extend("format" = "lvm-name"))]
    pub group: String,
    /// Logical volume.
    #[schemars(extend("format" = "lvm-name"))]
    pub volume: String,
}

/// A volume of a libvirt storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Pool.
    #[schemars(extend("format" = "line"))]
    pub pool: String,
    /// Volume.
    #[schemars(extend("format" = "line"))]
    pub name: String,
}

/// An image in a Ceph pool.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rbd {
    /// Pool.
    #[schemars(extend("format" = "line"))]
    pub pool: String,
    /// Image.
    #[schemars(extend("format" = "line"))]
    pub image: String,
    /// Snapshot of the image.
    #[schemars(extend("format" = "line"))]
    pub snapshot: Option<String>,
    /// Monitors, `host` or `host:port`; as `config` says where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = {"type": "string", "format": "host-port"}))]
    pub monitors: Vec<String>,
    /// Ceph user, without `client.`.
    #[schemars(extend("format" = "word"))]
    pub user: Option<String>,
    /// UUID or name of the libvirt secret that holds the user's key.
    #[schemars(extend("format" = "word"))]
    pub secret: Option<String>,
    /// Path of a `ceph.conf`.
    #[schemars(extend("format" = "path"))]
    pub config: Option<String>,
}

/// An export of an NBD server. It is reached by `host` or by `socket`.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nbd {
    /// `host` or `host:port`; the port is 10809 where absent (IANA).
    #[schemars(extend("format" = "host-port"))]
    pub host: Option<String>,
    /// Path of a UNIX socket.
    #[schemars(extend("format" = "socket-path"))]
    pub socket: Option<String>,
    /// Name of the export.
    #[schemars(extend("format" = "line"))]
    pub export: Option<String>,
    /// Whether the connection is encrypted.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: bool,
}

/// Image format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// Bytes as the guest sees them.
    Raw,
    /// QEMU's own format.
    Qcow2,
    /// QEMU's older format.
    Qcow,
    /// QEMU enhanced disk.
    Qed,
    /// VMware.
    Vmdk,
    /// VirtualBox.
    Vdi,
    /// Hyper-V, older.
    Vpc,
    /// Hyper-V.
    Vhdx,
    /// LUKS over raw bytes.
    Luks,
    /// A directory as a FAT disk.
    Fat,
}

/// What the guest sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiskDevice {
    /// Disk.
    #[default]
    Disk,
    /// Optical drive.
    Cdrom,
    /// Floppy drive.
    Floppy,
    /// A SCSI device of the host whose commands pass through.
    Lun,
}

/// What a disk is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskBus {
    /// virtio-blk.
    Virtio,
    /// A SCSI controller (virtio-scsi unless a controller says otherwise).
    Scsi,
    /// AHCI.
    Sata,
    /// IDE.
    Ide,
    /// USB storage.
    Usb,
    /// NVMe.
    Nvme,
    /// Floppy controller.
    Fdc,
    /// Memory card.
    Sd,
}

/// How the host caches (QEMU's `cache=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// Past the page cache; the guest's flushes count.
    None,
    /// Page cache; the guest's flushes count.
    Writeback,
    /// Page cache; each write reaches the disk.
    Writethrough,
    /// Past the page cache; each write reaches the disk.
    Directsync,
    /// Page cache; flushes are ignored: a crash of the host loses data.
    Unsafe,
}

/// How requests reach the host's kernel (QEMU's `aio=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Aio {
    /// Worker threads.
    Threads,
    /// Linux native AIO; needs `cache` `none` or `directsync`.
    Native,
    /// `io_uring`.
    IoUring,
}

/// What becomes of blocks that the guest gives back, or of zeros that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// Nothing.
    Ignore,
    /// They are unallocated in the image.
    Unmap,
    /// Zeros are noticed and written efficiently (`detect-zeroes` alone).
    On,
}

/// What the VM does where a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It pauses.
    Stop,
    /// The guest is told.
    Report,
    /// It goes on.
    Ignore,
    /// It pauses where the host's disk is full, else the guest is told.
    Enospace,
}

/// What a disk may do at most, a second.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IoLimits {
    /// Bytes read and written.
    pub bytes: Option<u64>,
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Requests.
    pub iops: Option<u64>,
    /// Reads.
    pub read_iops: Option<u64>,
    /// Writes.
    pub write_iops: Option<u64>,
    /// Bytes in a burst.
    pub bytes_burst: Option<u64>,
    /// Requests in a burst.
    pub iops_burst: Option<u64>,
    /// How long a burst may last, in seconds.
    pub burst_seconds: Option<u64>,
    /// Name of the group that shares the limit.
    #[schemars(extend("format" = "word"))]
    pub group: Option<String>,
}

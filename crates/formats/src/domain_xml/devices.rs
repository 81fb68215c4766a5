//! The devices of a domain.

use super::{Text, number, pci, platform, truth};
use crate::PciAddress;
use crate::xml::Element;
use vmwright_model::Spanned;

/// The devices, by class, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// Path of the emulator.
    pub emulator: Text,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// Controllers.
    pub controllers: Vec<Controller>,
    /// Host devices handed to the guest.
    pub hostdevs: Vec<HostDevice>,
    /// Shared directories.
    pub filesystems: Vec<Filesystem>,
    /// TPMs.
    pub tpms: Vec<Tpm>,
    /// The balloon.
    pub memballoon: Option<Memballoon>,
    /// Video cards.
    pub videos: Vec<Video>,
    /// Displays.
    pub graphics: Vec<Graphics>,
    /// Serial ports, consoles and channels.
    pub serials: Vec<Serial>,
    /// Shared memory.
    pub shmems: Vec<Shmem>,
    /// The rest by element name: `rng`, `vsock`, `watchdog`, `iommu`, `sound`, `input`, `panic`, `redirdev`.
    pub others: Vec<Other>,
}

/// `<disk>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// Line of the element.
    pub line: u32,
    /// `file`, `block`, `network`, `volume`, `dir`, `nvme`, `vhostuser`, `vhostvdpa`.
    pub disk_type: Text,
    /// `disk`, `cdrom`, `lun`, `floppy`.
    pub device: Text,
    /// `qemu`.
    pub driver: Text,
    /// Image format.
    pub format: Text,
    /// Cache mode.
    pub cache: Text,
    /// `native`, `threads`, `io_uring`.
    pub io: Text,
    /// `unmap` or `ignore`.
    pub discard: Text,
    /// I/O thread.
    pub iothread: Text,
    /// Number of queues.
    pub queues: Option<Spanned<u64>>,
    /// File, device, directory, or name on the network.
    pub source: Text,
    /// `rbd`, `nbd`, `iscsi`, `gluster` for network disks.
    pub protocol: Text,
    /// Pool of a volume.
    pub pool: Text,
    /// Name in the guest, `vda`.
    pub target: Text,
    /// `virtio`, `scsi`, `sata`, `ide`, `usb`.
    pub bus: Text,
    /// Whether `<readonly/>` is there.
    pub readonly: bool,
    /// Whether `<shareable/>` is there.
    pub shareable: bool,
    /// Sources of the backing chain, nearest first.
    pub backing: Vec<Spanned<String>>,
    /// `usage` or `uuid` of the secret.
    pub secret: Text,
    /// Boot order.
    pub boot_order: Option<Spanned<u64>>,
}

/// `<interface>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Line of the element.
    pub line: u32,
    /// `network`, `bridge`, `direct`, `ethernet`, `user`, `vhostuser`, `vdpa`, `hostdev`.
    pub interface_type: Text,
    /// Network, bridge, device or socket that it is plugged into.
    pub source: Text,
    /// Mode of the source: of macvtap (`bridge`, `vepa`, `private`, `passthrough`) or of vhost-user (`client`, `server`).
    pub source_mode: Text,
    /// `virtio`, `e1000e`, `rtl8139`.
    pub model: Text,
    /// MAC address.
    pub mac: Text,
    /// `openvswitch`, `802.1Qbg`, `802.1Qbh`, `midonet`.
    pub virtualport: Text,
    /// `vhost` or `qemu`.
    pub driver: Text,
    /// Number of queues.
    pub queues: Option<Spanned<u64>>,
    /// MTU.
    pub mtu: Option<Spanned<u64>>,
    /// Name of the tap.
    pub target: Text,
    /// Network filter.
    pub filter: Text,
    /// VLAN tags.
    pub vlans: Vec<Spanned<String>>,
    /// Link state.
    pub link: Text,
    /// For `hostdev`: the function handed over.
    pub address: Option<Spanned<PciAddress>>,
    /// Whether `managed='yes'`.
    pub managed: bool,
}

/// `<controller>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Controller {
    /// Line of the element.
    pub line: u32,
    /// `pci`, `usb`, `scsi`, `virtio-serial`, `sata`, `ide`.
    pub controller_type: Text,
    /// Model.
    pub model: Text,
    /// Index.
    pub index: Option<Spanned<u64>>,
    /// Size of the 64-bit window for PCI memory, as written.
    pub pcihole64: Text,
    /// I/O thread.
    pub iothread: Text,
}

/// `<hostdev>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostDevice {
    /// Line of the element.
    pub line: u32,
    /// `subsystem` or `capabilities`.
    pub mode: Text,
    /// `pci`, `usb`, `mdev`, `scsi`, `scsi_host`.
    pub device_type: Text,
    /// Whether libvirt binds and unbinds the driver itself; none where not said.
    pub managed: Text,
    /// Address of a PCI device on the host.
    pub address: Option<Spanned<PciAddress>>,
    /// UUID of a mediated device.
    pub mdev: Text,
    /// Model of a mediated device, `vfio-pci`.
    pub model: Text,
    /// Vendor and product of a USB device.
    pub usb: Option<(Text, Text)>,
    /// `vfio`, `kvm`, `xen`.
    pub driver: Text,
    /// ROM file.
    pub rom_file: Text,
    /// `on` or `off`.
    pub rom_bar: Text,
    /// Boot order.
    pub boot_order: Option<Spanned<u64>>,
    /// Whether `display='on'`, for mediated devices.
    pub display: Text,
    /// Address in the guest.
    pub guest_address: Option<Spanned<PciAddress>>,
    /// `on` where more functions share the guest slot.
    pub multifunction: Text,
}

/// `<filesystem>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filesystem {
    /// Line of the element.
    pub line: u32,
    /// `mount`, `template`, `file`, `ram`.
    pub filesystem_type: Text,
    /// `passthrough`, `mapped`, `squash`.
    pub accessmode: Text,
    /// `virtiofs`, `path`, `handle`.
    pub driver: Text,
    /// Directory on the host, or socket.
    pub source: Text,
    /// Mount tag.
    pub target: Text,
    /// Path of the daemon.
    pub binary: Text,
    /// Sandbox of the daemon: `namespace` or `chroot`.
    pub sandbox: Text,
}

/// `<tpm>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tpm {
    /// Line of the element.
    pub line: u32,
    /// `tpm-tis`, `tpm-crb`, `tpm-spapr`.
    pub model: Text,
    /// `emulator`, `passthrough`, `external`.
    pub backend: Text,
    /// `1.2` or `2.0`.
    pub version: Text,
    /// Device of a passthrough, or source of the state.
    pub source: Text,
    /// Secret of the encryption.
    pub secret: Text,
    /// Whether `persistent_state='yes'`.
    pub persistent: Text,
}

/// `<memballoon>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memballoon {
    /// Line of the element.
    pub line: u32,
    /// `virtio`, `none`, `xen`.
    pub model: Text,
    /// `on` or `off`.
    pub autodeflate: Text,
    /// `on` or `off`.
    pub free_page_reporting: Text,
    /// Period of statistics, in seconds.
    pub stats_period: Text,
}

/// `<video>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Video {
    /// Line of the element.
    pub line: u32,
    /// `virtio`, `qxl`, `vga`, `bochs`, `none`, `ramfb`.
    pub model: Text,
    /// Whether `<acceleration accel3d='yes'>`.
    pub accel3d: bool,
}

/// `<graphics>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graphics {
    /// Line of the element.
    pub line: u32,
    /// `spice`, `vnc`, `sdl`, `egl-headless`, `dbus`.
    pub graphics_type: Text,
    /// Port.
    pub port: Text,
    /// Address that it listens on.
    pub listen: Text,
    /// Whether `<gl enable='yes'>`.
    pub gl: bool,
}

/// `<serial>`, `<console>`, `<parallel>` or `<channel>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Serial {
    /// Line of the element.
    pub line: u32,
    /// Name of the element.
    pub element: String,
    /// `pty`, `unix`, `file`, `tcp`, `spicevmc`.
    pub serial_type: Text,
    /// Path of its source.
    pub source: Text,
    /// Name of the target, `org.qemu.guest_agent.0`.
    pub target: Text,
    /// Type of the target.
    pub target_type: Text,
}

/// `<shmem>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shmem {
    /// Line of the element.
    pub line: u32,
    /// Name.
    pub name: Text,
    /// `ivshmem-plain`, `ivshmem-doorbell`.
    pub model: Text,
    /// Size, in bytes.
    pub size: Option<Spanned<u64>>,
}

/// A device of any other class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Other {
    /// Line of the element.
    pub line: u32,
    /// Name of the element: `rng`, `vsock`, `watchdog`, `iommu`.
    pub element: String,
    /// Its attribute `model`, or the text of its `<model>`.
    pub model: Text,
    /// Its attribute `type`.
    pub other_type: Text,
    /// Of `vsock`: the context id. Of `iommu`: interrupt remapping (`intremap`).
    pub detail: Text,
}

impl Devices {
    pub(super) fn read(devices: &[Element]) -> Self {
        let mut view = Self::default();
        for device in devices.iter().copied() {
            match device.name() {
                "emulator" => view.emulator = device.text().map(crate::xml::owned),
                "disk" => view.disks.push(disk(device)),
                "interface" => view.interfaces.push(interface(device)),
                "controller" => view.controllers.push(controller(device)),
                "hostdev" => view.hostdevs.push(hostdev(device)),
                "filesystem" => view.filesystems.push(filesystem(device)),
                "tpm" => view.tpms.push(tpm(device)),
                "memballoon" => {
                    view.memballoon = Some(Memballoon {
                        line: device.line(),
                        model: device.attr("model"),
                        autodeflate: device.attr("autodeflate"),
                        free_page_reporting: device.attr("freePageReporting"),
                        stats_period: device.child_attr("stats", "period"),
                    });
                }
                "video" => view.videos.push(Video {
                    line: device.line(),
                    model: device.child_attr("model", "type"),
                    accel3d: device
                        .child("model")
                        .and_then(|model| model.child("acceleration"))
                        .is_some_and(|acceleration| truth(&acceleration.attr("accel3d"))),
                }),
                "graphics" => view.graphics.push(Graphics {
                    line: device.line(),
                    graphics_type: device.attr("type"),
                    port: device.attr("port"),
                    listen: device.attr("listen").or_else(|| device.child_attr("listen", "address")),
                    gl: truth(&device.child_attr("gl", "enable")),
                }),
                name @ ("serial" | "console" | "channel" | "parallel") => view.serials.push(Serial {
                    line: device.line(),
                    element: name.to_owned(),
                    serial_type: device.attr("type"),
                    source: device.child_attr("source", "path"),
                    target: device.child_attr("target", "name"),
                    target_type: device.child_attr("target", "type"),
                }),
                "shmem" => view.shmems.push(Shmem {
                    line: device.line(),
                    name: device.attr("name"),
                    model: device.child_attr("model", "type"),
                    size: platform::size_of(device),
                }),
                name => view.others.push(Other {
                    line: device.line(),
                    element: name.to_owned(),
                    model: device.attr("model").or_else(|| device.child_text("model")),
                    other_type: device.attr("type"),
                    detail: device
                        .child_attr("cid", "address")
                        .or_else(|| device.child_attr("driver", "intremap"))
                        .or_else(|| device.attr("action")),
                }),
            }
        }
        view
    }

    /// Devices of a class that has no list of its own.
    pub fn other<'a>(&'a self, element: &'a str) -> impl Iterator<Item = &'a Other> {
        self.others.iter().filter(move |other| other.element == element)
    }
}

/// Longest backing chain that is read; libvirt's own limit is 200.
const CHAIN_MAX: usize = 200;

fn source_of(element: Element) -> Text {
    let source = element.child("source")?;
    ["file", "dev", "dir", "name", "volume", "path"].iter().find_map(|name| source.attr(name))
}

fn disk(element: Element) -> Disk {
    let driver = |name: &str| element.child_attr("driver", name);
    let source = element.child("source");
    let auth = element.child("auth").or_else(|| source.and_then(|source| source.child("auth")));
    let secret = auth.and_then(|auth| auth.child("secret"));
    let chain = std::iter::successors(element.child("backingStore"), |store| store.child("backingStore"));
    Disk {
        line: element.line(),
        disk_type: element.attr("type"),
        device: element.attr("device"),
        driver: driver("name"),
        format: driver("type"),
        cache: driver("cache"),
        io: driver("io"),
        discard: driver("discard"),
        iothread: driver("iothread"),
        queues: number(driver("queues")),
        source: source_of(element),
        protocol: source.and_then(|source| source.attr("protocol")),
        pool: source.and_then(|source| source.attr("pool")),
        target: element.child_attr("target", "dev"),
        bus: element.child_attr("target", "bus"),
        readonly: element.child("readonly").is_some(),
        shareable: element.child("shareable").is_some(),
        backing: chain.take(CHAIN_MAX).filter_map(source_of).collect(),
        secret: secret.and_then(|secret| secret.attr("usage").or_else(|| secret.attr("uuid"))),
        boot_order: number(element.child_attr("boot", "order")),
    }
}

fn interface(element: Element) -> Interface {
    let source = element.child("source");
    let from = ["network", "bridge", "dev", "path", "address"];
    let vlans = element.child("vlan").into_iter().flat_map(|vlan| vlan.all("tag").collect::<Vec<_>>());
    Interface {
        line: element.line(),
        interface_type: element.attr("type"),
        source: source.and_then(|source| from.iter().find_map(|name| source.attr(name))),
        source_mode: source.and_then(|source| source.attr("mode")),
        model: element.child_attr("model", "type"),
        mac: element.child_attr("mac", "address"),
        virtualport: element.child_attr("virtualport", "type"),
        driver: element.child_attr("driver", "name"),
        queues: number(element.child_attr("driver", "queues")),
        mtu: number(element.child_attr("mtu", "size")),
        target: element.child_attr("target", "dev"),
        filter: element.child_attr("filterref", "filter"),
        vlans: vlans.filter_map(|tag| tag.attr("id")).collect(),
        link: element.child_attr("link", "state"),
        address: source.and_then(|source| source.child("address")).and_then(pci),
        managed: truth(&element.attr("managed")),
    }
}

fn controller(element: Element) -> Controller {
    Controller {
        line: element.line(),
        controller_type: element.attr("type"),
        model: element.attr("model"),
        index: number(element.attr("index")),
        pcihole64: element.child_text("pcihole64"),
        iothread: element.child_attr("driver", "iothread"),
    }
}

fn hostdev(element: Element) -> HostDevice {
    let source = element.child("source");
    let address = source.and_then(|source| source.child("address"));
    let usb = source.filter(|source| source.child("vendor").is_some() || source.child("product").is_some());
    HostDevice {
        line: element.line(),
        mode: element.attr("mode"),
        device_type: element.attr("type"),
        managed: element.attr("managed"),
        address: address.and_then(pci),
        mdev: address.and_then(|address| address.attr("uuid")),
        model: element.attr("model"),
        usb: usb.map(|usb| (usb.child_attr("vendor", "id"), usb.child_attr("product", "id"))),
        driver: element.child_attr("driver", "name"),
        rom_file: element.child_attr("rom", "file"),
        rom_bar: element.child_attr("rom", "bar"),
        boot_order: number(element.child_attr("boot", "order")),
        display: element.attr("display"),
        guest_address: element.child("address").and_then(pci),
        multifunction: element.child_attr("address", "multifunction"),
    }
}

fn filesystem(element: Element) -> Filesystem {
    let binary = element.child("binary");
    Filesystem {
        line: element.line(),
        filesystem_type: element.attr("type"),
        accessmode: element.attr("accessmode"),
        driver: element.child_attr("driver", "type"),
        source: source_of(element).or_else(|| element.child_attr("source", "socket")),
        target: element.child_attr("target", "dir"),
        binary: binary.and_then(|binary| binary.attr("path")),
        sandbox: binary.and_then(|binary| binary.child_attr("sandbox", "mode")),
    }
}

fn tpm(element: Element) -> Tpm {
    let backend = element.child("backend");
    Tpm {
        line: element.line(),
        model: element.attr("model"),
        backend: backend.and_then(|backend| backend.attr("type")),
        version: backend.and_then(|backend| backend.attr("version")),
        source: backend
            .and_then(|backend| backend.child_attr("device", "path").or_else(|| source_of(backend))),
        secret: backend.and_then(|backend| backend.child_attr("encryption", "secret")),
        persistent: backend.and_then(|backend| backend.attr("persistent_state")),
    }
}

//! # The guest has no virtio driver for its disk, NIC or balloon
//!
//! ## What it is
//! Virtio devices are unknown to a guest without their drivers: Windows installers see no disk, Windows has no
//! network, old or minimal Linux kernels probe nothing.
//!
//! Heard as: the Windows setup finds no drive; Windows is offline or shows an unknown device after its card or
//! disk became virtio; code 28.
//!
//! Known by: Windows setup shows no drive; no network adapter, unknown device in device manager; virtio-win ISO,
//! viostor, NetKVM, vioscsi; 0x7B; FreeBSD or old Linux sees no disk; converted from VMware, Hyper-V or physical;
//! network gone after switching model; storage controller unknown; installing Windows; load driver; blue screen at
//! first boot.
//!
//! ## Why it happens
//! The ISO of virtio-win was not attached during installation, the driver of another Windows version was taken,
//! the bus was changed to virtio after the installation, the disk moved from virtio-blk to virtio-scsi, the
//! kernel was built without CONFIG_VIRTIO_*, modern-only devices (1.0, `disable-legacy=on`) meet a driver that
//! knows only the old ones.
//!
//! ## Confirm
//! In Windows: Device Manager, devices with a yellow mark whose hardware id begins with `PCI\VEN_1AF4`. In
//! Linux: `lspci -nnk -d 1af4:` without "Kernel driver in use", `lsmod | grep virtio`, `grep VIRTIO
//! /boot/config-$(uname -r)`.
//!
//! ## Refute
//! `lspci -k` or Device Manager names a driver for each 1af4 device.
//!
//! ## Fix
//! Attach virtio-win.iso and load viostor or vioscsi (disk), NetKVM, Balloon, vioserial of the right version;
//! for a changed boot disk first attach a small virtio disk and let the guest install its driver. For Linux
//! rebuild the initramfs or kernel with virtio. Until then use SATA and e1000e.
//!
//! ## References
//! Virtio specification 1.2, 4.1.2 (PCI vendor 0x1AF4); virtio-win documentation; Linux
//! `drivers/virtio/Kconfig`; libguestfs `virt-v2v(1)`, "Windows: installing drivers".

use crate::prelude::*;
use vmwright_formats::Lspci;

/// What Windows lacks that has no driver.
const BARE: &[&str] = &[
    "no drive",
    "no disk",
    "any drive",
    "find the disk",
    "see the disk",
    "find a disk",
    "no network",
    "no ethernet",
];

pub const RULE: Rule = Rule {
    tags: &["guest", "windows", "virtio"],
    signs: &[
        Sign::strong("there are no virtio drivers available for this version of Windows"),
        Sign::strong("there is no virtio"),
        Sign::strong("A media driver your computer needs is missing"),
        Sign::strong("We couldn't find any drives"),
        Sign::strong("No device drivers were found"),
        // Setup's own log of an unattended installation.
        Sign::strong("Could not locate disk {n}").and(&["IBS "]),
        Sign::strong("Windows could not apply the unattend answer file's <DiskConfiguration> setting"),
        Sign::strong("No signed device drivers were found"),
        Sign::strong("We couldn't find * drivers").and(&["virtio"]),
        Sign::strong("PCI\\VEN_1AF4").and(&["Code 28"]),
        Sign::support("PCI\\VEN_1AF4"),
        Sign::support("drivers for this device are not installed"),
        Sign::support("(Code 28)"),
        Sign::support("PCI Simple Communications Controller"),
        Sign::strong("Module virtio_net not found"),
        Sign::strong("Module virtio_blk not found"),
        Sign::strong("Module virtio_scsi not found"),
        Sign::strong("Module virtio_pci not found"),
        Sign::strong("Module virtio_balloon not found"),
        Sign::strong("Module virtio not found"),
        Sign::strong("# CONFIG_VIRTIO_BLK is not set"),
        Sign::strong("# CONFIG_VIRTIO_NET is not set"),
        Sign::strong("# CONFIG_VIRTIO_PCI is not set"),
        Sign::strong("# CONFIG_SCSI_VIRTIO is not set"),
        Sign::strong("No network adapter").and(&["virtio"]),
        Sign::strong("no network devices found").and(&["virtio"]),
        Sign::strong("Load driver").and(&["windows", "virtio"]),
        Sign::strong("virtio-win").and(&["not found"]),
        Sign::support("NetKVM"),
        Sign::support("viostor"),
        Sign::support("vioscsi").unless(&["RaidPort"]),
        Sign::support("virtio-win"),
        Sign::support("virtio: device uses modern interface but does not have VIRTIO_F_VERSION_1"),
        // What a complaint makes of a configuration.
        Sign::strong("bus=*virtio").and(&["windows"]).unless(&["virtio-win"]).said(BARE),
        Sign::strong("bus: virtio").and(&["windows"]).unless(&["virtio-win"]).said(BARE),
        Sign::strong("if=virtio").and(&["windows"]).unless(&["virtio-win"]).said(BARE),
        Sign::strong("scsihw: virtio").and(&["windows"]).unless(&["virtio-win"]).said(BARE),
        Sign::strong("model type=*virtio").and(&["windows"]).unless(&["virtio-win"]).said(&[
            "offline",
            "no network",
            "no internet",
            "network card",
            "unknown device",
        ]),
        Sign::strong("net0: virtio").and(&["windows"]).unless(&["virtio-win"]).said(BARE),
        Sign::strong("Could not find request transport: virtio"),
        Sign::support("9pnet_virtio: no channels available for device"),
    ],
    words: &[
        "windows",
        "driver",
        "virtio",
        "no disk",
        "no network",
        "installer",
        "virtio-win",
        "not detected",
    ],
    explains: &["network/guest-address-missing"],
    tells: "lspci -nnk -d 1af4: in the guest, or Windows' Device Manager",
    remedy: "install the virtio drivers of the guest's version (virtio-win.iso), or use SATA and e1000e until they are there",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Red Hat's vendor id, which all virtio PCI devices carry.
const VIRTIO: u16 = 0x1af4;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<Lspci>() {
        // Only a listing that names drivers can show that one lacks.
        let names_drivers = seen.devices.iter().any(|device| device.driver.is_some());
        let virtio = |name: &str| name.contains("Virtio") || name.contains("virtio");
        let bare = seen.devices.iter().find(|device| {
            device.driver.is_none() && (device.vendor == Some(VIRTIO) || virtio(&device.name))
        });
        if let Some(device) = bare.filter(|_| names_drivers) {
            draft = draft
                .because(
                    Strength::Strong,
                    seen.quote(device.line),
                    "a virtio device has no driver in the guest",
                )
                .title(format!("the guest has no driver for its virtio device {}", device.address));
        }
    }
    vec![draft.verdict()]
}

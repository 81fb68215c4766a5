//! The messages of the rule beside: the guest has no virtio driver for its disk, NIC or balloon.

use crate::prelude::*;

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

/// What macOS lacks.
const CUT_OFF: &[&str] = &["no network", "no internet", "no connection", "no ip address", "no ethernet"];

pub(super) const SIGNS: &[Sign] = &[
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
    // macOS has no virtio network before version 11, and its installers none at all.
    Sign::strong("model type=*virtio").and(&["macos"]).said(CUT_OFF),
    Sign::strong("Device model: virtio").and(&["macos"]).said(CUT_OFF),
    Sign::strong("virtio-net-pci").and(&["macos"]).said(CUT_OFF),
];

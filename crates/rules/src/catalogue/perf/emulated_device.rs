//! # An emulated device is used where a virtio one belongs
//!
//! ## What it is
//! IDE, SATA, e1000, rtl8139, LSI SCSI and their like are copies of real hardware: each access of the guest to a
//! register leaves the guest and wakes QEMU. A virtio device needs one notification for a batch of requests. The
//! difference is a factor of two to ten in throughput and much host CPU.
//!
//! Heard as: copies and network are slow in an imported or Windows guest; IDE, SATA or e1000; a tablet keeps an
//! idle VM awake.
//!
//! Known by: e1000, rtl8139, IDE, SATA or cirrus model; slow disk or network in the guest; throughput far under host's;
//! switch to virtio; USB 1 controller; network 100 Mbit, disk slow, high exits; IDE or e1000 selected by default
//! wizard; change bus to virtio; vmxnet3; emulation costs.
//!
//! ## Why it happens
//! The definition was made without naming the guest's system, so the tool chose what works everywhere; an imported
//! or converted VM kept its old devices; QEMU's own defaults are IDE and e1000.
//!
//! ## Confirm
//! `virsh dumpxml VM | grep -e "bus=" -e "model type="`, or the VMM's command line: `ide-hd`, `e1000`, `rtl8139`.
//!
//! ## Refute
//! The disk is on virtio or virtio-scsi and the NIC is virtio; or the guest is too old to have the drivers. A
//! CD-ROM on SATA is as it should be.
//!
//! ## Fix
//! Install the guest's virtio drivers first (Windows: with a second, small virtio disk), then change bus and model.
//! A USB tablet makes an idle guest cost CPU: without a graphical console it is not needed.
//!
//! ## References
//! QEMU documentation, "Device Emulation" and "Recommendations for KVM CPU model"; libvirt formatdomain, "Devices";
//! virtio specification 1.2.

use crate::catalogue::memory::hugepages_not_reserved::guests::commands;
use crate::prelude::*;
use vmwright_formats::{DomainXml, ProxmoxConf};

/// What people say of a slow device.
const SLOW: &[&str] = &[
    "slow",
    "throughput",
    "mb/s",
    "mbit",
    "mbps",
    "gbit",
    "gbps",
    "iops",
    "sluggish",
    "high cpu",
    "crawl",
    "traffic rate",
    "transfer rate",
    "bandwidth",
];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["performance", "devices"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms), Need::Probe(Probe::Machine)],
    signs: &[
        // Vagrant's configuration.
        Sign::hint("nic_model_type = \"e1000\""),
        Sign::hint("disk_bus = \"ide\""),
        Sign::hint("e1000 0000:*: eth").and(&["QEMU"]),
        Sign::hint("QEMU HARDDISK").and(&["ata1.00"]),
        Sign::support("Detected Tx Unit Hang").and(&["e1000"]),
        // What a complaint makes of a configuration.
        Sign::support("hw_disk_bus*ide").said(SLOW).or_near(),
        Sign::support("hw_vif_model*e1000").said(SLOW).or_near(),
        Sign::support("hw_vif_model*rtl8139").said(SLOW).or_near(),
        Sign::support("bus: sata").said(SLOW).or_near(),
        Sign::support("model: e1000").said(SLOW).or_near(),
        Sign::support("model: rtl8139").said(SLOW).or_near(),
        Sign::support("net{n}: e1000=").said(SLOW).or_near(),
        Sign::support("net{n}: rtl8139=").said(SLOW).or_near(),
        Sign::support("usb-tablet").said(&["idle", "wakeup", "fan", "battery", "powertop"]),
    ],
    words: &["slow", "throughput", "mb/s", "mbit", "high cpu", "disk speed", "bandwidth"],
    tells: "virsh dumpxml VM",
    remedy: "move disks to virtio or virtio-scsi and NICs to virtio, once the guest has the drivers",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Network cards that QEMU emulates register by register.
const CARDS: [&str; 9] =
    ["e1000", "e1000e", "e1000-82545em", "rtl8139", "ne2k_pci", "pcnet", "i82551", "vmxnet3", "tulip"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let (mut disk, mut card, mut tablet) = (None, None, None);
    for seen in cx.all::<DomainXml>() {
        draft = draft.looked();
        for devices in seen.domains.iter().map(|domain| &domain.devices) {
            let slow = |bus: &str| matches!(bus, "ide" | "sata");
            disk = disk.or_else(|| {
                let hard = |one: &&vmwright_formats::domain_xml::Disk| {
                    one.device.as_ref().is_none_or(|device| device.value == "disk")
                };
                let all = devices.disks.iter().filter(hard).filter_map(|one| one.bus.as_ref());
                all.into_iter().find(|bus| slow(&bus.value)).and_then(|bus| seen.quote(bus.line))
            });
            card = card.or_else(|| {
                let all = devices.interfaces.iter().filter_map(|one| one.model.as_ref());
                all.into_iter()
                    .find(|model| CARDS.contains(&model.value.as_str()))
                    .and_then(|model| seen.quote(model.line))
            });
            tablet = tablet.or_else(|| {
                let input = devices
                    .other("input")
                    .find(|one| one.other_type.as_ref().is_some_and(|one| one.value == "tablet"))?;
                seen.quote(input.line).filter(|_| devices.graphics.is_empty())
            });
        }
    }
    for seen in cx.all::<ProxmoxConf>() {
        draft = draft.looked();
        card = card.or_else(|| {
            let model = |value: &str| value.split(['=', ',']).next().unwrap_or_default().to_owned();
            let (_, net) = seen.devices("net").find(|(_, net)| CARDS.contains(&model(net.value).as_str()))?;
            seen.quote(net.line)
        });
        disk = disk.or_else(|| {
            let hard = |value: &str| !value.contains("media=cdrom") && !value.contains("cloudinit");
            let mut all = seen.devices("ide").chain(seen.devices("sata"));
            seen.quote(all.find(|(_, disk)| hard(disk.value))?.1.line)
        });
    }
    for command in commands(cx) {
        draft = draft.looked();
        let (args, text) = (&command.args, command.text);
        let device = |names: &[&str]| {
            let found = args
                .options("device")
                .find(|option| option.opts().get("driver").is_some_and(|name| names.contains(&name)));
            found.and_then(|option| text.quote(option.value_line))
        };
        disk = disk.or_else(|| device(&["ide-hd", "lsi53c895a", "am53c974"]));
        disk = disk.or_else(|| args.first("hda").and_then(|option| text.quote(option.line)));
        disk = disk.or_else(|| {
            let ide = args.options("drive").find(|option| {
                option.opts().get("if") == Some("ide") && option.opts().get("media") != Some("cdrom")
            });
            ide.and_then(|option| text.quote(option.value_line))
        });
        card = card.or_else(|| device(&CARDS));
        card = card.or_else(|| {
            let nic = args
                .options("nic")
                .find(|option| option.opts().get("model").is_some_and(|model| CARDS.contains(&model)));
            nic.and_then(|option| text.quote(option.value_line))
        });
        tablet = tablet.or_else(|| device(&["usb-tablet"]).filter(|_| args.first("nographic").is_some()));
    }
    draft = draft
        .because(Strength::Support, disk, "the disk is on an emulated bus")
        .because(Strength::Support, card, "the network card is emulated")
        .because(Strength::Hint, tablet, "a USB tablet without a display wakes the VM for nothing");
    vec![draft.verdict()]
}

//! # vhost behind a virtual IOMMU pays for IOTLB misses
//!
//! ## What it is
//! A virtio device with `iommu_platform=on` in a VM with a virtual IOMMU uses addresses that the VMM must translate.
//! vhost keeps a small translation cache and asks QEMU for what is missing: each miss is a round trip through user
//! space, and each unmap of the guest throws entries away. Throughput falls to a tenth.
//!
//! Heard as: network is slow with a virtual IOMMU or iommu_platform.
//!
//! Known by: iommu_platform=on with vhost; ats; IOTLB misses; virtio-net behind vIOMMU is slow; device-iotlb;
//! throughput dropped with intel-iommu in guest.
//!
//! ## Why it happens
//! A virtual IOMMU was added for nested assignment, more than 255 vCPUs, or DPDK in the guest, and the guest's kernel
//! maps every packet through it (strict mode).
//!
//! ## Confirm
//! The definition has `<iommu>` and `<driver iommu='on'>` on a vhost device; in the guest `dmesg | grep -e DMAR -e
//! "Default domain type"`; on the host `perf top` shows `vhost_iotlb_miss` or `vhost_iotlb_itree_first`.
//!
//! ## Refute
//! `iommu_platform` is off for the device (it then bypasses the virtual IOMMU), or the guest runs with `iommu=pt`.
//!
//! ## Fix
//! Boot the guest with `iommu=pt`, switch `iommu`/`ats` off for devices of trusted guests, or leave the virtual IOMMU
//! to interrupt remapping alone. Long-lived mappings (DPDK in the guest) do not suffer.
//!
//! ## References
//! QEMU `hw/virtio/vhost.c` (`vhost_device_iotlb_miss`), `hw/i386/intel_iommu.c`; Linux `drivers/vhost/vhost.c`
//! (`vhost_iotlb_miss`), `drivers/vhost/iotlb.c`; libvirt formatdomain, virtio "iommu" and "ats" options.

use crate::catalogue::memory::hugepages_not_reserved::guests::commands;
use crate::prelude::*;
use vmwright_formats::DomainXml;

/// What people say of a slow network.
const SLOW: &[&str] = &["slow", "throughput", "gbit", "mbit", "gbps", "mbps", "pps", "packet rate"];

pub const RULE: Rule = Rule {
    level: Level::Warn,
    rank: Rank::Specific,
    tags: &["performance", "network", "iommu"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Vmms), Need::Probe(Probe::Machine)],
    signs: &[
        Sign::strong("vhost_iotlb_miss"),
        Sign::strong("vhost_device_iotlb_miss"),
        Sign::support("vhost_iotlb_itree_first"),
        Sign::support("vhost_iotlb_"),
        Sign::strong("iotlb miss").and(&["vhost"]),
        Sign::hint("vtd_iotlb_page_update"),
        Sign::hint("vtd_iommu_translate"),
        // What a complaint makes of a configuration.
        Sign::support("iommu_platform=on").said(SLOW).or_near(),
        Sign::strong("Virtio-iommu does not support dev-iotlb yet"),
        Sign::support("Fail to invalidate device iotlb"),
        Sign::support("Fail to lookup the translated address"),
    ],
    words: &["viommu", "virtual iommu", "intel-iommu", "iommu_platform", "throughput", "slow network"],
    tells: "virsh dumpxml VM",
    remedy: "boot the guest with iommu=pt, or switch iommu and ats off for the vhost devices",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<DomainXml>() {
        draft = draft.looked();
        let Some(iommu) = seen.element("devices/iommu") else { continue };
        let behind = seen.elements("devices/interface/driver").into_iter().find(|driver| {
            let is =
                |name: &str, value: &str| driver.attribute(name).is_some_and(|found| found.value == value);
            is("iommu", "on") && !is("name", "qemu")
        });
        if let Some(driver) = behind {
            draft = draft
                .because(
                    Strength::Strong,
                    seen.quote(driver.line()),
                    "a vhost device goes through the virtual IOMMU",
                )
                .because(Strength::Hint, seen.quote(iommu.line()), "of this VM");
        }
    }
    for command in commands(cx) {
        draft = draft.looked();
        let (args, text) = (&command.args, command.text);
        let iommu =
            ["intel-iommu", "virtio-iommu", "amd-iommu"].iter().find_map(|name| args.devices(name).next());
        let platform =
            args.devices("virtio-net").find(|(_, opts)| opts.switch("iommu_platform") == Some(true));
        let vhost = args.options("netdev").find(|option| option.opts().switch("vhost") == Some(true));
        if let (Some(iommu), Some(platform), Some(_)) = (iommu, platform, vhost) {
            draft = draft
                .because(
                    Strength::Strong,
                    text.quote(platform.0.value_line),
                    "a vhost device with iommu_platform=on",
                )
                .because(Strength::Hint, text.quote(iommu.0.value_line), "behind a virtual IOMMU");
        }
    }
    vec![draft.verdict()]
}

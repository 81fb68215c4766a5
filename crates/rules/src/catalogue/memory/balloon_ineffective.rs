//! # The balloon does not bring memory back
//!
//! ## What it is
//! The balloon is a device of the VM and a driver in the guest. The host can set a target, but only the guest's
//! driver gives pages back; without device, driver or target the VM keeps what it ever touched.
//! Heard as: I lowered the memory or the guest freed it and the host still shows the whole in use.
//!
//! Known by: free memory in the guest is not returned; deflate, free-page-reporting, autodeflate; balloon driver
//! missing in Windows; memory usage stays at maximum; virtio_balloon; host RAM stays used, RSS high after guest freed;
//! setmem has no effect; actual stays; Windows task manager; free page hinting.
//!
//! ## Why it happens
//! `<memballoon model='none'/>`; a guest without virtio_balloon (Windows without the driver and its service, a
//! minimal kernel, a guest still in firmware); nobody sets a target, for the balloon does nothing by itself; no
//! statistics period, so a manager sees no figures; or a guest so short of memory that it cannot inflate.
//!
//! ## Confirm
//! `virsh dommemstat VM`: only `actual` and `rss`, no `unused` or `available`; `virsh qemu-monitor-command VM --hmp
//! info balloon`; in the guest `lsmod | grep virtio_balloon`.
//!
//! ## Refute
//! `actual` follows `virsh setmem`, and the resident size of the VMM falls after it.
//!
//! ## Fix
//! Add the device, install the guest's driver, set `<stats period='10'/>`, and let something set targets, or use
//! `freePageReporting='on'`, which needs no target.
//!
//! ## References
//! QEMU `system/balloon.c`, `hw/virtio/virtio-balloon.c`; libvirt `src/qemu/qemu_driver.c`
//! (`qemuDomainSetMemoryFlags`); Linux `drivers/virtio/virtio_balloon.c`; virtio specification 5.5.

use crate::prelude::*;
use vmwright_formats::{DomainXml, ProxmoxConf};

#[path = "messages/balloon_ineffective.rs"]
mod messages;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["memory", "guest"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Machine)],
    signs: messages::SIGNS,
    words: &WORDS,
    tells: "virsh dommemstat VM",
    remedy: "give the VM a balloon device, its guest the driver, and set a target or free page reporting",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Words of those who miss their memory.
const KEPT: [&str; 11] = [
    "not come back to the host",
    "never comes back",
    "not shrink",
    "never shrinks",
    "not returned",
    "not return",
    "give back",
    "gives any back",
    "given back",
    "not released",
    "rss",
];

const WORDS: [&str; 14] = [
    "balloon",
    "setmem",
    "memory is not",
    KEPT[0],
    KEPT[1],
    KEPT[2],
    KEPT[3],
    KEPT[4],
    KEPT[5],
    KEPT[6],
    KEPT[7],
    KEPT[8],
    KEPT[9],
    KEPT[10],
];

/// A balloon device of virtio in XML.
const BALLOON: &str = "<memballoon model='virtio'";

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let missed = cx.asked(&KEPT);
    let kept = missed && cx.said("balloon");
    // A lone `<memballoon>`: pages that the guest frees come back only where it reports them.
    for text in cx.texts_with(BALLOON).filter(|text| missed && !text.holds("<domain")) {
        let balloon = text.lines_with(BALLOON).next();
        let quote = balloon.filter(|_| !text.holds("freePageReporting"));
        let why = "free pages are not reported, and nobody sets a target";
        draft = draft.because(Strength::Strong, quote.and_then(|(at, _)| text.quote(at)), why);
    }
    for seen in cx.all::<ProxmoxConf>() {
        let number = |key: &str| seen.get(key)?.value.parse::<u64>().ok();
        let (Some(least), Some(most)) = (number("balloon"), number("memory")) else { continue };
        draft = draft.looked();
        if kept && least == most {
            let quote = seen.get("balloon").and_then(|one| seen.quote(one.line));
            draft = draft.because(Strength::Support, quote, "the least memory is all of the memory");
        }
    }
    for seen in cx.all::<DomainXml>() {
        for domain in seen.domains.iter().filter(|one| !one.fragment) {
            let (Some(balloon), Some(most), Some(current)) =
                (&domain.devices.memballoon, &domain.memory, &domain.current_memory)
            else {
                continue;
            };
            draft = draft.looked();
            let reports = balloon.free_page_reporting.as_ref().is_some_and(|on| on.value == "on");
            // A balloon gives back what it is told to, and nobody tells it.
            if kept && !reports && current.value == most.value {
                draft = draft
                    .because(Strength::Support, seen.quote(current.line), "the target is all of the memory")
                    .because(Strength::Hint, seen.quote(balloon.line), "no free page is reported")
                    .title("nothing asks the balloon for memory: its target is the maximum");
            }
            let none = balloon.model.as_ref().is_some_and(|model| model.value == "none");
            if none && current.value < most.value {
                draft =
                    draft.because(Strength::Strong, seen.quote(balloon.line), "there is no balloon").because(
                        Strength::Support,
                        seen.quote(current.line),
                        "that could bring memory down to this",
                    );
            }
        }
    }
    vec![draft.verdict()]
}

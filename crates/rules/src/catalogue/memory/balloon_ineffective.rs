//! # The balloon does not bring memory back
//!
//! ## What it is
//! The balloon is a device of the VM and a driver in the guest. The host can set a target, but only the guest's
//! driver gives pages back; without device, driver or target the VM keeps what it ever touched.
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
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["memory", "guest"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml"), Need::Probe(Probe::Machine)],
    signs: &[
        Sign::proof(
            "Unable to change memory of active domain without the balloon device and guest OS balloon driver",
        ),
        Sign::proof("No balloon device has been activated"),
        Sign::strong("No memory balloon device configured, can not set the collection period"),
        Sign::strong("guest hasn't updated any stats yet"),
        Sign::strong("Using KVM without synchronous MMU, balloon unavailable"),
        Sign::strong("Balloon used with backing page size > 4kiB"),
        Sign::strong("Out of puff! Can't get {n} pages"),
        Sign::support("info balloon reply was missing balloon data"),
        Sign::support("Cannot determine balloon device path"),
        Sign::support("Unable to change balloon collection period"),
        Sign::support("not found on memory balloon driver"),
        Sign::strong("virtio_balloon: probe of {device} failed"),
        Sign::support("virtio_balloon").and(&["not found"]),
        // Firecracker.
        Sign::strong("No balloon device found"),
    ],
    words: &["balloon", "setmem", "memory is not", "never shrinks", "not returned", "give back", "rss"],
    tells: "virsh dommemstat VM",
    remedy: "give the VM a balloon device, its guest the driver, and set a target or free page reporting",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<DomainXml>() {
        for domain in seen.domains.iter().filter(|one| !one.fragment) {
            let (Some(balloon), Some(most), Some(current)) =
                (&domain.devices.memballoon, &domain.memory, &domain.current_memory)
            else {
                continue;
            };
            draft = draft.looked();
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

//! # The device has no reset that it survives
//!
//! ## What it is
//! Before a guest gets a device, and after it, the device must be reset. This one offers no reset, does not come
//! back from the one it offers, or reads as all ones afterwards (header type 7f). Often the first start after a
//! host boot works and every later one fails.
//!
//! Heard as: the first start works; after a shutdown or restart of the VM the card does not come back until the
//! host is rebooted.
//!
//! Known by: reset bug; works once and not again until the host reboots; vendor-reset, Navi, Vega, Polaris; Cannot
//! reset device, no available reset mechanism; host hangs at VM shutdown; FLR; second start fails until reboot of host;
//! GPU hangs after guest reboot; stuck in bad state; AMD; bus reset; function level reset missing; timeouts after
//! shutdown.
//!
//! ## Why it happens
//! AMD GPUs of the Polaris, Vega and early Navi generations lack a working bus reset ("reset bug"); some USB,
//! audio and NVMe functions announce a function level reset (FLR) that hangs them; devices on the root bus have
//! no bus reset at all.
//!
//! ## Confirm
//! `cat /sys/bus/pci/devices/<address>/reset_method` (Linux 5.15 and later; no file: no reset);
//! `lspci -vv -s <address> | grep -i flreset`; `dmesg | grep -iE 'not ready|reset'` after a VM was shut down.
//!
//! ## Refute
//! The VM starts repeatedly without rebooting the host; `lspci` shows a valid header after shutdown.
//!
//! ## Fix
//! The vendor-reset module for the GPUs it knows; another method in `reset_method`; a kernel with the device's
//! quirk; leave the function with the host. Until the host is rebooted or suspended the device stays stuck.
//!
//! ## References
//! Linux `drivers/pci/pci.c` (`pci_dev_wait()`, `pcie_flr()`), `drivers/pci/quirks.c` (`quirk_no_flr`,
//! `quirk_no_bus_reset`), `Documentation/ABI/testing/sysfs-bus-pci`; QEMU `hw/vfio/pci.c`,
//! `vfio_pci_pre_reset()`; libvirt `src/util/virpci.c`, `virPCIDeviceReset()`.

use super::wrong_driver::assigned;
use crate::prelude::*;
use vmwright_formats::PciDevices;

#[path = "messages/no_reset.rs"]
mod messages;

/// What people call a device that they give to a VM.
const CARD: &[&str] =
    &["gpu", "card", "passthrough", "passed", "device", "controller", "radeon", "vega", "navi", "screen"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu"],
    signs: messages::SIGNS,
    words: &[
        "reset",
        "second time",
        "second start",
        "reboot the host",
        "restart the vm",
        "first boot works",
        "flr",
        "reboot host",
        "reboot my host",
        "rebooting the host",
        "after shutdown",
        "shut down the vm",
    ],
    explains: &["vfio/link-or-power-state", "vfio/code-43", "vfio/bar-space"],
    tells: "dmesg",
    remedy: "choose a reset that the device survives (reset_method, vendor-reset, a kernel quirk) or leave it to the host",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::DebugSpecialist),
    needs: &[Need::Probe(Probe::Pci), Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let assigned = assigned(cx);
    for seen in cx.all::<PciDevices>() {
        let mut given = assigned.iter().filter_map(|one| Some((one, seen.of(one.address)?.resets()?)));
        if let Some((device, resets)) = given.find(|(_, resets)| resets.value.is_empty()) {
            draft = draft
                .because(Strength::Strong, seen.quote(resets.line), "the kernel knows no reset for it")
                .because(Strength::Support, device.quote.clone(), "the VM is given this device")
                .about(Subject::new(SubjectKind::Pci, device.address.to_string()))
                .title(format!("{} has no reset at all", device.address));
        }
    }
    vec![draft.verdict()]
}

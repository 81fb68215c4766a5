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

/// What people call a device that they give to a VM.
const CARD: &[&str] =
    &["gpu", "card", "passthrough", "passed", "device", "controller", "radeon", "vega", "navi", "screen"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu"],
    signs: &[
        Sign::strong("not ready {ms}ms after FLR; giving up"),
        Sign::strong("not ready {ms}ms after bus reset; giving up"),
        Sign::strong("not ready {ms}ms after slot reset; giving up"),
        Sign::strong("not ready {ms}ms after PM D3hot->D0; giving up"),
        Sign::strong("not ready {ms}ms after AF_FLR; giving up"),
        Sign::support("not ready {ms}ms after {reset}; waiting"),
        Sign::support("not ready {ms}ms after bus reset; waiting"),
        Sign::strong("Failed to return from FLR"),
        Sign::strong("timed out waiting for pending transaction; performing function level reset anyway"),
        Sign::strong("timed out waiting for pending transaction; performing AF function level reset anyway"),
        // QEMU warns so and goes on; functions beside the first seldom need a reset of their own.
        Sign::support("Cannot reset device {device}.0, no available reset mechanism"),
        Sign::hint("Cannot reset device {device}, no available reset mechanism"),
        Sign::proof("no FLR, PM reset or bus reset available"),
        Sign::strong("Unable to reset PCI device {device}: ").unless(&["devices on bus with"]),
        Sign::strong("Failed to reset PCI device: "),
        Sign::strong("can't reset PCI device"),
        Sign::strong("Unknown PCI header type '127' for device"),
        Sign::strong("!!! Unknown header type 7f"),
        Sign::strong("All device reset methods disabled by user"),
        Sign::strong("reset recovery - restoring BARs"),
        Sign::strong("pci_irq_handler: Assertion `0 <= irq_num && irq_num < PCI_NUM_PINS' failed"),
        Sign::strong("reset bug"),
        Sign::support("config space * 0xFF"),
        Sign::hint("vendor-reset"),
        Sign::hint("vendor_reset"),
        Sign::support("Completion-Wait loop timed out").and(&["vfio"]),
        Sign::support("[IOTLB_INV_TIMEOUT device=").and(&["vfio"]),
        Sign::hint("depends on group {group} which is not owned"),
        Sign::hint("Unable to power on device, stuck in D3"),
        Sign::hint("Refused to change power state"),
        // What a GPU says in the guest that was not reset since its last driver.
        Sign::support("atombios stuck in loop for more than"),
        Sign::support("PSP load kdb failed"),
        Sign::support("PSP load sos failed"),
        Sign::hint("PSP firmware loading failed"),
        Sign::support("trn=2 ACK should not assert"),
        Sign::support("hot reset info failed"),
        // What users say of it.
        Sign::strong("only a host reboot").said(CARD),
        Sign::strong("until*reboot*host").said(CARD),
        Sign::strong("until the host *reboot").said(CARD),
        Sign::strong("have to reboot the host").said(CARD),
        Sign::strong("need to reboot the host").said(CARD),
        Sign::strong("must reboot the host").said(CARD),
        Sign::strong("reboot of the host").said(CARD),
        Sign::strong("works the first time").said(CARD),
        Sign::strong("only works once").said(CARD),
        Sign::strong("only the first start").said(CARD),
        Sign::strong("second start of the VM").said(CARD),
        Sign::support("Kernel driver in use: vfio-pci").said(&[
            "start it again",
            "starting it again",
            "restart the guest",
            "restarting the vm",
            "after a restart of the vm",
        ]),
        Sign::support("failed to reset PCI device '{device}'"),
        Sign::strong("failed to reset {n} device"),
        Sign::strong("reset bar {n} failed"),
        Sign::strong("Failed to read PCI config space for"),
        Sign::strong("Unknown PCI header type '{t}' for device"),
        Sign::strong("Failed to restore PCI config space for"),
        Sign::strong("GPU mode1 reset failed"),
        Sign::support("xHCI host controller not responding, assume dead"),
        Sign::support("GPU reset failed").and(&["amdgpu"]),
    ],
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

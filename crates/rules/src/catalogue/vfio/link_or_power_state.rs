//! # The device is in D3cold or fell off the bus
//!
//! ## What it is
//! The device does not answer: reads of its configuration space give ones. It is asleep in D3 and does not wake,
//! its slot lost power or its link went down.
//!
//! Heard as: the card vanished from the host, rev ff, D3cold; only a power cycle brings it back.
//!
//! Known by: Unable to change power state from D3cold to D0, device inaccessible; fell off the bus; config read
//! ffffffff; stuck in D3; disable_idle_d3; link down, AER errors; card disappears, all ones, !!! Unknown header;
//! runtime suspend; eGPU, laptop dGPU off; bbswitch; surprise down; power management.
//!
//! ## Why it happens
//! vfio-pci puts idle devices into D3, and some never come back; the platform's ACPI cuts power (D3cold, laptop
//! GPUs, Thunderbolt); a riser or power cable fails; an error (AER, DPC) or a reset brought the link down.
//!
//! ## Confirm
//! `cat /sys/bus/pci/devices/<address>/power_state`; `lspci -s <address>`: "(rev ff)"; `dmesg | grep -iE 'D3|link
//! down|device inaccessible|fallen off'`.
//!
//! ## Refute
//! `setpci -s <address> 0.l` gives vendor and device, the power state is D0 and the link has its width: then look
//! at what happened after a reset (vfio/no-reset).
//!
//! ## Fix
//! `options vfio-pci disable_idle_d3=1`; `d3cold_allowed` 0 for the device and the port above it; ASPM off for a
//! test (`pcie_aspm=off`); look at riser, power and slot; a power cycle of the host brings the device back.
//!
//! ## References
//! Linux `drivers/pci/pci.c`, `pci_power_up()`; `drivers/vfio/pci/vfio_pci.c` (disable_idle_d3);
//! `drivers/pci/hotplug/pciehp_ctrl.c`; QEMU `hw/vfio/pci.c`; NVIDIA Xid 79.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["passthrough", "power"],
    signs: &[
        Sign::strong("Unable to change power state from {from} to D0, device inaccessible"),
        Sign::strong("can't change power state from {from} to D0 (config space inaccessible)"),
        Sign::strong("Refused to change power state, currently in D3"),
        Sign::strong("Refused to change power state from {from} to D0"),
        Sign::strong("Unable to power on device, stuck in D3"),
        Sign::strong("GPU has fallen off the bus"),
        Sign::strong("fallen off the bus"),
        Sign::strong("not ready {ms}ms after resume; giving up"),
        Sign::strong("vfio: runtime resume failed"),
        Sign::strong("runtime resume failed -"),
        Sign::support("Data Link Layer Link Active not set in 1000 msec"),
        Sign::support("pciehp: Slot({slot}): Link Down").and(&["vfio"]),
        Sign::hint("pciehp: Slot({slot}): Card not present").and(&["vfio"]),
        Sign::support("(rev ff)"),
        Sign::support("vfio_pci_read_config({device}*failed: Input/output error"),
        Sign::support("failed to read device config space").and(&["vfio"]),
        Sign::support("Surprise Down"),
        Sign::hint("disable_idle_d3"),
        Sign::hint("d3cold_allowed"),
        Sign::support("left in D3cold"),
        Sign::support("stuck in D3"),
        Sign::hint("!!! Unknown header type 7f"),
        Sign::hint("reset recovery - restoring BARs"),
        Sign::strong("Unable to power on device, stuck in D"),
        Sign::support("Data Link Layer Link Active not set in {ms} msec"),
        Sign::strong("Unable to change power state from {from} to {to}, device inaccessible"),
        // NVIDIA: the GPU has fallen off the bus.
        Sign::strong("NVRM: Xid (PCI:{device}): 79"),
        Sign::support("broken device, retraining non-functional downstream link"),
        Sign::support("retraining failed"),
        Sign::strong(
            "Unrecoverable error detected. Please collect any data possible and then kill the guest",
        ),
        Sign::support("Uncorrected (Fatal) error received"),
        Sign::strong("Unable to change power state from"),
        Sign::hint("AER: Corrected error"),
        Sign::support("VT-d detected Invalidation Time-out Error"),
        Sign::strong(": Couldn't reload saved state"),
    ],
    words: &["d3cold", "d3", "power state", "fell off", "riser", "link down", "sleep", "rev ff"],
    explains: &["vfio/invalid-device-config", "vfio/rom-missing", "vfio/no-reset"],
    tells: "/sys/bus/pci/devices/<address>/power_state",
    remedy: "keep the device out of D3 (disable_idle_d3=1, d3cold_allowed 0) and look at its slot, riser and power",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::DebugSpecialist),
    needs: &[Need::Glob("/sys/bus/pci/devices/*/power_state"), Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

/// What the kernel says of a device that does not wake.
const ASLEEP: [&str; 3] =
    ["Unable to change power state from D3", "config space inaccessible", "stuck in D3"];

/// What it says of a reset.
const RESETS: [&str; 6] = [
    "pending transaction; performing",
    "after FLR",
    "after bus reset",
    "after slot reset",
    ": resetting",
    "reset done",
];

/// A device that did not wake before anything reset it: that a reset fails then is what comes of it, and not why.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let first = cx.texts_with(ASLEEP).find_map(|text| {
        let asleep = text.lines_with(ASLEEP).next()?.0;
        let reset = text.lines_with(RESETS).next()?.0;
        (asleep < reset).then(|| text.quote(reset)).flatten()
    });
    draft = draft.because(Strength::Strong, first, "it had not woken when this reset came");
    vec![draft.verdict()]
}

//! # Intel integrated graphics lacks the settings that its assignment needs
//!
//! ## What it is
//! Intel's integrated graphics (IGD, host address 00:02.0) is more than a PCI device: its driver and video BIOS
//! look at the host bridge, the ISA/LPC bridge at 1f.0 and the OpRegion. QEMU imitates these only in "legacy mode",
//! whose conditions are not met, or the guest gets the wrong mode: black screen, code 43, no output.
//!
//! Heard as: the integrated Intel graphics is in the VM and the monitor stays dark.
//!
//! Known by: Intel iGPU, UHD or Iris; legacy-mode, opregion, x-igd, GMS, 00:02.0; UPT mode; no display from integrated
//! graphics; vfio: IGD.
//!
//! ## Why it happens
//! Legacy mode needs the i440fx machine, guest address 00:02.0 on bus 0, a ROM, no other primary VGA, and
//! SandyBridge to CometLake or so; other machines and UEFI need UPT mode with `x-igd-opregion=on` and a GOP ROM.
//! Generation 11 and later have no legacy video BIOS at all. KubeVirt and libvirt put the device elsewhere.
//!
//! ## Confirm
//! `virsh dumpxml <vm>`: machine type, guest `<address>` of the hostdev, `<video>`; QEMU's log for "IGD". `lspci -nn
//! -s 00:02.0` gives the generation.
//!
//! ## Refute
//! The guest's driver loads and drives an output, or the device is not Intel graphics.
//!
//! ## Fix
//! Legacy: `-M pc`, `addr=0x2` on pci.0, `<video><model type='none'/>`, `x-igd-gms=1`. UPT: `x-igd-opregion=on`, a
//! ROM that has the GOP for this generation, or only headless use.
//!
//! ## References
//! QEMU `docs/igd-assign.txt`, `hw/vfio/igd.c` `vfio_probe_igd_bar4_quirk()`; Linux
//! `drivers/vfio/pci/vfio_pci_igd.c`.

use super::wrong_driver::assigned;
use crate::prelude::*;
use vmwright_formats::{DomainXml, PciAddress};

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu"],
    signs: &[
        Sign::proof("cannot support legacy mode due to existing devices at address 1f.0"),
        Sign::proof("IGD device {device} has no ROM, legacy mode disabled"),
        Sign::strong("legacy mode disabled").and(&["IGD device"]),
        Sign::proof("IGD legacy mode disabled"),
        Sign::strong("is unsupported in legacy mode, try SandyBridge or newer"),
        Sign::strong("VFIO dummy ISA/LPC bridge must have address 1f.0"),
        Sign::strong("Cannot create LPC bridge due to existing device at 1f.0"),
        Sign::strong("Machine is not i440fx or assigned BDF is not 00:02.0"),
        Sign::strong("IGD LPC bridge access is not supported by kernel"),
        Sign::strong("IGD host bridge access is not supported by kernel"),
        Sign::strong("IGD LPC is not supported on hotplugged device"),
        Sign::strong("does not support requested IGD OpRegion feature"),
        Sign::strong("Device does not supports IGD OpRegion feature"),
        Sign::strong("cannot support IGD OpRegion feature on hotplugged device"),
        Sign::strong("IGD OpRegion is not supported on hotplugged device"),
        Sign::strong("failed to read IGD OpRegion"),
        Sign::strong("IGD copy failed"),
        Sign::strong("Unsupported IGD GMS value"),
        Sign::strong("Failed to setup Intel IGD regions"),
        Sign::hint("x-igd-opregion"),
        Sign::hint("x-igd-gms"),
        Sign::hint("x-igd-legacy-mode"),
        Sign::support("Failed to find VBIOS tables").and(&["vfio"]),
        Sign::strong("OpRegion is not supported on hotplugged device"),
        Sign::strong("Machine is not i440fx, assigned BDF is not 00:02.0, or device"),
        Sign::strong("Failed to modify host bridge for IGD"),
        Sign::strong("Failed to create/modify LPC bridge for IGD"),
        Sign::strong("x-igd-gms is not supported on this device"),
        Sign::strong("IGD device {device} - failed to"),
        // What a complaint makes of a configuration.
        Sign::support("host=00:02.0").said(&DARK).or_near(),
        Sign::support("host=0000:00:02.0").said(&DARK).or_near(),
        Sign::support("slot=*0x02").and(&["<hostdev", "00:02.0"]).said(&DARK).or_near(),
        Sign::proof("legacy IGD assignment requires VGA mode to be 'none'"),
        Sign::proof("legacy IGD assignment requires rombar to be enabled"),
        Sign::proof("legacy IGD assignment only works for devices on host bus 00:02.0"),
        Sign::proof("only one device can be assigned in legacy-igd mode"),
        Sign::strong("Can't find host bridge"),
        Sign::strong("IGD device {d} cannot support legacy mode"),
    ],
    words: &[
        "black screen",
        "no display",
        "no output",
        "no signal",
        "stays dark",
        "stays black",
        "igpu",
        "integrated g",
    ],
    explains: &["vfio/rom-missing", "vfio/code-43"],
    tells: "virsh dumpxml <vm>",
    remedy: "meet legacy mode's conditions (i440fx, guest address 00:02.0, ROM) or use UPT mode with x-igd-opregion=on",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    rank: Rank::Specific,
    check,
    ..Rule::NEW
};

/// What users call a guest that shows nothing.
const DARK: [&str; 8] = [
    "black screen",
    "no display",
    "no output",
    "no signal",
    "stays dark",
    "stays black",
    "igpu",
    "integrated g",
];

/// Intel's integrated graphics is at 00:02.0 on every host, and wants to be there in the guest too.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let host = PciAddress { domain: 0, bus: 0, slot: 2, function: 0 };
    let Some(assigned) = assigned(cx).into_iter().find(|one| one.address == host) else {
        return vec![draft.verdict()];
    };
    let dark = cx.asked(&DARK);
    let region = cx.texts_with("x-igd-opregion").next().is_some();
    let weight = match (dark, region) {
        (true, false) => Strength::Strong,
        (true, true) => Strength::Support,
        _ => Strength::Hint,
    };
    draft = draft.because(weight, assigned.quote, "the integrated graphics is given to the VM");
    for domain in cx.all::<DomainXml>() {
        for device in domain.domains.iter().flat_map(|one| &one.devices.hostdevs) {
            let igd = device.address.as_ref().is_some_and(|address| address.value == host);
            if let Some(guest) = device.guest_address.as_ref().filter(|guest| igd && guest.value != host) {
                draft = draft.because(weight, domain.quote(guest.line), "at another address than 00:02.0");
            }
        }
    }
    vec![draft.verdict()]
}

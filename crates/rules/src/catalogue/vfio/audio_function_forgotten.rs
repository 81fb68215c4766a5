//! # Only some functions of a multifunction device are assigned
//!
//! ## What it is
//! A graphics card has several functions: picture (.0), HDMI audio (.1), often USB-C and a serial controller (.2,
//! .3). They share one group, one reset and one power state. The VM has only some of them.
//!
//! Heard as: picture is fine and there is no sound over HDMI; only the first function is given.
//!
//! Known by: GPU's HDMI audio or USB-C function left to snd_hda_intel; pass all functions; .0 and .1; same slot must go
//! together.
//!
//! ## Why it happens
//! The configuration lists the picture function alone. The rest stays with a host driver (snd_hda_intel, xhci_hcd),
//! so the slot or bus cannot be reset, the group is not viable, or guest drivers miss their companion.
//!
//! ## Confirm
//! `lspci -nnk -s <bus>:<slot>` lists all functions with their drivers; compare with the VM's configuration.
//!
//! ## Refute
//! All functions of the slot are in the VM, or the others are bound to vfio-pci and the start does not fail.
//!
//! ## Fix
//! Assign all functions of the slot to the same VM, as functions of one guest slot with `multifunction=on`
//! (Proxmox: `hostpci0: 01:00` without function); at least bind the rest to vfio-pci.
//!
//! ## References
//! QEMU `hw/vfio/pci.c`, `vfio_pci_hot_reset()` ("depends on group"); libvirt `src/util/virpci.c`,
//! `virPCIDeviceTrySecondaryBusReset()`; Linux `Documentation/driver-api/vfio.rst`.

use super::device_behind_bridge::{Device, devices};
use super::wrong_driver::assigned;
use crate::prelude::*;

/// Words of those who hear nothing.
const SOUND: [&str; 4] = ["no sound", "no audio", "hdmi sound", "sound device"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "gpu"],
    signs: &[
        Sign::strong("Cannot reset device {device}, depends on group {group} which is not owned"),
        Sign::strong("Cannot reset device {device}, depends on device {other} which is not owned"),
        Sign::strong("devices on bus with {device}, not doing bus reset"),
        Sign::support("audio function").and(&["passthrough"]),
    ],
    words: &[
        "hdmi audio",
        "audio function",
        "audio device",
        "other function",
        "multifunction",
        "only the gpu",
        SOUND[0],
        SOUND[1],
        SOUND[2],
        SOUND[3],
    ],
    explains: &["vfio/no-reset"],
    tells: "lspci -nnk",
    remedy: "assign every function of the device's slot to the same VM",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["lspci", "-nnk"])],
    check,
    ..Rule::NEW
};

/// A picture function in the VM whose sisters are on host drivers.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let (devices, assigned) = (devices(cx), assigned(cx));
    let has = |device: &Device| assigned.iter().any(|one| one.address == device.address);
    for device in devices.iter().filter(|one| !has(one) && one.address.function > 0) {
        let sister = assigned.iter().find(|one| one.address.same_slot(&device.address));
        let Some(sister) = sister else { continue };
        let picture = |what: &str| what.starts_with("VGA compatible") || what.starts_with("3D controller");
        let gpu = devices.iter().any(|one| one.address == sister.address && picture(&one.what));
        let held = device.driver.as_ref().filter(|(driver, _)| !driver.contains("vfio"));
        // Who misses the sound has kept the function that makes it, whatever drives it.
        if gpu && device.what.starts_with("Audio device") && SOUND.iter().any(|word| cx.said(word)) {
            let line = device.driver.as_ref().and_then(|(_, quote)| quote.clone());
            draft = draft
                .because(Strength::Support, sister.quote.clone(), "the VM has this function of the slot")
                .because(Strength::Strong, line, "and not the one for sound")
                .about(Subject::new(SubjectKind::Pci, device.address.to_string()))
                .title(format!("{} is assigned without {}", sister.address, device.address));
            break;
        }
        if let (true, Some((driver, quote))) = (gpu, held) {
            draft = draft
                .because(Strength::Hint, sister.quote.clone(), "the VM has this function of the slot")
                .because(Strength::Support, quote.clone(), "and a host driver has another function")
                .about(Subject::new(SubjectKind::Pci, device.address.to_string()))
                .title(format!(
                    "{} stays with {driver} while {} is assigned",
                    device.address, sister.address
                ));
            // One is enough: more of the same kind add no certainty.
            break;
        }
    }
    vec![draft.verdict()]
}

//! # The device, bus or property is not known to this QEMU, or not built in
//!
//! ## What it is
//! The VM asks for a device model, backend or property that this emulator does not have: it is another version's, or the
//! distribution left it out, or it sits in a module package that is not installed.
//!
//! Heard as: old definition asks for a device that this QEMU was built without; qxl, spice, floppy.
//!
//! Known by: is not a valid device model name; property not found; qxl, spice, cirrus, usb-redir or vga removed;
//! unsupported configuration: domain configuration does not support; module not installed, qemu-system-modules.
//!
//! ## Why it happens
//! RHEL 9 and its rebuilds removed SPICE, QXL and most emulated NICs; QEMU was built without slirp, spice, rbd or opengl;
//! Debian and Fedora put display, audio and block drivers into separate packages; a typing error.
//!
//! ## Confirm
//! `qemu-system-x86_64 -device help` and `-device MODEL,help` list models and properties; `virsh -r domcapabilities`.
//!
//! ## Refute
//! The name stands in that list of the emulator the VM names.
//!
//! ## Fix
//! Take a model that is listed (virtio or vga for qxl, vnc for spice, virtio-net for an old NIC), install the module
//! package, or another build of QEMU.
//!
//! ## References
//! QEMU `system/qdev-monitor.c`, `qdev_get_device_class()`; `qom/object.c` ("Property '%s.%s' not found"); `net/net.c`;
//! libvirt `qemu_validate.c`; RHEL 9 "Considerations in adopting RHEL 9", virtualization.

use crate::prelude::*;
use vmwright_formats::changes::removal_in;
use vmwright_formats::{DomainXml, QemuArgs};

#[path = "messages/device_model_unsupported.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["machine", "boot"],
    needs: &[Need::Command(&["qemu-system-x86_64", "-device", "help"])],
    signs: messages::SIGNS,
    words: &["spice", "device model", "video model", "not compiled", "rhel 9"],
    tells: "qemu-system-x86_64 -device help",
    remedy: "use a device model that this QEMU lists, or install the package or build that has this one",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Rebuilds of RHEL, whose QEMU has neither SPICE nor QXL since release 9.
const EL: [&str; 7] =
    ["Red Hat Enterprise Linux", "RHEL", "Rocky Linux", "AlmaLinux", "CentOS Stream", "CentOS", "Oracle"];

/// What QEMU says of an option or a device that it does not have.
const LACKS: [&str; 2] = ["qemu*: -*: invalid option", "is not a valid device model name"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let quotes = LACKS.iter().flat_map(|sign| cx.hits(sign)).filter_map(|hit| cx.evidence(hit));
    if let Some(gone) = quotes.take(64).find_map(|quote| removal_in(&quote.quote)) {
        draft = draft.title(format!("{} `{}`: {}", gone.kind, gone.name, gone.says()));
    }
    let el9 = cx.versions().find_map(|(text, versions)| {
        let system = versions.distribution.as_ref()?;
        let name = EL.iter().find(|name| system.value.starts_with(**name))?;
        let number =
            system.value[name.len()..].split(|c: char| !c.is_ascii_digit()).find(|word| !word.is_empty())?;
        (number.parse::<u32>().ok()? >= 9).then(|| text.quote(system.line))?
    });
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let qxl = domain
                .devices
                .videos
                .iter()
                .filter_map(|video| video.model.as_ref())
                .find(|one| one.value == "qxl");
            let kinds = domain.devices.graphics.iter().filter_map(|graphics| graphics.graphics_type.as_ref());
            let line = qxl.or(kinds.into_iter().find(|one| one.value == "spice")).map(|one| one.line);
            let Some(line) = line.filter(|_| el9.is_some()) else { continue };
            draft = draft
                .because(Strength::Strong, xml.quote(line), "RHEL 9 and later have neither QXL nor SPICE")
                .because(Strength::Hint, el9.clone(), "this is such a host");
        }
    }
    // `name "virtio-net-pci", bus PCI, alias "virtio-net"` of `-device help`.
    let help = cx.texts_with("name \"").find(|text| text.source.ends_with("-device help"));
    let Some(help) = help else { return vec![draft.verdict()] };
    for args in cx.all::<QemuArgs>() {
        for option in args.options("device").take(256) {
            let opts = option.opts();
            let Some(driver) = opts.get("driver") else { continue };
            if !help.holds(format!("\"{driver}\"").as_str()) {
                let quote = args.quote(option.value_line);
                draft = draft
                    .because(Strength::Proof, quote, "this QEMU does not list the model")
                    .title(format!("this QEMU has no device model `{driver}`"));
                break;
            }
        }
    }
    vec![draft.looked().verdict()]
}

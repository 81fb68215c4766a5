//! # The guest runs but nothing is shown: console, serial or display is not configured
//!
//! ## What it is
//! The guest may be well and merely mute: nothing connects what it writes with what the user looks at. A kernel
//! writes to the serial port only when told; a serial console needs a serial device; a display needs a video
//! device and a server that is looked at.
//!
//! Heard as: virsh console or serial shows nothing, screen stays at Booting from hard disk or is blank, yet the
//! guest answers to ssh.
//!
//! Known by: virsh console shows nothing; blank or black VNC; display output is not active; guest has not initialized
//! the display yet; console=ttyS0 and getty missing; headless; no serial device; screen stays black or empty though SSH
//! works; no boot messages; -nographic, -display none; text console; getty not spawned; grub serial terminal.
//!
//! ## Why it happens
//! No `console=ttyS0` on the kernel's command line and no getty there; the domain has no `<serial>` or
//! `<console>`; `-nographic` or `-display none` with a guest that draws on VGA; VNC listens on localhost of the
//! host; the assigned GPU drives the only screen; no `<graphics>` in a headless definition.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -E '<(serial|console|graphics|video)'`, `virsh ttyconsole NAME`, `virsh
//! domdisplay NAME`; in the guest `cat /proc/cmdline`, `systemctl status serial-getty@ttyS0`.
//!
//! ## Refute
//! `virsh screenshot NAME` shows text, or the console prints at power-on: then the guest itself stopped.
//!
//! ## Fix
//! Add `console=tty0 console=ttyS0` to the kernel's command line (on arm64 ttyAMA0, s390 ttysclp0), enable
//! serial-getty@ttyS0, add a pty serial and console, or a VNC/SPICE display with a video device; `virt-install
//! --graphics none --extra-args console=ttyS0`.
//!
//! ## References
//! Linux `Documentation/admin-guide/serial-console.rst`; libvirt `formatdomain.html`, "Consoles, serial &
//! channel devices"; QEMU `docs/system/invocation.rst` (-nographic, -serial); `virsh(1)` console.

use crate::prelude::*;
use vmwright_formats::domain_xml::Domain;
use vmwright_formats::{DomainXml, QemuArgs};

/// What people say of a console that stays empty.
const MUTE: &[&str] = &[
    "nothing",
    "hang",
    "no output",
    "no kernel output",
    "no response",
    "any response",
    "blank",
    "booting from hard disk",
    "empty",
    "not show",
];

pub const RULE: Rule = Rule {
    tags: &["guest", "console"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("cannot find character device <null>"),
        Sign::strong("cannot find character device"),
        Sign::strong("is not using a PTY"),
        Sign::strong("Graphical console not configured for guest"),
        Sign::strong("Graphical console is not yet active"),
        Sign::strong("No graphical display"),
        Sign::strong("has no graphical display"),
        Sign::strong("no console devices available"),
        Sign::strong("No console available for domain"),
        Sign::strong("No text console available"),
        Sign::strong("Serial console not yet supported"),
        Sign::strong("unable to find a serial interface"),
        Sign::strong("Guest has not initialized the display"),
        Sign::strong("Display output is not active"),
        Sign::strong("gtk initialization failed"),
        Sign::strong("Could not initialize SDL"),
        Sign::strong("Unable to init server: Could not connect"),
        Sign::strong("Gtk-WARNING **: * cannot open display"),
        Sign::support("VNC server running on").unless(&["vncviewer"]),
        Sign::strong("Active console session exists for this domain"),
        Sign::support("Escape character is ^]"),
        Sign::support("The escape sequence is ^]"),
        Sign::support("the domain does not have a VNC"),
        Sign::strong("Failed to get domain display"),
        Sign::support("Warning: unable to open an initial console"),
        // What a complaint makes of a configuration.
        Sign::support("-nographic").unless(&["console=ttyS0"]).said(MUTE),
        Sign::support("--serial tty").unless(&["console=ttyS0", "console=hvc0"]).said(MUTE),
        Sign::support("virsh console").unless(&["console=ttyS0"]).said(MUTE),
        // The same port by the names of the tools around libvirt.
        Sign::strong("virtctl console").unless(&["console=ttyS0"]).said(MUTE),
        Sign::strong("incus console").unless(&["console=ttyS0"]).said(MUTE),
        Sign::strong("lxc console").unless(&["console=ttyS0"]).said(MUTE),
        Sign::strong("qm terminal").unless(&["console=ttyS0"]).said(MUTE),
        Sign::strong("chardev: serial/tty: no device path given"),
        Sign::strong("Failed to create PTY"),
        Sign::strong("could not connect serial device to character backend"),
        Sign::strong("Unable to connect to graphical console: virt-viewer not installed"),
        Sign::strong("No viewer to launch for graphics type"),
        Sign::strong("serial-getty@.service; disabled"),
    ],
    words: &[
        "console",
        "blank",
        "black screen",
        "no output",
        "nothing is shown",
        "virsh console",
        "serial console",
        "display",
        "serial",
    ],
    tells: "virsh dumpxml NAME | grep -E '<(serial|console|graphics)'; /proc/cmdline in the guest",
    remedy: "add console=ttyS0 to the guest's kernel command line and a serial console (or a display) to the VM",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let asked = ["console", "blank", "black screen", "no output", "nothing is shown", "serial"];
    if !draft.any() && !cx.asked(&asked) {
        return vec![draft.verdict()];
    }
    for seen in cx.all::<DomainXml>() {
        for domain in seen.domains.iter().filter(|domain| !domain.fragment && domain.os.os_type.is_some()) {
            let devices = &domain.devices;
            let serial =
                devices.serials.iter().any(|one| one.element == "serial" || one.element == "console");
            // A card that is given to the VM is its display.
            let bare = devices.graphics.is_empty() && devices.hostdevs.is_empty();
            if !serial && (bare || cx.said("console")) {
                draft = draft.because(
                    Strength::Strong,
                    seen.quote(domain.line),
                    "the domain has no serial console",
                );
            }
            let mute = domain.os.cmdline.as_ref().filter(|line| !line.value.contains("console="));
            if let Some(line) = mute.filter(|_| devices.graphics.is_empty()) {
                draft =
                    draft.because(Strength::Strong, seen.quote(line.line), "the kernel is told no console");
            }
        }
    }
    // Images of clouds write to a port that the VM may not have, and then wait for it.
    let none = |domain: &Domain| !domain.fragment && domain.devices.serials.is_empty();
    if cx.all::<DomainXml>().iter().any(|seen| seen.domains.iter().any(none)) {
        for text in cx.texts_with(" console=ttyS") {
            let told = text.lines_with(" console=ttyS").find(|(_, line)| line.contains("root="));
            let why = "the kernel writes to a serial port, and the domain has none";
            draft = draft.because(Strength::Strong, told.and_then(|(at, _)| text.quote(at)), why);
        }
    }
    // The guest's own command line, beside a complaint of the console of text.
    let text_console = ["virsh console", "serial console"].iter().any(|word| cx.said(word));
    let mut lines = cx.lines_with("BOOT_IMAGE=").filter(|_| text_console);
    if let Some((text, number, _)) =
        lines.find(|(_, _, line)| line.contains("root=") && !line.contains("console="))
    {
        draft = draft.because(Strength::Strong, text.quote(number), "the guest's kernel is told no console");
    }
    for seen in cx.all::<QemuArgs>() {
        let headless = seen.first("nographic").is_some()
            || seen.options("display").any(|option| option.value.as_deref() == Some("none"));
        let mute =
            seen.first("append").filter(|append| !append.value.as_deref().unwrap_or("").contains("console="));
        if let Some(append) = mute.filter(|_| headless) {
            draft = draft.because(
                Strength::Strong,
                seen.quote(append.value_line),
                "no display, and the kernel is told no console",
            );
        }
    }
    vec![draft.verdict()]
}

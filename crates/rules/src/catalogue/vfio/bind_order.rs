//! # The host driver grabbed the device before vfio-pci at boot
//!
//! ## What it is
//! vfio-pci was configured to take the device at boot (`vfio-pci.ids=`, `options vfio-pci ids=`), but a host
//! driver was loaded earlier and has it. A driver takes every free device that it knows when it is loaded: who
//! comes first wins, and vfio-pci never takes a device away.
//!
//! Heard as: ids are listed for vfio-pci and after each boot the host's driver has the card again.
//!
//! Known by: nvidia, nouveau, amdgpu, xhci_hcd or ahci takes card before vfio-pci; softdep, initramfs, early load;
//! driver in use wrong after boot; ids option too late.
//!
//! ## Why it happens
//! The module options are not in the initramfs, no `softdep` puts vfio-pci before the host driver, vfio-pci is
//! a module while the host driver (xhci_hcd, ahci, nvme) is built into the kernel, or the `ids=` list has a typo
//! or lies in a file for another boot loader. Both cards with one vendor:device id cannot be told apart by ids.
//!
//! ## Confirm
//! `cat /proc/cmdline`, `grep -r vfio /etc/modprobe.d`: the ids are there; `lspci -nnk -d <vendor>:<device>`
//! shows another driver in use; in `dmesg` the host driver speaks of the device before `vfio_pci: add [`.
//!
//! ## Refute
//! "Kernel driver in use: vfio-pci" for each listed id after a fresh boot.
//!
//! ## Fix
//! `softdep <driver> pre: vfio-pci` for each host driver in `/etc/modprobe.d/vfio.conf`, vfio modules into the
//! initramfs, rebuild it, reboot. For built-in drivers bind by address with `driver_override` early in boot.
//!
//! ## References
//! `modprobe.d(5)` (softdep, options); `initramfs-tools(7)`, `dracut.conf(5)`, `mkinitcpio.conf(5)`; Linux
//! `drivers/vfio/pci/vfio_pci.c`, `vfio_pci_fill_ids()`.

#[path = "state/bind_order.rs"]
mod state;

use crate::prelude::*;

/// What lspci says after a device line whose id vfio-pci was told to take.
const IN_USE: &str = "Kernel driver in use: {driver}";

/// It is bound as it should be.
const VFIO: &[&str] = &["Kernel driver in use: vfio-pci"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "boot"],
    signs: &[
        Sign::strong("vfio-pci loaded after"),
        Sign::strong("before vfio-pci"),
        Sign::support("vfio_pci: add [").and(&["nouveau {device}: NVIDIA"]),
        Sign::support("vfio_pci: add [").and(&["amdgpu {device}: enabling device"]),
        Sign::support("vfio_pci: invalid id string"),
        Sign::support("vfio_pci: failed to add dynamic id"),
        Sign::hint(IN_USE).and(&["vfio-pci.ids="]),
        Sign::support("vfio-pci ids=")
            .unless(VFIO)
            .said(&["after each boot", "after every boot", "after boot", "at boot", "still with", "again"])
            .or_near(),
        // What a complaint says of it.
        Sign::strong("vfio never gets"),
        Sign::strong("vfio-pci never gets"),
        Sign::strong("vfio gets no chance"),
        Sign::strong("vfio-pci gets no chance"),
        Sign::strong("VF {address} bound to driver {driver} while PF bound to driver"),
    ],
    words: &["at boot", "softdep", "initramfs", "vfio-pci.ids", "vfio.conf", "grabs"],
    explains: &["vfio/wrong-driver", "vfio/device-busy"],
    tells: "lspci -nnk",
    remedy: "make vfio-pci load before the host driver: softdep lines and vfio modules in the initramfs",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    needs: &[
        Need::Command(&["lspci", "-nnk"]),
        Need::File("/proc/cmdline"),
        Need::Glob("/etc/modprobe.d/*.conf"),
        Need::Probe(Probe::Pci),
        Need::Probe(Probe::Links),
        Need::File("/proc/mounts"),
        Need::File("/proc/sys/kernel/osrelease"),
        Need::File(state::KEPT),
        Need::File(state::MODULES),
        Need::Exists(state::MAKE),
        Need::Exists(state::DRACUT),
        Need::Exists(state::DEBIAN),
        Need::File(state::DRACUT_KEPT),
    ],
    check,
    ..Rule::NEW
};

/// The ids that vfio-pci was told to take, wherever they are written: `ids=10de:2204,10de:1aef`.
fn wanted(cx: &Context<'_>) -> Vec<(String, Option<Evidence>)> {
    let mut ids = Vec::new();
    for (text, number, line) in cx.lines_with(["vfio-pci", "vfio_pci"]) {
        let off = line.trim_start().trim_start_matches(['#', ' ']).starts_with("options")
            && line.trim_start().starts_with('#');
        let told = line.find("vfio-pci").or_else(|| line.find("vfio_pci"));
        let told = told.filter(|_| !off && !line.contains("softdep"));
        let Some(list) = told.and_then(|at| line[at..].split_once("ids=")).map(|(_, list)| list) else {
            continue;
        };
        let list = list.split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or("");
        let id = |id: &str| id.split(':').take(2).collect::<Vec<_>>().join(":").to_ascii_lowercase();
        ids.extend(list.split(',').map(id).filter(|id| id.len() == 9).map(|id| (id, text.quote(number))));
    }
    // The kernel says each id that the driver was given: `vfio_pci: add [126f:2263[ffffffff:ffffffff]]`.
    for (text, number, line) in cx.lines_with("vfio_pci: add [") {
        let id = line.split_once("vfio_pci: add [").and_then(|(_, rest)| rest.get(..9));
        ids.extend(id.map(|id| (id.to_ascii_lowercase(), text.quote(number))));
    }
    ids.truncate(64);
    ids
}

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let wanted = wanted(cx);
    for hit in cx.hits(IN_USE) {
        let (Some(driver), Some(text)) = (hit.get("driver"), cx.text(hit)) else { continue };
        if driver.contains("vfio") || driver == "pci-stub" {
            continue;
        }
        // The device line is the nearest one above that is not indented.
        let above = (1..hit.line).rev().take(12).filter_map(|number| text.line(number));
        let device = above.into_iter().find(|line| !line.starts_with([' ', '\t']) && line.len() > 7);
        let Some(device) = device.map(str::to_ascii_lowercase) else { continue };
        let told = wanted.iter().find(|(id, _)| device.contains(&format!("[{id}]")));
        let Some((id, quote)) = told else { continue };
        draft = draft
            .because(Strength::Strong, quote.clone(), "vfio-pci is told to take this id")
            .because(Strength::Strong, cx.evidence(hit), "and a host driver has the device")
            .title(format!("{driver} took the device {id} before vfio-pci could"));
        // One is enough: more of the same kind add no certainty.
        break;
    }
    if draft.any() {
        let mut ids: Vec<String> = wanted.into_iter().map(|(id, _)| id).collect();
        ids.sort();
        ids.dedup();
        draft = draft.actions(state::first(cx, &ids));
    }
    vec![draft.verdict()]
}

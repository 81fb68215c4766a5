//! # Virtual functions are not created
//!
//! ## What it is
//! SR-IOV lets one device show many virtual functions (VFs). They exist only after somebody writes a number into
//! `sriov_numvfs`, and only where platform firmware, device firmware and driver allow it. Here none appear.
//!
//! Heard as: no virtual functions appear after a reboot; numvfs is 0 or does not exist.
//!
//! Known by: sriov_numvfs is 0; no virtual functions in lspci; max_vfs; SR-IOV disabled in BIOS or card firmware
//! (mlxconfig); sriov_totalvfs absent; write error: function not implemented.
//!
//! ## Why it happens
//! SR-IOV is off in the host's firmware set-up or in the card's own (mlxconfig SRIOV_EN, NUM_OF_VFS); the physical
//! function (PF) has no driver, or one that cannot make VFs; the device has no SR-IOV capability; nobody writes the
//! number at boot; an operator's policy selects nothing.
//!
//! ## Confirm
//! `cat /sys/bus/pci/devices/<pf>/sriov_totalvfs` and `sriov_numvfs`; `lspci -vv -s <pf> | grep -A3 SR-IOV`; `dmesg`
//! after the attempt; for ConnectX `mlxconfig -d <pf> query | grep -E 'SRIOV_EN|NUM_OF_VFS'`.
//!
//! ## Refute
//! `lspci` lists "Virtual Function" devices of the PF.
//!
//! ## Fix
//! SR-IOV on in both firmwares (a cold boot for the card's), then the number of VFs at boot by udev rule or the
//! driver's tool, before VMs start.
//!
//! ## References
//! Linux `Documentation/PCI/pci-iov-howto.rst`, `drivers/pci/iov.c` `sriov_numvfs_store()`,
//! `drivers/net/ethernet/intel/`; NVIDIA MFT documentation, mlxconfig; libvirt network XML, hostdev pools.

#[path = "state/places.rs"]
mod state;

use crate::catalogue::memory::hugepages_not_reserved::settings::files;
use crate::catalogue::vfio::wrong_driver::assigned;
use crate::prelude::*;
use state::places;
use vmwright_formats::pci_devices::{PciDevices, PciFacts};

pub const RULE: Rule = Rule {
    tags: &["sriov", "network", "firmware"],
    signs: &[
        Sign::proof("no driver bound to device; cannot configure SR-IOV"),
        Sign::proof("driver does not support SR-IOV configuration via sysfs"),
        Sign::proof("Driver doesn't support SRIOV configuration via sysfs"),
        Sign::proof("This device is not capable of SR-IOV"),
        Sign::strong("SR-IOV cannot be configured - Device is in Safe Mode"),
        Sign::strong("Cannot enable SR-IOV, device not ready"),
        Sign::strong("Failed to enable SR-IOV: "),
        Sign::strong("Failed to enable PCI sriov: "),
        Sign::strong("Unable to enable SR-IOV"),
        Sign::strong("sriov_numvfs: No such file or directory"),
        Sign::strong("sriov_numvfs: Permission denied"),
        Sign::strong("sriov_totalvfs: No such file or directory"),
        Sign::support("sriov_numvfs: Function not implemented"),
        Sign::support("write error: Function not implemented").and(&["sriov"]),
        Sign::support("sriov_numvfs: No such device"),
        Sign::strong("SRIOV_EN * False(0)"),
        Sign::strong("NUM_OF_VFS * 0 "),
        Sign::strong("SR-IOV is disabled"),
        Sign::strong("SR-IOV not enabled"),
        Sign::strong("SR-IOV is not enabled"),
        Sign::strong("SRIOV is not enabled"),
        Sign::strong("SR-IOV disabled in BIOS"),
        Sign::strong("SR-IOV is not supported"),
        Sign::strong("device doesn't support sriov"),
        Sign::support("no VFs are available"),
        Sign::support("requires exclusive access to interfaces, but none are available"),
        Sign::support("Cannot bind to PF with SR-IOV enabled"),
        Sign::support("currently supported on SR-IOV Virtual Functions only"),
        Sign::support("pci_enable_sriov failed"),
        Sign::support("failed to set sriov_numvfs"),
        Sign::support("syncStatus: Failed").and(&["sriov"]),
        Sign::hint("sriov_numvfs"),
        Sign::strong("not enough MMIO resources for SR-IOV").against(),
        Sign::strong("VFs already enabled. Disable before enabling"),
        Sign::strong("Cannot modify SR-IOV while VFs are assigned"),
        Sign::support("cannot configure sriov interfaces"),
        Sign::support("Insufficient*sriov"),
        Sign::support("sriov_numvfs: 0").said(&["vf", "virtual function"]),
        Sign::support("max_vfs=").said(&["vf", "virtual function"]),
        Sign::strong("No usable Vf's present on SRIOV PF"),
        Sign::support("Could not get Virtual functions on"),
        Sign::support("is not an SR-IOV Virtual Function"),
        Sign::strong("is not a VF device"),
        Sign::strong("Error getting physical function's"),
        Sign::strong("Failed to get SRIOV function from device link"),
        Sign::strong("Could not find any network device under PCI device at"),
        Sign::strong("All virtual functions on parent device are already in use"),
        Sign::strong("Couldn't find a matching GPU with available VFs"),
        Sign::strong("All virtual functions of sriov interface"),
    ],
    words: &["sriov", "sr-iov", "virtual functions", "numvfs", "vfs", "mlxconfig"],
    explains: &["vfio/device-unavailable", "kubevirt/device-plugin-problem"],
    tells: "/sys/bus/pci/devices/<pf>/sriov_totalvfs",
    remedy: "switch SR-IOV on in the host's and the card's firmware, then write sriov_numvfs at boot",
    applicability: Applicability::NeedsApproval,
    needs: &[
        Need::Glob("/sys/bus/pci/devices/*/sriov_totalvfs"),
        Need::Command(&["dmesg"]),
        Need::Command(&["lspci", "-nnvv"]),
        Need::Probe(Probe::Pci),
        Need::Probe(Probe::Libvirt),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // A network that gives functions of a device away, and the device has none now.
    let pool = cx.lines_with("<pf dev=").find_map(|(text, number, _)| text.quote(number));
    let wanted = pool.is_some() || ["vf", "virtual function"].iter().any(|word| cx.said(word));
    let none = files(cx, "/device", "/sriov_numvfs").into_iter().chain(files(cx, "/pci", "/sriov_numvfs"));
    if let Some((path, none)) = none.into_iter().find(|(_, one)| one.number() == Some(0)).filter(|_| wanted) {
        draft = draft
            .because(Strength::Strong, none.quote, "the device has no virtual functions now")
            .because(Strength::Support, pool, "a network gives them to VMs")
            .title(format!("no virtual functions are made: {path} is 0"));
    }
    let Some(devices) = cx.one::<PciDevices>() else { return vec![draft.verdict()] };
    for wanted in assigned(cx).iter().filter(|one| devices.of(one.address).is_none()) {
        let places = places(cx);
        let Some((parent, number)) =
            places.iter().find_map(|one| Some((one, one.number_of(wanted.address)?)))
        else {
            continue;
        };
        let Some(sriov) = devices.of(parent.device).and_then(PciFacts::sriov) else { continue };
        let (now, most) = sriov.value;
        if now != 0 || number > most {
            continue;
        }
        draft = draft
            .because(Strength::Strong, devices.quote(sriov.line), "this device has no virtual functions now")
            .because(Strength::Strong, wanted.quote.clone(), "a VM is given one of them")
            .title(format!("virtual function {} of {} is not created", wanted.address, parent.device))
            .remedy(format!("let {} have {number} virtual functions", parent.device))
            .about(Subject::new(SubjectKind::Pci, parent.device.to_string()))
            .action(Action::Sysfs {
                path: format!("/sys/bus/pci/devices/{}/sriov_numvfs", parent.device),
                from: "0".to_owned(),
                to: number.to_string(),
            });
        break;
    }
    vec![draft.looked().verdict()]
}

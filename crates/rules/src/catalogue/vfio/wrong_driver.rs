//! # The device is bound to its host driver and not to vfio-pci
//!
//! ## What it is
//! A PCI function can be given to a guest only while a vfio driver holds it. Here the host's own driver
//! (nvidia, nouveau, amdgpu, i915, snd_hda_intel, xhci_hcd, nvme, ixgbe, ...) has it, so that VFIO has no such
//! device to hand out, or `/dev/vfio/<group>` does not exist at all.
//!
//! Heard as: the screen goes black or the start hangs, since nvidia, amdgpu or another host driver still has the
//! card.
//!
//! Known by: Kernel driver in use: nouveau or igb in place of vfio-pci; not bound to vfio-pci; driver_override, unbind,
//! managed=no; vfio-pci.ids wrong id; no group opened; bind, unbind, new_id, driverctl; still nouveau, amdgpu, ixgbe,
//! nvme; vfio-pci not claiming; pci stub; managed.
//!
//! ## Why it happens
//! Nobody bound the device: libvirt was told `managed='no'`, QEMU was started by hand, an `ids=` list lacks
//! this device, or vfio-pci refuses the device because it stands on its deny list (Intel QAT).
//!
//! ## Confirm
//! `lspci -nnk -s <address>`: "Kernel driver in use" names the host driver. `readlink
//! /sys/bus/pci/devices/<address>/driver` says the same.
//!
//! ## Refute
//! The link ends in `vfio-pci` (or a vendor's vfio driver such as `mlx5_vfio_pci`) at the time of the failure.
//!
//! ## Fix
//! With libvirt use `<hostdev managed='yes'>` or `virsh nodedev-detach`; by hand write `vfio-pci` into the
//! device's `driver_override`, unbind it and write its address into `/sys/bus/pci/drivers_probe`. For a device
//! that must never meet its host driver, bind it at boot with `vfio-pci.ids=`.
//!
//! ## References
//! Linux `Documentation/driver-api/vfio.rst`; `drivers/vfio/group.c` (VFIO_GROUP_GET_DEVICE_FD gives ENODEV for
//! a device without vfio driver); QEMU `hw/vfio/container.c`, `vfio_get_device()`; libvirt
//! `src/hypervisor/virhostdev.c`; Linux `drivers/vfio/pci/vfio_pci.c` (deny list).

#[path = "state/assigned.rs"]
mod state;
#[path = "state/virtual_function.rs"]
mod virtual_function;

use super::device_behind_bridge::devices;
use crate::catalogue::healthy::no_fault::complaint::amiss;
use crate::prelude::*;
pub(crate) use state::assigned;
use virtual_function::kubevirt;
use vmwright_formats::PciAddress;
use vmwright_formats::pci_devices::{PciDevices, PciFacts};

/// vfio-pci speaks of a device that it has: ENODEV then comes from a device that does not answer.
const OWNED: &[&str] = &["vfio-pci {device}: "];

/// Something is bound as it should be.
const VFIO: &[&str] = &["Kernel driver in use: vfio-pci"];

/// Drivers of graphics cards, which do not let go of one that shows something.
const GPU: [&str; 6] = ["nvidia", "nouveau", "amdgpu", "radeon", "i915", "xe"];

/// What is seen where the host's driver does not let go of a card.
const HURT: [&str; 5] = ["black screen", "screen goes", "hangs", "freezes", "reset the machine"];

/// What people say who give a card to a VM.
const PASSED: &[&str] = &[
    "passthrough",
    "pass through",
    "passed",
    "screen goes black",
    "hangs in the start",
    "to the vm",
    "single gpu",
];

pub const RULE: Rule = Rule {
    tags: &["passthrough"],
    signs: &[
        Sign::proof("Unmanaged PCI device {device} must be manually detached from the host"),
        // VFIO_GROUP_GET_DEVICE_FD: the group is there, the device in it has no vfio driver.
        Sign::strong("error getting device from group {group}: No such device").unless(OWNED),
        Sign::strong("error getting device {device} from group {group}: No such device").unless(OWNED),
        Sign::hint("error getting device from group {group}: No such device"),
        Sign::support("are bound to vfio-<bus> or pci-stub and not already in use").unless(&[
            "from group {group}: Permission denied",
            "from group {group}: Device or resource busy",
        ]),
        // The group's node exists only while a device of the group has a vfio driver.
        Sign::support("failed to open /dev/vfio/{group}: No such file or directory")
            .unless(&["failed to open /dev/vfio/vfio: No such file"]),
        Sign::support("error opening /dev/vfio/{group}: No such file or directory"),
        Sign::support("failed to open /dev/vfio/{group} group: No such file or directory"),
        Sign::support("failed to find vfio-dev/vfioX/dev"),
        Sign::support("couldn't open directory /sys/bus/pci/devices/{device}/vfio-dev"),
        Sign::strong("exists in vfio-pci device denylist, driver probing disallowed"),
        Sign::strong("exists in vfio-pci device blacklist, driver probing disallowed"),
        Sign::strong("Cannot bind {device} to vfio"),
        Sign::support("can't unbind/bind PCI group to VFIO"),
        Sign::support("Failed to add driver 'vfio-pci' to driver_override"),
        Sign::support("not bound to vfio-pci"),
        Sign::support("is not bound to vfio"),
        Sign::support("not bound to the vfio"),
        Sign::support("not managed by VFIO driver, skipping"),
        Sign::support("on '/dev/vfio/{group}': No such file or directory"),
        Sign::support("error bind device fd={fd} to iommufd={iommufd}"),
        Sign::support("vfio-pci/bind: no such device"),
        Sign::support("write error: No such device").and(&["vfio-pci/bind"]),
        Sign::support("vfio-pci/bind: device or resource busy"),
        Sign::support("GroupGetDeviceFD*code: 19"),
        Sign::support("/dev/vfio/{group}: no such file or directory")
            .unless(&["/dev/vfio/vfio: no such file"]),
        // What a complaint makes of a configuration.
        Sign::support("Kernel driver in use: nvidia").unless(VFIO).said(PASSED),
        Sign::support("Kernel driver in use: nouveau").unless(VFIO).said(PASSED),
        Sign::support("Kernel driver in use: amdgpu").unless(VFIO).said(PASSED),
        Sign::support("Kernel driver in use: i915").unless(VFIO).said(PASSED),
        Sign::strong("couldn't be added to the interface pool because it isn't bound to a network driver"),
    ],
    words: &[
        "kernel driver in use",
        "vfio-pci",
        "host driver",
        "passthrough",
        "unbind",
        HURT[0],
        HURT[1],
        HURT[2],
        HURT[3],
        HURT[4],
    ],
    explains: &[],
    tells: "lspci -nnk",
    remedy: "bind the device to vfio-pci: managed='yes' in libvirt, or driver_override and drivers_probe by hand",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    needs: &[Need::Command(&["lspci", "-nnk"]), Need::Probe(Probe::Pci), Need::Probe(Probe::Links)],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let devices = devices(cx);
    for assigned in assigned(cx).iter().filter(|one| !one.managed) {
        let Some(device) = devices.iter().find(|one| one.address == assigned.address) else { continue };
        let Some((driver, quote)) = device.driver.as_ref() else { continue };
        if !driver.contains("vfio") && driver != "pci-stub" {
            let title = format!("{} is bound to {driver} and not to vfio-pci", device.address);
            draft = draft
                .because(Strength::Support, assigned.quote.clone(), "the VM is given this device as it is")
                .because(Strength::Strong, quote.clone(), "a host driver has it")
                .about(Subject::new(SubjectKind::Pci, device.address.to_string()))
                .title(title)
                .actions(given(cx, device.address));
            // One is enough: more of the same kind add no certainty.
            break;
        }
    }
    let hurt = amiss(cx) && HURT.iter().any(|word| cx.said(word));
    // libvirt takes a managed device from its driver, which hangs where the host shows something on it.
    for assigned in assigned(cx).iter().filter(|one| one.managed && !draft.any() && hurt) {
        let Some(device) = devices.iter().find(|one| one.address == assigned.address) else { continue };
        let held = device.driver.as_ref().filter(|(driver, _)| GPU.contains(&driver.as_str()));
        if let Some((driver, quote)) = held {
            draft = draft
                .because(Strength::Support, quote.clone(), "the host's graphics driver has it")
                .because(Strength::Hint, assigned.quote.clone(), "and the VM is given it")
                .about(Subject::new(SubjectKind::Pci, device.address.to_string()))
                .title(format!("{driver} has {} when the VM is to be given it", device.address));
            break;
        }
    }
    vec![kubevirt(cx, draft, &devices).verdict()]
}

/// What gives a device to VMs with all that shares its group; nothing where one of them may be in use.
fn given(cx: &Context<'_>, address: PciAddress) -> Vec<Action> {
    let group = cx.one::<PciDevices>().and_then(|devices| PciFacts::group(devices.of(address)?)?.value);
    group.map_or_else(Vec::new, |group| super::group_not_viable::given(cx, &group.to_string()))
}

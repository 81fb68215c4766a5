//! # The IOMMU is off in firmware or on the kernel command line
//!
//! ## What it is
//! Without an active IOMMU the kernel makes no IOMMU groups, VFIO has nothing to hand out, and vfio-pci refuses to
//! bind (error -22). The hardware has an IOMMU; it is not switched on.
//!
//! Heard as: there are no IOMMU groups, the list is empty; passthrough is not offered although VT-d or AMD-Vi is
//! on in the BIOS.
//!
//! ## Why it happens
//! VT-d, AMD-Vi ("IOMMU", "AMD CBS > NBIO > IOMMU") is off in the firmware set-up, often after an update; Intel
//! kernels without CONFIG_INTEL_IOMMU_DEFAULT_ON want `intel_iommu=on`; the parameter was put into a file that the
//! boot loader in use does not read; `iommu=off` or `amd_iommu=off` stand there.
//!
//! ## Confirm
//! `ls /sys/kernel/iommu_groups` is empty; `dmesg | grep -E 'DMAR|AMD-Vi'`; `ls /sys/firmware/acpi/tables` has no
//! DMAR or IVRS where the firmware has it off; `cat /proc/cmdline`; `virt-host-validate qemu`.
//!
//! ## Refute
//! `/sys/kernel/iommu_groups` has entries, or dmesg says "DMAR: IOMMU enabled", "AMD-Vi: Interrupt remapping
//! enabled", "Adding to iommu group". A host that is itself a VM has none to switch on (iommu/no-hardware).
//!
//! ## Fix
//! Switch VT-d or AMD IOMMU on in firmware; `intel_iommu=on iommu=pt` on the kernel command line (GRUB:
//! `update-grub`; systemd-boot, Proxmox: `/etc/kernel/cmdline`); reboot.
//!
//! ## References
//! Linux `Documentation/admin-guide/kernel-parameters.txt` (intel_iommu, amd_iommu, iommu), `drivers/iommu/`;
//! QEMU `hw/vfio/container.c` ("no iommu_group found"); libvirt `tools/virt-host-validate-common.c`.

use crate::prelude::*;
use vmwright_formats::KernelCmdline;
use vmwright_model::plan::{Generator, Setting};

/// What an active IOMMU says.
const ACTIVE: &[&str] = &[
    "Adding to iommu group",
    "AMD-Vi: Interrupt remapping enabled",
    "DMAR: Intel(R) Virtualization Technology for Directed I/O",
];

/// Mediated devices have groups of their own.
const MDEV: &[&str] = &["/sys/bus/mdev/devices/{uuid}/iommu_group': No such file"];

pub const RULE: Rule = Rule {
    tags: &["passthrough", "firmware", "boot"],
    signs: &[
        Sign::strong("no iommu_group found").unless(MDEV),
        Sign::strong("error no iommu_group for device"),
        Sign::proof("IOMMU appears to be disabled in kernel"),
        Sign::support("No ACPI DMAR table found, IOMMU either disabled in BIOS"),
        Sign::support("No ACPI IVRS table found, IOMMU either disabled in BIOS"),
        Sign::proof("DMAR: IOMMU disabled"),
        Sign::strong("IOMMU capability not compiled into kernel"),
        Sign::strong("No IOMMU detected, please activate it"),
        Sign::strong("IOMMU not present"),
        Sign::support("Cannot open iommu_group: No such file or directory"),
        Sign::strong("iommu_group: no such file or directory").unless(MDEV),
        Sign::strong("iommu_group': No such file or directory").unless(MDEV),
        Sign::strong("Unable to resolve device {device} iommu_group symlink"),
        Sign::support("vfio-pci: probe of {device} failed with error -22"),
        Sign::support("probe with driver vfio-pci failed with error -22"),
        Sign::support("host doesn't support passthrough of host PCI devices").unless(ACTIVE),
        Sign::support("host doesn't support VFIO PCI passthrough").unless(ACTIVE),
        Sign::support("host doesn't support passthrough of host PCI devices").and(&["IOMMU"]).unless(ACTIVE),
        Sign::support("cannot prepare PCI pass-through, IOMMU not present"),
        Sign::strong("IOMMU is not enabled"),
        Sign::strong("IOMMU is disabled"),
        Sign::strong("IOMMU disabled in BIOS"),
        Sign::strong("VT-d is disabled"),
        Sign::strong("VT-d disabled"),
        Sign::support("AMD-Vi: IOMMU not currently supported when SME is active"),
        Sign::support("iommu_groups: No such file or directory"),
        Sign::support("/sys/kernel/iommu_groups is empty"),
        Sign::support("no IOMMU groups"),
        Sign::support("iommu_groups/': No such file or directory"),
        Sign::support("iommu_groups/*': No such file or directory"),
        Sign::strong("Adding to iommu group").against(),
        // Harvester: the device plugin finds no group in sysfs.
        Sign::strong("has no iommuGroup available"),
        Sign::support("missing group for address: "),
        // vfio-pci refuses a device without a group with EINVAL.
        Sign::support("vfio-pci/bind: invalid argument"),
        Sign::support("write error: Invalid argument").and(&["vfio-pci/bind"]),
        Sign::strong("IOMMU: Disabled"),
        Sign::strong("Checking if IOMMU is enabled by kernel*WARN"),
        Sign::strong("Checking if IOMMU is enabled by kernel*FAIL"),
        Sign::support("Checking for device assignment IOMMU support*WARN"),
        Sign::support("Checking for device assignment IOMMU support*FAIL"),
        Sign::support("IOMMU group not found"),
        Sign::support("DMAR: Parse DMAR table failure"),
        Sign::strong("AMD-Vi: Failed to initialize. The CMPXCHG16B feature is required"),
        Sign::support("Cannot bind to driver vfio-pci"),
        Sign::strong("VFIO device assignment is currently not supported on this system").unless(ACTIVE),
        Sign::strong("iommu isn't set on kernel cmdline"),
        Sign::strong("IOMMU not enabled yet"),
        Sign::strong("failed to read iommu_group link"),
        // Kata: the device has no group; its driver has no part in that.
        Sign::strong("please do bind device to vfio"),
        Sign::strong("iommu_group symlink {l} has invalid group number"),
    ],
    words: &["vt-d", "amd-vi", "intel_iommu=on", "iommu", "bios setting", "passthrough"],
    explains: &["vfio/module-missing", "vfio/wrong-driver", "vfio/bind-order", "irq/remapping-missing"],
    tells: "/proc/cmdline",
    remedy: "switch VT-d or AMD IOMMU on in firmware and put intel_iommu=on on the kernel command line, then reboot",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::HostReboot,
    needs: &[
        Need::File("/proc/cmdline"),
        Need::Command(&["dmesg"]),
        Need::File("/etc/default/grub"),
        Need::Exists("/usr/sbin/update-grub"),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for cmdline in cx.all::<KernelCmdline>() {
        for name in ["intel_iommu", "amd_iommu", "iommu"] {
            let Some(found) = cmdline.get(name) else { continue };
            if found.value.is_some_and(|value| value.split(',').any(|word| word == "off")) {
                draft = draft
                    .because(
                        Strength::Strong,
                        cmdline.quote(found.line),
                        "the kernel is told to leave it off",
                    )
                    .title(format!("{name}=off on the kernel command line"))
                    .actions(switched_on(cx, name));
            }
        }
    }
    draft = draft.because(Strength::Strong, no_groups(cx), "the kernel has no IOMMU groups");
    vec![draft.verdict()]
}

/// What has GRUB give the kernel `on` for `off`, on a Debian; and the restart that it needs. An IOMMU of Intel's is off
/// unless it is asked for, so that `off` alone is not taken away.
fn switched_on(cx: &Context<'_>, name: &str) -> Vec<Action> {
    let Found::Text(defaults) = cx.file("/etc/default/grub") else { return Vec::new() };
    if matches!(cx.file("/usr/sbin/update-grub"), Found::Absent | Found::Unread(_)) || name != "intel_iommu" {
        return Vec::new();
    }
    let edit = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"].into_iter().find_map(|variable| {
        let setting = Setting::GrubParameter { variable: variable.to_owned(), parameter: name.to_owned() };
        let found = vmwright_formats::edits::get(defaults.as_str(), &setting).ok()??;
        Some(Action::EditSetting {
            path: "/etc/default/grub".to_owned(),
            setting,
            from: Some(found),
            to: Some(format!("{name}=on")),
        })
    });
    let Some(edit) = edit else { return Vec::new() };
    vec![
        edit,
        Action::Regenerate {
            generator: Generator::UpdateGrub,
            outputs: vec!["/boot/grub/grub.cfg".to_owned()],
            holds: vec![format!("{name}=on")],
        },
        Action::Reboot { left: None },
    ]
}

/// Where the kernel lists its groups.
const GROUPS: &str = "/sys/kernel/iommu_groups";

/// A command that lists or counts `/sys/kernel/iommu_groups`, and below it nothing, or zero.
fn no_groups(cx: &Context<'_>) -> Option<Evidence> {
    cx.texts_with(GROUPS).find_map(|text| {
        let asks = |line: &str| {
            let typed = line.starts_with(['#', '$']) || line.contains("# ") || line.contains("$ ");
            typed && line.contains(GROUPS) && ["ls ", "find "].iter().any(|command| line.contains(command))
        };
        let (number, line) = text.lines_with(GROUPS).find(|(_, line)| asks(line))?;
        let below = text.line(number + 1).unwrap_or("").trim();
        let nothing = match line.contains("wc -l") {
            true => below == "0",
            false => below.is_empty() || below.starts_with(['#', '$']) || below.contains("# "),
        };
        if nothing { text.quote(number) } else { None }
    })
}

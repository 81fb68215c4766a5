//! # The IOMMU is off in firmware or on the kernel command line
//!
//! ## What it is
//! Without an active IOMMU the kernel makes no IOMMU groups, VFIO has nothing to hand out, and vfio-pci refuses to
//! bind (error -22). The hardware has an IOMMU; it is not switched on.
//!
//! Heard as: there are no IOMMU groups, the list is empty; passthrough is not offered although VT-d or AMD-Vi is
//! on in the BIOS.
//!
//! Known by: VT-d or AMD-Vi off; intel_iommu=on missing; /sys/kernel/iommu_groups is empty; no DMAR in dmesg; host
//! doesn't support passthrough of host PCI devices; please ensure all devices have an IOMMU group.
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

#[path = "messages/disabled.rs"]
mod messages;

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
    signs: messages::SIGNS,
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

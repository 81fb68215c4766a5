//! # Guest and host GPU drivers, or parts of one driver, do not fit each other
//!
//! ## What it is
//! A GPU driver has a kernel part, a user part, and with vGPU a manager on the host. One of them is of another
//! release than the rest, or of a release that does not know this GPU.
//!
//! Heard as: the vGPU's driver in the guest does not load after host or guest driver was updated; licence or
//! version of the manager.
//!
//! Known by: NVRM: API mismatch; vGPU manager and guest GRID driver branches differ; nvidia-smi fails after an upgrade;
//! Failed to initialize NVML: driver/library version mismatch.
//!
//! ## Why it happens
//! A package update replaced the libraries while the old module stays loaded; a guest's vGPU driver is of another
//! branch than the host's manager; the open kernel module was installed for a GPU without GSP, or the data centre
//! driver for a consumer card; a module was built for another kernel; Fabric Manager is of another release.
//!
//! ## Confirm
//! `cat /proc/driver/nvidia/version` beside `nvidia-smi --version`; `modinfo -F version nvidia`; `dmesg | grep NVRM`;
//! on a vGPU host `journalctl -u nvidia-vgpu-mgr`.
//!
//! ## Refute
//! All versions are equal (vGPU: of the same branch) and dmesg has no NVRM complaint.
//!
//! ## Fix
//! Reboot or reload the module after an update; install the guest driver that belongs to the host's vGPU release;
//! the module flavour (open or proprietary) that the GPU needs; rebuild DKMS modules for the running kernel.
//!
//! ## References
//! NVIDIA Virtual GPU Software release notes (compatibility table); NVIDIA open-gpu-kernel-modules README;
//! NVIDIA Fabric Manager User Guide; Linux `kernel/module/version.c`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["gpu"],
    signs: &[
        Sign::proof("NVRM: API mismatch: the client has the version"),
        Sign::proof("Driver/library version mismatch"),
        Sign::proof("Incompatible Guest/Host drivers"),
        Sign::strong("Guest VGX version is"),
        Sign::strong("VGPU message signature mismatch"),
        Sign::strong("installed in this system is not supported by the NVIDIA"),
        Sign::strong("is not supported by open nvidia.ko because"),
        Sign::strong("requires use of the NVIDIA open kernel modules"),
        Sign::strong("NVIDIA GPU firmware * does not match"),
        Sign::strong("nvidia: version magic"),
        Sign::strong("nvidia: disagrees about version of symbol"),
        Sign::strong("fabric manager version {version} doesn't match with driver version"),
        Sign::strong("CUDA driver version is insufficient for CUDA runtime version"),
        Sign::support("forward compatibility was attempted on non supported HW"),
        Sign::support("NVIDIA driver on your system is too old"),
        Sign::support("vGPU version mismatch"),
        Sign::support("No NVIDIA GPU found").and(&["NVRM"]),
        Sign::hint("RmInitAdapter failed"),
        Sign::hint("because it couldn't communicate with the NVIDIA driver"),
        Sign::hint("nvidia-smi: No devices were found"),
        Sign::strong("Card isn't a NVIDIA GPU or driver isn't properly setup"),
        Sign::strong("The NVIDIA container tools couldn't be found"),
        Sign::support("start failed. status: 0x").and(&["nvidia-vgpu"]),
        Sign::support("ERESTARTSYS received during open"),
        Sign::strong("Guest driver is incompatible with host driver"),
        Sign::strong("VGPU message {n} failed, result code: 0x65"),
        Sign::support("VGPU message {n} failed, result code"),
        Sign::strong("Unable to load the kernel module 'nvidia-vgpu-vfio"),
        Sign::support("Unable to load the kernel module 'nvidia"),
        Sign::strong("NVRM: *does not support this kernel"),
        Sign::strong("Guest driver version is incompatible with host"),
        Sign::strong("Guest NVIDIA Driver Information").and(&["incompatible"]),
    ],
    words: &["driver version", "mismatch", "guest driver", "host driver", "vgpu manager", "upgraded driver"],
    explains: &["vfio/code-43"],
    tells: "/proc/driver/nvidia/version",
    remedy: "bring all parts of the GPU's driver to fitting releases and reload or reboot",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    needs: &[Need::File("/proc/driver/nvidia/version"), Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

/// By how much a guest driver's release may be above the vGPU manager's: within a branch Windows releases have numbers
/// up to 4 above those of Linux, and the next branch begins 10 or more above (NVIDIA, "Supported release branches").
const BRANCH: u32 = 8;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // nvidia-vgpu-mgr prints a heading for each side, and its release below it.
    for text in cx.texts_with("Driver Information: #") {
        let (mut manager, mut ours) = (None, None);
        for (number, line) in text.lines_with(["Information: #", "Driver Version: "]) {
            if line.contains("Information: #") {
                ours = Some(line.contains("vGPU Manager"));
            } else if let Some(release) = release(line) {
                match (ours.take(), manager) {
                    (Some(true), _) => manager = Some(release),
                    (Some(false), Some(manager)) if release >= manager + BRANCH => {
                        let title =
                            format!("the guest's driver {release} is newer than vGPU manager {manager}");
                        draft = draft
                            .because(
                                Strength::Strong,
                                text.quote(number),
                                "a branch that the manager does not know",
                            )
                            .title(title);
                    }
                    _ => {}
                }
            }
        }
    }
    vec![draft.verdict()]
}

/// 450 of `Driver Version: 450.124`.
fn release(line: &str) -> Option<u32> {
    line.split_once("Driver Version: ")?.1.split('.').next()?.trim().parse().ok()
}

//! Stop codes of Windows that in a VM often mean the virtualization and not Windows. Names and parameters of
//! Microsoft's "Bug check code reference"; what they mean in a VM is what KVM, QEMU and virtio-win report with them.

use super::{Code, code};

/// Stop codes, and codes of the boot loader.
pub(super) const STOPS: &[Code] = &[
    code(0x1, "APC_INDEX_MISMATCH", "a driver left a critical region wrongly", &[]),
    code(
        0xA,
        "IRQL_NOT_LESS_OR_EQUAL",
        "a driver used memory that it may not; old virtio drivers do so",
        &["guest/virtio-driver-missing"],
    ),
    code(
        0x1E,
        "KMODE_EXCEPTION_NOT_HANDLED",
        "an exception in the kernel; in a VM often an MSR that KVM does not answer",
        &["msr/unhandled-guest-msr"],
    ),
    code(
        0x3B,
        "SYSTEM_SERVICE_EXCEPTION",
        "an exception in a system service; in a VM often an MSR that KVM does not answer",
        &["msr/unhandled-guest-msr"],
    ),
    code(0x50, "PAGE_FAULT_IN_NONPAGED_AREA", "memory that must be there is not", &[]),
    code(
        0x5C,
        "HAL_INITIALIZATION_FAILED",
        "Windows found no timer or interrupt controller that it trusts: HPET, machine type, Hyper-V enlightenments",
        &["guest/hyperv-enlightenments-missing"],
    ),
    code(
        0x5D,
        "UNSUPPORTED_PROCESSOR",
        "the CPU model lacks what this Windows needs (CMPXCHG16b, NX, SSE4.2)",
        &["cpu/model-hides-feature"],
    ),
    code(
        0x7B,
        "INACCESSIBLE_BOOT_DEVICE",
        "Windows has no driver for the controller of its disk: virtio driver, changed bus, AHCI and IDE",
        &["firmware/guest-lacks-boot-driver", "guest/virtio-driver-missing"],
    ),
    code(
        0x7E,
        "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
        "an exception in a driver; in a VM with host-passthrough often an MSR or CPU feature that KVM lacks",
        &["msr/unhandled-guest-msr"],
    ),
    code(
        0x9F,
        "DRIVER_POWER_STATE_FAILURE",
        "a device did not change its power state; passed-through devices that cannot reset do so",
        &["vfio/link-or-power-state"],
    ),
    code(
        0xA5,
        "ACPI_BIOS_ERROR",
        "the firmware's ACPI tables do not please Windows: machine type and firmware do not go together",
        &["firmware/wrong-binary"],
    ),
    code(
        0xC4,
        "DRIVER_VERIFIER_DETECTED_VIOLATION",
        "the driver verifier found a driver that breaks a rule",
        &[],
    ),
    code(0xD1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL", "a driver used memory that it may not", &[]),
    code(
        0xED,
        "UNMOUNTABLE_BOOT_VOLUME",
        "the file system of the system disk is damaged",
        &["qcow2/corrupt"],
    ),
    code(0xEF, "CRITICAL_PROCESS_DIED", "a process ended without which Windows cannot run", &[]),
    code(
        0x101,
        "CLOCK_WATCHDOG_TIMEOUT",
        "a virtual processor got no interrupt for seconds: the host is overcommitted, or nested and Hyper-V enlightenments do not fit",
        &["perf/cpu-steal", "guest/hyperv-enlightenments-missing"],
    ),
    code(
        0x109,
        "CRITICAL_STRUCTURE_CORRUPTION",
        "PatchGuard found kernel data changed; in a VM a CPU model that differs from what KVM does",
        &["cpu/model-hides-feature"],
    ),
    code(0x113, "VIDEO_DXGKRNL_FATAL_ERROR", "the graphics kernel cannot go on", &["vfio/code-43"]),
    code(
        0x116,
        "VIDEO_TDR_FAILURE",
        "the graphics card did not answer and could not be reset",
        &["vfio/no-reset", "vfio/link-or-power-state"],
    ),
    code(
        0x119,
        "VIDEO_SCHEDULER_INTERNAL_ERROR",
        "the graphics scheduler found an error of the card or its driver",
        &["vfio/link-or-power-state"],
    ),
    code(
        0x124,
        "WHEA_UNCORRECTABLE_ERROR",
        "the hardware, or what the VMM shows of it, reported an error",
        &["vfio/link-or-power-state"],
    ),
    code(
        0x133,
        "DPC_WATCHDOG_VIOLATION",
        "an interrupt took too long: slow storage, a starved processor",
        &["perf/cpu-steal"],
    ),
    code(
        0x139,
        "KERNEL_SECURITY_CHECK_FAILURE",
        "kernel data is broken; known with CPU models that show features in part",
        &["cpu/model-hides-feature"],
    ),
    code(
        0x18B,
        "SECURE_KERNEL_ERROR",
        "virtualization-based security failed; it needs nested virtualization",
        &["nested/not-exposed"],
    ),
    code(0x1CA, "SYNTHETIC_WATCHDOG_TIMEOUT", "Windows got no processor time for long", &["perf/cpu-steal"]),
    code(
        0x20001,
        "HYPERVISOR_ERROR",
        "Hyper-V inside the guest failed: nested virtualization is exposed and does not hold",
        &["nested/exposed-blocks"],
    ),
    code(
        0xC000_0225,
        "winload: device not found",
        "the boot loader does not find its disk or files",
        &["firmware/not-bootable"],
    ),
    code(
        0xC000_0428,
        "winload: signature",
        "a boot file's signature is not accepted",
        &["firmware/secure-boot-blocks"],
    ),
];

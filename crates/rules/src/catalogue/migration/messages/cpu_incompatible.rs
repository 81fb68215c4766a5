//! The messages of the rule beside: the target cannot give the CPU that the running guest has.

use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("Unacceptable CPU info"),
    Sign::strong("CPU doesn't have compatibility"),
    // libvirt, comparing the guest's CPU with the target's.
    // Inside YAML the apostrophe is doubled.
    Sign::strong("guest CPU doesn*t match specification").and(&["migrat"]),
    Sign::strong("guest CPU doesn*t match specification").and(&["upgrad"]),
    Sign::strong("guest and host CPU are not compatible").and(&["migrat"]),
    Sign::strong("guest CPU is not compatible with host CPU").and(&["migrat"]),
    Sign::strong("CPU is incompatible with host CPU").and(&["migrat"]),
    Sign::support("Host CPU does not provide required features").and(&["migrat"]),
    Sign::support("t match specification: extra features"),
    Sign::support("Host CPU is not compatible with guest CPU"),
    Sign::strong("Target CPU * does not match source"),
    Sign::strong("host doesn't support requested feature").and(&["-incoming"]),
    Sign::support("host doesn't support requested feature").and(&["migrat"]),
    // What ends a start with enforced features; the line above is but a warning.
    Sign::strong("Host doesn't support requested features").and(&["migrat"]),
    Sign::support("missing features: ").and(&["migrat"]),
    Sign::strong("CPU described in * is incompatible with host CPU").and(&["migrat"]),
    // The state arrives, and KVM refuses it.
    Sign::strong("Mismatch between user-specified TSC frequency and migrated TSC frequency"),
    Sign::support("Mismatch between user-specified TSC frequency and"),
    Sign::strong("TSC frequency mismatch between VM").and(&["migrat"]),
    Sign::strong("Failed to set XCRs").and(&["migrat"]),
    Sign::strong("Failed to set XSAVE").and(&["migrat"]),
    Sign::strong("Failed to set special registers").and(&["migrat"]),
    Sign::support("failed to set MSR").and(&["-incoming"]),
    Sign::strong("failed to set MSR").and(&["migrat", "Intel", "AMD EPYC"]),
    Sign::strong("failed to set MSR").and(&["migrat", "Intel", "AMD Ryzen"]),
    Sign::strong("host doesn't support requested feature").and(&["online migrate failure"]),
    Sign::support("Failed to set nested state").and(&["migrat"]),
    // Managers above.
    Sign::strong("host-model-required-features").and(&["migrat"]),
    Sign::strong("didn't match Pod's node affinity/selector").and(&["migrat", "cpu-model"]),
    Sign::strong("didn't match Pod's node affinity/selector").and(&["migrat", "host-model"]),
    Sign::support("migration_max_cpu_compat"),
    Sign::support("filtered out by '*' because * CPU").and(&["migrat"]),
    Sign::support("trap invalid opcode").and(&["migrat"]),
    Sign::support("invalid opcode: 0000").and(&["after migrat"]),
    Sign::support("illegal instruction").and(&["after migrat"]),
    // What people say of hosts of two makers.
    Sign::strong("Intel to AMD").and(&["migrat"]),
    Sign::strong("AMD to Intel").and(&["migrat"]),
    Sign::strong("from Intel * AMD").and(&["migrat"]),
    Sign::strong("from AMD * Intel").and(&["migrat"]),
    Sign::strong("guest CPU doesn't match specification").said(&["migrat", "move", "new host"]),
    Sign::strong("Unacceptable CPU info"),
    // Cloud Hypervisor.
    Sign::strong("Error checking CPUID compatibility"),
    Sign::strong("IA32_ARCH_CAPABILITIES compatibility check failed"),
    Sign::support("Saved counter frequency ({saved} Hz) != host ({host} Hz)"),
];

//! # A CPU bug or missing feature that a microcode or firmware update cures
//!
//! ## What it is
//! The host's CPU runs with old microcode, or its firmware sets it up wrongly, and the kernel or a VM stumbles over it.
//!
//! Heard as: guests crash at random on one kind of server; a newer BIOS or microcode exists.
//!
//! Known by: flag missing though the CPU model has it; fixed by intel-microcode or a BIOS update; AGESA; TSX disabled
//! by microcode; revision in cpuinfo.
//!
//! ## Why it happens
//! The microcode package is not installed or not in the initramfs; the board's firmware was never updated; a new kernel
//! relies on something (CET, TSC deadline, RDRAND after resume) that old firmware leaves broken.
//!
//! ## Confirm
//! `grep -m1 microcode /proc/cpuinfo`; `journalctl -k | grep -i microcode`; `dmidecode -s bios-version` (read-only);
//! `grep . /sys/devices/system/cpu/vulnerabilities/*` says "no microcode".
//!
//! ## Refute
//! The revision is the vendor's newest for this stepping and the firmware is current.
//!
//! ## Fix
//! Install `intel-microcode` or `amd64-microcode` and rebuild the initramfs, or update the firmware, then reboot the host.
//!
//! ## References
//! Linux `arch/x86/kernel/apic/apic.c` ("please update microcode to version"), `arch/x86/kernel/cpu/intel.c`
//! ("broken microcode detected"), `arch/x86/kernel/cpu/amd.c`, `arch/x86/kernel/cet.c`;
//! `Documentation/arch/x86/microcode.rst`.

use crate::prelude::*;

/// What shows the microcode of the host.
const MICROCODE: &[&str] = &["microcode: *revision"];

pub const RULE: Rule = Rule {
    tags: &["cpu", "firmware"],
    needs: &[Need::Command(&["dmesg"]), Need::File("/proc/cpuinfo")],
    signs: &[
        Sign::proof("TSC_DEADLINE disabled due to Errata; please update microcode"),
        Sign::strong("please update microcode"),
        Sign::strong("please update your microcode"),
        Sign::proof("broken microcode detected"),
        Sign::strong("Running old microcode"),
        Sign::strong("old microcode*Vulnerable"),
        Sign::support("old microcode").unless(&["old microcode*not affected"]),
        Sign::strong("RDRAND gives funky smelling output"),
        Sign::strong("Guest triggered AMD Erratum"),
        Sign::strong("RDRAND is not reliable on this platform"),
        Sign::strong("traps: Missing ENDBR"),
        Sign::strong("Missing ENDBR: "),
        Sign::hint("Clear CPU buffers attempted, no microcode"),
        Sign::support("microcode not applied"),
        Sign::strong("requires a microcode update"),
        Sign::strong("requires microcode"),
        Sign::strong("needs a BIOS update"),
        Sign::strong("requires a BIOS update"),
        Sign::support("update your BIOS"),
        Sign::support("[Firmware Bug]: the BIOS has corrupted hw-PMU"),
        Sign::support("[Firmware Bug]: TSC"),
        Sign::hint("[Firmware Bug]: "),
        Sign::strong("Microcode update needed! Disabling AVX"),
        Sign::strong("BIOS microcode update recommended"),
        Sign::support("potential BIOS update"),
        Sign::strong("KVM internal error. Suberror: 3").and(&["microcode"]),
        Sign::strong("kvm: CPU {cpu} feature inconsistency!"),
        // Features that came to these CPUs by microcode alone (Linux arch/x86/include/asm/cpufeatures.h, word 18).
        Sign::strong("support requested feature: *.spec-ctrl [").and(MICROCODE),
        Sign::strong("support requested feature: *.ssbd [").and(MICROCODE),
        Sign::strong("support requested feature: *.md-clear [").and(MICROCODE),
        Sign::strong("missing features: *spec-ctrl").and(MICROCODE),
        Sign::strong("missing features: *ssbd").and(MICROCODE),
        Sign::strong("missing features: *md-clear").and(MICROCODE),
    ],
    explains: &["cpu/feature-not-supported", "kvm/host-kernel-bug"],
    words: &["microcode", "bios update", "old bios", "firmware update", "errata", "old cpu"],
    tells: "dmesg",
    remedy: "install the newest microcode package or firmware and reboot the host",
    disruption: Disruption::HostReboot,
    ..Rule::NEW
};

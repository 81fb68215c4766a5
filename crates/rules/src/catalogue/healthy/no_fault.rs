//! # Nothing is wrong: the message is harmless
//!
//! ## What it is
//! Some messages look like faults and are none: a guest probes a register that KVM does not model, QEMU tells that a
//! clock differs, udev data are denied to a confined QEMU, a VMM looks for a region that a device need not have. The
//! guest works, and this rule speaks only when that is said or shown.
//!
//! ## Why it happens
//! Kernels and drivers probe (performance counters, MSRs, i8042, PCI in a microVM without it) and take a refusal for an
//! answer; the layer below logs the refusal all the same.
//!
//! ## Confirm
//! The guest boots to its login prompt and does its work; the message appears at boot or at start and does not go along
//! with any loss of function.
//!
//! ## Refute
//! The guest hangs, resets or is slow at the very time of the message, or another rule fires with evidence of a fault.
//!
//! ## Fix
//! Nothing. Where the message disturbs: `kvm.report_ignored_msrs=0` for ignored MSRs; a local AppArmor rule that denies
//! the udev data silently.
//!
//! ## References
//! Linux `arch/x86/kvm/x86.c` `kvm_msr_ignored_check()`, `vcpu_unimpl()`, `arch/x86/kvm/pmu.c`; libvirt
//! `src/security/apparmor/`, `src/qemu/qemu_domain.c` `qemuDomainObjTaint()`; rust-vmm `vfio-ioctls`
//! `src/vfio_device.rs`; Firecracker `FAQ.md`; QEMU `target/i386/kvm/kvm.c`.

use crate::prelude::*;
use vmwright_formats::GuestConsole;
use vmwright_formats::guest_console::Stage;

pub const RULE: Rule = Rule {
    level: Level::Note,
    rank: Rank::General,
    tags: &["noise"],
    // Each alone says nothing: `check` adds weight where the guest works.
    signs: &[
        // arch/x86/kvm: reported and answered with #GP or 0; guests probe with safe accessors.
        Sign::hint("disabled perfctr wrmsr: "),
        Sign::hint("unhandled rdmsr: "),
        Sign::hint("unhandled wrmsr: "),
        Sign::hint("unhandled rdmsr("),
        Sign::hint("unhandled wrmsr("),
        Sign::hint("kvm_set_msr_common: MSR_IA32_DEBUGCTLMSR"),
        Sign::hint("ignored rdmsr: "),
        Sign::hint("ignored wrmsr: "),
        Sign::hint("unimplemented perfctr wrmsr: "),
        Sign::hint("SMP vm created on host with unstable TSC; guest TSC will not be reliable"),
        // A confined QEMU or virt-aa-helper may not read udev's data, and does not need to.
        Sign::hint("apparmor=\"DENIED\" operation=\"open\"*name=\"/run/udev/data/"),
        Sign::hint("apparmor=\"DENIED\" operation=\"capable\"*capname=\"wake_alarm\""),
        Sign::hint("apparmor=\"DENIED\"*name=\"/proc/{pid}/task/{tid}/comm\""),
        // libvirt: informational marks.
        Sign::hint("is tainted: host-cpu"),
        Sign::hint("is tainted: custom-argv"),
        Sign::hint("is tainted: high-privileges"),
        Sign::hint("ethtool ioctl error on vnet"),
        // QEMU.
        Sign::hint("warning: TSC frequency mismatch between VM ("),
        Sign::hint("warning: guest updated active QH"),
        // vfio-ioctls asks for each region, and devices that are no VGA have no VGA region (8).
        Sign::hint("Could not get region #8 info"),
        Sign::hint("VMX is not migratable yet: turning it off"),
        // virt-launcher: libvirt without the host's services and files.
        Sign::hint("Failed to read from '/sys/bus/pci/devices/{address}/config' : No such file or directory"),
        Sign::hint("Failed to connect to socket /run/dbus/system_bus_socket"),
        Sign::hint("Failed to connect to socket /var/run/dbus/system_bus_socket"),
        Sign::hint("Failed to get udev device for syspath '/sys/devices/virtual/dmi/id'"),
        Sign::hint("Unable to read from '/sys/fs/cgroup/machine/cgroup.controllers'"),
        Sign::hint("Cannot find 'dmidecode' in path"),
        Sign::hint("region write with invalid parameter, add: 4294967295"),
        // Guests.
        Sign::hint("piix4_smbus {address}: SMBus Host Controller not enabled"),
        Sign::hint("i8042: Can't read CTR while initializing i8042"),
        Sign::hint("PCI: Fatal: No config space access function found"),
        Sign::hint("A valid RSDP was not found"),
        Sign::hint("x86/cpu: SGX disabled by BIOS"),
        Sign::hint("RAPL PMU: hw unit of domain"),
        Sign::hint("intel_rapl_common: driver does not support CPU family"),
        Sign::hint("intel_rapl_msr: PL4 support detected"),
        Sign::hint("Alternate GPT header not at the end of the disk"),
        Sign::hint("sev-guest: Unable to"),
        Sign::hint("[DevPreview] Virtual machine snapshots is in development preview"),
        Sign::hint("ioapic*unhandled"),
        Sign::hint("kvm: pit: "),
        // Complaints that speak against it.
        Sign::proof("does not boot").against(),
        Sign::proof("doesn't boot").against(),
        Sign::proof("won't boot").against(),
        Sign::proof("not start").against(),
        Sign::proof("fails to start").against(),
        Sign::proof("won't start").against(),
        Sign::proof("vm crashes").against(),
        Sign::proof("guest crashes").against(),
        Sign::proof("the guest hangs").against(),
        Sign::proof("hangs at").against(),
        Sign::proof("freezes").against(),
        Sign::proof("black screen").against(),
        Sign::proof("no network").against(),
        Sign::proof("very slow").against(),
    ],
    words: &[
        "is running",
        "are running",
        "containers run",
        "vms run",
        "and boots",
        "boots up",
        "but works",
        "it works",
        "all work",
        "all works",
        "still boots",
        "still runs",
        "keeps running",
        "boots to",
        "guest runs",
        "guests run",
        "log monitoring",
        "raises an alarm",
        "noise in the log",
        "clutter",
        "log noise",
        "starts and",
        "works fine",
        "working fine",
        "runs fine",
        "running fine",
        "boots fine",
        "works normally",
        "work normally",
        "works anyway",
        "works as expected",
        "is it safe",
        "safe to ignore",
        "harmless",
        "harmful",
        "can i ignore",
        "should i ignore",
        "benign",
        "should i worry",
        "should i be concerned",
        "is this a problem",
        "otherwise works",
        "everything works",
        "no problems",
        "boots normally",
        "runs normally",
        "no visible problem",
        "still works",
        "guest works",
        "vm works",
        "without problems",
        "what does it mean",
        "what does this mean",
        "be worried",
        "expected behavior",
        "does not seem to",
        "seems to work",
        "all fine",
        "boots and works",
        "boots and runs",
        "vms run",
        "vm runs",
    ],
    tells: "dmesg",
    remedy: "nothing needs to be done",
    check,
    ..Rule::NEW
};

/// Words that say that the VM runs, and not that all is well.
const RUNS: &[&str] =
    &["is running", "are running", "vms run", "vm runs", "and boots", "boots up", "boots to", "starts and"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let noise = RULE.signs.iter().find_map(|sign| cx.evidence(cx.hits_of(sign).first()?));
    let said = RULE.words.iter().any(|word| cx.said(word));
    let calm = RULE.words.iter().any(|word| !RUNS.contains(word) && cx.said(word));
    let consoles = cx.all::<GuestConsole>();
    let login = consoles.iter().find_map(|seen| {
        let far = seen.farthest().filter(|far| far.value == Stage::Login)?;
        seen.quote(far.line)
    });
    let mut draft = cx.blank();
    if let Some(noise) = noise.filter(|_| said || login.is_some()) {
        draft = cx.draft();
        // Such messages stand in many logs: a VM that runs is not yet one about which nothing is to be complained.
        let strength = if calm { Strength::Strong } else { Strength::Support };
        let title = "the message is harmless: the guest works".to_owned();
        draft = draft
            .because(strength, Some(noise), "this message is known to be harmless")
            .because(Strength::Support, login, "the guest reaches its login prompt")
            .title(title);
    }
    vec![draft.verdict()]
}

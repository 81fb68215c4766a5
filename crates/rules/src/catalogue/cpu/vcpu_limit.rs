//! # More vCPUs than the machine type, accelerator or host allows
//!
//! ## What it is
//! The VM asks for more virtual CPUs than one of the layers can give: the machine type (255 for i440fx), interrupt
//! routing without x2APIC remapping (255), KVM (KVM_CAP_MAX_VCPUS), the VMM (Firecracker: 32) or the VM's own maximum.
//!
//! Heard as: hundreds of vCPUs do not start; more than 255 or 288 processors.
//!
//! Known by: more than 255 vCPUs; maxcpus exceeds; invalid number of CPUs; number of SMP CPUs requested exceeds the
//! recommended; needs intel-iommu with eim, x2apic; max CPUs supported by machine.
//!
//! ## Why it happens
//! A flavour larger than the host; hotplug beyond the maximum that was fixed at start; more than 255 vCPUs without a
//! virtual IOMMU that has extended interrupt mode; a boot count above the maximum.
//!
//! ## Confirm
//! `qemu-system-x86_64 -machine help` and `virsh -r maxvcpus kvm`; `virsh -r vcpucount VM` for the VM's own maximum.
//!
//! ## Refute
//! The number is below each of these limits: a topology that does not multiply to it is `machine/config-conflict`.
//!
//! ## Fix
//! Ask for fewer, or raise the limit: q35 with `<iommu model='intel'><driver intremap='on' eim='on'/></iommu>` and
//! `<ioapic driver='qemu'/>`; set the maximum higher before the start.
//!
//! ## References
//! QEMU `hw/core/machine-smp.c` ("The max CPUs supported by machine"), `accel/kvm/kvm-all.c` ("exceeds the maximum cpus
//! supported by KVM"), `hw/i386/x86-common.c`; libvirt `qemu_validate.c`, `qemu_hotplug.c`; Firecracker
//! `src/vmm/src/vmm_config/machine_config.rs`.

use crate::prelude::*;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["cpu", "boot"],
    signs: &[
        Sign::proof("exceeds the maximum cpus supported by KVM"),
        Sign::hint("exceeds the recommended cpus supported by KVM"),
        Sign::proof("The max CPUs supported by machine"),
        Sign::proof("exceeds max CPUs supported by machine"),
        Sign::strong("max cpus supported by the machine"),
        Sign::proof("Maximum CPUs greater than specified machine type limit"),
        Sign::proof("Maximum CPUs greater than"),
        Sign::proof("vCPUs are only supported on q35-based machine types"),
        Sign::proof("vCPUs require extended interrupt mode"),
        Sign::strong("current -smp configuration requires"),
        Sign::proof("requested vcpus is greater than max allowable vcpus"),
        Sign::strong("maximum vcpus is greater than"),
        Sign::strong("vcpus allowed per VM on this node"),
        Sign::strong("vCPU number is invalid"),
        Sign::strong("InvalidVcpuCount"),
        Sign::strong("Boot vCPUs greater than max"),
        Sign::strong("number of boot vCPUs is greater"),
        Sign::strong("DesiredVCpuCountExceedsMax"),
        Sign::strong("Desired vCPU count exceeds maximum"),
        Sign::strong("Requested vCPUs exceed maximum"),
        // Linux drivers/firmware/psci/psci.c in a guest: the VMM or its interrupt controller has no such vCPU.
        Sign::strong("psci: failed to boot CPU{n} ("),
        Sign::support("kvm_get_vcpu failed ({n}): Invalid argument"),
        Sign::support("KVM_CREATE_VCPU IOCTL failed"),
        Sign::strong("Too many vCPUs"),
        Sign::support("too many CPUs"),
        Sign::strong("Unsupported number of CPUs"),
        Sign::strong("Cannot set the number of vCPUs"),
        Sign::support("exceeds the recommended cpus supported by KVM"),
        Sign::strong("exceeds host limit").and(&["vCPUs"]),
        Sign::strong("Invalid SMP CPUs {n}"),
        Sign::support("limit of {n} reached. Ignoring further CPUs"),
        Sign::support("possible CPUs exceed the limit of"),
        Sign::support("kvm_init_vcpu: kvm_get_vcpu failed*Invalid argument"),
        Sign::strong("MAX {n} vcpus allowed per VM on this node"),
        Sign::strong("you can't add more vcpus than maxcpus"),
        Sign::strong("CPU index ({n}) should be smaller than maxcpus"),
        Sign::strong("Invalid CPU socket-id"),
        Sign::strong("Invalid CPU core-id"),
        Sign::strong("Invalid CPU thread-id"),
        Sign::strong("Invalid CPU die-id"),
        Sign::strong("maximum vCPU count must not be less than current vCPU count"),
        Sign::strong("maximum vcpu count of a live domain can't be modified"),
        Sign::strong("cpu hotplug is not supported"),
        Sign::strong("vCPU '0' can't be modified"),
        Sign::strong("vcpu 0 can't be offline"),
        Sign::strong("failed to find appropriate hotpluggable vcpus"),
        Sign::strong("vcpu '{n}' can't be unplugged"),
        Sign::strong("vcpu '{n}' can't be hotunplugged"),
        Sign::strong("Number of CPUs in <numa> exceeds the desired maximum vcpu count"),
        Sign::strong("requested vcpu count is greater than the count of enabled vcpus"),
        Sign::strong("vCPUs count must be a multiple of the vCPU hotplug granularity"),
        Sign::strong("exceeds instance current maximum of {n}, restart required"),
        Sign::strong("Unable to allocate more CPUs, not enough hotpluggable CPUs available"),
        Sign::strong("Unavailable CPUs requested"),
        Sign::strong("machine does not support hot-plugging CPUs"),
    ],
    words: &["vcpus", "how many cpus", "maxcpus", "hotplug cpu", "add cpu"],
    tells: "virsh -r maxvcpus kvm",
    remedy: "ask for fewer vCPUs, or use q35 with a remapping virtual IOMMU and a higher maximum set before the start",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let count = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count.as_ref());
            let Some(count) = count.filter(|count| count.value > 255) else { continue };
            let machine = domain.os.machine.as_ref().map_or("", |machine| machine.value.as_str());
            let x86 = domain.os.arch.as_ref().is_none_or(|arch| arch.value == "x86_64");
            let remaps = xml.attribute("devices/iommu/driver", "eim").is_some_and(|eim| eim.value == "on");
            let old = machine.starts_with("pc") && !machine.contains("q35");
            if x86 && !domain.fragment && (old || !remaps) {
                let why =
                    if old { "i440fx has 255 at most" } else { "more than 255 need extended interrupt mode" };
                draft = draft.because(Strength::Strong, xml.quote(count.line), why);
            }
        }
    }
    vec![draft.verdict()]
}

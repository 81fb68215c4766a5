//! The messages of the rule beside: the VM runs under TCG though KVM was wanted or is there.

use super::SLOW;
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::strong("falling back to tcg"),
    Sign::strong("Back to tcg accelerator"),
    Sign::strong("KVM acceleration not available, using 'qemu'"),
    Sign::strong("falling back to software emulation"),
    Sign::strong("fall back to software emulation"),
    Sign::strong("kvm support: disabled"),
    Sign::support("kvm support: not compiled"),
    Sign::support("useEmulation: true"),
    Sign::support("virt_type = qemu"),
    Sign::support("virt_type=qemu"),
    Sign::support("--virt-type qemu"),
    Sign::support("libvirt.driver = \"qemu\""),
    Sign::support("\"accelerator\": \"none\""),
    Sign::support("QEMU TCG CPU version"),
    Sign::support("Hypervisor vendor: *TCG"),
    Sign::support("TCGTCGTCGTCG"),
    Sign::hint("TCG doesn't support requested feature"),
    Sign::hint("failed to initialize kvm"),
    Sign::strong("Hypervisor detected: KVM").against(),
    Sign::strong("execution will be slow").and(&["KVM"]),
    Sign::strong("KVM acceleration is disabled"),
    Sign::support("domain-types=qemu"),
    Sign::support("Using software emulation"),
    Sign::support("QEMU Virtual CPU version").and(&["slow"]),
    Sign::support("virtType: qemu"),
    Sign::support("No accelerator selected"),
    // What a complaint makes of a configuration.
    Sign::strong("accel=tcg").said(SLOW).or_near(),
    Sign::strong("-accel tcg").said(SLOW).or_near(),
    Sign::support("domain type=*qemu").said(SLOW).or_near(),
    Sign::strong("qemu*: falling back to "),
    Sign::strong("ensure -accel kvm is set"),
    Sign::strong("vhost initialization failed: requires kvm"),
    Sign::strong("KVM not enabled"),
    // What people say who have found out.
    Sign::strong("without kvm").said(SLOW),
    Sign::strong("not running in kvm").said(SLOW),
    Sign::strong("not using kvm").said(SLOW),
    Sign::strong("entirely emulated").said(SLOW),
    Sign::strong("fully emulated").said(SLOW),
    Sign::strong("no hardware acceleration").said(SLOW),
    // libvirt: the domain is of type qemu, and its CPU asks for KVM.
    Sign::proof("CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host"),
    // Lima.
    Sign::strong("/dev/kvm is not available. Disabling KVM. Expect very poor performance"),
];

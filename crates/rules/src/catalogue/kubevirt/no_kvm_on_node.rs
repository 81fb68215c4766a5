//! # No node offers devices.kubevirt.io/kvm
//!
//! ## What it is
//! virt-handler's device plugin counts `/dev/kvm` of each node as the resource `devices.kubevirt.io/kvm`. Each VM asks
//! for one. Where no schedulable node has any, the virt-launcher pod stays pending, or starts in software emulation if
//! that is allowed.
//!
//! Heard as: VMs stay in Scheduling on minikube, kind or cloud nodes; insufficient devices.kubevirt.io/kvm.
//!
//! Known by: insufficient devices.kubevirt.io/kvm; useEmulation wanted; nodes are VMs without nesting; virt-launcher
//! pending on minikube or kind.
//!
//! ## Why it happens
//! The nodes are VMs without nested virtualization (clouds, kind, minikube), VT-x or SVM is off in firmware, the KVM
//! module is not loaded, or `/dev/kvm` cannot be opened by virt-handler.
//!
//! ## Confirm
//! `kubectl describe node <node> | grep devices.kubevirt.io`: 0 allocatable kvm, while tun and vhost-net have 1k;
//! on the node `ls -l /dev/kvm`.
//! `kubectl -n kubevirt logs ds/virt-handler` says at start that the device `kvm` is not present.
//!
//! ## Refute
//! tun and vhost-net are missing too: then the plugin does not run (kubevirt/device-plugin-problem).
//!
//! ## Fix
//! Give the nodes KVM: nested virtualization on their hypervisor, or bare metal. `useEmulation: true` is for tests.
//!
//! ## References
//! KubeVirt `pkg/virt-handler/device-manager/generic_device.go`, `docs/software-emulation.md`; Kubernetes device
//! plugins.

use crate::prelude::*;

/// What people say of a VM that gets no node.
const WAITS: &[&str] = &["scheduling", "pending", "never starts"];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kubevirt", "kvm"],
    signs: &[
        Sign::proof("Insufficient devices.kubevirt.io/kvm").unless(&["Insufficient devices.kubevirt.io/tun"]),
        Sign::support("Insufficient devices.kubevirt.io/kvm"),
        Sign::strong("kvm not present. Using software emulation"),
        Sign::strong("device 'kvm' is not present, the device plugin can't expose it"),
        Sign::strong("Unable to open /dev/kvm: No such file or directory").and(&["virt-launcher"]),
        Sign::strong("/dev/kvm not present").and(&["kubevirt"]),
        Sign::strong("Could not access KVM kernel module").and(&["virt-launcher"]),
        Sign::strong("invalid domain type 'kvm'").and(&["virt-launcher"]),
        Sign::strong("could not find capabilities for *domaintype=kvm").and(&["kubevirt"]),
        Sign::support("software emulation").and(&["kubevirt", "/dev/kvm"]),
        Sign::support("Insufficient bridge.network.kubevirt.io").against(),
        Sign::strong("hardware emulation device '/dev/kvm' not present"),
        // What a complaint makes of a configuration.
        Sign::support("minikube").and(&["kubevirt"]).said(WAITS),
        Sign::support("kind create cluster").said(WAITS),
        Sign::support("vm-driver").said(WAITS),
        Sign::proof("kvm not present and emulation is not allowed"),
        Sign::strong("failed to stat hypervisor device"),
        Sign::strong("something happened during opening kvm file"),
    ],
    words: &["kubevirt", "pending", "devices.kubevirt.io/kvm", "nested", "virt-launcher", "minikube"],
    explains: &["kubevirt/scheduling-conflict", "kvm/device-missing"],
    tells: "kubectl describe node",
    remedy: "give the nodes /dev/kvm: nested virtualization on their hypervisor, or bare metal nodes",
    disruption: Disruption::HostReboot,
    escalation: Some(Agent::SystemsArchitect),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with("devices.kubevirt.io/kvm") {
        let (mut none, mut tun) = (None, false);
        for (number, line) in text.lines_with("devices.kubevirt.io/") {
            let Some((name, value)) = line.trim().split_once(':') else { continue };
            let value = value.trim().trim_matches(['"', ',', ' ']);
            match name.trim_matches(['"', ' ']) {
                "devices.kubevirt.io/kvm" if value == "0" => none = none.or(Some(number)),
                "devices.kubevirt.io/tun" if value != "0" => tun = true,
                _ => {}
            }
        }
        if let Some(number) = none {
            let strength = if tun { Strength::Strong } else { Strength::Support };
            draft = draft.because(strength, text.quote(number), "a node offers no KVM");
        }
    }
    vec![draft.verdict()]
}

//! # The device that the VM asks for is not among KubeVirt's permitted host devices
//!
//! ## What it is
//! A VM may use only those PCI, mediated or USB devices that the KubeVirt object lists under
//! `spec.configuration.permittedHostDevices`, by resource name. Any other `deviceName` is refused at admission or when
//! the pod is made.
//!
//! Heard as: the VM with a GPU or USB device is rejected at creation: not permitted in the KubeVirt configuration.
//!
//! Known by: admission webhook: HostDevice is not permitted in permittedHostDevices configuration; GPU resource name
//! unknown in KubeVirt CR; vendor selector.
//!
//! ## Why it happens
//! The list was never filled, or names another resource (`nvidia.com/GA102GL_A10` against `nvidia.com/gpu`), another
//! vendor:device selector or mdev type; `externalResourceProvider` is missing for a device of another plugin; or the
//! feature gates `HostDevices` or `GPU` are off in the version at hand.
//!
//! ## Confirm
//! `kubectl get kubevirt -n kubevirt -o jsonpath='{.items[0].spec.configuration.permittedHostDevices}'` against the
//! VM's `devices.gpus[].deviceName` and `hostDevices[].deviceName`; `lspci -nn` for the selector.
//!
//! ## Refute
//! The name is in the list, letter by letter: then the node does not offer it (kubevirt/device-plugin-problem).
//!
//! ## Fix
//! Add the selector and resource name to `permittedHostDevices` and switch on the feature gate.
//!
//! ## References
//! KubeVirt user guide "Host Devices Assignment"; `pkg/virt-api/webhooks/validating-webhook/admitters/`,
//! `pkg/virt-controller/services/template.go`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kubevirt", "passthrough"],
    signs: &[
        Sign::proof("is not permitted in permittedHostDevices configuration"),
        // KubeVirt before 0.36 kept the list in a ConfigMap.
        Sign::proof("is not permitted in kubevirt-host-device-plugin-config"),
        Sign::proof("is not permitted in kubevirt-config"),
        Sign::strong("not permitted in permittedHostDevices"),
        Sign::proof("Host Devices feature gate is not enabled in kubevirt"),
        Sign::proof("HostDevices feature gate is not enabled in kubevirt"),
        Sign::proof("GPU feature gate is not enabled in kubevirt"),
        Sign::strong("GPUs feature gate is not enabled"),
        Sign::support("permittedHostDevices: {}"),
        Sign::support("HostDevice {name} is not permitted"),
        Sign::support("GPU {name} is not permitted"),
    ],
    words: &["kubevirt", "permittedhostdevices", "not permitted", "gpu", "host device"],
    explains: &["kubevirt/device-plugin-problem", "kubevirt/scheduling-conflict"],
    tells: "kubectl get kubevirt -n kubevirt -o yaml",
    remedy: "add the device's selector and resource name to permittedHostDevices and switch on the feature gate",
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let mut asked = Vec::new();
    let (mut names, mut list) = (Vec::new(), None);
    for (text, number, line) in cx.lines_with(["permittedHostDevices:", "resourceName:", "deviceName:"]) {
        let line = line.trim().trim_start_matches("- ");
        if line.starts_with("permittedHostDevices:") {
            list = list.or_else(|| text.quote(number));
        } else if let Some(name) = line.strip_prefix("resourceName:") {
            names.push(name.trim().trim_matches(['"', '\'']).to_owned());
        } else if let Some(name) = line.strip_prefix("deviceName:").filter(|_| asked.len() < 64) {
            asked.push((name.trim().trim_matches(['"', '\'']).to_owned(), text.quote(number)));
        }
    }
    if let Some(list) = list {
        draft = draft.looked();
        if let Some((name, quote)) = asked.into_iter().find(|(name, _)| !names.contains(name)) {
            draft = draft
                .because(Strength::Strong, quote, "the VM asks for this name")
                .because(Strength::Support, Some(list), "the list does not have it")
                .title(format!("{name} is not among the permitted host devices"));
        }
    }
    vec![draft.verdict()]
}

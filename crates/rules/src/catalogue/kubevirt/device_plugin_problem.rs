//! # The device plugin does not know the device, or does not offer it
//!
//! ## What it is
//! A device plugin (of KubeVirt's virt-handler, of NVIDIA, of the SR-IOV operator) reports devices of the node to the
//! kubelet. Where it does not run, finds none, calls them unhealthy or hands out an address that is not usable, pods
//! stay pending, are rejected at admission, or the VM gets no device.
//!
//! Heard as: a VM with a GPU or host device stays Pending, insufficient resource, the node shows 0 though the card
//! is bound.
//!
//! Known by: insufficient nvidia.com/GPU or devices.kubevirt.io/tun; resource shows zero allocatable; virt-handler
//! cannot register at kubelet socket; plugin crash; externalResourceProvider.
//!
//! ## Why it happens
//! The device is not bound to vfio-pci, so the plugin skips it; virt-handler does not run on the node or could not
//! register (kubelet's plugin socket in another directory); kubelet was restarted; the resource name differs between
//! plugin and VM; all devices are in use; another plugin owns them and `externalResourceProvider` is not set.
//!
//! ## Confirm
//! `kubectl describe node <node>`, Capacity and Allocatable; `kubectl -n kubevirt logs ds/virt-handler | grep -i
//! plugin`; on the node `lspci -nnk -d <vendor:device>` and `ls /var/lib/kubelet/device-plugins`.
//!
//! ## Refute
//! Allocatable is above the requests and the admission webhook refused it: kubevirt/host-device-not-permitted.
//!
//! ## Fix
//! Bind the device to vfio-pci on the node, make the plugin run and register, and use one resource name throughout.
//!
//! ## References
//! KubeVirt `pkg/virt-handler/device-manager/`; Kubernetes "Device Plugins"; NVIDIA kubevirt-gpu-device-plugin;
//! SR-IOV network device plugin.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kubevirt", "passthrough"],
    signs: &[
        Sign::proof("Insufficient devices.kubevirt.io/tun"),
        Sign::proof("Insufficient devices.kubevirt.io/vhost-net"),
        Sign::strong("Insufficient nvidia.com/").and(&["virt-launcher"]),
        Sign::strong("Insufficient intel.com/").and(&["virt-launcher"]),
        Sign::strong("Insufficient amd.com/").and(&["virt-launcher"]),
        Sign::strong("Insufficient mellanox.com/").and(&["virt-launcher"]),
        Sign::strong("Insufficient openshift.io/").and(&["virt-launcher"]),
        Sign::support("no cuda-capable device is detected").and(&["kubevirt"]),
        Sign::strong("no more addresses to allocate for resource"),
        Sign::strong("failed to allocate resource for resourceName"),
        Sign::strong("failed to create GPU host-devices"),
        Sign::strong("failed to create PCI host-devices").unless(&["sysfs"]),
        Sign::strong("the number of device plugin HostDevice/s do not match the number of devices"),
        Sign::strong("the number of GPU/s do not match the number of devices"),
        Sign::strong("{vars} not set for resource").and(&["virt-launcher"]),
        Sign::strong("{name} not set for device").and(&["virt-launcher"]),
        Sign::strong("error registering with device plugin manager"),
        Sign::strong("device plugin failed to deregister"),
        Sign::strong("Error starting {name} device plugin"),
        Sign::support("no healthy devices present; cannot allocate unhealthy devices"),
        Sign::strong("Allocate failed due to *, which is unexpected").and(&["kubevirt"]),
        Sign::support("UnexpectedAdmissionError").and(&["kubevirt"]),
        Sign::support("failed to validate device {name}: "),
        Sign::strong("found no SR-IOV networks to PCI-Address mapping"),
        Sign::strong("failed to create SR-IOV hostdevices"),
        // NVIDIA's plugin for KubeVirt names cards by their product, the plugin for containers does not.
        Sign::strong("Insufficient nvidia.com/{product}_"),
        Sign::strong("Insufficient nvidia.com/").and(&["permittedHostDevices"]),
        Sign::strong("Insufficient intel.com/").and(&["permittedHostDevices"]),
        Sign::strong("Insufficient amd.com/").and(&["permittedHostDevices"]),
        Sign::support("stays in progress").and(&["passthrough"]),
        Sign::strong("Error accessing file path \"/sys/bus/mdev/devices\"").and(&["Iommu Map"]),
        Sign::strong("is not present, the device plugin can't expose it"),
        Sign::strong("IOMMUFD not supported on this node"),
        Sign::strong("device socket file for device * was removed, kubelet probably restarted"),
        Sign::strong("error starting the GRPC server"),
        Sign::strong("cannot configure mdev"),
        Sign::strong("device-plugin*connection refused"),
        Sign::strong("Not supported driver {driver}, pci"),
        Sign::support("no pci_id is found"),
        Sign::strong("host-devices do not match the number of devices"),
        Sign::strong("failed to create generic host-devices"),
        Sign::strong("failed to create SR-IOV host-devices"),
    ],
    words: &["kubevirt", "device plugin", "allocatable", "sriov", "gpu", "virt-handler"],
    explains: &["kubevirt/scheduling-conflict", "kubevirt/no-kvm-on-node"],
    tells: "kubectl describe node",
    remedy: "bind the device to vfio-pci, make the device plugin run and register, and use one resource name throughout",
    check,
    ..Rule::NEW
};

/// How the names of devices begin, by who offers them.
const VENDORS: [&str; 5] = ["nvidia.com/", "intel.com/", "amd.com/", "mellanox.com/", "openshift.io/"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if !cx.stands("kubevirt") {
        return vec![draft.verdict()];
    }
    for (text, number, line) in cx.lines_with(VENDORS) {
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        let name = name.trim_matches(['"', ' ']);
        let none = value.trim().trim_matches(['"', ',']) == "0";
        if none && VENDORS.iter().any(|vendor| name.starts_with(vendor)) {
            let title = format!("a node offers none of {name}");
            draft = draft.because(Strength::Support, text.quote(number), "none is offered").title(title);
            return vec![draft.verdict()];
        }
    }
    vec![draft.verdict()]
}

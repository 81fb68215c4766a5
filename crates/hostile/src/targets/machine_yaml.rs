//! KubeVirt's YAML, read as a machine and written again: what was written says the same machine.

use super::text;
use vmwright_convert::kubevirt;

pub(super) fn run(bytes: &[u8]) {
    let Ok(read) = kubevirt::read(&text(bytes)) else { return };
    let written = kubevirt::write(&read.spec).text;
    let again = kubevirt::read(&written).map(|again| kubevirt::write(&again.spec).text);
    assert_eq!(again.as_deref(), Ok(written.as_str()));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a, namespace: b}\nspec:\n  running: true\n  template:\n    spec:\n      domain:\n        cpu: {sockets: 1, maxSockets: 2, cores: 2, model: host-model, features: [{name: x, policy: disable}]}\n        memory: {guest: 1.5Gi, maxGuest: 4Gi, hugepages: {pageSize: 2Mi}}\n        features: {acpi: {}, hyperv: {relaxed: {}, spinlocks: {spinlocks: 8191}}}\n        firmware: {bootloader: {efi: {}}, kernelBoot: {container: {image: i, kernelPath: /k}}}\n        clock: {timezone: Europe/Berlin, timer: {rtc: {tickPolicy: catchup}}}\n        devices:\n          disks: [{name: r, disk: {bus: virtio}, cache: none}, {name: c, cdrom: {}}]\n          interfaces: [{name: d, masquerade: {}}, {name: e, bridge: {}}, {name: f, sriov: {}}]\n          filesystems: [{name: s, virtiofs: {}}]\n          watchdog: {name: w, i6300esb: {action: reset}}\n      networks: [{name: d, pod: {}}, {name: e, multus: {networkName: n/br0}}, {name: f, multus: {networkName: g}}]\n      volumes: [{name: r, hostDisk: {path: /x, type: Disk}}, {name: s, persistentVolumeClaim: {claimName: s}}, {name: t, configMap: {name: t}}]\n",
        "apiVersion: v1\nkind: List\nitems:\n- &a\n  apiVersion: kubevirt.io/v1\n  kind: VirtualMachineInstance\n  metadata: {name: x}\n  spec: {domain: {devices: {}}}\n- {apiVersion: v1, kind: Secret, metadata: {<<: {name: y}}}\n---\nx: *a\n",
        "apiVersion: pool.kubevirt.io/v1beta1\nkind: VirtualMachinePool\nspec:\n  virtualMachineTemplate:\n    spec:\n      template:\n        spec:\n          volumes:\n          - name: seed\n            cloudInitNoCloud:\n              userData: |\n                #cloud-config\n                a: b\n",
    ];
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}

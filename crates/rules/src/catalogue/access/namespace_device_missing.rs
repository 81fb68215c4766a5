//! # A device node is not in the VMM's private /dev, or its cgroup forbids it
//!
//! ## What it is
//! The device exists on the host, but the VMM does not live there: libvirt gives QEMU a mount namespace whose
//! `/dev` holds only what the domain names, containers and jails get a `/dev` of a few nodes, and a device cgroup
//! (v1 `devices`, v2 BPF) answers EPERM to each node that is not listed, even to root.
//!
//! Heard as: the device exists on the host and not in the container, LXC, jail or pod; no such device or file
//! inside.
//!
//! Known by: the device exists on the host but QEMU says no such file or operation not permitted; cgroup_device_acl in
//! qemu.conf; devices.allow; /dev/vfio, /dev/kvmfr or /dev/net/tun not in the container or jail; hot-added USB or
//! serial device not seen by running domain; bind mount of /dev; mknod; devices cgroup; LXD, nspawn or kubernetes pod
//! without the node.
//!
//! ## Why it happens
//! The node is used through raw arguments, was not in `cgroup_device_acl`, was not given to the container
//! (`--device`, a device plugin, `lxc.cgroup2.devices.allow`), or was made on the host after the VM started.
//!
//! ## Confirm
//! `ls -l /dev/NODE` on the host, the same in `nsenter -m -t <qemu pid> ls -l /dev/NODE` or in the container.
//! ENOENT there and not here: the namespace. EPERM for root with mode 0666: the device cgroup.
//!
//! ## Refute
//! The node is missing on the host as well, or the answer is EACCES (owner and mode decide).
//!
//! ## Fix
//! Hand the node over: the element or `<hostdev>` that libvirt knows, `cgroup_device_acl` in
//! `/etc/libvirt/qemu.conf`, `--device` for a container, a resource of a device plugin for a pod.
//!
//! ## References
//! libvirt `src/qemu/qemu_namespace.c`, `docs/cgroups.rst`, "devices"; Linux
//! `Documentation/admin-guide/cgroup-v1/devices.rst`; `security/device_cgroup.c` (EPERM).

use crate::prelude::*;

/// What shows a container or jail around the VMM.
const DOCKER: &[&str] = &["docker"];

pub const RULE: Rule = Rule {
    tags: &["container", "permission"],
    needs: &[Need::File("/etc/libvirt/qemu.conf")],
    signs: &[
        // open(2) of a device node answers EPERM only for the device cgroup (EACCES is owner and mode).
        Sign::strong("Could not open '/dev/{node}': Operation not permitted"),
        Sign::strong("vhost-net requested but could not be initialized").and(&["Operation not permitted"]),
        Sign::strong("\"/dev/{node}\", *= -1 EPERM"),
        Sign::strong("/dev/{node}: Operation not permitted")
            .unless(&["/dev/vfio/*: Operation not permitted"]),
        Sign::support("TUN device missing. Please add the following setting to your container"),
        Sign::support("KVM acceleration not available (no write access)").and(DOCKER),
        Sign::support("KVM acceleration not detected*device").and(DOCKER),
        Sign::support("Could not access KVM kernel module: Operation not permitted"),
        Sign::support("Could not open '/dev/{node}': No such file or directory").and(DOCKER),
        Sign::support("/dev/net/tun: No such file or directory").and(DOCKER),
        Sign::support("Cannot open /dev/net/tun*No such file").and(DOCKER),
        Sign::support("/dev/vhost-net: No such file or directory").and(DOCKER),
        Sign::support("/dev/kvm: No such file or directory").and(DOCKER),
        Sign::support("Could not access KVM kernel module: No such file or directory").and(DOCKER),
        Sign::support("No such file or directory").and(&["kubectl exec", "/dev/{node}"]),
        // Of /dev/kvm it says that the host has none.
        Sign::strong("error gathering device information while adding custom device")
            .and(&["no such file"])
            .unless(&["custom device \"/dev/kvm\""]),
        // The scripts of QEMU in containers, under Docker Desktop.
        Sign::proof("Please bind '/dev/kvm' as a volume"),
        Sign::strong("No such file or directory").and(&["crw*/dev/", "nsenter"]),
        Sign::strong("Could not open '/dev/*': No such file or directory").and(&["crw*/dev/"]),
        Sign::strong("Could not open '/dev/*': No such file or directory").and(&["brw*/dev/"]),
        Sign::strong("failed to open /dev/*: No such file or directory").and(&["crw*/dev/"]),
        Sign::support("Unable to create device /dev/"),
        Sign::support("Unable to stat: /dev/").and(&["libvirt"]),
        Sign::strong("failed to attach cgroup BPF prog"),
        Sign::strong("failed to open vhost device: Operation not permitted"),
        Sign::strong("failed to load cgroup BPF prog"),
        Sign::strong("failed to update device in BPF cgroup map"),
        Sign::hint("cgroup_device_acl"),
        Sign::hint("devices.allow"),
        Sign::strong("sev*: Failed to open * 'Permission denied"),
        Sign::strong("/dev/kvm is not found").and(&["container", "KVM (version"]),
        Sign::support("/dev/kvm is not found").said(&["container", "docker", "podman", "lxc"]),
        // libvirt goes on without the controller of devices.
        Sign::hint("Group devices ACL is not accessible"),
        Sign::strong("Unable to remove {x} device from /dev"),
        Sign::strong("Unable to find any /dev mount"),
        Sign::strong("cannot be found! Please add it to the 'devices' section"),
        Sign::strong("failed to umount devfs on /dev"),
        Sign::strong("Unable to remove host device cgroup ACL"),
        Sign::strong("Failed to remove host device cgroup ACL"),
    ],
    words: &["container", "docker", "cgroup_device_acl", "namespace", "on the host"],
    explains: &["kvm/device-missing", "network/tun-unavailable", "network/vhost-net-unavailable"],
    tells: "ls -l /dev/NODE on the host and in the VMM's namespace",
    remedy: "hand the device node to the VMM: libvirt element, cgroup_device_acl, --device or a device plugin",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    ..Rule::NEW
};

//! Bugs of VMMs, tools and firmware that are known, as data. A new one is one entry.

use super::programs::{Program, Range};
use crate::Sign;
use Program::{CloudHypervisor, Firecracker, Libvirt, Qemu};

/// A bug that is known.
#[derive(Debug)]
pub(crate) struct Bug {
    /// Where it is described: number in the project's tracker, change that mends it, or release notes.
    pub source: &'static str,
    /// Whose bug it is.
    pub program: Program,
    /// The versions that have it.
    pub range: Range,
    /// What its message names it by, or what goes with it.
    pub mark: Mark,
    /// What it shows itself by; conditions of exposure are the signs' own.
    pub signs: &'static [Sign],
    /// What it is, one line.
    pub what: &'static str,
}

/// How well a bug's signs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Its own message: with an affected version it is proof, without a known one it weighs what the sign weighs.
    Message,
    /// What others show too: it counts with an affected version alone.
    Symptom,
}

const fn since(from: &'static [u32], fixed: &'static [&'static [u32]]) -> Range {
    Range { from, fixed }
}

/// Known bugs, by program and version.
pub(crate) const BUGS: &[Bug] = &[
    Bug {
        source: "gitlab.com qemu-project/qemu 2581",
        program: Qemu,
        range: since(&[9, 1], &[&[9, 1, 2], &[9, 2]]),
        mark: Mark::Message,
        signs: &[Sign::strong("gen_helper_in_func: code should not be reached")],
        what: "QEMU 9.1 ends at port instructions under TCG; 9.2 has the fix",
    },
    Bug {
        source: "QEMU commit afd9096eb188",
        program: Qemu,
        range: since(&[2, 5], &[&[2, 8]]),
        mark: Mark::Message,
        signs: &[Sign::support("Virtqueue size exceeded")],
        what: "QEMU 2.5 to 2.7 miscount requests in flight after a restore; 2.8 has the fix",
    },
    Bug {
        source: "launchpad.net qemu 1846427",
        program: Qemu,
        range: since(&[4, 1], &[&[4, 1, 1]]),
        mark: Mark::Message,
        signs: &[
            Sign::hint("qcow2: Marking image as corrupt"),
            Sign::hint("Image is corrupt"),
            Sign::hint("errors were found on the image"),
            // Where only the complaint names the version.
            Sign::strong("qcow2: Marking image as corrupt").and(&["QEMU 4.1"]),
        ],
        what: "QEMU 4.1.0 corrupts qcow2 images; 4.1.1 has the fix",
    },
    Bug {
        source: "bugzilla.redhat.com 1738768; QEMU commit 7b404cae7fa2",
        program: Qemu,
        range: since(&[4, 1], &[&[4, 1, 1]]),
        mark: Mark::Symptom,
        signs: &[
            Sign::hint("vhost-user"),
            Sign::hint("dpdkvhostuser"),
            Sign::hint("openvswitch*DPDK"),
            Sign::hint("OVS-DPDK"),
        ],
        what: "QEMU 4.1.0 does not restore a vhost-user backend that comes back; 4.1.1 has the fix",
    },
    Bug {
        source: "launchpad.net qemu 1850000",
        program: Qemu,
        range: since(&[4, 1], &[&[4, 2]]),
        mark: Mark::Message,
        signs: &[
            Sign::hint("refcount=1 reference=").and(&["compressed clusters"]),
            Sign::strong("errors were found on the image").and(&["qemu-img 4.1"]),
        ],
        what: "qemu-img 4.1 reports errors of compressed clusters that are none; 4.2 has the fix",
    },
    Bug {
        source: "launchpad.net qemu 1875139",
        program: Qemu,
        range: since(&[4, 2], &[&[5, 1]]),
        mark: Mark::Message,
        signs: &[Sign::support("The device is not writable").and(&["auto-read-only"])],
        what: "QEMU 4.2 and 5.0 open read-only host devices for writing in spite of auto-read-only; 5.1 has the fix",
    },
    Bug {
        source: "bugzilla.redhat.com 1914805",
        program: Qemu,
        range: since(&[5, 2], &[&[6]]),
        mark: Mark::Message,
        signs: &[Sign::strong("Assertion `flags & BH_DELETED' failed")],
        what: "QEMU 5.2 asserts when an event loop ends; 6.0 has the fix",
    },
    Bug {
        source: "libvirt NEWS 8.0.0",
        program: Qemu,
        range: since(&[6, 2], &[&[7]]),
        mark: Mark::Symptom,
        signs: &[
            Sign::hint("unable to detach").and(&["libvirt 7.9"]),
            Sign::hint("unable to detach").and(&["libvirt 7.10"]),
        ],
        what: "QEMU 6.2 tells libvirt 7.9 and 7.10 nothing of a device that is gone; libvirt 8.0 has the fix",
    },
    Bug {
        source: "github.com cockpit-project/cockpit-machines 1999",
        program: Qemu,
        range: since(&[9, 1], &[&[9, 2]]),
        mark: Mark::Message,
        signs: &[Sign::strong("qobject_output_add_obj")],
        what: "QEMU 9.1 asserts when it answers a query without a name",
    },
    Bug {
        source: "github.com harvester/harvester 11358; QEMU 10.1 change log",
        program: Qemu,
        range: since(&[10, 1], &[&[10, 2]]),
        mark: Mark::Message,
        signs: &[
            Sign::hint("missing features: *pdcm"),
            Sign::hint("missing features: *arch-capabilities"),
            Sign::strong("missing features: *pdcm").and(&["QEMU 10.1"]),
            Sign::strong("missing features: *arch-capabilities").and(&["QEMU 10.1"]),
        ],
        what: "QEMU 10.1 changed CPU features (pdcm, arch-capabilities) of older machine types",
    },
    Bug {
        source: "libvirt NEWS 6.5.0",
        program: Libvirt,
        range: since(&[6, 4], &[&[6, 5]]),
        mark: Mark::Message,
        signs: &[Sign::strong("qemuDomainBlockCommit").and(&["segfault at"])],
        what: "libvirt 6.4 crashes at every block commit; 6.5 has the fix",
    },
    Bug {
        source: "libvirt NEWS 8.5.0",
        program: Libvirt,
        range: since(&[8, 4], &[&[8, 5]]),
        mark: Mark::Message,
        signs: &[Sign::strong("File descriptor named '(null)' has not been found")],
        what: "libvirt 8.4 cannot hot-plug network interfaces; 8.5 has the fix",
    },
    Bug {
        source: "libvirt NEWS 8.10.0",
        program: Libvirt,
        range: since(&[1], &[&[8, 10]]),
        mark: Mark::Message,
        signs: &[Sign::support("Initialisation of * state driver failed: no error")],
        what: "libvirt before 8.10 does not start on hosts that show no CPU cache",
    },
    Bug {
        source: "libvirt NEWS 9.1.0",
        program: Libvirt,
        range: since(&[9], &[&[9, 1]]),
        mark: Mark::Message,
        signs: &[Sign::support("Tray of device '{device}' is not open")],
        what: "libvirt 9.0 cannot change the medium of an optical drive; 9.1 has the fix",
    },
    Bug {
        source: "bugzilla.redhat.com 2247754; libvirt NEWS 9.10.0",
        program: Libvirt,
        range: since(&[9, 9], &[&[9, 10]]),
        mark: Mark::Message,
        signs: &[Sign::strong("qemuSaveImageDecompressionStart")],
        what: "libvirt 9.9 crashes when it reverts to a snapshot; 9.10 has the fix",
    },
    Bug {
        source: "libvirt NEWS 10.2.0",
        program: Libvirt,
        range: since(&[9, 10], &[&[10, 2]]),
        mark: Mark::Message,
        signs: &[Sign::support("extra features: *vmx-")],
        what: "libvirt 9.10 to 10.1 take the vmx-* features of a guest from an older libvirt for additions",
    },
    Bug {
        source: "libvirt NEWS 10.3.0",
        program: Libvirt,
        range: since(&[6], &[&[10, 3]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("Certificate does not match the hostname").and(&["copy-storage"])],
        what: "libvirt before 10.3 gives QEMU no host name to check when it copies storage along",
    },
    Bug {
        source: "libvirt NEWS 10.5.0",
        program: Libvirt,
        range: since(&[1], &[&[10, 5]]),
        mark: Mark::Symptom,
        signs: &[
            Sign::hint("libvirtd[{pid}]: segfault at").and(&["migrat"]),
            Sign::hint("virtqemud[{pid}]: segfault at").and(&["migrat"]),
        ],
        what: "libvirt before 10.5 crashes when a guest shuts down while it is migrated",
    },
    Bug {
        source: "libvirt NEWS 10.5.0",
        program: Libvirt,
        range: since(&[10, 1], &[&[10, 5]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("missing features: *vmx-")],
        what: "libvirt before 10.5 expects vmx-* features on the target that the guest has switched off",
    },
    Bug {
        source: "gitlab.com libvirt/libvirt 734; libvirt NEWS 11.0.0",
        program: Libvirt,
        range: since(&[9, 9], &[&[11]]),
        mark: Mark::Symptom,
        signs: &[
            Sign::hint("delet*external").and(&["internal snapshot"]),
            Sign::hint("snapshot-delete").and(&["internal snapshot", "external snapshot"]),
        ],
        what: "libvirt before 11.0 deletes the disk itself with an external snapshot whose parent is internal",
    },
    Bug {
        source: "libvirt NEWS 11.0.0",
        program: Libvirt,
        range: since(&[1], &[&[11]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("segfault at").and(&["<bandwidth>", "openvswitch"])],
        what: "libvirt before 11.0 crashes when it starts a guest with QoS on an Open vSwitch bridge",
    },
    Bug {
        source: "libvirt NEWS 11.3.0",
        program: Libvirt,
        range: since(&[11, 2], &[&[11, 3]]),
        mark: Mark::Message,
        signs: &[Sign::strong("qemuBlockThrottleFiltersDetach")],
        what: "libvirt 11.2 crashes when attaching a disk fails; 11.3 has the fix",
    },
    Bug {
        source: "github.com harvester/harvester 11615; libvirt NEWS 11.10.0",
        program: Libvirt,
        range: since(&[9], &[&[11, 10]]),
        mark: Mark::Message,
        signs: &[Sign::hint("extra features: *ht")],
        what: "libvirt before 11.10 does not know that QEMU 10.0 and later show ht",
    },
    Bug {
        source: "Arch Linux libvirt packages; QEMU 10.1 change log",
        program: Libvirt,
        range: since(&[1], &[&[11, 7]]),
        mark: Mark::Message,
        signs: &[Sign::support("segfault at*libvirt_driver_qemu.so")],
        what: "this libvirt crashes; QEMU 10.1 and later need a newer one",
    },
    Bug {
        source: "firecracker CHANGELOG 1.11.0 (5045)",
        program: Firecracker,
        range: since(&[1], &[&[1, 11]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("--new-pid-ns").and(&["SIGHUP"])],
        what: "Firecracker before 1.11 takes a SIGHUP under a jailer with --new-pid-ns and without --daemonize",
    },
    Bug {
        source: "firecracker CHANGELOG 1.12.0 (5074)",
        program: Firecracker,
        range: since(&[1, 8], &[&[1, 12]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("SendCtrlAltDel")],
        what: "Firecracker before 1.12 does not shut guests with ACPI down by SendCtrlAltDel",
    },
    Bug {
        source: "firecracker CHANGELOG 1.14.0 (5494)",
        program: Firecracker,
        range: since(&[0, 23], &[&[1, 14]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("soft lockup").and(&["snapshot"])],
        what: "Firecracker before 1.14 does not tell the guest's watchdog of the pause of a snapshot",
    },
    Bug {
        source: "firecracker CHANGELOG 1.14.0 (5485)",
        program: Firecracker,
        range: since(&[0, 25], &[&[1, 14]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("vsock").and(&["6.17"]), Sign::hint("vsock").and(&["6.18"])],
        what: "Firecracker before 1.14 corrupts vsock data of guests with Linux 6.17 and later",
    },
    Bug {
        source: "firecracker CHANGELOG 1.15.0 (5705)",
        program: Firecracker,
        range: since(&[0, 23], &[&[1, 15]]),
        mark: Mark::Symptom,
        signs: &[
            Sign::hint("\"snapshot_type\": \"Diff\""),
            Sign::hint("snapshot_type*Diff").and(&["corrupt"]),
        ],
        what: "Firecracker before 1.15 corrupts differential snapshots of guests with more than 3 GiB",
    },
    Bug {
        source: "firecracker CHANGELOG 1.16.0 (5809)",
        program: Firecracker,
        range: since(&[1], &[&[1, 16]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("kvm-clock").and(&["monotonic", "restor"])],
        what: "Firecracker before 1.16 lets the monotonic clock jump at a restore on Linux 5.16 and later",
    },
    Bug {
        source: "firecracker CHANGELOG 1.16.0 (5764)",
        program: Firecracker,
        range: since(&[0, 23], &[&[1, 16]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("ttyS0").and(&["snapshot/load"])],
        what: "Firecracker before 1.16 leaves the serial console silent after a restore",
    },
    Bug {
        source: "firecracker CHANGELOG 1.16.1 (5958)",
        program: Firecracker,
        range: since(&[1, 16], &[&[1, 16, 1]]),
        mark: Mark::Message,
        signs: &[Sign::hint("vsock").and(&["snapshot/load"]), Sign::hint("vsock").and(&["snapshot restore"])],
        what: "Firecracker 1.16.0 leaves vsock silent after a restore; 1.16.1 has the fix",
    },
    Bug {
        source: "cloud-hypervisor 7327; release notes 48.0",
        program: CloudHypervisor,
        range: since(&[20], &[&[48]]),
        mark: Mark::Symptom,
        signs: &[
            Sign::hint("Bad system call").and(&["glibc"]),
            Sign::hint("SIGSYS").and(&["glibc"]),
            Sign::hint("seccomp").and(&["glibc 2.42"]),
        ],
        what: "Cloud Hypervisor before 48.0 is killed by its own seccomp filter under glibc 2.42",
    },
    Bug {
        source: "cloud-hypervisor 8358",
        program: CloudHypervisor,
        range: since(&[50], &[&[52]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("not in qcow2 format"), Sign::hint("qcow2").and(&["corrupt"])],
        what: "Cloud Hypervisor 50 overwrites the head of qcow2 images; 52.0 is known to be good",
    },
    Bug {
        source: "cloud-hypervisor 7930, 7932; release notes 52.0",
        program: CloudHypervisor,
        range: since(&[15], &[&[52]]),
        mark: Mark::Symptom,
        signs: &[Sign::hint("kvm_hyperv=on").and(&["restore"])],
        what: "Cloud Hypervisor before 52.0 starts the vCPUs of a restored guest before it sets their clock",
    },
    Bug {
        source: "cloud-hypervisor 8012, 8051; release notes 52.0",
        program: CloudHypervisor,
        range: since(&[51], &[&[52]]),
        mark: Mark::Symptom,
        signs: &[
            Sign::hint("direct=on").and(&["qcow2", "Invalid argument"]),
            Sign::hint("direct=on").and(&["qcow2", "os error 22"]),
        ],
        what: "Cloud Hypervisor 51 passes unaligned requests of qcow2 images on to disks with direct=on",
    },
    Bug {
        source: "firecracker: the crate userfaultfd; e2b infra 208",
        program: Firecracker,
        range: since(&[1], &[]),
        mark: Mark::Message,
        signs: &[Sign::strong("userfaultfd object: Unrecognized ioctl flags")],
        what: "this Firecracker knows fewer calls of userfaultfd than the kernel has, and refuses them",
    },
    Bug {
        source: "firectl 123; flintlock 1099",
        program: Firecracker,
        range: since(&[0], &[]),
        mark: Mark::Message,
        signs: &[Sign::strong("unknown field `{field}`, expected").and(&["FaultMessage"])],
        what: "the client and Firecracker are of versions whose APIs have different fields",
    },
    Bug {
        source: "virtio-win kvm-guest-drivers-windows 623, 756",
        program: Qemu,
        range: since(&[2], &[]),
        mark: Mark::Message,
        signs: &[Sign::strong("Reset to device, \\\\Device\\\\RaidPort")],
        what: "virtio-win's vioscsi and viostor lose requests under load, and Windows resets the device (event 129)",
    },
    Bug {
        // Aligned since c1ece84e7c93 (2018, behind 2.11), no longer for vhost of the kernel since 76525114736e (January
        // 2020, behind 4.2.0).
        source: "QEMU commits c1ece84e7c93 and 76525114736e",
        program: Qemu,
        range: since(&[2, 12], &[&[4, 2, 1], &[5]]),
        mark: Mark::Message,
        signs: &[
            Sign::strong("Overlapping but not coherent sections"),
            Sign::strong("vhost_region_add_section*ection rounded to"),
        ],
        what: "QEMU 2.12 to 4.2 round the kernel's vhost sections to huge pages, which small pages of devices tear; 5.0 has the fix",
    },
];

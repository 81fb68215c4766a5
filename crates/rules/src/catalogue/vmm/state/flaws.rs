//! Published vulnerabilities, as data. A new one is one entry.
//!
//! Versions are upstream's, as the projects' advisories and stable branches name them (QEMU's as Debian's package
//! `qemu` records them in its change log); not each range was held against its advisory. Newest first for each program:
//! of several, the newest are named.

use super::programs::{Program, Range};
use Program::{CloudHypervisor, Edk2, Firecracker, Kernel, Libvirt, Qemu, Swtpm};

/// A published vulnerability.
#[derive(Debug)]
pub(crate) struct Flaw {
    /// Its number.
    pub id: &'static str,
    /// Whose it is.
    pub program: Program,
    /// The versions that have it.
    pub range: Range,
    /// Parts of a VM's configuration, in lower case, of which one exposes it; every VM where empty.
    pub exposed_by: &'static [&'static str],
    /// What it is about.
    pub what: &'static str,
}

const fn flaw(
    id: &'static str,
    program: Program,
    from: &'static [u32],
    fixed: &'static [&'static [u32]],
    exposed_by: &'static [&'static str],
    what: &'static str,
) -> Flaw {
    Flaw { id, program, range: Range { from, fixed }, exposed_by, what }
}

/// What every VM has, or any user of the host's interface.
const ANY: &[&str] = &[];
const VNC: &[&str] = &["vnc"];
const VIRTIO_NET: &[&str] = &["virtio-net", "<model type='virtio'", "<model type=\"virtio\""];
const VIRTIO_CRYPTO: &[&str] = &["virtio-crypto", "<crypto model='virtio'"];
const USB: &[&str] = &["-device usb", "usb-", "<redirdev", "xhci", "ehci", "uhci"];
const LSI: &[&str] = &["lsi53c895a", "lsi53c810", "lsilogic"];
const C_VIRTIOFSD: &[&str] = &["vhost-user-fs", "virtiofs"];
const NBD: &[&str] = &["nbd"];

pub(crate) const FLAWS: &[Flaw] = &[
    flaw("CVE-2025-14876", Qemu, &[2, 8], &[&[10, 2, 1]], VIRTIO_CRYPTO, "virtio-crypto: unbounded memory"),
    flaw(
        "CVE-2026-0665",
        Qemu,
        &[8],
        &[&[10, 2, 1]],
        &["xen-version"],
        "Xen emulation: out-of-bounds access",
    ),
    flaw("CVE-2025-12464", Qemu, &[8, 1], &[&[10, 1, 3], &[10, 2]], &["e1000"], "e1000: stack overflow"),
    flaw(
        "CVE-2025-11234",
        Qemu,
        &[2, 5],
        &[&[10, 1, 3], &[10, 2]],
        &["websocket"],
        "websocket: use after free",
    ),
    flaw("CVE-2024-8354", Qemu, &[1], &[&[10, 1, 1]], USB, "USB: a guest stops the process"),
    flaw(
        "CVE-2025-8860",
        Qemu,
        &[10],
        &[&[10, 1]],
        &["uefi-vars"],
        "UEFI variables: memory leak to the guest",
    ),
    flaw("CVE-2025-54566", Qemu, &[10], &[&[10, 0, 3]], &["igb", "sriov"], "SR-IOV: use after free"),
    flaw("CVE-2024-8612", Qemu, &[1], &[&[9, 1, 1]], &["virtio"], "virtio: memory leak to the guest"),
    flaw("CVE-2024-7409", Qemu, &[1], &[&[9, 1]], NBD, "NBD server: clients stop the process"),
    flaw("CVE-2024-6505", Qemu, &[7], &[&[9, 1]], VIRTIO_NET, "virtio-net: out-of-bounds queue index"),
    flaw("CVE-2024-4467", Qemu, &[1], &[&[9, 1]], ANY, "qemu-img info: an image reads other files"),
    flaw(
        "CVE-2024-3446",
        Qemu,
        &[1],
        &[&[7, 2, 11], &[8, 2, 3], &[9]],
        &["virtio-gpu", "virtio-serial", "virtio-crypto", "<model type='virtio'"],
        "virtio-gpu, serial, crypto: double free",
    ),
    flaw("CVE-2024-3447", Qemu, &[1], &[&[8, 2, 3], &[9]], &["sdhci"], "SD host controller: heap overflow"),
    flaw("CVE-2023-6693", Qemu, &[2, 10], &[&[8, 2, 1], &[9]], VIRTIO_NET, "virtio-net: stack overflow"),
    flaw(
        "CVE-2023-6683",
        Qemu,
        &[6, 1],
        &[&[8, 2, 2], &[9]],
        VNC,
        "VNC clipboard: a client stops the process",
    ),
    flaw("CVE-2023-42467", Qemu, &[1], &[&[8, 1, 1], &[8, 2]], &["scsi"], "SCSI disks: division by zero"),
    flaw("CVE-2023-3019", Qemu, &[2, 5], &[&[8, 1]], &["e1000e"], "e1000e: use after free"),
    flaw(
        "CVE-2023-3354",
        Qemu,
        &[1],
        &[&[7, 2, 5], &[8, 0, 4], &[8, 1]],
        VNC,
        "VNC: a client stops the process",
    ),
    flaw(
        "CVE-2023-3180",
        Qemu,
        &[2, 5],
        &[&[7, 2, 5], &[8, 0, 4], &[8, 1]],
        VIRTIO_CRYPTO,
        "virtio-crypto: heap overflow",
    ),
    flaw(
        "CVE-2023-2861",
        Qemu,
        &[1],
        &[&[7, 2, 4], &[8, 0, 3], &[8, 1]],
        &["virtio-9p", "-virtfs", "<filesystem"],
        "9p: a guest opens special files of the host",
    ),
    flaw("CVE-2023-0330", Qemu, &[1], &[&[8, 0, 2], &[8, 1]], LSI, "LSI SCSI: re-entrant DMA"),
    flaw("CVE-2022-4172", Qemu, &[7], &[&[7, 2]], &["acpi-erst"], "ACPI ERST: out-of-bounds access"),
    flaw("CVE-2022-0358", Qemu, &[5], &[&[7]], C_VIRTIOFSD, "virtiofsd: files with a foreign group"),
    flaw("CVE-2022-26353", Qemu, &[6, 2], &[&[7]], VIRTIO_NET, "virtio-net: mapping leak"),
    flaw("CVE-2022-0216", Qemu, &[1], &[&[7, 1]], LSI, "LSI SCSI: use after free"),
    flaw("CVE-2021-3748", Qemu, &[1], &[&[6, 2]], VIRTIO_NET, "virtio-net: use after free"),
    flaw("CVE-2021-3713", Qemu, &[1], &[&[6, 2]], &["usb-uas"], "USB attached SCSI: out-of-bounds write"),
    flaw(
        "CVE-2021-3682",
        Qemu,
        &[1],
        &[&[6, 1]],
        &["usb-redir", "<redirdev"],
        "USB redirection: invalid free",
    ),
    flaw("CVE-2020-35517", Qemu, &[5], &[&[6]], C_VIRTIOFSD, "virtiofsd: a guest opens special files"),
    flaw(
        "CVE-2021-20263",
        Qemu,
        &[5, 2],
        &[&[6]],
        C_VIRTIOFSD,
        "virtiofsd: set-user-id bits stay after a write",
    ),
    flaw("CVE-2020-14364", Qemu, &[1], &[&[5, 2]], USB, "USB: out-of-bounds access"),
    flaw(
        "CVE-2020-10717",
        Qemu,
        &[5],
        &[&[5, 1]],
        C_VIRTIOFSD,
        "virtiofsd: a guest uses up the host's open files",
    ),
    flaw(
        "CVE-2019-14378",
        Qemu,
        &[1],
        &[&[4, 1]],
        &["-netdev user", "type='user'"],
        "user network: heap overflow",
    ),
    flaw("CVE-2015-3456", Qemu, &[0, 1], &[&[2, 4]], ANY, "floppy controller: buffer overflow (VENOM)"),
    flaw(
        "CVE-2024-8235",
        Libvirt,
        &[10, 4],
        &[&[10, 7]],
        ANY,
        "interface listing: a client stops the daemon",
    ),
    flaw("CVE-2024-4418", Libvirt, &[1], &[&[10, 4]], ANY, "RPC client: use after free"),
    flaw("CVE-2024-2494", Libvirt, &[1], &[&[10, 2]], ANY, "RPC: a client stops the daemon"),
    flaw("CVE-2024-1441", Libvirt, &[1], &[&[10, 1]], ANY, "interface listing: off by one"),
    flaw("CVE-2023-3750", Libvirt, &[8, 3], &[&[9, 6]], ANY, "storage driver: a client stops the daemon"),
    flaw("CVE-2021-3667", Libvirt, &[4, 1], &[&[7, 6]], ANY, "storage pools: a client locks them for ever"),
    flaw("CVE-2021-3631", Libvirt, &[1], &[&[7, 5]], ANY, "SELinux: labels of two guests overlap"),
    flaw("CVE-2020-25637", Libvirt, &[1, 2, 14], &[&[6, 8]], ANY, "guest agent: double free"),
    flaw("CVE-2019-10161", Libvirt, &[0, 1], &[&[5, 5]], ANY, "read-only clients read and run files"),
    flaw(
        "CVE-2026-5747",
        Firecracker,
        &[1, 13],
        &[&[1, 14, 4], &[1, 15, 1]],
        ANY,
        "virtio over PCI: out-of-bounds write",
    ),
    flaw(
        "CVE-2026-1386",
        Firecracker,
        &[0, 1],
        &[&[1, 13, 2], &[1, 14, 1]],
        ANY,
        "jailer: a symbolic link overwrites host files",
    ),
    flaw(
        "CVE-2020-27174",
        Firecracker,
        &[0, 1],
        &[&[0, 21, 3], &[0, 22, 1], &[0, 23]],
        ANY,
        "serial port: memory grows",
    ),
    flaw(
        "CVE-2020-16843",
        Firecracker,
        &[0, 20],
        &[&[0, 20, 1], &[0, 21, 2]],
        ANY,
        "virtio-net: the receive queue stops",
    ),
    flaw(
        "CVE-2019-18960",
        Firecracker,
        &[0, 18],
        &[&[0, 18, 1], &[0, 19, 1]],
        ANY,
        "vsock: a guest reads and writes the VMM's memory",
    ),
    flaw("CVE-2026-45782", CloudHypervisor, &[0, 1], &[&[52]], ANY, "virtio-block: use after free"),
    flaw(
        "GHSA-jmr4-g2hv-mjj6",
        CloudHypervisor,
        &[34],
        &[&[51]],
        ANY,
        "disk images: a backing file reads host files",
    ),
    flaw(
        "CVE-2022-23645",
        Swtpm,
        &[0, 1],
        &[&[0, 5, 3], &[0, 6, 2], &[0, 7, 1]],
        ANY,
        "state file: out-of-bounds read",
    ),
    flaw(
        "CVE-2020-28407",
        Swtpm,
        &[0, 1],
        &[&[0, 4, 2], &[0, 5, 1]],
        ANY,
        "a symbolic link overwrites host files",
    ),
    flaw("CVE-2024-38796", Edk2, &[2014], &[&[2024, 11]], ANY, "image loader: integer overflow"),
    flaw("CVE-2024-1298", Edk2, &[2014], &[&[2024, 5]], ANY, "resume from S3: division by zero"),
    flaw("CVE-2023-45230", Edk2, &[2014], &[&[2024, 2]], ANY, "network boot: overflow in DHCPv6 (PixieFail)"),
    flaw("CVE-2022-36763", Edk2, &[2014], &[&[2024, 2]], ANY, "TPM measurement: heap overflow"),
    flaw("CVE-2021-38575", Edk2, &[2014], &[&[2021, 8]], ANY, "iSCSI boot: remote buffer overflow"),
    flaw("CVE-2022-2196", Kernel, &[4], &[&[6, 2]], ANY, "KVM, nested VMX: no barrier between guests"),
    flaw(
        "CVE-2021-3656",
        Kernel,
        &[4, 13],
        &[&[5, 14]],
        ANY,
        "KVM, nested SVM: a guest reads and writes host memory",
    ),
    flaw(
        "CVE-2021-3653",
        Kernel,
        &[2, 6, 30],
        &[&[5, 14]],
        ANY,
        "KVM, nested SVM: a guest writes the host's APIC page",
    ),
    flaw("CVE-2021-22543", Kernel, &[3], &[&[5, 13]], ANY, "KVM: read-only pages can be written"),
    flaw(
        "CVE-2020-2732",
        Kernel,
        &[3],
        &[&[5, 6]],
        ANY,
        "KVM, nested VMX: intercepts of the first level are left out",
    ),
    flaw(
        "CVE-2019-14835",
        Kernel,
        &[2, 6, 34],
        &[&[5, 3]],
        ANY,
        "vhost-net: buffer overflow during migration",
    ),
    flaw(
        "CVE-2019-7221",
        Kernel,
        &[3, 17],
        &[&[5]],
        ANY,
        "KVM, nested VMX: use after free of the preemption timer",
    ),
    flaw("CVE-2019-6974", Kernel, &[3, 10], &[&[5]], ANY, "KVM: use after free of a device's file"),
];

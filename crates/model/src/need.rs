//! What a rule needs to have read. The union over the enabled rules is the collector's work list.

use serde::Serialize;

/// One thing to read. Paths are absolute on the host; the reader puts the root in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// One file.
    File(&'static str),
    /// Whether a file is there, unread: a program, a firmware image. The record has no bytes.
    Exists(&'static str),
    /// Files by pattern: `*` stands for any run of characters inside one path component.
    Glob(&'static str),
    /// A command that only reads, given as its words; it must be on the reader's allow-list.
    Command(&'static [&'static str]),
    /// Something the reader finds out itself and writes down as text.
    Probe(Probe),
}

/// Facts that no file holds. Each becomes a record with a name of its own, so that it can be quoted, saved in
/// a capture and pasted like any other source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Opens `/dev/kvm` and runs a page of code in it: record `kvm-probe`, kind `kvm_probe`.
    Kvm,
    /// Owner, group and mode of each component down to each image, kernel and firmware of the VM in question,
    /// in the format of `namei -l`: records `namei -l PATH`, kind `namei`.
    ImagePaths,
    /// Who holds a lock on each image of the VM in question: record `image-locks`, kind `image_locks`.
    ImageLocks,
    /// Running VMM processes with their command line and user: record `vmm-processes`, kind `vmm_processes`.
    Vmms,
    /// The specification, command line and log of the VM in question from vmwright's own state directory.
    Machine,
    /// libvirt's domains, networks and storage pools, asked over its read-only socket: records named as the command
    /// that gives them, `virsh -r list --all`, `virsh -r dumpxml NAME`.
    Libvirt,
    /// Names of the host's network interfaces: record `interfaces`, kind `interfaces`.
    Interfaces,
    /// Every PCI function with driver, IOMMU group, resets, BARs, SR-IOV, node, link and power: record `pci-devices`,
    /// kind `pci_devices`.
    Pci,
    /// Each VMM process and its helpers (virtiofsd, swtpm) with status, limits, cgroup, namespaces, threads, memory
    /// by node and open devices: record `vmm-details`, kind `vmm_details`.
    VmmDetails,
    /// Configurations and logs that running VMMs name on their command lines, each under its own path.
    VmmFiles,
    /// Owner, group, mode and label of the device nodes and keys of the virtualization stack, in the format of
    /// `ls -lZ`: record `device-nodes`, kind `file_listing`.
    DeviceNodes,
    /// The disk images of libvirt's domains, running QEMUs and the VM in question down their backing chains, with
    /// owners, modes, labels, ACLs and headers: record `images`, kind `images`.
    Images,
    /// Space and inodes of each mounted file system that holds data: records `df -Tk` and `df -Ti`, kind `df`.
    Space,
    /// Every network interface with MTU, master, speed, VLAN, bridge and tap settings: record `links`, kind `links`.
    Links,
    /// Which CPUs each interrupt may be and is served by: record `irq-affinity`, kind `irq_affinity`.
    Irqs,
    /// Installed packages of the virtualization stack with their versions: record `packages`, kind `packages`.
    Packages,
    /// What the running kernel's configuration says of virtualization: record `kernel-config`, kind `kernel_config`.
    KernelConfig,
    /// The firmware's tables about the IOMMU: records `acpidump -n DMAR` and `acpidump -n IVRS`, kind `acpi_tables`.
    AcpiTables,
    /// QEMU's monitors, asked by queries alone, where a VMM names one on a path that nobody holds: records
    /// `qmp/VM/query-status` and its like, kind `qmp_answer`.
    Qmp,
    /// Services of the virtualization stack, whether they run and are started at boot: record `services`, kind `services`.
    Services,
    /// The CPU's own answers, leaf by leaf, of the first CPU: record `cpuid -1 -r`, kind `cpuid`.
    Cpuid,
}

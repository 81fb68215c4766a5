//! Text to typed views. Pure: no file is opened here. Total: a view reads what it can and lists what it could
//! not; no input makes it fail as a whole, panic, or take more than linear time.
//!
//! A view is one module: its type, its [`View`] implementation and its tests. To add one, write the module and
//! name it in [`views!`] below; its kind is the module's name.

pub mod acl;
pub mod base64;
pub mod changes;
pub mod codes;
pub mod cpu_models;
pub mod edits;
pub mod event_stream;
pub mod facts;
pub mod grub_environment;
pub mod image_header;
pub mod json;
pub mod lines;
pub mod machine_types;
mod nearest;
pub mod pairs;
pub mod pci_address;
mod recognise;
mod seamcall;
pub mod settings;
mod sev_status;
pub mod vmm_message;
pub mod word_vectors;
pub mod xml;

pub use cpu_models::{CpuModel, cpu_model};
pub use nearest::nearest;
pub use pairs::Pairs;
pub use pci_address::PciAddress;
use recognise::Recogniser;
pub use recognise::recognise;
pub use seamcall::{SeamcallStatus, seamcall_leaf, seamcall_named, seamcall_status, seamcall_words};
pub use sev_status::{SevStatus, sev_code, sev_named, sev_status, sev_termination};
use std::borrow::Cow;
use vmwright_model::{Issue, Kind};

/// Bytes as text; what is no UTF-8 is replaced. Nearly all is UTF-8, and that is found out many bytes at once,
/// where [`String::from_utf8_lossy`] goes from character to character.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A typed reading of one kind of text.
pub trait View: Sized + 'static {
    /// The kind that this view reads. Its name is the name of the module.
    const KIND: Kind;

    /// How sure [`View::recognise`] is at most: nobody asks this view where another is surer.
    const SUREST: u8;

    /// Words of which at least one stands in every text that [`View::recognise`] knows by its content. A text
    /// without any is not gone through for this view. None where no such words are known: then each text is.
    const MARKS: &[&str] = &[];

    /// Reads what can be read, and says what could not.
    fn read(text: &str) -> (Self, Vec<Issue>);

    /// How sure this view is that a text is its own: 0 no, 100 certain. `name` is the last component of the
    /// text's name, in lower case; `head` is the text's first 64 KiB. Content weighs more than the name: a name
    /// alone gives 30 at most.
    fn recognise(name: &str, head: &str) -> u8;
}

/// Declares the view modules and the table that [`recognise`] goes through.
macro_rules! views {
    ($($module:ident :: $view:ident),* $(,)?) => {
        $(pub mod $module; pub use $module::$view;)*
        /// Every view's kind with its recogniser.
        pub(crate) const RECOGNISERS: &[Recogniser] =
            &[$(($view::KIND, $view::MARKS, $view::SUREST, $view::recognise)),*];

        /// What could not be read of a text of this kind, by line; none where no view has that kind.
        #[must_use]
        pub fn issues(kind: &Kind, text: &str) -> Option<Vec<Issue>> {
            $(if *kind == $view::KIND { return Some(<$view as View>::read(text).1); })*
            None
        }

        /// The kinds that have a view, in the order of their names.
        #[must_use]
        pub fn kinds() -> Vec<Kind> {
            vec![$($view::KIND),*]
        }
    };
}

views! {
    acpi_tables::AcpiTables,
    audit_log::AuditLog,
    bridge_vlan::BridgeVlan,
    cloud_hypervisor_config::CloudHypervisorConfig,
    cloud_hypervisor_log::CloudHypervisorLog,
    cpuid::Cpuid,
    cpuinfo::CpuInfo,
    df::Df,
    dmsetup_status::DmsetupStatus,
    domain_xml::DomainXml,
    environment::Environment,
    file_listing::FileListing,
    firecracker_config::FirecrackerConfig,
    firecracker_log::FirecrackerLog,
    firmware_descriptor::FirmwareDescriptor,
    free::Free,
    group_file::GroupFile,
    guest_console::GuestConsole,
    guest_kernel_log::GuestKernelLog,
    hugepages::HugePages,
    image_locks::ImageLocks,
    images::Images,
    interfaces::Interfaces,
    interrupts::Interrupts,
    iommu_groups::IommuGroups,
    ip_addr::IpAddr,
    ip_route::IpRoute,
    iptables_save::IptablesSave,
    irq_affinity::IrqAffinity,
    kernel_cmdline::KernelCmdline,
    kernel_config::KernelConfig,
    kernel_log::KernelLog,
    kubectl_describe::KubectlDescribe,
    kubernetes_yaml::KubernetesYaml,
    kvm_probe::KvmProbe,
    libvirt_log::LibvirtLog,
    libvirt_xml::LibvirtXml,
    links::Links,
    lscpu::LsCpu,
    lsmod::LsMod,
    lspci::Lspci,
    lvm_report::LvmReport,
    machine_spec::MachineSpecView,
    meminfo::MemInfo,
    modprobe_conf::ModprobeConf,
    mounts::Mounts,
    namei::Namei,
    nft_ruleset::NftRuleset,
    numa::Numa,
    ovs_show::OvsShow,
    packages::Packages,
    passwd::Passwd,
    pci_devices::PciDevices,
    proc_iomem::ProcIomem,
    proxmox_conf::ProxmoxConf,
    qemu_args::QemuArgs,
    qemu_img_info::QemuImgInfo,
    qemu_log::QemuLog,
    qemu_models::QemuModels,
    qemu_offers::QemuOffers,
    qmp_answer::QmpAnswer,
    qmp_messages::QmpMessages,
    sysctl::Sysctl,
    virsh_info::VirshInfo,
    virsh_table::VirshTable,
    vmm_details::VmmDetails,
    vmm_processes::VmmProcesses,
}

//! Plans: immutable lists of steps, and the approvals that let them happen.

mod domain;
mod network;
mod running;
mod setting;

pub use domain::DomainEdit;
pub use network::{OvsPort, Uplink, UplinkRoute};
pub use running::{QmpValue, RbdSnapshot};
pub use setting::Setting;

use crate::finding::{Disruption, Subject};
use crate::machine::DiskFormat;
use serde::{Deserialize, Serialize};

/// Version of [`Plan`] as JSON.
pub const PLAN_SCHEMA: &str = "vmwright.plan/1";

/// Version of [`Approval`] as JSON.
pub const APPROVAL_SCHEMA: &str = "vmwright.approval/1";

/// One typed change. Each carries the state it expects to find, so that drift is seen before anything is done,
/// and so that undoing it is known before it is done. `vmwright_apply::actions` has one file for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action", deny_unknown_fields)]
pub enum Action {
    /// Replaces one value in a machine's specification; comments and order stay.
    EditSpec {
        /// Path of the specification.
        path: String,
        /// Dotted key, `cpu.model`.
        key: String,
        /// The value that must stand there, as TOML; none where the key is absent.
        from: Option<String>,
        /// The value to write, as TOML; none to remove the key.
        to: Option<String>,
    },
    /// Changes one setting in a file that people edit too; all other bytes stay.
    EditSetting {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// Which setting.
        setting: Setting,
        /// What must stand there; none where it must be absent. Of a parameter the whole word, `iommu=pt`.
        from: Option<String>,
        /// What to write; none to take it away.
        to: Option<String>,
    },
    /// Changes a file's or directory's permission bits.
    FileMode {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// The bits that must be found, 0 to 0o7777.
        from: u32,
        /// The bits to set.
        to: u32,
    },
    /// Makes a Linux bridge and brings it up.
    BridgeAdd {
        /// Interface name, 1 to 15 bytes.
        name: String,
        /// Address with prefix length to give the host on it.
        address: Option<String>,
    },
    /// Takes away a bridge that vmwright made: the inverse of [`Action::BridgeAdd`]. Only a bridge that has the
    /// hardware address which vmwright gives, no port, and no address but this one is taken away.
    BridgeRemove {
        /// Interface name, 1 to 15 bytes.
        name: String,
        /// Address with prefix length that vmwright gave the host on it.
        address: Option<String>,
    },
    /// Makes a card of the host the way out of a bridge that vmwright made: the card becomes its port, and the bridge
    /// takes over the card's hardware address, addresses and routes, so that the host is reached as before.
    UplinkAdd {
        /// What is moved.
        uplink: Uplink,
    },
    /// Gives a card back what its bridge took over: the inverse of [`Action::UplinkAdd`].
    UplinkRemove {
        /// What is moved back.
        uplink: Uplink,
    },
    /// Makes a tap device, and plugs it into a bridge.
    TapAdd {
        /// Interface name, 1 to 15 bytes.
        name: String,
        /// Number of the user who may open it.
        user: u32,
        /// The bridge that it is plugged into.
        bridge: Option<String>,
    },
    /// Takes a tap device away that nobody has open: the inverse of [`Action::TapAdd`].
    TapRemove {
        /// Interface name, 1 to 15 bytes.
        name: String,
        /// Number of the user who may open it.
        user: u32,
        /// The bridge that it is plugged into.
        bridge: Option<String>,
    },
    /// Makes a bridge of Open vSwitch. It reaches out once a card of the host is its port.
    OvsBridgeAdd {
        /// Its name, which is that of its interface: 1 to 15 bytes.
        bridge: String,
    },
    /// Takes a bridge of Open vSwitch away that vmwright made and that has no port: the inverse of
    /// [`Action::OvsBridgeAdd`].
    OvsBridgeRemove {
        /// Its name, 1 to 15 bytes.
        bridge: String,
    },
    /// Makes a port of Open vSwitch, gives it another VLAN, or takes one away that vmwright made.
    OvsPort {
        /// Name of the port, which is that of its interface.
        port: String,
        /// How it must be found; none where there must be none.
        from: Option<OvsPort>,
        /// How it shall be; none where it is taken away.
        to: Option<OvsPort>,
    },
    /// Makes an empty disk image where there is no file.
    ImageCreate {
        /// Absolute path; no component may be a symbolic link. Its directory must exist.
        path: String,
        /// Its format.
        format: ImageFormat,
        /// What the guest sees, in bytes; a multiple of 512.
        size: u64,
    },
    /// Takes a disk image away into which nothing was written: the inverse of [`Action::ImageCreate`].
    ImageRemove {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// Its format.
        format: ImageFormat,
        /// What the guest sees, in bytes.
        size: u64,
    },
    /// Changes what a guest sees of a disk image that no VMM has open. It becomes smaller only where nothing lies behind
    /// its new end.
    ImageResize {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// Its format.
        format: ImageFormat,
        /// What it must have now, in bytes.
        from: u64,
        /// What it shall have, in bytes; a multiple of 512.
        to: u64,
    },
    /// Makes a disk image with the content of another where there is no file.
    ImageCopy {
        /// Absolute path; no component may be a symbolic link. Its directory must exist.
        path: String,
        /// Its format.
        format: ImageFormat,
        /// The image that is copied, with all that it builds upon.
        from: Base,
        /// What a guest sees of both, in bytes.
        size: u64,
    },
    /// Takes a disk image away whose content is still that of another: the inverse of [`Action::ImageCopy`].
    ImageCopyRemove {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// Its format.
        format: ImageFormat,
        /// The image that it is a copy of.
        from: Base,
        /// What a guest sees of both, in bytes.
        size: u64,
    },
    /// Makes a qcow2 image that builds upon another, where there is no file.
    ImageOverlay {
        /// Absolute path; no component may be a symbolic link. Its directory must exist.
        path: String,
        /// What it builds upon.
        base: Base,
        /// What the guest sees, in bytes; not less than of the base.
        size: u64,
    },
    /// Takes a qcow2 image away into which nothing was written: the inverse of [`Action::ImageOverlay`].
    ImageOverlayRemove {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// What it builds upon.
        base: Base,
        /// What the guest sees, in bytes.
        size: u64,
    },
    /// Lets a qcow2 image that no VMM has open build upon another one, or upon nothing. What differs between the two is
    /// copied into it, so that what a guest sees stays.
    ImageRebase {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// What it builds upon now; none where upon nothing.
        from: Option<Base>,
        /// What it shall build upon; none for nothing.
        to: Option<Base>,
    },
    /// Makes an empty directory where there is nothing.
    DirectoryCreate {
        /// Absolute path; no component may be a symbolic link. The directory above must exist, or be made before.
        path: String,
        /// Its permission bits, 0o700 to 0o777. It belongs to whoever carries the plan out.
        mode: u32,
    },
    /// Takes an empty directory away: the inverse of [`Action::DirectoryCreate`].
    DirectoryRemove {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Replaces a text file's whole content; owner, mode, ACL and labels stay. What takes it back is another.
    FileWrite {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// SHA-256 that the content must have now, 64 hexadecimal digits.
        from_sha256: String,
        /// The content to write, at most 1 MiB.
        text: String,
    },
    /// Makes a text file where there is none.
    FileCreate {
        /// Absolute path; no component may be a symbolic link. Its directory must exist.
        path: String,
        /// The content, at most 1 MiB.
        text: String,
        /// Its permission bits, 0 to 0o777. It belongs to whoever carries the plan out.
        mode: u32,
    },
    /// Takes a text file away: the inverse of [`Action::FileCreate`].
    FileRemove {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// SHA-256 that the content must have, 64 hexadecimal digits.
        from_sha256: String,
    },
    /// Copies a file that programs make for the boot, so that its old bytes can still be booted.
    FileCopy {
        /// Absolute path; no component may be a symbolic link. Its directory must exist.
        path: String,
        /// Absolute path of the file that is copied.
        from: String,
    },
    /// Takes a copy away: the inverse of [`Action::FileCopy`].
    FileCopyRemove {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// The file that it was copied from.
        from: String,
        /// SHA-256 that its content must have, 64 hexadecimal digits.
        sha256: String,
    },
    /// Has the boot loader boot the changed entry once, and an older one from then on. It ends where somebody goes on
    /// with the run behind the restart.
    BootTrial {
        /// In which way.
        trial: Trial,
    },
    /// Has the boot loader boot as it would have: the inverse of [`Action::BootTrial`].
    BootTrialEnd {
        /// In which way it was tried.
        trial: Trial,
    },
    /// Changes a file's or directory's owner and group.
    FileOwner {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// The owner that must be found.
        from: Owner,
        /// The owner to give.
        to: Owner,
    },
    /// Changes who may do what with a file or directory besides what its permission bits say (acl(5)).
    FileAcl {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// The whole list that must be found, with numbers: `user::rw-,user:107:r--,group::r--,mask::r--,other::---`.
        /// Where there is none, what the permission bits say.
        from: String,
        /// The whole list to give. One that says no more than permission bits takes the list away.
        to: String,
    },
    /// Changes a file's or directory's label of SELinux, as `chcon` does.
    FileLabel {
        /// Absolute path; no component may be a symbolic link.
        path: String,
        /// The label that must be found, `system_u:object_r:virt_image_t:s0`; none where it has none.
        from: Option<String>,
        /// The label to give; none to take it away.
        to: Option<String>,
    },
    /// Writes one value of the kernel in sysfs: a module's parameter, a device's attribute, a switch of memory
    /// management. It holds until the next boot.
    Sysfs {
        /// Absolute path below `/sys`.
        path: String,
        /// The value that must be read; where the kernel shows a choice (`always [madvise] never`), the chosen one.
        from: String,
        /// The value to write.
        to: String,
    },
    /// Sets a kernel parameter. It holds until the next boot.
    Sysctl {
        /// Its path below `/proc/sys`: `net/ipv4/ip_forward`.
        key: String,
        /// The value that must be read, blanks between words as one.
        from: String,
        /// The value to write.
        to: String,
    },
    /// Sets how many huge pages of one size the host keeps. It holds until the next boot.
    HugePages {
        /// The NUMA node; the whole host where absent.
        node: Option<u32>,
        /// Size of a page, in KiB: 2048, 1048576.
        size_kib: u64,
        /// How many there must be now.
        from: u64,
        /// How many there shall be.
        to: u64,
    },
    /// Has other CPUs serve an interrupt, or those that are set up from now on. One whose CPUs the kernel itself chooses
    /// keeps them, which is told. It holds until the interrupt's device is set up anew, or until the next boot.
    IrqAffinity {
        /// Its number; none for those that are set up from now on.
        irq: Option<u32>,
        /// The CPUs that may serve it now, as the kernel writes lists: `0-3,8`.
        from: String,
        /// The CPUs that shall.
        to: String,
    },
    /// Gives a PCI function to another driver.
    DriverBind {
        /// PCI address, `0000:01:00.0`.
        device: String,
        /// The binding that must be found.
        from: Binding,
        /// The binding to make.
        to: Binding,
    },
    /// Loads a kernel module.
    ModuleLoad {
        /// Its name.
        module: String,
        /// Its parameters, `name=value`; those of modprobe's configuration come besides.
        parameters: Vec<String>,
    },
    /// Unloads a kernel module that nothing uses.
    ModuleUnload {
        /// Its name.
        module: String,
        /// The parameters that it is loaded with again where this is taken back.
        parameters: Vec<String>,
    },
    /// Runs the program that makes a boot loader's configuration or an initramfs out of settings. What it replaces is
    /// kept first, so that taking it back gives the old bytes back.
    Regenerate {
        /// The program, with what it is told.
        generator: Generator,
        /// Absolute paths of the files that it writes; the first is the one that it is run for.
        outputs: Vec<String>,
        /// Texts that must stand in the first file afterwards; none where it is no text.
        holds: Vec<String>,
    },
    /// Gives files that a program made their old bytes back: the inverse of [`Action::Regenerate`].
    Restore {
        /// The program that made them.
        generator: Generator,
        /// The files, as they were before.
        outputs: Vec<Output>,
        /// Texts that the program put into the first file.
        holds: Vec<String>,
    },
    /// Starts or stops a service, and has it started at boot or not.
    Service {
        /// Unit of systemd, `libvirtd.service`.
        unit: String,
        /// The state that must be found.
        from: ServiceState,
        /// The state to bring about.
        to: ServiceState,
    },
    /// Starts or stops a virtual network of libvirt's system daemon, and has it started with the daemon or not.
    VirtualNetwork {
        /// Its name, `default`.
        network: String,
        /// The state that must be found.
        from: ServiceState,
        /// The state to bring about.
        to: ServiceState,
    },
    /// Activates a logical volume of LVM, so that it has a device, or deactivates one that nobody has open. It holds until
    /// the next boot, where LVM's own settings decide.
    LogicalVolume {
        /// Its group and name, `vg0/data`.
        volume: String,
        /// Whether it must be found active.
        from: bool,
        /// Whether it shall be active.
        to: bool,
    },
    /// Makes a machine: vmwright's record of it and, for libvirt, its definition there.
    MachineCreate {
        /// Name of the machine, as its specification gives it.
        machine: String,
        /// What makes it run: `qemu`, `firecracker`, `cloud-hypervisor`, or libvirt's URI.
        backend: String,
        /// Its specification, with absolute paths, at most 1 MiB.
        text: String,
    },
    /// Takes a machine away that does not run and is as it was made: the inverse of [`Action::MachineCreate`]. Its disks
    /// stay.
    MachineDelete {
        /// Name of the machine.
        machine: String,
        /// What makes it run.
        backend: String,
        /// Its specification.
        text: String,
    },
    /// Changes places of a domain of libvirt's, whoever made it. All else stays as libvirt has it, and the change holds
    /// from the domain's next start.
    EditDomain {
        /// libvirt's URI, `qemu:///system` or `qemu:///session`.
        connection: String,
        /// Name of the domain.
        domain: String,
        /// The places, in order.
        edits: Vec<DomainEdit>,
    },
    /// Plugs a device into a domain of libvirt's: into what it is started from and, where it runs, into the running one.
    DeviceAttach {
        /// libvirt's URI, `qemu:///system` or `qemu:///session`.
        connection: String,
        /// Name of the domain.
        domain: String,
        /// The device, an element as domains have it; known by a disk's target, an interface's MAC address or the address
        /// of a device of the host.
        device: String,
        /// Whether the domain must be found running.
        running: bool,
    },
    /// Unplugs a device from a domain of libvirt's: the inverse of [`Action::DeviceAttach`].
    DeviceDetach {
        /// libvirt's URI.
        connection: String,
        /// Name of the domain.
        domain: String,
        /// The device, an element that says nothing else than what is there.
        device: String,
        /// Whether the domain must be found running.
        running: bool,
    },
    /// Sets one value of a machine's running QEMU by its monitor. It holds until that QEMU ends.
    Qmp {
        /// Name of the machine.
        machine: String,
        /// Which value.
        value: QmpValue,
        /// What it must be.
        from: u64,
        /// What it shall be.
        to: u64,
    },
    /// Makes, protects, releases or removes a snapshot of an image in a Ceph pool.
    RbdSnapshot {
        /// The image, `pool/image` or `pool/namespace/image`.
        image: String,
        /// Name of the snapshot.
        snapshot: String,
        /// How it must be found.
        from: RbdSnapshot,
        /// How it shall be.
        to: RbdSnapshot,
    },
    /// Moves a running machine to another host, where it is waited for; nothing but other machines and a restart of the
    /// host comes behind it.
    MachineMigrate {
        /// Name of the machine.
        machine: String,
        /// Where to: `tcp:host:port`, `unix:/path`, `file:/path`, `libvirt:URI`.
        to: String,
    },
    /// What is recorded to take a migration back: nobody here can, once the machine is away.
    MachineReturn {
        /// Name of the machine.
        machine: String,
        /// Where it is.
        to: String,
    },
    /// Restarts the host; always the last step. The run goes on behind it.
    Reboot {
        /// In what takes it back: id of the boot that was left. Nothing is done then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<String>,
    },
    /// Waits for the restart of the host, which somebody else does when it suits; always the last step. The run goes on
    /// behind it.
    AwaitReboot {
        /// In what takes it back: id of the boot in which it began to wait. Nothing is done then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<String>,
    },
    /// Starts a machine; expects it stopped.
    MachineStart {
        /// Name of the machine.
        machine: String,
    },
    /// Stops a machine in order, then by force; expects it running.
    MachineStop {
        /// Name of the machine.
        machine: String,
    },
}

/// Format of a disk image that vmwright makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// Nothing but the data.
    Raw,
    /// QEMU's own.
    Qcow2,
}

impl ImageFormat {
    /// As `qemu-img` calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ImageFormat::Raw => "raw",
            ImageFormat::Qcow2 => "qcow2",
        }
    }
}

/// An image that others are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Absolute path.
    pub path: String,
    /// Its format. Never guessed: a guest that writes a header into a raw image could name any file.
    pub format: DiskFormat,
}

impl Base {
    /// Its format as `qemu-img` calls it.
    #[must_use]
    pub fn format_name(&self) -> &'static str {
        match self.format {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::Qcow => "qcow",
            DiskFormat::Qed => "qed",
            DiskFormat::Vmdk => "vmdk",
            DiskFormat::Vdi => "vdi",
            DiskFormat::Vpc => "vpc",
            DiskFormat::Vhdx => "vhdx",
            DiskFormat::Luks => "luks",
            DiskFormat::Fat => "vvfat",
        }
    }
}

/// A program that makes files for the next boot. Its arguments are fixed, but for the kernel's version and a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "program", deny_unknown_fields)]
pub enum Generator {
    /// `update-grub`: Debian's name for `grub-mkconfig -o /boot/grub/grub.cfg`.
    UpdateGrub,
    /// `grub-mkconfig -o OUTPUT`.
    GrubMkconfig,
    /// `grub2-mkconfig -o OUTPUT`.
    Grub2Mkconfig,
    /// `update-initramfs -u -k KERNEL`.
    UpdateInitramfs {
        /// Version of the kernel, as `uname -r` tells it.
        kernel: String,
    },
    /// `dracut --force OUTPUT KERNEL`.
    Dracut {
        /// Version of the kernel.
        kernel: String,
    },
    /// `kernel-install add KERNEL IMAGE`.
    KernelInstall {
        /// Version of the kernel.
        kernel: String,
        /// Path of its image.
        image: String,
    },
}

/// How a boot loader tries an entry once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "loader", deny_unknown_fields)]
pub enum Trial {
    /// GRUB takes `next_entry` out of its environment block when it boots it, and takes the entry from before where
    /// `vmwright_trial` is left there.
    Grub {
        /// Absolute path of the environment block.
        environment: String,
        /// The entry that is booted once: a number, a title or an id.
        entry: String,
    },
    /// systemd-boot counts down the tries in an entry's name, and puts entries without any behind all others.
    Counted {
        /// Absolute path of the entry, `/boot/loader/entries/NAME.conf`.
        entry: String,
    },
}

/// A file that a program makes, as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Absolute path.
    pub path: String,
    /// What was there; none where nothing was.
    pub was: Option<Kept>,
}

/// A file whose bytes are kept in vmwright's own directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// SHA-256 of its content, 64 hexadecimal digits.
    pub sha256: String,
    /// Its permission bits.
    pub mode: u32,
    /// Whom it belongs to.
    pub owner: Owner,
}

/// Whom a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Number of the user.
    pub user: u32,
    /// Number of the group.
    pub group: u32,
}

/// What drives a PCI function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The driver that it is bound to; none where it is free.
    pub driver: Option<String>,
    /// The one driver that it may have (`driver_override`); any that fits where absent.
    pub only: Option<String>,
}

/// Whether a service or a virtual network runs, and whether it runs at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceState {
    /// It runs.
    pub active: bool,
    /// It is started at boot.
    pub enabled: bool,
}

/// One action in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it is about.
    pub subject: Subject,
    /// What is done.
    pub action: Action,
    /// Why, one sentence.
    pub why: String,
    /// What it disturbs.
    pub disruption: Disruption,
    /// Ids of the rules whose findings it settles, each with its subject; after the step the rule must be quiet.
    pub settles: Vec<Settles>,
}

/// A finding that a step settles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settles {
    /// Id of the rule.
    pub rule: String,
    /// Subject of the finding.
    pub subject: Subject,
}

/// An immutable list of steps. Its id is the SHA-256 of its canonical JSON without the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_SCHEMA`].
    pub schema: String,
    /// What it is for, one line.
    pub title: String,
    /// Host that it was made for.
    pub host_id: String,
    /// VM that it is about, if one.
    pub vm: Option<String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Findings that no step settles, and why, one line each.
    pub left: Vec<String>,
    /// What the user complained of, in their own words, where a step settles a finding that is one for those alone who complain
    /// of it: its rule is asked with the same words again once the step is done. Empty where no step needs it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub complaint: String,
}

/// What an approver signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// [`APPROVAL_SCHEMA`].
    pub schema: String,
    /// Id of the plan, 64 hexadecimal digits.
    pub plan: String,
    /// Host that it may run on.
    pub host_id: String,
    /// The highest disruption that it allows.
    pub ceiling: Disruption,
    /// Seconds since 1970-01-01 UTC after which it is void.
    pub expires: i64,
    /// Who signed, as the allowed signers name them.
    pub principal: String,
}

use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;
use vmwright_engine::{AttachDevice, DiskWish, Intent, NetworkWish, NewDisk, Operation, Technology, TuneFor};

/// Make a plan: to settle the findings, or for something that you want.
///
/// The plan is kept under its id, which is the hash of its content. It changes nothing; see `preview`, `approve`
/// and `apply`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// The VM to repair; the host alone where absent.
    #[arg(long, value_name = "NAME")]
    vm: Option<String>,
    /// What the user complains of, in their own words, as `analyze` was told: some things are faults for those alone who
    /// want them otherwise.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    complaint: String,
    #[command(subcommand)]
    wanted: Option<Wanted>,
}

#[derive(Subcommand)]
enum Wanted {
    /// Create a VM of its specification, with the images, directories, bridges and huge pages that are not there yet.
    ///
    /// What another VM has already (a disk, a hardware address, a vsock id, a socket, a port) is told now. Taking the
    /// run back removes exactly what it made.
    Create {
        /// Path of the specification, as `vmwright vm schema` describes it.
        spec: PathBuf,
        /// What makes it run: qemu, firecracker, cloud-hypervisor, libvirt, or libvirt's URI.
        #[arg(long, value_name = "BACKEND")]
        backend: Option<String>,
        /// Size of a disk that is made: 20GiB for the first disk, 2=100GiB for the second. May be given for each.
        #[arg(long = "size", value_name = "[N=]SIZE", value_parser = NewDisk::read)]
        sizes: Vec<NewDisk>,
        /// Make a disk with the content of this image, in the disk's own format. May be given for each.
        #[arg(long = "copy", value_name = "[N=]IMAGE", value_parser = NewDisk::read)]
        copies: Vec<NewDisk>,
        /// Start it at the end.
        #[arg(long)]
        start: bool,
    },
    /// Give a PCI device to a VM, with all that shares its IOMMU group. What the host needs is refused.
    Passthrough {
        /// Name of the VM.
        vm: String,
        /// Address of the device, as `lspci` shows it: 01:00.0.
        device: String,
        /// Keep the device for VMs after the next boot too.
        #[arg(long)]
        at_boot: bool,
        /// Restart this host at the end; the run goes on behind that with `vmwright apply --resume`.
        ///
        /// Without it the run waits until you restart the host, and goes on behind that in the same way. Where the boot loader can (GRUB on a plain disk, systemd-boot), it tries what was made once, and boots as before
        /// from then on, until you go on with the run.
        #[arg(long, requires = "at_boot")]
        reboot: bool,
    },
    /// Give a device so many virtual functions (SR-IOV), until the next boot.
    Sriov {
        /// Address of the device, as `lspci` shows it: 01:00.0.
        device: String,
        /// How many; 0 takes all away.
        #[arg(long, value_name = "N")]
        vfs: u32,
    },
    /// Change this host's network. The run is taken back by itself unless you confirm it in time.
    Network {
        #[command(subcommand)]
        wish: Networks,
    },
    /// Change a disk of a VM: larger, without a base, upon another base, so that it gives room back, slower, or kept as it
    /// is.
    ///
    /// A VM that runs is stopped for what cannot be done while it has the image open, and started again.
    Storage {
        /// Name of the VM.
        vm: String,
        /// Number of the disk in its specification, counted from 1.
        #[arg(long, value_name = "N", default_value_t = 1)]
        disk: usize,
        #[command(flatten)]
        wish: DiskWishes,
    },
    /// Keep a VM's memory from this host (SEV, SEV-ES, SEV-SNP, TDX): the host's switches, and the VM's specification.
    Confidential {
        /// Name of the VM; the host alone where none is named.
        vm: Option<String>,
        /// By which means.
        #[arg(long = "by", value_enum, value_name = "MEANS")]
        technology: Means,
        /// Restart this host at the end; the run goes on behind that with `vmwright apply --resume`. Without it the run
        /// waits until you restart the host.
        #[arg(long)]
        reboot: bool,
    },
    /// Move a running VM to another host, if a look at both finds nothing that stands in the way.
    Migrate {
        /// Name of the VM.
        vm: String,
        /// Where it is waited for: tcp:host:port, unix:/path, file:/path, or libvirt:URI for a VM that libvirt runs.
        to: String,
        /// Records of the other host, as `vmwright capture` makes them.
        #[arg(long, value_name = "RECORDS")]
        against: PathBuf,
        /// Bytes that it may send in a second: 1GiB. Of a VM that vmwright itself runs with QEMU, which takes 128MiB.
        #[arg(long, value_name = "SIZE")]
        bandwidth: Option<String>,
        /// Milliseconds that the guest may stand still at the end. Of a VM that vmwright itself runs with QEMU, which takes
        /// 300.
        #[arg(long, value_name = "MS")]
        downtime: Option<u64>,
    },
    /// Plug a device into a VM of libvirt's: at once where it runs, and from its next start.
    ///
    /// Taking the run back unplugs it. A VM that vmwright made has `vmwright vm attach` and its specification.
    Attach {
        /// Name of the VM.
        vm: String,
        #[command(flatten)]
        device: AttachedDevice,
    },
    /// Unplug a device from a VM of libvirt's: at once where it runs, and from its next start.
    ///
    /// A guest that does not let go of it within a minute keeps it, and the run is taken back.
    Detach {
        /// Name of the VM.
        vm: String,
        /// The target of a disk (vdb), or the MAC address of an interface.
        device: String,
    },
    /// Tell what a newer QEMU or libvirt would break here, VM by VM, and plan what mends it.
    ///
    /// Machine types and CPU models that are gone, options and devices that QEMU removed, and what libvirt does
    /// otherwise. Exit status 1 where something would break.
    UpgradeCheck {
        /// The QEMU that is to come, like 10.2.
        #[arg(long, value_name = "VERSION", required_unless_present = "libvirt")]
        qemu: Option<String>,
        /// The libvirt that is to come, like 11.2.
        #[arg(long, value_name = "VERSION")]
        libvirt: Option<String>,
    },
    /// Tune a VM for what it is for: where its CPUs and memory lie, its disks and networks. What that costs is said.
    ///
    /// For latency the interrupts of its devices come to other CPUs: by irqbalance where that runs, else one by one.
    ///
    /// Of a VM of libvirt's that vmwright did not make, the places of its own domain are changed, from its next start.
    Tune {
        /// Name of the VM.
        vm: String,
        /// What it is for.
        #[arg(long = "for", value_enum, value_name = "GOAL")]
        goal: Goal,
    },
    /// Leave less to attack: of a VM, or of this host where none is named. What that costs is said.
    ///
    /// Labels of AppArmor or SELinux that are off come back: on the host in libvirt's qemu.conf, the kernel's own switch or its
    /// command line, of a VM in its domain and its profile. VMs have them from their next start, and those that run are named.
    ///
    /// Of a VM of libvirt's that vmwright did not make, the places of its own domain are changed, from its next start.
    Harden {
        /// Name of the VM.
        vm: Option<String>,
    },
}

#[derive(Subcommand)]
enum Networks {
    /// Let an interface, and of a bridge or bond its ports, take packets of this size.
    Mtu {
        /// The interface.
        interface: String,
        /// Bytes: 1500, 9000.
        bytes: u32,
    },
    /// Make a bridge with a card of the host as its way out, so that VMs are in the LAN as the host is.
    ///
    /// The bridge takes over the card's hardware address, addresses and routes, at once and at every boot where
    /// systemd-networkd, ifupdown, netplan or NetworkManager sets the card up.
    Bridge {
        /// The bridge, which is made: br0.
        bridge: String,
        /// The card of the host: eth0, bond0.
        #[arg(long, value_name = "CARD")]
        uplink: String,
        /// Nothing changes before the next boot, with which the plan ends. Needed where DHCP gives the card its address.
        #[arg(long)]
        reboot: bool,
    },
    /// Let frames that only cross a bridge pass by the firewall for IP (br_netfilter), as VMs on the LAN need.
    BridgeFilterOff,
    /// Make an interface a port of an Open vSwitch bridge, or give it another VLAN there.
    OvsPort {
        /// The interface.
        port: String,
        /// The bridge.
        #[arg(long, value_name = "BRIDGE")]
        bridge: String,
        /// The VLAN that it is an access port of, 1 to 4094; a trunk of all where absent.
        #[arg(long, value_name = "VLAN", value_parser = clap::value_parser!(u16).range(1..=4094))]
        vlan: Option<u16>,
    },
}

#[derive(clap::Args)]
struct AttachedDevice {
    #[command(flatten)]
    which: WhichDevice,
    /// Format of the disk: raw or qcow2. It is not guessed: a guest can write any header into a raw image.
    #[arg(long, value_name = "FORMAT", requires = "disk", default_value = "raw")]
    image_format: String,
    /// Where the disk is plugged in: virtio, scsi, sata or usb.
    #[arg(long, value_name = "BUS", requires = "disk", default_value = "virtio")]
    bus: String,
    /// The guest may not write to the disk.
    #[arg(long, requires = "disk")]
    readonly: bool,
    /// The interface's MAC address; made of the names where absent.
    #[arg(long, value_name = "MAC", conflicts_with = "disk")]
    mac: Option<String>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct WhichDevice {
    /// A disk image or block device of this host.
    #[arg(long, value_name = "PATH")]
    disk: Option<PathBuf>,
    /// An interface on this bridge of the host.
    #[arg(long, value_name = "BRIDGE")]
    bridge: Option<String>,
    /// An interface in this virtual network of libvirt's.
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
}

impl AttachedDevice {
    fn device(self) -> AttachDevice {
        let Self { which, image_format: format, bus, readonly, mac } = self;
        match (which.disk, which.bridge) {
            (Some(path), _) => AttachDevice::Disk { path, format, bus, readonly },
            (_, Some(bridge)) => AttachDevice::Bridge { bridge, mac },
            // clap asks for one of the three.
            _ => AttachDevice::Network { network: which.network.unwrap_or_default(), mac },
        }
    }
}

#[derive(clap::Args)]
#[group(required = true, multiple = true)]
struct DiskWishes {
    /// The guest sees so much of it: 100GiB.
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["flatten", "rebase", "trim", "limit_bytes", "limit_requests", "snapshot"])]
    grow: Option<String>,
    /// It holds all of itself, and builds upon no other image any more.
    #[arg(long, conflicts_with_all = ["rebase", "trim", "limit_bytes", "limit_requests", "snapshot"])]
    flatten: bool,
    /// It builds upon this image, and the guest sees the same.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["trim", "limit_bytes", "limit_requests", "snapshot"])]
    rebase: Option<PathBuf>,
    /// What the guest deletes is free on the host.
    #[arg(long, conflicts_with_all = ["limit_bytes", "limit_requests", "snapshot"])]
    trim: bool,
    /// It moves at most so many bytes in a second, at once and from the next start: 50MiB; 0 for any number.
    #[arg(long, value_name = "SIZE", conflicts_with = "snapshot")]
    limit_bytes: Option<String>,
    /// It takes at most so many requests in a second; 0 for any number.
    #[arg(long, value_name = "N", conflicts_with = "snapshot")]
    limit_requests: Option<u64>,
    /// Keep an image in a Ceph pool as it is now, under this name and protected from removal.
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
}

impl DiskWishes {
    fn wish(self) -> DiskWish {
        match (self.grow, self.rebase, self.flatten) {
            (Some(size), ..) => DiskWish::Grow { size },
            (_, Some(base), _) => DiskWish::Rebase { base },
            (_, _, true) => DiskWish::Flatten,
            _ if self.trim => DiskWish::Trim,
            _ => match self.snapshot {
                Some(name) => DiskWish::Snapshot { name },
                None => DiskWish::Limit { bytes: self.limit_bytes, requests: self.limit_requests },
            },
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Means {
    /// AMD: memory.
    Sev,
    /// AMD: memory and registers.
    SevEs,
    /// AMD: memory, registers, and that nobody puts other memory in its place.
    SevSnp,
    /// Intel.
    Tdx,
}

#[derive(Clone, Copy, ValueEnum)]
enum Goal {
    /// Quick answers.
    Latency,
    /// Much work in a given time.
    Throughput,
    /// Many VMs on one host.
    Density,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        let intent = match self.wanted {
            None => Intent::Fix { vm: self.vm, complaint: self.complaint },
            Some(Wanted::Create { spec, backend, sizes, copies, start }) => {
                Intent::Create { spec, backend, sizes, copies, start }
            }
            Some(Wanted::Passthrough { vm, device, at_boot, reboot }) => {
                Intent::Passthrough { vm, device, at_boot, reboot }
            }
            Some(Wanted::Sriov { device, vfs }) => Intent::Sriov { device, vfs },
            Some(Wanted::Network { wish }) => Intent::Network {
                wish: match wish {
                    Networks::Mtu { interface, bytes } => NetworkWish::Mtu { interface, bytes },
                    Networks::Bridge { bridge, uplink, reboot } => {
                        NetworkWish::Bridge { bridge, uplink, reboot }
                    }
                    Networks::BridgeFilterOff => NetworkWish::BridgeFilterOff,
                    Networks::OvsPort { port, bridge, vlan } => NetworkWish::OvsPort { port, bridge, vlan },
                },
            },
            Some(Wanted::Storage { vm, disk, wish }) => Intent::Storage { vm, disk, wish: wish.wish() },
            Some(Wanted::Confidential { vm, technology, reboot }) => {
                let technology = match technology {
                    Means::Sev => Technology::Sev,
                    Means::SevEs => Technology::SevEs,
                    Means::SevSnp => Technology::SevSnp,
                    Means::Tdx => Technology::Tdx,
                };
                Intent::Confidential { vm, technology, reboot }
            }
            Some(Wanted::Migrate { vm, to, against, bandwidth, downtime }) => {
                Intent::Migrate { vm, to, against, bandwidth, downtime }
            }
            Some(Wanted::Attach { vm, device }) => Intent::Attach { vm, device: device.device() },
            Some(Wanted::Detach { vm, device }) => Intent::Detach { vm, device },
            Some(Wanted::UpgradeCheck { qemu, libvirt }) => Intent::UpgradeCheck { qemu, libvirt },
            Some(Wanted::Tune { vm, goal }) => Intent::Tune {
                vm,
                goal: match goal {
                    Goal::Latency => TuneFor::Latency,
                    Goal::Throughput => TuneFor::Throughput,
                    Goal::Density => TuneFor::Density,
                },
            },
            Some(Wanted::Harden { vm }) => Intent::Harden { vm },
        };
        Operation::Plan { intent }
    }
}

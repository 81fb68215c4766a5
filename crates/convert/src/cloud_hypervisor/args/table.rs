//! Which option says which part of the configuration (Cloud Hypervisor `vmm/src/config.rs`).

/// An option with parts.
pub(super) struct Known {
    /// Its name.
    pub(super) option: &'static str,
    /// Where it stands in the configuration.
    pub(super) key: &'static str,
    /// Whether it can be there several times.
    pub(super) of: Of,
    /// Its parts, in the order in which they are written.
    pub(super) items: &'static [Item],
}

/// How often an option can be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    One,
    Many,
}

/// A part of an option.
pub(super) struct Item {
    pub(super) argument: &'static str,
    /// Where it stands in the option's part of the configuration.
    pub(super) key: &'static str,
    pub(super) kind: Kind,
}

/// How a value is spelled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    /// Bytes, with K, M or G.
    Size,
    /// `on`, `off`.
    Switch,
    /// A word of the command line, and the JSON's.
    Words(&'static [(&'static str, &'static str)]),
    /// No value: that it is there means this.
    Is(&'static str),
    /// `[0,2-4]`.
    Numbers,
    /// `[a,b]`.
    Texts,
    /// `threads:cores:dies:packages`.
    Topology,
    /// `[0@20]`, or where the last is true `[0@[1,2]]`: names of both in the JSON.
    Pairs(&'static str, &'static str, bool),
    /// Names of what is on.
    Features,
}

use Kind::{Features, Is, Number, Numbers, Pairs, Size, Switch, Text, Texts, Topology, Words};

const fn item(argument: &'static str, key: &'static str, kind: Kind) -> Item {
    Item { argument, key, kind }
}

/// One whose name is the same in both.
const fn same(name: &'static str, kind: Kind) -> Item {
    item(name, name, kind)
}

const fn one(option: &'static str, key: &'static str, items: &'static [Item]) -> Known {
    Known { option, key, of: Of::One, items }
}

const fn many(option: &'static str, key: &'static str, items: &'static [Item]) -> Known {
    Known { option, key, of: Of::Many, items }
}

/// Options that are there or not.
pub(super) const FLAGS: &[(&str, &str)] =
    &[("--watchdog", "watchdog"), ("--pvpanic", "pvpanic"), ("--landlock", "landlock_enable")];

/// Options with one text, of the payload.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("--kernel", "kernel"),
    ("--initramfs", "initramfs"),
    ("--cmdline", "cmdline"),
    ("--firmware", "firmware"),
    ("--igvm", "igvm"),
    ("--host-data", "host_data"),
];

const IMAGES: Kind = Words(&[
    ("raw", "Raw"),
    ("qcow2", "Qcow2"),
    ("vhd", "FixedVhd"),
    ("vhdx", "Vhdx"),
    ("vmdk", "FlatVmdk"),
    ("unknown", "Unknown"),
]);

const CONSOLE: &[Item] = &[
    item("off", "mode", Is("Off")),
    item("null", "mode", Is("Null")),
    item("pty", "mode", Is("Pty")),
    item("tty", "mode", Is("Tty")),
    same("file", Text),
    same("socket", Text),
    same("id", Text),
    same("iommu", Switch),
    same("pci_segment", Number),
    same("pci_device_id", Number),
];

/// What every PCI device has, and then its own.
macro_rules! device {
    ($($item:expr),* $(,)?) => {
        &[same("id", Text), $($item,)* same("iommu", Switch), same("pci_segment", Number), same("pci_device_id", Number)]
    };
}

/// Token buckets, and then more.
macro_rules! limited {
    ($($item:expr),* $(,)?) => {
        device![
            $($item,)*
            item("bw_size", "rate_limiter_config/bandwidth/size", Number),
            item("bw_one_time_burst", "rate_limiter_config/bandwidth/one_time_burst", Number),
            item("bw_refill_time", "rate_limiter_config/bandwidth/refill_time", Number),
            item("ops_size", "rate_limiter_config/ops/size", Number),
            item("ops_one_time_burst", "rate_limiter_config/ops/one_time_burst", Number),
            item("ops_refill_time", "rate_limiter_config/ops/refill_time", Number),
        ]
    };
}

/// All of them, in the order in which they are written.
pub(super) const OPTIONS: &[Known] = &[
    one(
        "--cpus",
        "cpus",
        &[
            item("boot", "boot_vcpus", Number),
            item("max", "max_vcpus", Number),
            same("topology", Topology),
            same("kvm_hyperv", Switch),
            same("max_phys_bits", Number),
            same("affinity", Pairs("vcpu", "host_cpus", true)),
            same("features", Features),
            same("nested", Switch),
            same("core_scheduling", Words(&[("vm", "Vm"), ("vcpu", "Vcpu"), ("off", "Off")])),
            same("profile", Words(&[("host", "Host")])),
        ],
    ),
    many(
        "--memory-zone",
        "memory/zones",
        &[
            same("id", Text),
            same("size", Size),
            same("file", Text),
            same("shared", Switch),
            same("hugepages", Switch),
            same("hugepage_size", Size),
            same("host_numa_node", Number),
            same("hotplug_size", Size),
            same("hotplugged_size", Size),
            same("prefault", Switch),
            same("reserve", Switch),
            same("mergeable", Switch),
        ],
    ),
    one(
        "--memory",
        "memory",
        &[
            same("size", Size),
            same("mergeable", Switch),
            same("hotplug_method", Words(&[("acpi", "Acpi"), ("virtio-mem", "VirtioMem")])),
            same("hotplug_size", Size),
            same("hotplugged_size", Size),
            same("shared", Switch),
            same("hugepages", Switch),
            same("hugepage_size", Size),
            same("prefault", Switch),
            same("reserve", Switch),
            same("thp", Switch),
        ],
    ),
    many(
        "--numa",
        "numa",
        &[
            same("guest_numa_id", Number),
            same("cpus", Numbers),
            same("distances", Pairs("destination", "distance", false)),
            same("memory_zones", Texts),
            same("pci_segments", Numbers),
            same("device_id", Text),
        ],
    ),
    many(
        "--disk",
        "disks",
        limited![
            same("path", Text),
            same("image_type", IMAGES),
            same("readonly", Switch),
            same("direct", Switch),
            same("num_queues", Number),
            same("queue_size", Number),
            same("vhost_user", Switch),
            item("socket", "vhost_socket", Text),
            same("serial", Text),
            same("rate_limit_group", Text),
            same("backing_files", Switch),
            same("sparse", Switch),
            same("queue_affinity", Pairs("queue_index", "host_cpus", true)),
            same("lock_granularity", Words(&[("byte-range", "ByteRange"), ("full", "Full")])),
            item("_disable_io_uring", "disable_io_uring", Switch),
            item("_disable_aio", "disable_aio", Switch),
        ],
    ),
    many("--rate-limit-group", "rate_limit_groups", limited![]),
    many(
        "--net",
        "net",
        limited![
            same("tap", Text),
            same("ip", Text),
            same("mask", Text),
            same("mac", Text),
            same("host_mac", Text),
            same("mtu", Number),
            same("num_queues", Number),
            same("queue_size", Number),
            same("vhost_user", Switch),
            item("socket", "vhost_socket", Text),
            same("vhost_mode", Words(&[("client", "Client"), ("server", "Server")])),
            item("fd", "fds", Numbers),
            same("offload_tso", Switch),
            same("offload_ufo", Switch),
            same("offload_csum", Switch),
        ],
    ),
    one("--rng", "rng", device![same("src", Text)]),
    one(
        "--balloon",
        "balloon",
        device![same("size", Size), same("deflate_on_oom", Switch), same("free_page_reporting", Switch)],
    ),
    many(
        "--fs",
        "fs",
        device![
            same("tag", Text),
            same("socket", Text),
            same("num_queues", Number),
            same("queue_size", Number)
        ],
    ),
    many("--pmem", "pmem", device![same("file", Text), same("size", Size), same("discard_writes", Switch)]),
    one("--serial", "serial", CONSOLE),
    one("--console", "console", CONSOLE),
    many("--device", "devices", device![same("path", Text), same("x_nv_gpudirect_clique", Number)]),
    many("--user-device", "user_devices", device![same("socket", Text)]),
    many("--vdpa", "vdpa", device![same("path", Text), same("num_queues", Number)]),
    one("--vsock", "vsock", device![same("cid", Number), same("socket", Text)]),
    one("--tpm", "tpm", &[same("socket", Text)]),
    one(
        "--platform",
        "platform",
        &[
            same("num_pci_segments", Number),
            same("iommu_segments", Numbers),
            item("iommu_address_width", "iommu_address_width_bits", Number),
            same("serial_number", Text),
            same("uuid", Text),
            same("oem_strings", Texts),
            same("iommufd", Switch),
            same("vfio_p2p_dma", Switch),
            same("tdx", Switch),
            same("sev_snp", Switch),
        ],
    ),
    many(
        "--pci-segment",
        "pci_segments",
        &[
            same("pci_segment", Number),
            same("mmio32_aperture_weight", Number),
            same("mmio64_aperture_weight", Number),
        ],
    ),
    many("--landlock-rules", "landlock_rules", &[same("path", Text), same("access", Text)]),
];

//! Mounts, space, block devices, LVM and Ceph.

use vmwright_model::{Need, Probe};

pub(super) const NEEDS: &[Need] = &[
    Need::File("/etc/ceph/ceph.conf"),
    Need::File("/etc/exports"),
    Need::File("/etc/fstab"),
    Need::File("/etc/lvm/devices/system.devices"),
    Need::File("/etc/lvm/lvm.conf"),
    Need::File("/etc/lvm/lvmlocal.conf"),
    Need::File("/etc/multipath.conf"),
    Need::File("/proc/mdstat"),
    Need::File("/proc/mounts"),
    Need::File("/proc/partitions"),
    Need::File("/proc/pressure/io"),
    Need::File("/proc/self/mountinfo"),
    Need::File("/proc/spl/kstat/zfs/arcstats"),
    Need::Glob("/sys/block/*/dm/name"),
    Need::Glob("/sys/block/*/dm/uuid"),
    Need::Glob("/sys/block/*/loop/backing_file"),
    Need::Glob("/sys/block/*/queue/discard_max_bytes"),
    Need::Glob("/sys/block/*/queue/logical_block_size"),
    Need::Glob("/sys/block/*/queue/rotational"),
    Need::Glob("/sys/block/*/queue/scheduler"),
    Need::Glob("/sys/block/*/queue/write_cache"),
    Need::Glob("/sys/block/*/ro"),
    Need::Glob("/sys/block/*/size"),
    Need::Probe(Probe::Space),
];

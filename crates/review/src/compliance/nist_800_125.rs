//! NIST SP 800-125: virtualization.

use super::{Demand, Source, checks, outside};

pub(super) const SOURCE: Source = Source {
    name: "nist-800-125",
    title: "NIST SP 800-125 (2011) and SP 800-125A Rev. 1 (2018), server-based hypervisors",
    note: "SP 800-125 gives recommendations without numbers: those here are of its section and subject. HY-BF are the \
           baseline functions of SP 800-125A.",
    source: "https://csrc.nist.gov/pubs/sp/800/125/a/r1/final",
    controls: CONTROLS,
};

const CONTROLS: &[Demand] = &[
    checks("125 4.1 updates", "the hypervisor has its updates", &["known-flaws/versions"]),
    checks(
        "125 4.1 management",
        "access to the interfaces of management is restricted",
        &["isolation/controls", "isolation/listeners"],
    ),
    checks(
        "125 4.1 time",
        "the infrastructure's time is trusted and the same",
        &["migration/clock", "save-restore/clock"],
    ),
    checks(
        "125 4.1 hardware",
        "hardware that is not used is not connected",
        &["devices/virtio", "isolation/iommu"],
    ),
    checks(
        "125 4.1 sharing",
        "services between guest and host that nobody needs are off",
        &["devices/virtio"],
    ),
    outside(
        "125 4.1 monitoring",
        "the hypervisor is watched for signs of compromise",
        "a matter of the host's monitoring over time",
    ),
    checks(
        "125 4.2 devices",
        "virtual devices belong to the right physical ones",
        &["devices/disks", "devices/networks"],
    ),
    outside("125 4.2 backups", "virtual drives are backed up", "a matter of the backup's schedule"),
    checks(
        "125 4.2 images",
        "copies of a guest do not share what has to be single",
        &["save-restore/random numbers", "save-restore/side by side"],
    ),
    checks(
        "125A HY-BF1",
        "VM processes are isolated from each other",
        &["isolation/user", "isolation/seccomp", "isolation/other VMs", "isolation/merging"],
    ),
    checks(
        "125A HY-BF2",
        "access to devices is mediated",
        &["isolation/iommu", "isolation/sandbox", "devices/disks"],
    ),
    checks(
        "125A HY-BF3",
        "commands of guests are executed directly and safely",
        &["cpu-flaws", "known-flaws/mitigations"],
    ),
    checks(
        "125A HY-BF4",
        "the life cycle of VMs is managed",
        &["boot/reached", "migration", "save-restore/restores"],
    ),
    checks(
        "125A HY-BF5",
        "the hypervisor's platform is managed",
        &["isolation/controls", "isolation/capabilities", "known-flaws/versions"],
    ),
    checks("125A platform integrity", "the platform is started in a known state", &["secure-boot", "vtpm"]),
];

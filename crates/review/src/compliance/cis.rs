//! CIS Controls.

use super::{Demand, Source, checks, outside};

pub(super) const SOURCE: Source = Source {
    name: "cis",
    title: "CIS Critical Security Controls v8.1 (June 2024)",
    note: "Safeguards of the Controls, not a CIS Benchmark: benchmarks are of single products, and their texts are licensed.",
    source: "https://www.cisecurity.org/controls/v8-1",
    controls: CONTROLS,
};

const CONTROLS: &[Demand] = &[
    outside(
        "1.1",
        "an inventory of assets is kept",
        "a matter of the organisation; `vmwright vm list` shows this host's machines",
    ),
    checks("2.2", "software that is authorised is supported", &["known-flaws/versions"]),
    checks(
        "3.12",
        "data of different sensitivity is processed apart",
        &["isolation/other VMs", "isolation/merging"],
    ),
    checks(
        "4.1",
        "a secure configuration is set and kept",
        &["isolation/sandbox", "isolation/seccomp", "secure-boot"],
    ),
    checks("4.4", "servers have a firewall", &["network/egress", "isolation/listeners"]),
    checks("4.8", "unnecessary services are off", &["isolation/listeners"]),
    checks(
        "5.4",
        "administrator privileges are kept to administrators",
        &["isolation/user", "isolation/capabilities"],
    ),
    checks("6.8", "access is by role", &["isolation/controls", "isolation/other VMs"]),
    checks("7.3", "operating systems are patched", &["known-flaws", "cpu-flaws"]),
    checks("8.4", "time is synchronised", &["migration/clock", "save-restore/clock"]),
    checks(
        "10.5",
        "anti-exploitation features are on",
        &["isolation/seccomp", "cpu-flaws", "isolation/label"],
    ),
    outside("11.2", "backups are made", "a matter of the backup's schedule"),
    checks("12.2", "the network's architecture separates what has to be separate", &["network/egress"]),
    checks("13.4", "traffic between segments is filtered", &["network/egress"]),
    outside("14.1", "people are trained", "a matter of people"),
];

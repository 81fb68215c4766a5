//! PCI DSS: the payment card industry.

use super::{Demand, Source, checks, outside};

pub(super) const SOURCE: Source = Source {
    name: "pci-dss",
    title: "PCI DSS v4.0.1 (June 2024)",
    note: "The requirements that a VM and its host can show. Which systems are in scope is the assessor's decision; a VM in \
           scope brings its hypervisor into scope.",
    source: "https://www.pcisecuritystandards.org/document_library/",
    controls: CONTROLS,
};

const CONTROLS: &[Demand] = &[
    outside("1.2.4", "a data-flow diagram is kept", "a matter of papers"),
    checks(
        "1.3.2",
        "traffic out of the cardholder data environment is restricted to what is necessary",
        &["network/egress"],
    ),
    checks(
        "1.4.1",
        "controls stand between trusted and untrusted networks",
        &["network/egress", "isolation/listeners"],
    ),
    checks(
        "2.2.1",
        "configuration standards address known vulnerabilities and are applied",
        &["known-flaws", "cpu-flaws", "isolation/sandbox"],
    ),
    checks(
        "2.2.3",
        "functions of different security levels on one system are isolated",
        &["isolation/other VMs", "isolation/user", "isolation/merging"],
    ),
    checks(
        "2.2.4",
        "only necessary services and functions are enabled",
        &["isolation/listeners", "devices/virtio"],
    ),
    checks(
        "2.2.6",
        "parameters are set so that misuse is prevented",
        &["isolation/seccomp", "isolation/sandbox", "isolation/capabilities"],
    ),
    checks("2.2.7", "administrative access over networks is encrypted", &["isolation/listeners"]),
    checks(
        "3.6.1",
        "keys are protected against disclosure",
        &["isolation/other VMs", "isolation/merging", "save-restore/random numbers"],
    ),
    checks("6.3.1", "vulnerabilities are identified and ranked", &["known-flaws/versions", "cpu-flaws"]),
    checks(
        "6.3.3",
        "known vulnerabilities are closed by patches",
        &["known-flaws/versions", "known-flaws/mitigations"],
    ),
    checks(
        "7.2.2",
        "access is given by least privilege",
        &["isolation/user", "isolation/capabilities", "isolation/controls"],
    ),
    outside(
        "8.3.1",
        "users are authenticated",
        "a matter of the guest's accounts, which a review does not read",
    ),
    outside("9.2.1", "entry to the place is controlled", "a matter of the place"),
    outside(
        "10.2.1",
        "audit logs are active",
        "a matter of the guest's and the host's logging; a review does not judge it",
    ),
    checks("10.6.1", "clocks are synchronised", &["migration/clock", "save-restore/clock"]),
    outside("11.3.1", "internal scans are done every quarter", "a matter of the calendar"),
    outside("12.3.1", "risks are analysed", "a matter of people"),
];

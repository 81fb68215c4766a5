//! FIPS 140: cryptographic modules.

use super::{Demand, Source, checks, outside};

pub(super) const SOURCE: Source = Source {
    name: "fips-140",
    title: "FIPS 140-3, Security Requirements for Cryptographic Modules (2019)",
    note: "FIPS 140-2 is historical: it was superseded on 22 September 2019, and NIST moved its last validated modules to \
           the historical list on 21 September 2026. What is checked here is the operation of kernels in the mode of their \
           modules; whether a module is validated under 140-3 stands in NIST's list.",
    source: "https://csrc.nist.gov/pubs/fips/140-3/final",
    controls: CONTROLS,
};

/// Numbers are those of the areas of ISO/IEC 19790, clause 7, which FIPS 140-3 takes over.
const CONTROLS: &[Demand] = &[
    outside(
        "140-3 7.2",
        "the module is specified, validated and used as validated",
        "the list of validated modules and the module's security policy tell; name and version of the kernels' modules stand \
         in the evidence of the gate `fips`",
    ),
    checks(
        "140-3 7.4",
        "services use approved functions alone while the mode is on",
        &["fips/host", "fips/guest"],
    ),
    checks(
        "140-3 7.6",
        "the operational environment keeps the module from others",
        &["isolation/user", "isolation/seccomp", "isolation/other VMs"],
    ),
    outside("140-3 7.7", "physical security", "a matter of the place and the machine's case"),
    checks("140-3 7.8", "non-invasive attacks are mitigated as the module's policy demands", &["cpu-flaws"]),
    checks(
        "140-3 7.9",
        "sensitive parameters are generated of sound randomness, and no two copies share them",
        &["devices/virtio", "save-restore/random numbers"],
    ),
    checks(
        "140-3 7.10",
        "the module tests itself before it serves (a kernel in this mode does not start otherwise)",
        &["fips/host", "fips/guest", "boot/reached"],
    ),
    outside("140-3 7.11", "assurance of the life cycle", "a matter of the module's maker"),
    outside("140-2", "validated under FIPS 140-2", "historical: no new system may rest on it"),
];

//! This host, with all rules, beside `virt-host-validate`, which makes about a dozen checks.

use super::{Bench, Site, measure};
use crate::install::{self, Wanted};
use anyhow::Result;

pub(super) const BENCH: Bench =
    Bench { name: "live", summary: "this host with all rules, beside `virt-host-validate qemu`", run };

const PEER: Wanted = Wanted { program: "virt-host-validate", package: "libvirt-clients" };

fn run(site: &Site) -> Result<()> {
    install::ensure(&[PEER])?;
    let ours = site.vmwright(&["analyze", "--format", "json"]);
    let theirs = ["virt-host-validate", "qemu"].map(str::to_owned);
    measure::compare(site.rounds, ("vmwright analyze", &ours), ("virt-host-validate qemu", &theirs))
}

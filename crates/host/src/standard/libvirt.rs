//! libvirt's domains, networks and pools.

use vmwright_model::{Need, Probe};

pub(super) const NEEDS: &[Need] =
    &[Need::Command(&["virsh", "--version"]), Need::Probe(Probe::Libvirt), Need::Probe(Probe::Services)];

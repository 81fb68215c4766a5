//! The gates. A gate is one module: its name is the module's with `-` for `_`, `observe` collects facts and
//! `judge` says what they mean and knows nothing else. To add one, write the module and name it in [`gates!`].

use crate::aspects::Aspects;
use crate::scope::Session;
use vmwright_model::{Depth, Gate};

/// A gate as it is found by its name.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// The shallowest review that runs it unasked; none where it runs only when it is named, or a framework wants it.
    pub(crate) from: Option<Depth>,
    /// Areas of rules that may know why it fails.
    pub(crate) areas: &'static [&'static str],
    /// From the question to the answer.
    pub(crate) run: fn(&Session<'_>) -> Gate,
}

/// Declares the gates in the order in which they run and are shown.
macro_rules! gates {
    ($($module:ident = $name:literal from $from:expr, of $areas:expr;)*) => {
        $(pub(crate) mod $module;)*
        /// Every gate.
        pub(crate) const GATES: &[Entry] = &[$(Entry {
            name: $name,
            from: $from,
            areas: &$areas,
            run: |session| $module::judge(&$module::observe(session), session.scope.spec).named($name),
        }),*];
    };
}

gates! {
    boot = "boot" from Some(Depth::Quick), of ["guest", "firmware", "kvm", "vmm", "machine", "storage", "qcow2", "libvirt"];
    network = "network" from Some(Depth::Quick), of ["network", "ovs", "vhost-user", "libvirt", "guest"];
    devices = "devices" from Some(Depth::Quick), of ["machine", "storage", "network", "vfio", "sriov", "virtiofs", "vsock", "gpu", "numa", "memory", "cpu"];
    cpu_flaws = "cpu-flaws" from Some(Depth::Quick), of ["mitigation", "cpu", "msr", "host"];
    isolation = "isolation" from Some(Depth::Quick), of ["access", "libvirt", "host", "memory", "iommu", "mitigation", "vfio"];
    secure_boot = "secure-boot" from Some(Depth::Quick), of ["firmware", "guest"];
    vtpm = "vtpm" from Some(Depth::Quick), of ["vtpm", "firmware"];
    confidential = "confidential" from Some(Depth::Quick), of ["sev", "tdx"];
    known_flaws = "known-flaws" from Some(Depth::Usual), of ["vmm", "host"];
    utilisation = "utilisation" from Some(Depth::Usual), of ["memory", "host", "perf", "numa"];
    performance = "performance" from Some(Depth::Full), of ["perf", "kvm", "cpu", "numa", "irq", "storage", "network", "memory", "host"];
    guest_to_guest = "guest-to-guest" from Some(Depth::Full), of ["network", "ovs", "vhost-user", "libvirt"];
    migration = "migration" from Some(Depth::Full), of ["migration", "machine", "cpu", "storage", "network"];
    save_restore = "save-restore" from Some(Depth::Full), of ["snapshot", "migration", "storage", "guest"];
    disks = "disks" from Some(Depth::Full), of ["storage", "qcow2"];
    hot_plug = "hot-plug" from Some(Depth::Full), of ["machine", "guest", "storage", "network"];
    fips = "fips" from None, of ["host"];
}

/// Names of the gates as users type them, in the order in which they run.
pub fn names() -> impl Iterator<Item = &'static str> {
    GATES.iter().map(|gate| gate.name)
}

/// Areas of rules that may know why a gate fails; none where it is no gate's name.
#[must_use]
pub fn areas(name: &str) -> &'static [&'static str] {
    GATES.iter().find(|gate| gate.name == name).map_or(&[], |gate| gate.areas)
}

/// What a gate says, before it is given its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    pub(crate) outcome: vmwright_model::GateOutcome,
    pub(crate) checks: Vec<vmwright_model::Check>,
    pub(crate) measurements: Vec<vmwright_model::Measurement>,
    pub(crate) evidence: Vec<String>,
    pub(crate) tables: Vec<vmwright_model::Table>,
}

impl Judged {
    /// What the aspects come to; `otherwise` is why nothing was looked at.
    pub(crate) fn of(aspects: Aspects, otherwise: &str) -> Self {
        let (outcome, checks) = aspects.conclude(otherwise);
        Self { outcome, checks, measurements: Vec::new(), evidence: Vec::new(), tables: Vec::new() }
    }

    pub(crate) fn named(self, name: &str) -> Gate {
        Gate {
            checks: self.checks,
            measurements: self.measurements,
            evidence: self.evidence,
            tables: self.tables,
            ..Gate::of(name, self.outcome)
        }
    }
}

/// A figure with its unit.
pub(crate) fn measurement(name: impl Into<String>, value: f64, unit: &str) -> vmwright_model::Measurement {
    vmwright_model::Measurement { name: name.into(), value, unit: unit.to_owned(), ..Default::default() }
}

/// An empty table.
pub(crate) fn table(title: &str, columns: &[&str]) -> vmwright_model::Table {
    vmwright_model::Table {
        title: title.to_owned(),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        rows: Vec::new(),
    }
}

/// A name that a guest gave, if it can be a component of a path in sysfs: the guest must not choose which of its
/// own files is read in place of the one that is meant.
pub(crate) fn component(name: &str) -> Option<&str> {
    let fits = !name.is_empty()
        && name.len() <= 64
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    fits.then_some(name)
}

/// The value of `NAME=value` in a file of the kind `uevent`.
pub(crate) fn uevent<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::trim)
}

#[cfg(test)]
pub(crate) mod tests_support {
    use vmwright_model::MachineSpec;
    use vmwright_model::machine::{Accelerator, Network, NetworkKind};

    /// A machine with the defaults, one processor and nothing plugged in, under TCG.
    pub(crate) fn spec() -> MachineSpec {
        MachineSpec { accelerator: Accelerator::Tcg, ..MachineSpec::named("a") }
    }

    /// A network of a kind, with the guest's address and MAC address.
    pub(crate) fn network(kind: NetworkKind, address: Option<&str>, mac: Option<&str>) -> Network {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Network { bridge: Some("br0".to_owned()), address: own(address), mac: own(mac), ..Network::of(kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_single() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), GATES.len());
    }

    #[test]
    fn a_guest_cannot_lead_out_of_sysfs() {
        assert_eq!(component("eth0.5"), Some("eth0.5"));
        for name in ["", "..", "a/b", "../../etc/passwd", "a b", "a\n", "ä"] {
            assert_eq!(component(name), None, "{name}");
        }
    }

    #[test]
    fn uevent_lines() {
        assert_eq!(uevent("DRIVER=virtio_net\nMODALIAS=virtio:d1\n", "DRIVER"), Some("virtio_net"));
        assert_eq!(uevent("DRIVERS=x\nMODALIAS=virtio:d1\n", "DRIVER"), None);
    }
}

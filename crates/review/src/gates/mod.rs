//! The gates. A gate is one module: its name is the module's with `-` for `_`, `observe` collects facts and
//! `judge` says what they mean and knows nothing else. To add one, write the module and name it in [`gates!`].

use crate::scope::Session;
use vmwright_model::Gate;

/// One gate, from the question to the answer.
type Run = fn(&Session<'_>) -> Gate;

/// Declares the gates in the order in which they run and are shown.
macro_rules! gates {
    ($($module:ident = $name:literal),* $(,)?) => {
        $(pub(crate) mod $module;)*
        /// Every gate with its name.
        pub(crate) const GATES: &[(&str, Run)] =
            &[$(($name, |session| $module::judge(&$module::observe(session), session.scope.spec).named($name))),*];
    };
}

gates! {
    boot = "boot",
    network = "network",
    devices = "devices",
    cpu_flaws = "cpu-flaws",
}

/// Names of the gates as users type them, in the order in which they run.
pub fn names() -> impl Iterator<Item = &'static str> {
    GATES.iter().map(|(name, _)| *name)
}

/// What a gate says, before it is given its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    pub(crate) outcome: vmwright_model::GateOutcome,
    pub(crate) measurements: Vec<vmwright_model::Measurement>,
    pub(crate) evidence: Vec<String>,
    pub(crate) tables: Vec<vmwright_model::Table>,
}

impl Judged {
    fn named(self, name: &str) -> Gate {
        Gate {
            name: name.to_owned(),
            outcome: self.outcome,
            measurements: self.measurements,
            evidence: self.evidence,
            tables: self.tables,
        }
    }
}

/// A figure with its unit.
pub(crate) fn measurement(name: impl Into<String>, value: f64, unit: &str) -> vmwright_model::Measurement {
    vmwright_model::Measurement { name: name.into(), value, unit: unit.to_owned() }
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
    fn names_are_the_modules_names() {
        assert_eq!(names().collect::<Vec<_>>(), ["boot", "network", "devices", "cpu-flaws"]);
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

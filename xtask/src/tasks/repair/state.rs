//! How a host stands, as `faults/state.sh` tells it, and what differs between two of these.

use std::collections::{BTreeMap, BTreeSet};

/// Facts by what they are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State(BTreeMap<String, BTreeSet<String>>);

/// Kinds of facts whose lines have one word as their subject; of the others each line is its own.
const NAMED: [&str; 13] = [
    "file",
    "path",
    "device",
    "driver",
    "sriov",
    "link",
    "address",
    "vm",
    "domain",
    "network",
    "volume",
    "parameter",
    "sysctl",
];

impl State {
    /// Reads what the script said.
    pub(crate) fn read(text: &str) -> Self {
        let mut facts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(kind), Some(subject)) = (words.next(), words.next()) else { continue };
            let rest = words.next().unwrap_or_default();
            let key = match kind {
                "parameter" => format!("{kind} {subject} {}", rest.split(' ').next().unwrap_or_default()),
                kind if NAMED.contains(&kind) => format!("{kind} {subject}"),
                _ => line.to_owned(),
            };
            facts.entry(key).or_default().insert(rest.to_owned());
        }
        Self(facts)
    }

    /// What is otherwise in `other`: added, gone or changed.
    pub(crate) fn differences<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a str> {
        let keys = self.0.keys().chain(other.0.keys());
        keys.filter(|key| self.0.get(*key) != other.0.get(*key)).map(String::as_str).collect()
    }
}

/// What a repair changed and might not: neither is it as it was before the fault, nor may it be otherwise.
pub(crate) fn collateral(
    healthy: &State,
    broken: &State,
    after: &State,
    may_change: &[String],
    vm: Option<&str>,
) -> Vec<String> {
    let back = healthy.differences(after);
    let of_vm = |key: &str| {
        // A plan for a machine may start it, and its settings are what is repaired.
        vm.is_some_and(|vm| key == format!("vm {vm}") || key == format!("domain {vm}"))
            || ["service qemu-", "service machine-", "path /var/lib/libvirt/images"]
                .iter()
                .any(|start| vm.is_some() && key.starts_with(start))
            || vm.is_some() && key.starts_with("file /etc/libvirt/qemu/")
    };
    broken
        .differences(after)
        .into_iter()
        .filter(|key| back.contains(key))
        .filter(|key| !may_change.iter().any(|start| key.starts_with(start.as_str())) && !of_vm(key))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_repair_might_not_change_is_told() {
        let healthy =
            State::read("module kvm\nsysctl vm.nr_hugepages = 64\nfile /etc/a 644 root:root 1 2.0\n");
        let broken = State::read("sysctl vm.nr_hugepages = 64\nfile /etc/a 644 root:root 1 2.0\n");
        let after = State::read(
            "module kvm\nsysctl vm.nr_hugepages = 65\nfile /etc/a 600 root:root 1 2.0\nfile /etc/b 1\n",
        );
        assert_eq!(broken.differences(&healthy).into_iter().collect::<Vec<_>>(), ["module kvm"]);
        let may = ["file /etc/b".to_owned()];
        assert_eq!(
            collateral(&healthy, &broken, &after, &may, None),
            ["file /etc/a", "sysctl vm.nr_hugepages"]
        );
        assert!(collateral(&healthy, &broken, &healthy, &[], None).is_empty());
        let started = State::read("vm web running\n");
        assert!(collateral(&healthy, &State::default(), &started, &[], Some("web")).is_empty());
        assert_eq!(collateral(&healthy, &State::default(), &started, &[], None), ["vm web"]);
    }
}

//! Which keys KubeVirt knows. A cluster refuses an object with another key, or drops the key; which of the two depends
//! on how it was asked.

use super::claims::Kind;
use crate::json::{key, step};
use crate::{Effect, Remark};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use vmwright_formats::nearest;

/// Most unknown keys that are told.
const TOLD: usize = 100;

/// Keys, and the type of those that have keys themselves.
type Keys = Vec<(&'static str, Option<&'static str>)>;

/// The keys of each type of KubeVirt's API, version v1, with the type of those that have keys themselves (KubeVirt
/// `api/openapi-spec/swagger.json`), and those of older versions: `flavor`, `floppy`, `genie`, `registryDisk`.
static TYPES: LazyLock<BTreeMap<&str, Keys>> = LazyLock::new(|| {
    let lines = include_str!("keys.txt").lines();
    let word = |word: &'static str| match word.split_once(':') {
        Some((key, name)) => (key, Some(name)),
        None => (word, None),
    };
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, keys)| (name, keys.split(' ').map(word).collect()))
        .collect()
});

/// Tells the keys of an object that KubeVirt does not have.
pub(super) fn object(document: &Value, kind: Kind, remarks: &mut Vec<Remark>) {
    const ABOVE: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
    for key in document.as_object().into_iter().flat_map(|members| members.keys()) {
        if !ABOVE.contains(&key.as_str()) {
            tell(key, step(key), &ABOVE, remarks);
        }
    }
    let (at, name) = match kind.name {
        "VirtualMachine" => ("spec", "VirtualMachineSpec"),
        "VirtualMachinePool" => ("spec/virtualMachineTemplate/spec", "VirtualMachineSpec"),
        "VirtualMachineInstance" => ("spec", "VirtualMachineInstanceSpec"),
        _ => ("spec/template/spec", "VirtualMachineInstanceSpec"),
    };
    if let Some(value) = document.pointer(&format!("/{at}")) {
        unknown(value, name, at, remarks);
    }
}

fn tell(key: &str, item: String, known: &[&str], remarks: &mut Vec<Remark>) {
    if remarks.len() < TOLD {
        let near = nearest(key, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        remarks.push(Remark { effect: Effect::Lost, item, why: format!("KubeVirt has no such key{near}") });
    }
}

/// Tells the keys below a place that the type there does not have.
fn unknown(value: &Value, name: &str, at: &str, remarks: &mut Vec<Remark>) {
    if let Some(elements) = value.as_array() {
        for (number, element) in elements.iter().enumerate() {
            let element_name = key(element).map_or_else(|| number.to_string(), str::to_owned);
            unknown(element, name, &format!("{at}[{element_name}]"), remarks);
        }
        return;
    }
    let (Some(members), Some(known)) = (value.as_object(), TYPES.get(name)) else { return };
    for (key, value) in members {
        let below = format!("{at}/{}", step(key));
        match known.iter().find(|(name, _)| name == key) {
            Some((_, Some(name))) => unknown(value, name, &below, remarks),
            Some((_, None)) => {}
            None => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                tell(key, below, &names, remarks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TYPES, unknown};
    use serde_json::json;

    #[test]
    fn the_table_is_whole() {
        let named = TYPES.values().flatten().filter_map(|(_, name)| *name);
        for name in named {
            assert!(TYPES.contains_key(name), "{name}");
        }
        assert!(TYPES["DomainSpec"].iter().any(|(key, name)| (*key, *name) == ("cpu", Some("CPU"))));
    }

    #[test]
    fn a_key_that_kubevirt_has_not_is_told_with_its_neighbour() {
        let mut remarks = Vec::new();
        let value =
            json!({"cpu": {"core": 2}, "devices": {"disks": [{"name": "x"}, {"name": "y", "zzzzzzzz": 1}]}});
        unknown(&value, "DomainSpec", "spec/domain", &mut remarks);
        let told: Vec<(&str, &str)> =
            remarks.iter().map(|one| (one.item.as_str(), one.why.as_str())).collect();
        assert_eq!(
            told,
            [
                ("spec/domain/cpu/core", "KubeVirt has no such key; did you mean `cores`?"),
                ("spec/domain/devices/disks[y]/zzzzzzzz", "KubeVirt has no such key"),
            ]
        );
    }
}

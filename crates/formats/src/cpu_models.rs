//! The named CPU models of x86, with the features that each gives to a guest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// The table; its head says what the columns are.
const X86: &str = include_str!("cpu_models/x86.txt");

/// A CPU model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuModel {
    /// `Intel`, `AMD`, `Hygon`; none for QEMU's generic models.
    pub vendor: Option<&'static str>,
    /// Features by libvirt's names.
    pub features: BTreeSet<&'static str>,
}

/// The model of this name, as libvirt and QEMU name it: `Skylake-Server-IBRS`, `EPYC-Milan`.
#[must_use]
pub fn cpu_model(name: &str) -> Option<&'static CpuModel> {
    static MODELS: OnceLock<BTreeMap<&str, CpuModel>> = OnceLock::new();
    MODELS.get_or_init(models).get(name)
}

fn models() -> BTreeMap<&'static str, CpuModel> {
    let mut models: BTreeMap<&str, CpuModel> = BTreeMap::new();
    for line in X86.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (Some(name), Some(vendor), Some(base)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let mut features = models.get(base).map(|base| base.features.clone()).unwrap_or_default();
        for word in words {
            match word.split_at(1) {
                ("+", feature) => drop(features.insert(feature)),
                (_, feature) => drop(features.remove(feature)),
            }
        }
        models.insert(name, CpuModel { vendor: Some(vendor).filter(|vendor| *vendor != "-"), features });
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_model_told_from_one_before_it() {
        let lines: Vec<&str> = X86.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() >= 150);
        for (at, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let known =
                words[2] == "-" || lines[..at].iter().any(|line| line.split(' ').next() == Some(words[2]));
            assert!(
                known && words[3..].iter().all(|word| word.len() > 1 && word.starts_with(['+', '-'])),
                "{line}"
            );
        }
    }

    #[test]
    fn models_have_what_their_processors_have() {
        let haswell = cpu_model("Haswell").unwrap();
        assert_eq!(haswell.vendor, Some("Intel"));
        assert!(haswell.features.contains("avx2") && haswell.features.contains("rtm"));
        assert!(!cpu_model("Haswell-noTSX").unwrap().features.contains("rtm"));
        assert!(cpu_model("Icelake-Server").unwrap().features.contains("avx512f"));
        let milan = cpu_model("EPYC-Milan").unwrap();
        assert!(
            milan.vendor == Some("AMD")
                && milan.features.contains("erms")
                && !milan.features.contains("avx512f")
        );
        assert_eq!(cpu_model("qemu64").unwrap().vendor, None);
        assert_eq!(cpu_model("Haswel"), None);
    }
}

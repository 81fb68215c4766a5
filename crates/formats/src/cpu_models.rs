//! The named CPU models of x86, with the features that each gives to a guest.

use crate::changes::rows;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// The table; its head says what the columns are.
const X86: &str = include_str!("cpu_models/x86.txt");

/// Which QEMU has which of them; its head says from where that is known.
const VERSIONS: &str = include_str!("cpu_models/versions.txt");

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

/// The names of all models.
pub fn names() -> impl Iterator<Item = &'static str> {
    rows(X86).filter_map(|line| line.split(' ').next())
}

/// The QEMU that brought a model, major and minor; none for those that are in 4.2, and for names that it never had.
#[must_use]
pub fn introduced(name: &str) -> Option<[u32; 2]> {
    of_versions(name, "+")
}

/// The first QEMU that no longer has a model.
#[must_use]
pub fn gone(name: &str) -> Option<[u32; 2]> {
    of_versions(name, "-")
}

fn of_versions(name: &str, sign: &str) -> Option<[u32; 2]> {
    rows(VERSIONS).find_map(|line| {
        let mut words = line.split(' ');
        let version = words.next()?;
        let found = words.next() == Some(sign) && words.any(|model| model == name);
        if found { crate::changes::version(version) } else { None }
    })
}

fn models() -> BTreeMap<&'static str, CpuModel> {
    let mut models: BTreeMap<&str, CpuModel> = BTreeMap::new();
    for line in rows(X86) {
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

    #[test]
    fn versions_name_each_model_once() {
        assert_eq!(introduced("EPYC-Genoa"), Some([8, 1]));
        assert_eq!((introduced("EPYC"), gone("EPYC")), (None, None));
        assert_eq!(
            (introduced("Icelake-Client-v3"), gone("Icelake-Client-v3")),
            (Some([6, 1]), Some([7, 1]))
        );
        let named = |sign: &'static str| {
            let lines = rows(VERSIONS).filter(move |line| line.split(' ').nth(1) == Some(sign));
            lines.flat_map(|line| line.split(' ').skip(2)).collect::<Vec<_>>()
        };
        for (sign, of) in [("+", introduced as fn(&str) -> _), ("-", gone)] {
            let names = named(sign);
            assert!(names.iter().all(|name| of(name).is_some()), "{names:?}");
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        }
        assert_eq!(
            named("+").len() + named("-").len(),
            rows(VERSIONS).flat_map(|line| line.split(' ').skip(2)).count()
        );
    }
}

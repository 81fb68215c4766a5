//! Device mapper: `dmsetup status`, `dmsetup table`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// A segment of a mapped device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmTarget {
    /// Line in the text.
    pub line: u32,
    /// The device's name; empty where only one was asked for.
    pub name: String,
    /// Its first sector and how many there are, of 512 bytes.
    pub sectors: (u64, u64),
    /// `linear`, `thin-pool`, `thin`, `snapshot`, `crypt`, `multipath`.
    pub target: String,
    /// What the target says, as written.
    pub status: String,
}

/// How full a thin pool is (`Documentation/admin-guide/device-mapper/thin-provisioning.rst`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUse {
    /// Used and all blocks of metadata.
    pub metadata: (u64, u64),
    /// Used and all blocks of data.
    pub data: (u64, u64),
    /// `rw`, `ro`, `out_of_data_space`; `Fail` where the pool has failed.
    pub mode: String,
    /// Whether the metadata has to be checked before anything else.
    pub needs_check: bool,
}

impl DmTarget {
    /// The use of a thin pool.
    #[must_use]
    pub fn pool(&self) -> Option<PoolUse> {
        if self.target != "thin-pool" {
            return None;
        }
        if self.status.trim() == "Fail" {
            return Some(PoolUse {
                metadata: (0, 0),
                data: (0, 0),
                mode: "Fail".to_owned(),
                needs_check: true,
            });
        }
        let words: Vec<&str> = self.status.split_whitespace().collect();
        let pair = |word: Option<&&str>| {
            let (used, all) = word?.split_once('/')?;
            Some((used.parse().ok()?, all.parse().ok()?))
        };
        let mode = words.iter().find(|word| matches!(**word, "rw" | "ro" | "out_of_data_space"));
        Some(PoolUse {
            metadata: pair(words.get(1))?,
            data: pair(words.get(2))?,
            mode: mode.copied().unwrap_or("rw").to_owned(),
            needs_check: words.contains(&"needs_check"),
        })
    }
}

/// The segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DmsetupStatus {
    /// In the order of the text.
    pub targets: Vec<DmTarget>,
}

/// Targets of the kernel (`drivers/md`).
const TARGETS: [&str; 18] = [
    "linear",
    "striped",
    "error",
    "zero",
    "snapshot",
    "snapshot-origin",
    "snapshot-merge",
    "thin",
    "thin-pool",
    "crypt",
    "cache",
    "writecache",
    "raid",
    "mirror",
    "multipath",
    "vdo",
    "integrity",
    "verity",
];

impl View for DmsetupStatus {
    const KIND: Kind = Kind::new("dmsetup_status");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &TARGETS;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['$', '#']) || line == "No devices found" {
                continue;
            }
            match target(number, line) {
                Some(target) => view.targets.push(target),
                None => issues.push(Issue::new(number, "not a line of dmsetup")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, all) = crate::lines::share(head, |line| target(1, line.trim()).is_some());
        match hits > 0 && hits * 3 >= all * 2 {
            true => 92,
            false if name.starts_with("dmsetup") => 20,
            false => 0,
        }
    }
}

/// `vg0-pool0-tpool: 0 209715200 thin-pool 17 1700/4161600 160/1638400 - rw no_discard_passdown queue_if_no_space`.
fn target(line: u32, text: &str) -> Option<DmTarget> {
    let (name, rest) = crate::lines::colon(text).unwrap_or(("", text));
    let mut words = rest.splitn(4, ' ');
    let (start, count, target) = (words.next()?, words.next()?, words.next()?);
    (TARGETS.contains(&target) && !name.contains(' ')).then_some(())?;
    Some(DmTarget {
        line,
        name: name.to_owned(),
        sectors: (start.parse().ok()?, count.parse().ok()?),
        target: target.to_owned(),
        status: words.next().unwrap_or_default().trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_pools_tell_their_use() {
        let (view, issues) = DmsetupStatus::read(include_str!("../tests/samples/dmsetup_status.txt"));
        assert_eq!(issues, []);
        let pool = view.targets[1].pool().expect("a pool");
        assert_eq!((pool.metadata, pool.data), ((1700, 4_161_600), (1_638_400, 1_638_400)));
        assert_eq!((pool.mode.as_str(), pool.needs_check), ("out_of_data_space", true));
        assert_eq!(view.targets[0].pool(), None);
        let failed = DmsetupStatus::read("0 2048 thin-pool Fail\n").0.targets[0].pool();
        assert_eq!(failed.map(|pool| pool.mode), Some("Fail".to_owned()));
        assert_eq!(DmsetupStatus::read("odd\n").1.len(), 1);
    }
}

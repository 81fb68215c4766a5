//! Memory of the host: `/proc/meminfo`.

use crate::{Pairs, View, lines::having};
use vmwright_model::{Issue, Kind, Spanned};

/// The lines of `/proc/meminfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemInfo {
    /// Keys and values as written.
    pub pairs: Pairs,
}

impl MemInfo {
    /// A size in bytes: `MemTotal`, `MemAvailable`, `Hugepagesize`, `SwapTotal`. The unit `kB` of the file is
    /// 1024 bytes.
    #[must_use]
    pub fn bytes(&self, key: &str) -> Option<Spanned<u64>> {
        let found = self.pairs.number(key)?;
        Some(Spanned::new(found.value.checked_mul(1024)?, found.line))
    }

    /// A number of pages: `HugePages_Total`, `HugePages_Free`, `HugePages_Rsvd`, `HugePages_Surp`.
    #[must_use]
    pub fn pages(&self, key: &str) -> Option<Spanned<u64>> {
        self.pairs.number(key)
    }
}

/// What stands at the beginning of lines.
const KEYS: [&str; 8] = [
    "MemTotal:",
    "MemFree:",
    "MemAvailable:",
    "HugePages_Total:",
    "HugePages_Free:",
    "Hugepagesize:",
    "AnonHugePages:",
    "Hugetlb:",
];

impl View for MemInfo {
    const KIND: Kind = Kind::new("meminfo");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &KEYS;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let (pairs, issues) = Pairs::read(text, ':', "/proc/meminfo");
        (Self { pairs }, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let has = |key: &&&str| having(head, key).any(|line| line.trim_start().starts_with(**key));
        match KEYS.iter().filter(has).count() {
            2.. => 92,
            1 => 70,
            _ if name.contains("meminfo") => 30,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_pages() {
        let text = "MemTotal:       16284364 kB\nHugePages_Total:      10\nHugePages_Free:        0\nHugepagesize:       2048 kB\n";
        let (view, issues) = MemInfo::read(text);
        assert_eq!(issues, []);
        assert_eq!(view.bytes("MemTotal"), Some(Spanned::new(16_284_364 * 1024, 1)));
        assert_eq!(view.pages("HugePages_Free"), Some(Spanned::new(0, 3)));
        assert_eq!(view.bytes("Hugepagesize"), Some(Spanned::new(2 << 20, 4)));
        assert_eq!(view.bytes("Nothing"), None);
        assert_eq!(MemInfo::recognise("x", text), 92);
    }
}

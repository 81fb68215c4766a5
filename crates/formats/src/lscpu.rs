//! Processors, their topology and their flaws: `lscpu` of util-linux.

use crate::{Pairs, View, lines::having};
use vmwright_model::{Issue, Kind, Spanned};

/// The lines of lscpu. Keys are those printed: `CPU(s)`, `Thread(s) per core`, `Virtualization`, `Flags`,
/// `NUMA node0 CPU(s)`; below `Vulnerabilities` the names of the flaws.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LsCpu {
    /// Keys and values.
    pub pairs: Pairs,
}

impl LsCpu {
    /// Whether the flags have one; none where no flags were read.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> Option<bool> {
        Some(self.pairs.get("Flags")?.value.split_whitespace().any(|known| known == flag))
    }

    /// `VT-x` or `AMD-V`.
    #[must_use]
    pub fn virtualization(&self) -> Option<Spanned<&str>> {
        self.pairs.get("Virtualization")
    }

    /// Host NUMA nodes with their CPU lists, `0-7,16-23`.
    pub fn nodes(&self) -> impl Iterator<Item = (u32, Spanned<&str>)> {
        self.pairs.entries.iter().filter_map(|entry| {
            let (key, value) = &entry.value;
            let node = key.strip_prefix("NUMA node")?.strip_suffix(" CPU(s)")?;
            Some((node.parse().ok()?, Spanned::new(value.as_str(), entry.line)))
        })
    }

    /// What the kernel does about a flaw: older versions write `Vulnerability Meltdown`, newer `Meltdown`.
    #[must_use]
    pub fn vulnerability(&self, name: &str) -> Option<Spanned<&str>> {
        self.pairs.get(&format!("Vulnerability {name}")).or_else(|| self.pairs.get(name))
    }
}

/// What stands at the beginning of lines, of which any two tell.
const KEYS: [&str; 7] = [
    "Architecture:",
    "CPU op-mode(s):",
    "CPU(s):",
    "Thread(s) per core:",
    "Vendor ID:",
    "Model name:",
    "NUMA node(s):",
];

impl View for LsCpu {
    const KIND: Kind = Kind::new("lscpu");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &KEYS;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let (pairs, issues) = Pairs::read(text, ':', "lscpu");
        (Self { pairs }, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let has = |key: &&&str| having(head, key).any(|line| line.trim_start().starts_with(**key));
        match KEYS.iter().filter(has).count() {
            2.. => 92,
            _ if name.starts_with("lscpu") => 30,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_nodes() {
        let text = "Architecture:            x86_64\n  CPU op-mode(s):        32-bit, 64-bit\nCPU(s):                  8\nThread(s) per core:      2\nVirtualization:          AMD-V\nNUMA node0 CPU(s):       0-3\nNUMA node1 CPU(s):       4-7\nFlags: fpu svm\nVulnerabilities:\n  Meltdown:              Not affected\n";
        let (view, issues) = LsCpu::read(text);
        assert_eq!(issues, []);
        assert_eq!(view.pairs.number("CPU(s)"), Some(Spanned::new(8, 3)));
        assert_eq!(view.virtualization(), Some(Spanned::new("AMD-V", 5)));
        assert_eq!(
            view.nodes().map(|(node, cpus)| (node, cpus.value)).collect::<Vec<_>>(),
            [(0, "0-3"), (1, "4-7")]
        );
        assert_eq!(view.has_flag("svm"), Some(true));
        assert_eq!(view.vulnerability("Meltdown"), Some(Spanned::new("Not affected", 10)));
        assert_eq!(LsCpu::recognise("x", text), 92);
        assert_eq!(LsCpu::recognise("x", "CPU: 8\n"), 0);
    }
}

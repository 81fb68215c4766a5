//! Interrupts of the host with their counts: `/proc/interrupts`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupt {
    /// Line in the text.
    pub line: u32,
    /// Its number, or the name of one without (`NMI`, `LOC`, `PIW`).
    pub name: String,
    /// How often each CPU has served it, in the order of [`Interrupts::cpus`].
    pub counts: Vec<u64>,
    /// Controller, mode and handlers: `IR-PCI-MSI-0000:01:00.0 0-edge vfio-msix[0](0000:01:00.0)`.
    pub what: String,
}

impl Interrupt {
    /// All of its counts together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether it goes through interrupt remapping.
    #[must_use]
    pub fn is_remapped(&self) -> bool {
        self.what.starts_with("IR-") || self.what.starts_with("AMD-IR") || self.what.starts_with("INTEL-IR")
    }
}

/// The interrupts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interrupts {
    /// Numbers of the CPUs that are online.
    pub cpus: Vec<u32>,
    /// In the order of the text.
    pub interrupts: Vec<Interrupt>,
}

impl View for Interrupts {
    const KIND: Kind = Kind::new("interrupts");
    const SUREST: u8 = 93;
    const MARKS: &[&str] = &["CPU"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.starts_with(['$', '#']) {
                continue;
            }
            if let Some(cpus) = head(line) {
                view.cpus = cpus;
                continue;
            }
            match interrupt(number, line, view.cpus.len()) {
                Some(interrupt) if !view.cpus.is_empty() => view.interrupts.push(interrupt),
                _ => issues.push(Issue::new(number, "not a line of /proc/interrupts")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head_of_text: &str) -> u8 {
        match head_of_text.lines().take(5).any(|line| head(line).is_some()) {
            true => 93,
            false if name == "interrupts" => 25,
            false => 0,
        }
    }
}

/// `           CPU0       CPU1`.
fn head(line: &str) -> Option<Vec<u32>> {
    let cpus: Option<Vec<u32>> =
        line.split_whitespace().map(|word| word.strip_prefix("CPU")?.parse().ok()).collect();
    cpus.filter(|cpus| !cpus.is_empty() && line.starts_with(char::is_whitespace))
}

fn interrupt(line: u32, text: &str, cpus: usize) -> Option<Interrupt> {
    let (name, mut rest) = text.trim_start().split_once(':')?;
    let mut counts = Vec::new();
    // `ERR` and `MIS` have one count for all.
    while counts.len() < cpus {
        let trimmed = rest.trim_start();
        let (word, behind) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
        let Ok(count) = word.parse() else { break };
        counts.push(count);
        rest = behind;
    }
    let is_name =
        !name.is_empty() && name.len() <= 8 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let what = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    (is_name && !counts.is_empty()).then(|| Interrupt { line, name: name.to_owned(), counts, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_cpu() {
        let (view, issues) = Interrupts::read(include_str!("../tests/samples/interrupts.txt"));
        assert_eq!(issues, []);
        assert_eq!(view.cpus, [0, 1]);
        let first = &view.interrupts[0];
        assert_eq!((first.name.as_str(), first.counts.as_slice(), first.total()), ("24", &[12, 30][..], 42));
        assert!(first.is_remapped() && first.what.ends_with("vfio-msix[0](0000:01:00.0)"), "{first:?}");
        assert_eq!(view.interrupts.last().map(|last| (last.name.as_str(), last.total())), Some(("ERR", 0)));
        assert_eq!(Interrupts::read("24: 1 2 x\n").1.len(), 1, "without a head nothing is known");
    }
}

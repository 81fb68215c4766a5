//! The kernel's command line: `/proc/cmdline`, a GRUB variable, or the words as somebody typed them.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// The parameters in their order. A later one wins where the kernel takes only one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelCmdline {
    /// Name and value (`iommu`, `Some("pt")`) of each parameter.
    pub parameters: Vec<Spanned<(String, Option<String>)>>,
}

impl KernelCmdline {
    /// The last value given to a parameter: `None` where it is absent, `Some(None)` where it has no value.
    /// `-` and `_` are one character, as in the kernel's `parameq`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Spanned<Option<&str>>> {
        let same = |other: &str| other.replace('-', "_") == name.replace('-', "_");
        let found = self.parameters.iter().rev().find(|parameter| same(&parameter.value.0))?;
        Some(Spanned::new(found.value.1.as_deref(), found.line))
    }
}

impl View for KernelCmdline {
    const KIND: Kind = Kind::new("kernel_cmdline");

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut parameters = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            let words = match line.split_once('=') {
                Some((name, value)) if name.starts_with("GRUB_CMDLINE") => value.trim_matches(['"', '\'']),
                _ => line.strip_prefix("Kernel command line:").unwrap_or(line),
            };
            for word in words.split_whitespace() {
                let parameter = match word.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.trim_matches('"').to_owned())),
                    None => (word.to_owned(), None),
                };
                parameters.push(Spanned::new(parameter, number));
            }
        }
        (Self { parameters }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        if head.trim_start().starts_with("BOOT_IMAGE=") || head.contains("GRUB_CMDLINE_LINUX") {
            return 90;
        }
        if name.starts_with("cmdline") || name == "proc_cmdline" { 30 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_wins_and_dashes_are_underscores() {
        let (view, issues) = KernelCmdline::read("BOOT_IMAGE=/vmlinuz ro iommu=off vfio-pci.ids=10de:1 iommu=pt\n");
        assert!(issues.is_empty());
        assert_eq!(view.get("iommu").map(|found| found.value), Some(Some("pt")));
        assert_eq!(view.get("vfio_pci.ids").map(|found| found.value), Some(Some("10de:1")));
        assert_eq!(view.get("ro").map(|found| found.value), Some(None));
        assert_eq!(view.get("quiet"), None);
    }

    #[test]
    fn grub_variables_are_unwrapped() {
        let (view, _) = KernelCmdline::read("# comment\nGRUB_CMDLINE_LINUX=\"intel_iommu=on quiet\"\n");
        assert_eq!(view.get("intel_iommu").map(|found| (found.value, found.line)), Some((Some("on"), 2)));
    }
}

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
        let one = |byte: u8| if byte == b'-' { b'_' } else { byte };
        let same = |other: &str| other.bytes().map(one).eq(name.bytes().map(one));
        let found = self.parameters.iter().rev().find(|parameter| same(&parameter.value.0))?;
        Some(Spanned::new(found.value.1.as_deref(), found.line))
    }
}

impl View for KernelCmdline {
    const KIND: Kind = Kind::new("kernel_cmdline");
    const SUREST: u8 = 90;

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
        // Hosts that boot without GRUB have no BOOT_IMAGE: one line of words, some of which every kernel knows.
        let mut filled = lines(head).map(|(_, line)| line.trim()).filter(|line| !line.is_empty());
        let known = match (filled.next(), filled.next()) {
            (Some(line), None) if !line.starts_with('-') => {
                line.split(' ').filter(|word| is_known(word)).count()
            }
            _ => 0,
        };
        let named = name.starts_with("cmdline") || name == "proc_cmdline";
        match (known, named) {
            (3.., _) => 85,
            (1.., true) => 70,
            (2, false) => 60,
            (_, true) => 30,
            _ => 0,
        }
    }
}

/// Parameters that tell a kernel command line (kernel-parameters.txt).
const KNOWN: [&str; 26] = [
    "amd_iommu",
    "console",
    "default_hugepagesz",
    "earlyprintk",
    "hugepages",
    "hugepagesz",
    "init",
    "initrd",
    "intel_iommu",
    "iommu",
    "isolcpus",
    "mitigations",
    "net.ifnames",
    "nohz_full",
    "nokaslr",
    "nomodeset",
    "panic",
    "pci",
    "quiet",
    "rdinit",
    "reboot",
    "ro",
    "root",
    "rootfstype",
    "splash",
    "systemd.unified_cgroup_hierarchy",
];

fn is_known(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or(word);
    KNOWN.contains(&name)
        || ["kvm.", "kvm_intel.", "kvm_amd.", "vfio-pci.", "rd.driver."]
            .iter()
            .any(|module| name.starts_with(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_wins_and_dashes_are_underscores() {
        let (view, issues) =
            KernelCmdline::read("BOOT_IMAGE=/vmlinuz ro iommu=off vfio-pci.ids=10de:1 iommu=pt\n");
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

    #[test]
    fn recognised_by_content() {
        assert_eq!(KernelCmdline::recognise("x", "console=ttyS0 quiet panic=1 nested_pvm=1\n"), 85);
        assert_eq!(KernelCmdline::recognise("cmdline.txt", "iommu=pt\n"), 70);
        assert_eq!(KernelCmdline::recognise("x", "the root of all evil\n"), 0);
        assert_eq!(KernelCmdline::recognise("x", "-append \"console=ttyS0 quiet ro\"\n"), 0);
    }
}

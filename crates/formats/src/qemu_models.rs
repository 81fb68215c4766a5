//! CPU and device models of an emulator: `qemu-system-* -cpu help`, `-device help`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// The lists of a text; those of which it says nothing are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuModels {
    /// CPU models with what is said of them.
    pub cpus: Vec<Spanned<(String, String)>>,
    /// CPUID flags that can be named.
    pub flags: Vec<Spanned<String>>,
    /// Device models with their bus, empty where they have none.
    pub devices: Vec<Spanned<(String, String)>>,
}

impl QemuModels {
    /// The entry of a CPU model.
    #[must_use]
    pub fn cpu(&self, name: &str) -> Option<Spanned<&str>> {
        named(&self.cpus, name)
    }

    /// The bus of a device model.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<Spanned<&str>> {
        named(&self.devices, name)
    }
}

fn named<'a>(list: &'a [Spanned<(String, String)>], name: &str) -> Option<Spanned<&'a str>> {
    let found = list.iter().find(|one| one.value.0 == name)?;
    Some(Spanned::new(found.value.1.as_str(), found.line))
}

/// Which list the lines belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Cpus,
    Flags,
}

impl View for QemuModels {
    const KIND: Kind = Kind::new("qemu_models");
    const SUREST: u8 = 93;
    const MARKS: &[&str] = &["Available CPUs:", "name \""];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut part = Part::Nothing;
        for (number, line) in lines(text) {
            let line = line.trim();
            // `x86 qemu64  QEMU Virtual CPU version 2.5+` up to QEMU 8; `  qemu64-v1  ...` since.
            let bare = line.strip_prefix("x86 ").unwrap_or(line);
            let pair = || {
                let (name, rest) = bare.split_once(char::is_whitespace).unwrap_or((bare, ""));
                Spanned::new((name.to_owned(), rest.trim().to_owned()), number)
            };
            if line.is_empty() || line.starts_with(['$', '#']) {
            } else if let Some(found) = head(line) {
                part = found;
            } else if let Some(device) = device(line) {
                view.devices.push(Spanned::new(device, number));
            } else {
                match part {
                    Part::Cpus => view.cpus.push(pair()),
                    Part::Flags => {
                        view.flags.extend(
                            line.split_whitespace().map(|flag| Spanned::new(flag.to_owned(), number)),
                        );
                    }
                    // Heads of groups of devices.
                    Part::Nothing if line.ends_with("devices:") => {}
                    Part::Nothing => issues.push(Issue::new(number, "not a line of QEMU's help")),
                }
            }
        }
        (view, issues)
    }

    fn recognise(_: &str, head_of_text: &str) -> u8 {
        let mut all = head_of_text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with(['$', '#']));
        let first = all.next().unwrap_or_default();
        let (devices, all) = crate::lines::share(head_of_text, |line| device(line.trim()).is_some());
        if head(first).is_some_and(|part| part != Part::Flags) || devices > 2 && devices * 2 > all {
            93
        } else {
            0
        }
    }
}

fn head(line: &str) -> Option<Part> {
    match line {
        "Available CPUs:" => Some(Part::Cpus),
        "Recognized CPUID flags:" => Some(Part::Flags),
        _ => None,
    }
}

/// `name "vfio-pci", bus PCI, desc "..."`.
fn device(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.strip_prefix("name \"")?.split_once('"')?;
    let bus = rest.strip_prefix(", bus ").map_or("", |rest| rest.split(',').next().unwrap_or(rest));
    Some((name.to_owned(), bus.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists() {
        let (view, issues) = QemuModels::read(include_str!("../tests/samples/qemu_models.txt"));
        assert_eq!(issues, []);
        assert_eq!(view.cpu("Broadwell-IBRS").map(|cpu| cpu.value), Some("(alias of Broadwell-v3)"));
        assert_eq!(view.flags.last().map(|flag| flag.value.as_str()), Some("adx"));
        let old = "x86 qemu64                QEMU Virtual CPU version 2.5+\n";
        assert_eq!(QemuModels::read(&format!("Available CPUs:\n{old}")).0.cpus[0].value.0, "qemu64");
        let devices = "Controller/Bridge/Hub devices:\nname \"vfio-pci\", bus PCI, desc \"VFIO-based PCI device assignment\"\nname \"isa-debug-exit\", bus ISA\nname \"loader\", desc \"x\"\n";
        let (view, issues) = QemuModels::read(devices);
        assert_eq!(issues, []);
        assert_eq!(
            (view.device("vfio-pci").map(|bus| bus.value), view.device("loader").map(|bus| bus.value)),
            (Some("PCI"), Some(""))
        );
        assert_eq!(QemuModels::recognise("x", devices), 93);
        assert_eq!(QemuModels::read("odd\n").1.len(), 1);
    }
}

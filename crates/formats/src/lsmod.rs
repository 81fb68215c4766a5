//! Loaded kernel modules: `lsmod` or `/proc/modules`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One loaded module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Line in the text.
    pub line: u32,
    /// Name as the kernel writes it, with `_`.
    pub name: String,
    /// Size, in bytes.
    pub size: u64,
    /// How often it is used.
    pub used: i64,
    /// Modules that use it.
    pub by: Vec<String>,
}

/// The loaded modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LsMod {
    /// In the order of the text.
    pub modules: Vec<Module>,
    /// Whether the header line of `lsmod` was there: the listing is then not filtered by `grep`, and a module
    /// that is absent is not loaded.
    pub header: bool,
}

impl LsMod {
    /// The module of this name; `-` and `_` are one character.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Module> {
        let name = name.replace('-', "_");
        self.modules.iter().find(|module| module.name == name)
    }
}

impl View for LsMod {
    const KIND: Kind = Kind::new("lsmod");
    const SUREST: u8 = 95;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', '$']) {
                continue;
            }
            if is_header(trimmed) {
                view.header = true;
            } else {
                match module(number, trimmed) {
                    Some(module) => view.modules.push(module),
                    None => issues.push(Issue::new(number, "not a line of lsmod")),
                }
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let headed = memchr::memmem::find(head.as_bytes(), b"Used").is_some();
        if headed && head.lines().take(20).any(|line| is_header(line.trim())) {
            return 95;
        }
        // /proc/slabinfo has the same shape, and slabs are named after modules.
        if head.starts_with("slabinfo - version") {
            return 0;
        }
        let fits = || crate::lines::most(head, (2, 3), |line| module(1, line.trim()).is_some()) > 0;
        if name.contains("lsmod") || name == "modules" {
            return if fits() { 90 } else { 30 };
        }
        // Any word with two numbers has this shape: known names must be among them.
        let known = || ["kvm", "vfio", "virtio", "ext4", "bridge"].iter().any(|known| head.contains(known));
        if fits() && known() { 70 } else { 0 }
    }
}

fn is_header(line: &str) -> bool {
    line.split_whitespace().eq(["Module", "Size", "Used", "by"])
}

fn module(line: u32, text: &str) -> Option<Module> {
    let mut words = text.split_whitespace();
    let name = words.next()?;
    let name_fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    // First this: nearly no line of another text begins so.
    if !name_fits || name.starts_with('-') {
        return None;
    }
    let size = words.next()?.parse().ok()?;
    let used = words.next()?.parse().ok()?;
    let by = words.next().unwrap_or_default();
    let by = by.split(',').filter(|by| !by.is_empty() && *by != "-").map(str::to_owned).collect();
    Some(Module { line, name: name.replace('-', "_"), size, used, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let text = "Module                  Size  Used by\nkvm_amd               155648  0\nkvm                  1040384  1 kvm_amd\nodd\n";
        let (view, issues) = LsMod::read(text);
        assert_eq!(issues, [Issue::new(4, "not a line of lsmod")]);
        assert!(view.header);
        assert_eq!(
            view.get("kvm").map(|module| (module.line, module.by.clone())),
            Some((3, vec!["kvm_amd".to_owned()]))
        );
        assert_eq!(view.get("kvm-amd").map(|module| module.used), Some(0));
        let (view, issues) =
            LsMod::read("vfio_pci 16384 0 - Live 0x0000000000000000\nkvm 1 1 kvm_amd,x, Live 0x0\n");
        assert_eq!((issues, view.header), (vec![], false));
        assert_eq!(view.get("kvm").map(|module| module.by.len()), Some(2));
        assert!(view.get("vfio-pci").is_some_and(|module| module.by.is_empty()));
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(LsMod::recognise("x", "Module  Size  Used by\n"), 95);
        assert_eq!(LsMod::recognise("x", "kvm_intel 1 0\nkvm 2 1 kvm_intel\n"), 70);
        assert_eq!(LsMod::recognise("x", "apples 3 4\n"), 0);
        let slabs = "slabinfo - version: 2.1\n# name <active_objs>\next4_inode 1 2 3\nkvm_vcpu 1 2 3\n";
        assert_eq!(LsMod::recognise("slabinfo", slabs), 0);
    }
}

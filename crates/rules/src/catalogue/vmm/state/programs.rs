//! Whose version a known bug or flaw names, and what versions the texts name.

use crate::prelude::*;
use vmwright_formats::QemuLog;
use vmwright_formats::environment::Version;

/// Whose version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// QEMU.
    Qemu,
    /// libvirt.
    Libvirt,
    /// Firecracker.
    Firecracker,
    /// Cloud Hypervisor.
    CloudHypervisor,
    /// The host's kernel.
    Kernel,
    /// virtiofsd in Rust; the one in C has the version of its QEMU.
    Virtiofsd,
    /// swtpm.
    Swtpm,
    /// The firmware of UEFI guests, by the year and month of its stable tag: 2024.2.
    Edk2,
}

use Program::{CloudHypervisor, Edk2, Firecracker, Kernel, Libvirt, Qemu, Swtpm, Virtiofsd};

impl Program {
    /// Every program, those that run guests first.
    pub(crate) const ALL: [Program; 8] =
        [Firecracker, CloudHypervisor, Qemu, Libvirt, Virtiofsd, Swtpm, Edk2, Kernel];

    /// Its name as people write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Qemu => "QEMU",
            Libvirt => "libvirt",
            Firecracker => "Firecracker",
            CloudHypervisor => "Cloud Hypervisor",
            Kernel => "Linux",
            Virtiofsd => "virtiofsd",
            Swtpm => "swtpm",
            Edk2 => "edk2",
        }
    }
}

/// Versions that have a bug: from the first on, until the first of any series that has the fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first that has it.
    pub from: &'static [u32],
    /// The first that have it no more: of each maintained series one, that of the newest last. What is later than the
    /// newest has the fix too.
    pub fixed: &'static [&'static [u32]],
}

impl Range {
    /// Whether this version has it.
    pub(crate) fn holds(&self, version: &Version) -> bool {
        let Some((newest, older)) = self.fixed.split_last() else { return version.at_least(self.from) };
        // A fix in 8.2.3 says nothing of 8.1, and mends every later 8.2.
        let mended = |fix: &&[u32]| {
            let series = &fix[..fix.len().saturating_sub(1)];
            version.numbers.starts_with(series) && version.at_least(fix)
        };
        version.at_least(self.from) && !version.at_least(newest) && !older.iter().any(mended)
    }

    /// The versions with the fix, as people write them.
    pub(crate) fn fixes(&self) -> String {
        self.fixed.iter().map(|fix| dotted(fix)).collect::<Vec<_>>().join(", ")
    }

    /// The first version that has it, as people write it.
    pub(crate) fn begins(&self) -> String {
        dotted(self.from)
    }
}

fn dotted(version: &[u32]) -> String {
    version.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// The version of a program that any text names first, with its quote.
pub(crate) fn version_of(cx: &Context<'_>, program: Program) -> Option<(Version, Option<Evidence>)> {
    for log in &cx.all::<QemuLog>() {
        let Some(start) = log.last().and_then(|run| run.start.as_ref()) else { continue };
        let text = match program {
            Qemu => &start.qemu,
            Libvirt => &start.libvirt,
            Kernel => &start.kernel,
            _ => break,
        };
        if let Some(version) = Version::parse(text) {
            return Some((version, log.quote(start.line)));
        }
    }
    cx.versions().find_map(|(text, found)| {
        let version = match program {
            Qemu => &found.qemu,
            Libvirt => &found.libvirt,
            Firecracker => &found.firecracker,
            CloudHypervisor => &found.cloud_hypervisor,
            Kernel => &found.kernel,
            Virtiofsd => &found.virtiofsd,
            Swtpm => &found.swtpm,
            Edk2 => &found.edk2,
        };
        let version = version.as_ref()?;
        Some((version.value.clone(), text.quote(version.line)))
    })
}

/// Whether a VM's configuration was read that has any of these parts: device models, protocols, options, in lower
/// case. `None` where no configuration was read.
pub(crate) fn configured(cx: &Context<'_>, parts: &[&str]) -> Option<bool> {
    let mut read = None;
    for text in cx.texts_of(&["domain_xml", "qemu_args", "qemu_log"]) {
        let lower = text.as_str().to_ascii_lowercase();
        let tells = lower.contains("<devices") || lower.contains("-device") || lower.contains("-drive");
        if parts.iter().any(|part| lower.contains(part)) {
            return Some(true);
        }
        read = read.or(tells.then_some(false));
    }
    read
}

#[cfg(test)]
mod tests {
    use super::{Range, Version};

    #[test]
    fn a_fix_of_an_older_series_mends_that_series_alone() {
        let range = Range { from: &[6], fixed: &[&[7, 2, 11], &[8, 2, 3], &[9]] };
        let held = ["6.0.0", "7.2.10", "8.1.5", "8.2.2"];
        let free = ["5.2.0", "7.2.11", "7.2.14", "8.2.3", "9.0.0", "10.1"];
        for (versions, expect) in [(&held[..], true), (&free[..], false)] {
            for text in versions {
                let version = Version::parse(text).expect("a version");
                assert_eq!(range.holds(&version), expect, "{text}");
            }
        }
    }
}

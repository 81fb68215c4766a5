//! What a kernel says of the CPU flaws that it knows.

use crate::catalogue::memory::hugepages_not_reserved::settings::files;
use crate::prelude::*;
use std::sync::Arc;
use vmwright_formats::{CpuInfo, LsCpu};

/// What the kernel says of one flaw.
pub(crate) struct Flaw {
    /// Its file's name, `spec_store_bypass`; of lscpu the name in words.
    pub name: String,
    /// `Mitigation: ...`, `Vulnerable...`, `Not affected`.
    pub state: String,
    /// Where that stands.
    pub quote: Option<Evidence>,
}

impl Flaw {
    /// Whether the kernel calls itself vulnerable to it.
    pub(crate) fn open(&self) -> bool {
        self.state.starts_with("Vulnerable") || self.state.starts_with("Processor vulnerable")
    }
}

/// The flaws as the files below `vulnerabilities`, listings of them (`grep . .../vulnerabilities/*`) or lscpu tell.
pub(crate) fn flaws(cx: &Reading<'_>) -> Arc<Vec<Flaw>> {
    cx.once(read)
}

fn read(cx: &Reading<'_>) -> Vec<Flaw> {
    let mut found: Vec<Flaw> = Vec::new();
    for (source, file) in files(cx, "cpu/vulnerabilities/", "") {
        let name = source.rsplit('/').next().unwrap_or_default().to_owned();
        found.push(Flaw { name, state: file.value, quote: file.quote });
    }
    for text in cx.texts_with("ulnerab") {
        for (number, line) in text.lines().take(4096) {
            let rest = match line.split_once("vulnerabilities/") {
                Some((_, rest)) => Some(rest),
                None => NAMES.iter().any(|name| line.starts_with(name)).then_some(line),
            };
            let Some((name, state)) = rest.and_then(|rest| rest.split_once(':')) else { continue };
            if !name.contains(char::is_whitespace) && found.len() < 256 {
                found.push(Flaw {
                    name: name.to_owned(),
                    state: state.trim().to_owned(),
                    quote: text.quote(number),
                });
            }
        }
    }
    let listed = !found.is_empty();
    for seen in cx.all::<LsCpu>().into_iter().filter(|_| !listed) {
        for entry in &seen.pairs.entries {
            let (key, value) = &entry.value;
            if value.starts_with("Vulnerable")
                || value.starts_with("Mitigation")
                || key.starts_with("Vulnerability ")
            {
                let name = key.trim_start_matches("Vulnerability ").to_owned();
                found.push(Flaw { name, state: value.clone(), quote: seen.quote(entry.line) });
            }
        }
    }
    found
}

/// Files of `/sys/devices/system/cpu/vulnerabilities` (Documentation/ABI/testing/sysfs-devices-system-cpu), for
/// listings made in that folder.
const NAMES: [&str; 18] = [
    "gather_data_sampling:",
    "indirect_target_selection:",
    "itlb_multihit:",
    "l1tf:",
    "mds:",
    "meltdown:",
    "mmio_stale_data:",
    "old_microcode:",
    "reg_file_data_sampling:",
    "retbleed:",
    "spec_rstack_overflow:",
    "spec_store_bypass:",
    "spectre_v1:",
    "spectre_v2:",
    "srbds:",
    "tsa:",
    "tsx_async_abort:",
    "vmscape:",
];

/// What `systemd-detect-virt` prints of a VM (systemd-detect-virt(1), "VM").
const DETECTED: [&str; 9] =
    ["qemu", "kvm", "amazon", "vmware", "microsoft", "oracle", "powervm", "xen", "google"];

/// The answer below a typed `systemd-detect-virt`, where it is a VM's.
pub(crate) fn detected(cx: &Context<'_>) -> Option<Evidence> {
    let host = |source: &str| !source.contains("guest") && !source.contains("console");
    let mut asked = cx.lines_with("systemd-detect-virt").filter(|(text, ..)| host(text.source));
    asked.find_map(|(text, number, line)| {
        let answer = text.line(number + 1).unwrap_or("").trim();
        let typed = line.trim_end().ends_with("systemd-detect-virt");
        text.quote(number + 1).filter(|_| typed && DETECTED.contains(&answer))
    })
}

/// Whether the machine that was read is a VM itself, and by what one sees it.
pub(crate) fn is_vm(cx: &Context<'_>) -> Option<Evidence> {
    for seen in cx.all::<CpuInfo>() {
        if seen.has_flag("hypervisor") == Some(true) {
            return seen.flags.as_ref().and_then(|flags| seen.quote(flags.line));
        }
    }
    for seen in cx.all::<LsCpu>() {
        if let Some(vendor) = seen.pairs.get("Hypervisor vendor") {
            return seen.quote(vendor.line);
        }
        if seen.has_flag("hypervisor") == Some(true) {
            return seen.pairs.get("Flags").and_then(|flags| seen.quote(flags.line));
        }
    }
    if let Some(said) = detected(cx) {
        return Some(said);
    }
    // The kernel says so where it cannot see the siblings of its CPUs.
    flaws(cx)
        .iter()
        .find(|flaw| flaw.state.contains("SMT Host state unknown"))
        .and_then(|flaw| flaw.quote.clone())
}

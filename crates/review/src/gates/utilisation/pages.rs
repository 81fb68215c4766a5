//! Whether the guest's memory lies in huge pages where the specification says so, by what the kernel tells of each mapping of its
//! VMM (proc_pid_smaps(5)): what was asked for at its start may have been given in ordinary pages.

use super::mib;
use crate::aspects::Aspects;
use crate::gates::measurement;
use std::collections::BTreeMap;
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::{MachineSpec, Measurement};

/// The pages of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pages {
    /// By the size of the page: bytes of the mappings that are made of such, touched or not. Ordinary ones are left out.
    mapped: BTreeMap<u64, u64>,
    /// Bytes that the kernel keeps in huge pages by itself.
    transparent: u64,
}

/// The largest ordinary page of a processor that Linux runs on, in KiB.
const ORDINARY: u64 = 64;

impl Pages {
    /// Of a text of `/proc/PID/smaps`; none where it is none, or was cut.
    pub(super) fn read(smaps: &str) -> Option<Self> {
        let mut pages = Self::default();
        let mut size = 0;
        for line in smaps.lines() {
            let kib = |key: &str| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
            let bytes = |kib: u64| kib.saturating_mul(1024);
            if let Some(kib) = kib("Size:") {
                size = bytes(kib);
            } else if let Some(kib) = kib("KernelPageSize:").filter(|kib| *kib > ORDINARY) {
                let mapped = pages.mapped.entry(bytes(kib)).or_default();
                *mapped = mapped.saturating_add(size);
            } else if let Some(kib) = kib("AnonHugePages:").or_else(|| kib("ShmemPmdMapped:")) {
                pages.transparent = pages.transparent.saturating_add(bytes(kib));
            }
        }
        // The last line of each mapping.
        smaps.lines().next_back().filter(|line| line.starts_with("VmFlags:")).map(|_| pages)
    }

    pub(super) fn figures(&self) -> [Measurement; 2] {
        let bytes = |name: &str, bytes: u64| measurement(name, bytes as f64, "bytes");
        let mapped = self.mapped.values().copied().fold(0, u64::saturating_add);
        [bytes("memory in huge pages", mapped), bytes("memory in transparent huge pages", self.transparent)]
    }
}

pub(super) fn judge(seen: &Result<Pages, String>, spec: &MachineSpec, given: u64, aspects: &mut Aspects) {
    if !spec.memory.hugepages {
        return aspects.none("the specification does not ask for huge pages");
    }
    let wanted = spec.memory.hugepage_size.as_deref().and_then(|size| parse_size(size).ok());
    match seen {
        Ok(pages) => {
            let such = pages.mapped.iter().filter(|(size, _)| wanted.is_none_or(|wanted| wanted == **size));
            let found = such.map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
            aspects.expect(found >= given, || {
                let size = wanted.map_or_else(String::new, |size| format!(" of {} MiB", mib(size)));
                let (given, found) = (mib(given), mib(found));
                format!("{found} MiB of the VMM are in huge pages{size}, the specification says all of the guest's {given} MiB")
            });
        }
        Err(why) => aspects.unknown(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use vmwright_model::GateOutcome;

    const MIB: u64 = 1 << 20;

    /// A mapping as the kernel tells of it, in parts.
    fn mapping(size: u64, page: u64, transparent: u64) -> String {
        format!(
            "7f0000000000-7f0010000000 rw-p 00000000 00:00 0 \nSize:         {size:9} kB\nKernelPageSize: {page:7} kB\n\
             Rss:                   4 kB\nAnonHugePages: {transparent:8} kB\nVmFlags: rd wr mr mw me ac ht \n"
        )
    }

    #[test]
    fn mappings_are_counted_by_their_pages() {
        let text = mapping(64, 4, 0) + &mapping(262_144, 2048, 0) + &mapping(8192, 4, 4096);
        let pages = Pages::read(&text).expect("whole");
        assert_eq!(pages.mapped, BTreeMap::from([(2 * MIB, 256 * MIB)]));
        assert_eq!(pages.transparent, 4 * MIB);
        assert_eq!((Pages::read(&text[..text.len() - 40]), Pages::read("")), (None, None));
    }

    #[test]
    fn all_of_the_memory_has_to_lie_in_pages_of_the_size() {
        let outcome = |seen: &Result<Pages, String>, size: Option<&str>| {
            let mut spec = spec();
            spec.memory.hugepages = true;
            spec.memory.hugepage_size = size.map(str::to_owned);
            let mut aspects = Aspects::default();
            judge(seen, &spec, 256 * MIB, aspects.about("huge pages"));
            aspects.conclude("").0
        };
        let of = |text: String| Ok(Pages::read(&text).expect("whole"));
        let whole = of(mapping(262_144, 2048, 0));
        assert_eq!(outcome(&whole, None), GateOutcome::Pass);
        assert_eq!(outcome(&whole, Some("2MiB")), GateOutcome::Pass);
        let why = "0 MiB of the VMM are in huge pages of 1024 MiB, the specification says all of the guest's 256 MiB";
        assert_eq!(outcome(&whole, Some("1GiB")), GateOutcome::Fail(why.to_owned()));
        // What the kernel does by itself it may undo by itself.
        let half = of(mapping(131_072, 2048, 0) + &mapping(131_072, 4, 131_072));
        assert!(matches!(outcome(&half, None), GateOutcome::Fail(why) if why.starts_with("128 MiB of the VMM")));
        assert_eq!(outcome(&Err("no".to_owned()), None).word(), "unknown");
    }
}

//! What changed with which version: what QEMU no longer has, and what libvirt does otherwise. The tables name their
//! sources; machine types are in [`crate::machine_types`], CPU models in [`crate::cpu_models`].

use std::sync::OnceLock;

const QEMU: &str = include_str!("changes/qemu_removed.txt");
const LIBVIRT: &str = include_str!("changes/libvirt.txt");

/// Something that QEMU had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The first QEMU without it, major and minor.
    pub version: [u32; 2],
    /// `option`, `device`, `block`, `command`.
    pub kind: &'static str,
    /// Its name; of an option with the dash.
    pub name: &'static str,
    /// What to use instead; empty where there is nothing.
    pub instead: &'static str,
}

impl Removal {
    /// What happened, a fragment: `QEMU 9.0 removed it; use ...`.
    #[must_use]
    pub fn says(&self) -> String {
        let [major, minor] = self.version;
        match self.instead {
            "" => format!("QEMU {major}.{minor} removed it, without a successor"),
            instead => format!("QEMU {major}.{minor} removed it; use `{instead}`"),
        }
    }
}

/// Everything that the table of QEMU names.
pub fn removals() -> &'static [Removal] {
    static REMOVALS: OnceLock<Vec<Removal>> = OnceLock::new();
    REMOVALS.get_or_init(|| {
        let removal = |line: &'static str| {
            let (head, instead) = line.split_once('|')?;
            let mut words = head.split_whitespace();
            let (version, kind, name) = (version(words.next()?)?, words.next()?, words.next()?);
            Some(Removal { version, kind, name, instead: instead.trim() })
        };
        rows(QEMU).filter_map(removal).collect()
    })
}

/// What QEMU removed under this name. An option may be written with one dash or two.
#[must_use]
pub fn removed(kind: &str, name: &str) -> Option<&'static Removal> {
    let plain = |name: &str| name.trim_start_matches('-').to_owned();
    removals().iter().find(|one| one.kind == kind && plain(one.name) == plain(name))
}

/// What a message says that QEMU no longer has: `-no-hpet: invalid option`, `'sga' is not a valid device model name`.
#[must_use]
pub fn removal_in(message: &str) -> Option<&'static Removal> {
    if let Some((before, _)) = message.split_once(": invalid option") {
        return removed("option", before.rsplit([' ', '\t']).next()?);
    }
    let (before, _) = message.split_once("' is not a valid device model name")?;
    removed("device", before.rsplit('\'').next()?)
}

/// Something that libvirt does otherwise than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The name by which rules know it.
    pub name: &'static str,
    /// The first libvirt that does so.
    pub version: [u32; 2],
    /// What it does: a fragment behind "libvirt 10.4 and later".
    pub what: &'static str,
}

/// Everything that the table of libvirt names, by version.
pub fn libvirt_changes() -> &'static [Change] {
    static CHANGES: OnceLock<Vec<Change>> = OnceLock::new();
    CHANGES.get_or_init(|| {
        let change = |line: &'static str| {
            let mut words = line.splitn(3, ' ');
            let (name, version, what) = (words.next()?, version(words.next()?)?, words.next()?);
            Some(Change { name, version, what })
        };
        rows(LIBVIRT).filter_map(change).collect()
    })
}

/// The change of libvirt of this name.
#[must_use]
pub fn libvirt_change(name: &str) -> Option<&'static Change> {
    libvirt_changes().iter().find(|change| change.name == name)
}

/// The oldest QEMU that libvirt works with since a change, where that is what changed.
#[must_use]
pub fn qemu_asked(change: &Change) -> Option<[u32; 2]> {
    version(change.name.strip_prefix("qemu-")?)
}

/// Lines that are no comments.
pub(crate) fn rows(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `10.4`.
pub(crate) fn version(text: &str) -> Option<[u32; 2]> {
    let (major, minor) = text.split_once('.')?;
    Some([major.parse().ok()?, minor.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_names_are_there_once() {
        assert_eq!(removals().len(), rows(QEMU).count());
        assert_eq!(libvirt_changes().len(), rows(LIBVIRT).count());
        assert!(libvirt_changes().is_sorted_by_key(|change| change.version));
        for (at, one) in removals().iter().enumerate() {
            assert!(["option", "device", "block", "command"].contains(&one.kind), "{one:?}");
            assert!(
                removals()[..at].iter().all(|other| (other.kind, other.name) != (one.kind, one.name)),
                "{one:?}"
            );
        }
    }

    #[test]
    fn what_a_message_names_is_found_as_programs_print_it() {
        let found = |message: &str| removal_in(message).map(|one| (one.name, one.version));
        assert_eq!(found("qemu-system-x86_64: -no-hpet: invalid option"), Some(("-no-hpet", [9, 0])));
        assert_eq!(found("qemu: --enable-fips: invalid option"), Some(("-enable-fips", [7, 1])));
        assert_eq!(found("-device sga: 'sga' is not a valid device model name"), Some(("sga", [8, 0])));
        assert_eq!(found("-device qxl: 'qxl' is not a valid device model name"), None);
        assert_eq!(found("virtiofsd: invalid option"), None);
        assert_eq!(
            removed("option", "runas").map(Removal::says).as_deref(),
            Some("QEMU 10.0 removed it; use `-run-with user=USER`")
        );
        assert_eq!(libvirt_change("nftables").map(|change| change.version), Some([10, 4]));
    }
}

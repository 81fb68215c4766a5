//! Versioned machine types: which QEMU brought one, calls it deprecated, and no longer has it.
//!
//! The version is in the name (QEMU `docs/devel/migration/compatibility.rst`). What is removed follows from QEMU's policy
//! since 10.1 (`include/hw/boards.h`, `docs/about/deprecated.rst`): deprecated three major versions later, deleted six
//! later. What went before by hand is in `docs/about/removed-features.rst`. Distributions keep types for longer.

/// Families of upstream's versioned types.
const FAMILIES: [&str; 6] = ["pc-q35", "pc-i440fx", "pc", "virt", "pseries", "s390-ccw-virtio"];

/// The first QEMU that deletes types by age.
const DELETES: [u32; 2] = [10, 1];

/// Deprecated so many major versions later (`MACHINE_VER_DEPRECATION_MAJOR`).
const DEPRECATED: u32 = 3;

/// Deleted so many major versions later (`MACHINE_VER_DELETION_MAJOR`).
const DELETED: u32 = 6;

/// The QEMU that brought a type, major and minor: 8.2 of `pc-q35-8.2`. None for aliases and types of distributions.
#[must_use]
pub fn introduced(machine: &str) -> Option<[u32; 2]> {
    let (family, version) = machine.rsplit_once('-')?;
    let (major, minor) = version.split_once('.')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number < 100);
    FAMILIES.contains(&family).then_some(())?;
    Some([number(major)?, number(minor)?])
}

/// The first QEMU that calls a type deprecated.
#[must_use]
pub fn deprecated(machine: &str) -> Option<[u32; 2]> {
    introduced(machine).map(|[major, minor]| [major + DEPRECATED, minor])
}

/// The first QEMU that no longer has a type.
#[must_use]
pub fn removed(machine: &str) -> Option<[u32; 2]> {
    let [major, minor] = introduced(machine)?;
    if machine.starts_with("pc-") && [major, minor] <= [1, 3] {
        // `pc-0.10` up to `pc-1.3` went with 4.0 up to 6.0.
        return Some([6, 0]);
    }
    Some([major + DELETED, minor].max(DELETES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_machine_type() {
        assert_eq!(introduced("pc-q35-8.2"), Some([8, 2]));
        assert_eq!(introduced("pc-i440fx-10.0"), Some([10, 0]));
        for other in
            ["q35", "pc", "pc-q35-rhel9.4.0", "pc-i440fx-jammy", "microvm", "virt", "pc-q35-8.2.1", "x-1.999"]
        {
            assert_eq!(introduced(other), None, "{other}");
        }
        assert_eq!((deprecated("pc-q35-7.2"), removed("pc-q35-7.2")), (Some([10, 2]), Some([13, 2])));
        // What 10.2 has deleted and what it still has.
        assert_eq!((removed("pc-q35-4.2"), removed("pc-q35-5.0")), (Some([10, 2]), Some([11, 0])));
        assert_eq!((removed("pc-i440fx-2.12"), removed("pc-1.3")), (Some([10, 1]), Some([6, 0])));
    }
}

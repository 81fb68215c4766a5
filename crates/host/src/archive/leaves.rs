//! What the rules name, by the last components of its paths: asked of every member of a sos report, of which there are
//! thousands, and of hundreds of names.

use crate::glob::matches;
use std::collections::HashSet;
use vmwright_model::Need;

/// The last components of what the rules name.
pub(super) struct Leaves {
    /// Those without a pattern.
    names: HashSet<&'static str>,
    /// Those with one, each with the folder before it where that has to be right too.
    patterns: Vec<(Option<&'static str>, &'static str)>,
}

impl Leaves {
    pub(super) fn of(needs: &[Need]) -> Self {
        let (mut names, mut patterns) = (HashSet::new(), Vec::new());
        for need in needs {
            let (Need::File(path) | Need::Glob(path)) = need else { continue };
            let (before, leaf) = path.rsplit_once('/').unwrap_or(("", path));
            if !leaf.contains('*') {
                names.insert(leaf);
            } else if leaf.bytes().all(|byte| byte == b'*') {
                patterns.push((Some(last(before)), leaf));
            } else {
                patterns.push((None, leaf));
            }
        }
        patterns.sort_unstable();
        patterns.dedup();
        Self { names, patterns }
    }

    /// Whether the last component is that of something a rule names: the folders before it may be links, and have other
    /// names. Where a pattern takes every name of a folder, the folder's own has to be right too.
    pub(super) fn name(&self, path: &str) -> bool {
        let (before, leaf) = path.rsplit_once('/').unwrap_or(("", path));
        let fits = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        self.names.contains(leaf)
            || self.patterns.iter().any(|(folder, pattern)| {
                fits(pattern, leaf) && folder.is_none_or(|folder| fits(folder, last(before)))
            })
    }
}

fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_enough_but_where_every_name_of_a_folder_is_asked_for() {
        let leaves = Leaves::of(&[
            Need::File("/proc/cmdline"),
            Need::Glob("/sys/module/*/parameters/*"),
            Need::Glob("/sys/bus/*/drivers_*/*"),
            Need::Glob("/etc/modprobe.d/*.conf"),
            Need::Exists("/dev/kvm"),
        ]);
        for (path, named) in [
            ("proc/cmdline", true),
            ("elsewhere/cmdline", true),
            ("cmdline", true),
            ("a/cmdlines", false),
            ("x/parameters/nested", true),
            ("x/parameter/nested", false),
            ("drivers_probe/a", true),
            ("drivers/a", false),
            ("etc/x.conf", true),
            ("etc/.x.conf", false),
            ("dev/kvm", false),
        ] {
            assert_eq!(leaves.name(path), named, "{path}");
        }
    }
}

//! What the keys of a specification have to do with each other.

mod boot;
mod cpu;
mod disks;
mod networks;
mod numa;

use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::{Issue, MachineSpec};

/// Looks at the whole machine.
pub(super) fn check(book: &mut Book<'_>, spec: &MachineSpec) {
    boot::check(book, spec);
    cpu::check(book, spec);
    numa::check(book, spec);
    disks::check(book, spec);
    networks::check(book, spec);
    agent(book, spec);
    writes(book, spec);
}

/// A port for an agent that there is not.
fn agent(book: &mut Book<'_>, spec: &MachineSpec) {
    if !spec.agent && book.given("vsock.agent_port") {
        let what = "`vsock.agent_port` says where the guest's agent listens, but `agent` is false".to_owned();
        book.tell("vsock.agent_port", &["agent", "vsock.agent_port"], what);
    }
}

/// A demand on writes to a disk that must not be written to.
fn writes(book: &mut Book<'_>, spec: &MachineSpec) {
    if !spec.review.overwrite.is_empty() {
        return;
    }
    for key in ["review.disk_write_mib_s", "review.disk_write_us"] {
        if book.given(key) {
            let what = format!("`{key}` is given, but `review.overwrite` gives no disk free to be written to");
            book.tell(key, &["review.overwrite"], what);
        }
    }
}

/// Where keys stand, which of them are wrong already, and what is told.
pub(super) struct Book<'a> {
    /// Sorted by key.
    pub(super) keys: &'a [(String, u32)],
    pub(super) bad: &'a BTreeSet<String>,
    pub(super) issues: Vec<Issue>,
}

impl Book<'_> {
    /// The line of a key that is there.
    fn line(&self, key: &str) -> Option<u32> {
        let at = self.keys.binary_search_by(|(known, _)| known.as_str().cmp(key)).ok()?;
        Some(self.keys[at].1)
    }

    /// Whether a key is there, wrong or not.
    fn given(&self, key: &str) -> bool {
        self.line(key).is_some()
    }

    /// Tells a problem at a key, or where that is absent at the table above it. What follows from a value that is
    /// wrong already is not told.
    fn tell(&mut self, key: &str, follows_from: &[&str], what: String) {
        if follows_from.iter().any(|key| self.bad.contains(*key)) {
            return;
        }
        let mut at = key;
        let line = loop {
            match (self.line(at), at.rsplit_once('.')) {
                (Some(line), _) => break line,
                (None, Some((above, _))) => at = above,
                (None, None) => break 0,
            }
        };
        self.issues.push(Issue::new(line, what));
    }

    /// Tells values that stand twice, each with where it stood first.
    fn told_once(&mut self, values: impl Iterator<Item = (String, String)>) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in values {
            match seen.get(&value) {
                Some(first) => {
                    let line = self.line(first).map_or(String::new(), |line| format!(" (line {line})"));
                    let what = format!("`{key}` is that of `{first}`{line} too");
                    self.tell(&key, &[&key, first], what);
                }
                None => {
                    seen.insert(value, key);
                }
            }
        }
    }
}

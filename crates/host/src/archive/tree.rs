//! The members of an archive as a tree: paths, links that stay inside, patterns.

use crate::file::words;
use crate::glob::matches;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ops::Bound;
use vmwright_model::Missing;

/// Most symbolic links on the way to one member: `MAXSYMLINKS` of the kernel.
const LINKS: usize = 40;

/// Most names that all patterns together may look at.
const STEPS: usize = 4_000_000;

/// A member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A file's content, or why there is none.
    File(Result<Vec<u8>, Missing>),
    /// A symbolic link's target, as it stands there.
    Link(String),
    /// The path of the member that this is another name of.
    Same(String),
}

/// Members by their path: components joined by `/`, none of them empty, `.` or `..`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Whether any member is a link, or another name.
    linked: bool,
}

/// A path as the tree has it; `None` where it leads out, empty for the root itself.
pub(super) fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Tree {
    /// Adds a member. Of two with the same path the later one stands, as it does when tar unpacks them.
    pub(super) fn insert(&mut self, path: String, node: Node) {
        self.linked |= !matches!(node, Node::File(_));
        self.nodes.insert(path, node);
    }

    pub(super) fn into_nodes(self) -> BTreeMap<String, Node> {
        self.nodes
    }

    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The members that an absolute pattern of the host stands for, `top` being where its root lies: each with its
    /// path on the host, and where it lies in the tree or why it cannot be said. At most `most`.
    pub(super) fn expand(
        &self,
        top: &str,
        pattern: &str,
        most: usize,
    ) -> Vec<(String, Result<String, Missing>)> {
        // Where nothing leads elsewhere, a path without a pattern is where its file lies.
        if !self.linked && !pattern.contains('*') {
            let path = join(top, pattern.trim_start_matches('/'));
            let file = matches!(self.get(&path), Some(Node::File(_)));
            return if file { vec![(pattern.to_owned(), Ok(path))] } else { Vec::new() };
        }
        let mut steps = 0;
        let mut found = vec![(String::new(), top.to_owned())];
        let mut failed = Vec::new();
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            let mut next = Vec::new();
            for (shown, real) in found {
                let names = if part.contains('*') {
                    self.children(&real, part, most - next.len().min(most), &mut steps)
                } else {
                    vec![part.to_owned()]
                };
                for name in names {
                    let shown = format!("{shown}/{name}");
                    match self.resolve(top, &real, &name) {
                        Ok(Some(real)) => next.push((shown, real)),
                        Ok(None) => {}
                        Err(why) => failed.push((shown, Err(why))),
                    }
                }
            }
            found = next;
        }
        let found = found.into_iter().filter(|(_, real)| matches!(self.get(real), Some(Node::File(_))));
        found.map(|(shown, real)| (shown, Ok(real))).chain(failed).collect()
    }

    /// Where `name` in the directory `at` leads; `None` where nothing is there.
    fn resolve(&self, top: &str, at: &str, name: &str) -> Result<Option<String>, Missing> {
        let mut here = at.to_owned();
        let mut left = vec![name.to_owned()];
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    if here == top {
                        return Err(Missing::Escapes);
                    }
                    here.truncate(here.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let path = join(&here, &part);
            match self.get(&path) {
                Some(Node::Link(target)) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Missing::Failed(words(Errno::LOOP)));
                    }
                    if target.starts_with('/') {
                        return Err(Missing::Escapes);
                    }
                    left.extend(target.split('/').rev().map(str::to_owned));
                }
                // One step only: a name of a name is no file.
                Some(Node::Same(other)) => here = other.clone(),
                Some(Node::File(_)) if left.is_empty() => here = path,
                Some(Node::File(_)) => return Ok(None),
                None if self.is_directory(&path) => here = path,
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    fn is_directory(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.nodes.range(below.clone()..).next().is_some_and(|(name, _)| name.starts_with(&below))
    }

    /// Names in a directory that fit a pattern, at most `most`.
    fn children(&self, at: &str, pattern: &str, most: usize, steps: &mut usize) -> Vec<String> {
        let below = if at.is_empty() { String::new() } else { format!("{at}/") };
        let mut names: Vec<String> = Vec::new();
        let mut from = Bound::Included(below.clone());
        while names.len() < most && *steps < STEPS {
            *steps += 1;
            let next = self.nodes.range((from, Bound::Unbounded)).next();
            let Some(rest) = next.and_then(|(path, _)| path.strip_prefix(&below)) else { break };
            let name = rest.split('/').next().unwrap_or(rest);
            if matches(pattern.as_bytes(), name.as_bytes()) {
                names.push(name.to_owned());
            }
            // Behind everything below this name: `0` follows `/`. The names between (`a-b` after `a`) come first,
            // so that a name can come twice, as itself and as a directory.
            from = if rest.len() > name.len() {
                Bound::Included(format!("{below}{name}0"))
            } else {
                Bound::Excluded(format!("{below}{name}"))
            };
        }
        names.sort();
        names.dedup();
        names
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(members: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, target) in members {
            let node = match target.strip_prefix("-> ") {
                Some(target) => Node::Link(target.to_owned()),
                None => Node::File(Ok(target.as_bytes().to_vec())),
            };
            tree.insert((*path).to_owned(), node);
        }
        tree
    }

    fn found(tree: &Tree, pattern: &str) -> Vec<String> {
        let found = tree.expand("t", pattern, 10);
        found
            .into_iter()
            .map(|(path, real)| format!("{path} {}", real.unwrap_or_else(|why| why.to_string())))
            .collect()
    }

    #[test]
    fn directories_that_are_links_lead_on() {
        let tree = tree(&[
            ("t/sys/bus/pci/devices/0000:00:02.0", "-> ../../../devices/pci0/0000:00:02.0"),
            ("t/sys/bus/pci/devices/0000:00:03.0", "-> ../../../devices/none"),
            ("t/sys/devices/pci0/0000:00:02.0/power_state", "D0\n"),
            ("t/sys/devices/pci0/0000:00:02.0/x/deeper", ""),
            ("t/proc/self", "-> 7"),
            ("t/proc/7/mountinfo", "m"),
        ]);
        assert_eq!(
            found(&tree, "/sys/bus/pci/devices/*/power_state"),
            ["/sys/bus/pci/devices/0000:00:02.0/power_state t/sys/devices/pci0/0000:00:02.0/power_state"]
        );
        assert_eq!(found(&tree, "/proc/self/mountinfo"), ["/proc/self/mountinfo t/proc/7/mountinfo"]);
        assert_eq!(found(&tree, "/proc/self"), [""; 0]);
        assert_eq!(found(&tree, "/*/7/*"), ["/proc/7/mountinfo t/proc/7/mountinfo"]);
    }

    #[test]
    fn links_that_lead_out_or_round_lead_nowhere() {
        let tree = tree(&[
            ("t/etc/group", "-> /etc/shadow"),
            ("t/etc/passwd", "-> ../../../etc/shadow"),
            ("t/etc/subuid", "-> subgid"),
            ("t/etc/subgid", "-> subuid"),
            ("other", "x"),
        ]);
        assert_eq!(found(&tree, "/etc/group"), ["/etc/group leads out of the root"]);
        assert_eq!(found(&tree, "/etc/passwd"), ["/etc/passwd leads out of the root"]);
        assert!(found(&tree, "/etc/subuid")[0].contains("symbolic links"));
    }

    #[test]
    fn names_between_a_name_and_its_directory_are_found() {
        let tree = tree(&[("t/a/x", ""), ("t/a-b/x", ""), ("t/a0/x", ""), ("t/b", "")]);
        assert_eq!(found(&tree, "/*/x").len(), 3);
        assert_eq!(tree.expand("t", "/*/x", 2).len(), 2);
    }
}

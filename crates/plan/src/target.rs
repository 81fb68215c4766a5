//! What an action changes, and how two actions on the same thing follow from each other.

use crate::canonical::sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use vmwright_model::{Action, Disruption, Plan};

/// The one thing that an action changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file's content: one dotted key of it, or all of it.
    Content {
        /// Path of the file.
        path: String,
        /// The key; none for the whole.
        key: Option<String>,
    },
    /// A path's permission bits.
    Mode(String),
    /// An interface.
    Bridge(String),
    /// Whether a machine runs.
    Machine(String),
}

impl Target {
    /// What `action` changes.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        match action {
            Action::EditSpec { path, key, .. } => {
                Target::Content { path: path.clone(), key: Some(key.clone()) }
            }
            Action::FileRestore { path, .. } => Target::Content { path: path.clone(), key: None },
            Action::FileMode { path, .. } => Target::Mode(path.clone()),
            Action::BridgeAdd { name, .. } | Action::BridgeRemove { name, .. } => {
                Target::Bridge(name.clone())
            }
            Action::MachineStart { machine } | Action::MachineStop { machine } => {
                Target::Machine(machine.clone())
            }
        }
    }

    /// The path or name, without what of it is changed. Targets of different names never overlap.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Target::Content { path: name, .. }
            | Target::Mode(name)
            | Target::Bridge(name)
            | Target::Machine(name) => name,
        }
    }

    /// Whether a change of one changes the other: the same thing, or one a part of the other.
    #[must_use]
    pub fn overlaps(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Content { path: a, key: ka }, Target::Content { path: b, key: kb }) => {
                a == b
                    && match (ka, kb) {
                        (Some(ka), Some(kb)) => ka == kb || within(ka, kb, '.') || within(kb, ka, '.'),
                        _ => true,
                    }
            }
            (a, b) => a == b,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Content { path, key: Some(key) } => write!(f, "`{key}` in {path}"),
            Target::Content { path, key: None } => write!(f, "the content of {path}"),
            Target::Mode(path) => write!(f, "the mode of {path}"),
            Target::Bridge(name) => write!(f, "interface {name}"),
            Target::Machine(name) => write!(f, "machine {name}"),
        }
    }
}

/// For each step of a plan, whether its expectation can only be checked after an earlier step was done: that one
/// changes the same thing, or the permission bits of a directory that it lies beneath.
#[must_use]
pub fn built_on_earlier(plan: &Plan) -> Vec<bool> {
    let mut earlier: BTreeMap<String, Vec<Target>> = BTreeMap::new();
    let mut opened: BTreeSet<String> = BTreeSet::new();
    let mut answers = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let target = Target::of(&step.action);
        let same = earlier.entry(target.name().to_owned()).or_default();
        let beneath = match &target {
            Target::Content { path, .. } | Target::Mode(path) => Path::new(path)
                .ancestors()
                .skip(1)
                .any(|above| above.to_str().is_some_and(|above| opened.contains(above))),
            Target::Bridge(_) | Target::Machine(_) => false,
        };
        answers.push(beneath || same.iter().any(|earlier| earlier.overlaps(&target)));
        if let Target::Mode(path) = &target {
            opened.insert(path.clone());
        }
        same.push(target);
    }
    answers
}

/// Whether `later`, whose target overlaps `earlier`'s, expects exactly the state that `earlier` leaves. False
/// where that cannot be told before anything is done.
#[must_use]
pub fn follows(later: &Action, earlier: &Action) -> bool {
    match (earlier, later) {
        (Action::EditSpec { key: ka, to, .. }, Action::EditSpec { key: kb, from, .. }) => {
            ka == kb && to == from
        }
        (Action::FileRestore { text, .. }, Action::FileRestore { from_sha256, .. }) => {
            sha256(text.as_bytes()) == *from_sha256
        }
        (Action::FileMode { to, .. }, Action::FileMode { from, .. }) => to == from,
        (Action::BridgeAdd { address: a, .. }, Action::BridgeRemove { address: b, .. }) => a == b,
        (Action::BridgeRemove { .. }, Action::BridgeAdd { .. })
        | (Action::MachineStart { .. }, Action::MachineStop { .. })
        | (Action::MachineStop { .. }, Action::MachineStart { .. }) => true,
        _ => false,
    }
}

/// The least that an action disturbs, whatever a rule says.
#[must_use]
pub fn least_disruption(action: &Action) -> Disruption {
    match action {
        Action::MachineStop { .. } => Disruption::GuestRestart,
        Action::EditSpec { .. }
        | Action::FileMode { .. }
        | Action::BridgeAdd { .. }
        | Action::BridgeRemove { .. }
        | Action::FileRestore { .. }
        | Action::MachineStart { .. } => Disruption::None,
    }
}

fn within(inner: &str, outer: &str, separator: char) -> bool {
    inner.strip_prefix(outer.trim_end_matches(separator)).is_some_and(|rest| rest.starts_with(separator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Step, Subject};

    fn edit(path: &str, key: &str) -> Action {
        Action::EditSpec { path: path.into(), key: key.into(), from: None, to: Some("1".into()) }
    }

    fn mode(path: &str) -> Action {
        Action::FileMode { path: path.into(), from: 0o700, to: 0o711 }
    }

    #[test]
    fn parts_of_one_thing_overlap_and_neighbours_do_not() {
        let overlap = |a: &Action, b: &Action| Target::of(a).overlaps(&Target::of(b));
        assert!(overlap(&edit("/a", "cpu"), &edit("/a", "cpu.model")));
        assert!(!overlap(&edit("/a", "cpu"), &edit("/a", "cpus")));
        assert!(!overlap(&edit("/a", "cpu"), &edit("/b", "cpu")));
        let restore =
            Action::FileRestore { path: "/a".into(), from_sha256: String::new(), text: String::new() };
        assert!(overlap(&restore, &edit("/a", "x")));
        assert!(!overlap(&mode("/a"), &edit("/a", "x")));
    }

    #[test]
    fn what_lies_beneath_a_directory_is_built_on_its_mode() {
        let step = |action| Step {
            subject: Subject::host(),
            action,
            why: String::new(),
            disruption: Disruption::None,
            settles: Vec::new(),
        };
        let answers = |actions: Vec<Action>| {
            let mut plan = crate::fix(&[], "h", None, false);
            plan.steps = actions.into_iter().map(step).collect();
            built_on_earlier(&plan)
        };
        assert_eq!(
            answers(vec![mode("/a"), mode("/a/b"), edit("/a/b/c", "x"), mode("/ab"), mode("/")]),
            [false, true, true, false, false]
        );
        assert_eq!(answers(vec![mode("/"), edit("/a", "x")]), [false, true]);
        assert_eq!(
            answers(vec![edit("/a", "x"), edit("/a", "x.y"), edit("/a", "z"), mode("/a")]),
            [false, true, false, false]
        );
    }
}

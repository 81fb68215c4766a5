//! What an action changes, and how two actions on the same thing follow from each other.

use crate::actions;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use vmwright_model::plan::QmpValue;
use vmwright_model::{Action, Disruption, Plan, Subject, SubjectKind};

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
    /// A path's owner and group.
    Owner(String),
    /// A path's label.
    Label(String),
    /// A value of the running kernel, by its path in sysfs or procfs.
    Value(String),
    /// Huge pages of one size.
    HugePages {
        /// The node; the whole host where absent.
        node: Option<u32>,
        /// Size of a page, in KiB.
        size_kib: u64,
    },
    /// An interface.
    Interface(String),
    /// A PCI function.
    Device(String),
    /// A kernel module.
    Module(String),
    /// A service.
    Service(String),
    /// A virtual network of libvirt.
    Network(String),
    /// Whether a logical volume is active, by its group and name.
    Volume(String),
    /// That a machine exists.
    Record(String),
    /// The boot that the host is in.
    Boot,
    /// What the boot loader tries once, by the file that says so.
    Trial(String),
    /// What libvirt starts a domain from, by the domain's name and libvirt's URI.
    Domain(String),
    /// Whether a domain, by its name and libvirt's URI, has a device, by what that is known by.
    Plugged(String, String),
    /// A value of a machine that runs.
    Running(String, QmpValue),
    /// A snapshot of an image in a Ceph pool.
    Snapshot(String),
    /// Whether a machine runs.
    Machine(String),
}

impl Target {
    /// What `action` changes.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        actions::of(action).target()
    }

    /// The path or name, without what of it is changed. Targets of different names never overlap.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Target::Content { path: name, .. }
            | Target::Mode(name)
            | Target::Owner(name)
            | Target::Label(name)
            | Target::Value(name)
            | Target::Interface(name)
            | Target::Device(name)
            | Target::Module(name)
            | Target::Service(name)
            | Target::Network(name)
            | Target::Volume(name)
            | Target::Record(name)
            | Target::Trial(name)
            | Target::Domain(name)
            | Target::Plugged(name, _)
            | Target::Running(name, _)
            | Target::Snapshot(name)
            | Target::Machine(name) => name,
            Target::Boot => "boot",
            // A node's pages are a part of the host's.
            Target::HugePages { .. } => "huge pages",
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
            (
                Target::HugePages { node: a, size_kib: size_a },
                Target::HugePages { node: b, size_kib: size_b },
            ) => size_a == size_b && (a == b || a.is_none() || b.is_none()),
            (a, b) => a == b,
        }
    }

    /// What it is, for a reader.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Target::Content { path, .. }
            | Target::Mode(path)
            | Target::Owner(path)
            | Target::Label(path)
            | Target::Trial(path)
            | Target::Value(path) => Subject::new(SubjectKind::Path, path),
            Target::HugePages { .. } | Target::Boot => Subject::host(),
            Target::Interface(name) => Subject::new(SubjectKind::Interface, name),
            Target::Device(name) => Subject::new(SubjectKind::Pci, name),
            Target::Module(name)
            | Target::Service(name)
            | Target::Network(name)
            | Target::Snapshot(name)
            | Target::Volume(name) => Subject::new(SubjectKind::Other, name),
            Target::Domain(name) | Target::Plugged(name, _) => {
                Subject::new(SubjectKind::Vm, name.split_once(" of ").map_or(name.as_str(), |(name, _)| name))
            }
            Target::Record(name) | Target::Running(name, _) | Target::Machine(name) => {
                Subject::new(SubjectKind::Vm, name)
            }
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Content { path, key: Some(key) } => write!(f, "`{key}` in {path}"),
            Target::Content { path, key: None } => write!(f, "the content of {path}"),
            Target::Mode(path) => write!(f, "the mode of {path}"),
            Target::Label(path) => write!(f, "the label of {path}"),
            Target::Owner(path) => write!(f, "the owner of {path}"),
            Target::Value(path) => write!(f, "the value of {path}"),
            Target::HugePages { node: Some(node), size_kib } => {
                write!(f, "huge pages of {size_kib} KiB on node {node}")
            }
            Target::HugePages { node: None, size_kib } => write!(f, "huge pages of {size_kib} KiB"),
            Target::Interface(name) => write!(f, "interface {name}"),
            Target::Device(name) => write!(f, "device {name}"),
            Target::Module(name) => write!(f, "module {name}"),
            Target::Service(name) => write!(f, "service {name}"),
            Target::Network(name) => write!(f, "virtual network {name}"),
            Target::Volume(name) => write!(f, "logical volume {name}"),
            Target::Boot => write!(f, "the boot"),
            Target::Trial(path) => write!(f, "what is tried at the next boot by {path}"),
            Target::Record(name) => write!(f, "that machine {name} exists"),
            Target::Domain(name) => write!(f, "domain {name}"),
            Target::Plugged(name, device) => write!(f, "{device} in domain {name}"),
            Target::Running(name, value) => write!(f, "{value} of machine {name}"),
            Target::Snapshot(name) => write!(f, "snapshot {name}"),
            Target::Machine(name) => write!(f, "machine {name}"),
        }
    }
}

/// For each step of a plan, whether its expectation can only be checked after an earlier step was done: that one
/// makes what it needs, changes the same thing, or makes or opens a directory that it lies beneath.
#[must_use]
pub fn built_on_earlier(plan: &Plan) -> Vec<bool> {
    let mut earlier: BTreeMap<String, Vec<Target>> = BTreeMap::new();
    let mut opened: BTreeSet<String> = BTreeSet::new();
    let mut answers = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let target = Target::of(&step.action);
        let needed = needs(&step.action).is_some_and(|needed| {
            earlier.get(needed.name()).is_some_and(|made| made.iter().any(|made| made.overlaps(&needed)))
        });
        let same = earlier.entry(target.name().to_owned()).or_default();
        let beneath = match &target {
            Target::Content { path, .. } | Target::Mode(path) | Target::Owner(path) | Target::Label(path) => {
                Path::new(path)
                    .ancestors()
                    .skip(1)
                    .any(|above| above.to_str().is_some_and(|above| opened.contains(above)))
            }
            _ => false,
        };
        answers.push(needed || beneath || same.iter().any(|earlier| earlier.overlaps(&target)));
        if let Target::Mode(path) | Target::Owner(path) = &target {
            opened.insert(path.clone());
        }
        if let Action::DirectoryCreate { path, .. } = &step.action {
            opened.insert(path.clone());
        }
        same.push(target);
    }
    answers
}

/// What has to be there besides for an action to be done, where another step may make it.
#[must_use]
pub fn needs(action: &Action) -> Option<Target> {
    actions::of(action).needs()
}

/// Whether `later`, whose target overlaps `earlier`'s, expects exactly the state that `earlier` leaves. False
/// where that cannot be told before anything is done.
#[must_use]
pub fn follows(later: &Action, earlier: &Action) -> bool {
    actions::of(later).follows(earlier)
}

/// The least that an action disturbs, whatever a rule says.
#[must_use]
pub fn least_disruption(action: &Action) -> Disruption {
    actions::of(action).least_disruption()
}

fn within(inner: &str, outer: &str, separator: char) -> bool {
    inner.strip_prefix(outer.trim_end_matches(separator)).is_some_and(|rest| rest.starts_with(separator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::Step;

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
            Action::FileWrite { path: "/a".into(), from_sha256: String::new(), text: String::new() };
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

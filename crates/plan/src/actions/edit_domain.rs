//! Places of a domain of libvirt's.

use super::{Facts, Fault, Phase, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_formats::xml::Document;
use vmwright_model::Action;
use vmwright_model::plan::DomainEdit;

/// The most places of one step: nobody can weigh more.
const MOST: usize = 1024;

/// The longest value, in bytes.
const LONGEST: usize = 64 << 10;

/// See [`Action::EditDomain`].
pub(super) struct EditDomain<'a> {
    pub(super) connection: &'a str,
    pub(super) domain: &'a str,
    pub(super) edits: &'a [DomainEdit],
}

impl Facts for EditDomain<'_> {
    fn target(&self) -> Target {
        Target::Domain(format!("{} of {}", self.domain, self.connection))
    }

    fn words(&self) -> Words {
        let Self { connection, domain, edits } = self;
        let of = |told: fn(&DomainEdit) -> String| edits.iter().map(told).collect::<Vec<_>>().join("; ");
        Words {
            expects: format!("domain {domain} of {connection} with {}", of(before)),
            does: format!("changes domain {domain} of {connection} from its next start: {}", of(change)),
            undone_by: "changes the same places back, if they are as this step left them".to_owned(),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Record
    }

    fn follows(&self, earlier: &Action) -> bool {
        // Nobody can tell what a domain is behind another change of it: libvirt adds to what it is given.
        matches!(earlier, Action::EditDomain { edits, .. } if inverse(edits) == self.edits)
    }

    fn joined(&self, earlier: &Action) -> Option<Action> {
        let Action::EditDomain { connection, domain, edits } = earlier else { return None };
        let same = connection == self.connection && domain == self.domain;
        Some(Action::EditDomain {
            connection: connection.clone(),
            domain: domain.clone(),
            edits: together(edits, self.edits).filter(|_| same)?,
        })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::machine::faults(self.domain);
        faults.extend(connection_fault(self.connection));
        let mut wrong = |why: String| faults.push(Fault::Value(why));
        if self.edits.is_empty() || self.edits.len() > MOST {
            wrong(format!("{} places of a domain are not 1 to {MOST}", self.edits.len()));
        }
        for edit in self.edits {
            let (path, values) = match edit {
                DomainEdit::Attribute { path, name, from, to } => {
                    if !is_name(name) {
                        wrong(format!("{} is no name of an attribute", quoted(name)));
                    }
                    (path, [from.as_deref(), to.as_deref()])
                }
                DomainEdit::Text { path, from, to } => (path, [Some(from.as_str()), Some(to.as_str())]),
                DomainEdit::Element { path, from, to } => {
                    for element in [from, to].into_iter().flatten().filter(|element| !is_element(element)) {
                        wrong(format!("{} is not one element", quoted(element)));
                    }
                    (path, [from.as_deref(), to.as_deref()])
                }
            };
            if values[0] == values[1] {
                wrong(format!("{} is changed to what it is", quoted(path)));
            }
            if !is_path(path) {
                wrong(format!("{} is no path in a domain", quoted(path)));
            }
            let bad = |value: &&str| value.len() > LONGEST || value.contains('\0');
            if let Some(value) = values.into_iter().flatten().find(bad) {
                wrong(format!("{} is longer than {LONGEST} bytes, or no text", quoted(value)));
            }
        }
        faults
    }
}

/// What is wrong with the URI of a libvirt.
pub(super) fn connection_fault(connection: &str) -> Option<Fault> {
    let known = ["qemu:///system", "qemu:///session"].contains(&connection);
    (!known).then(|| Fault::Value(format!("{} is no libvirt of this host", quoted(connection))))
}

/// The edits that take these back.
#[must_use]
pub fn inverse(edits: &[DomainEdit]) -> Vec<DomainEdit> {
    let back = |edit: &DomainEdit| match edit.clone() {
        DomainEdit::Attribute { path, name, from, to } => {
            DomainEdit::Attribute { path, name, from: to, to: from }
        }
        DomainEdit::Text { path, from, to } => DomainEdit::Text { path, from: to, to: from },
        DomainEdit::Element { path, from, to } => DomainEdit::Element { path, from: to, to: from },
    };
    edits.iter().rev().map(back).collect()
}

/// Both changes as one, which expects what each of them expects; none where they meet in one place, or where one of
/// them changes what a place of the other is found by.
fn together(earlier: &[DomainEdit], later: &[DomainEdit]) -> Option<Vec<DomainEdit>> {
    let new: Vec<&DomainEdit> = later.iter().filter(|edit| !earlier.contains(edit)).collect();
    let apart = new.iter().all(|new| earlier.iter().all(|old| !meets(old, new) && !meets(new, old)));
    let edits: Vec<DomainEdit> = earlier.iter().chain(new).cloned().collect();
    (apart && edits.len() <= MOST).then_some(edits)
}

/// Whether `one` changes something that `other` expects, or finds its place by.
fn meets(one: &DomainEdit, other: &DomainEdit) -> bool {
    let (path, place) = (path_of(one), path_of(other));
    match one {
        DomainEdit::Attribute { name, .. } => {
            let same = match other {
                DomainEdit::Attribute { name: theirs, .. } => path == place && name == theirs,
                _ => false,
            };
            let parent = path.rfind("]/").map(|end| &path[..=end]);
            let within = inside(place, path) || parent.is_some_and(|parent| inside(place, parent));
            same || (KEYS.contains(&name.as_str()) && within)
        }
        DomainEdit::Text { .. } => inside(place, path),
        DomainEdit::Element { from, to, .. } => {
            let known = match other {
                DomainEdit::Element { from, to, .. } if path == place => [from, to].map(|one| tag(one)),
                _ => [child(place, path), None],
            };
            let tags = [from, to].into_iter().filter_map(|one| tag(one));
            let mut tags =
                tags.filter(|tag| KEYED.contains(tag) && inside(place, path) || known.contains(&Some(tag)));
            tags.next().is_some()
        }
    }
}

/// The element that an edit is about, or in.
fn path_of(edit: &DomainEdit) -> &str {
    match edit {
        DomainEdit::Attribute { path, .. }
        | DomainEdit::Text { path, .. }
        | DomainEdit::Element { path, .. } => path,
    }
}

/// Attributes that an element, or the one that it is in, may be known by: a disk by its target's `dev`.
const KEYS: [&str; 7] = ["address", "dev", "index", "iothread", "name", "type", "vcpu"];
/// Elements with such an attribute for the one that they are in.
const KEYED: [&str; 2] = ["mac", "target"];

/// Whether a place is an element, or in it.
fn inside(place: &str, element: &str) -> bool {
    element.is_empty()
        || place.strip_prefix(element).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The name of the element in `element` on the way to a place in it.
fn child<'a>(place: &'a str, element: &str) -> Option<&'a str> {
    let below = place.strip_prefix(element).filter(|_| inside(place, element))?;
    below.trim_start_matches('/').split('[').next()
}

/// The name of an element that is written out.
fn tag(element: &Option<String>) -> Option<&str> {
    let name = element.as_deref()?.strip_prefix('<')?;
    name.split(|letter: char| letter.is_whitespace() || "/>".contains(letter)).next()
}

/// A path without the numbers of elements that are the first of their name, for a reader.
fn shown(path: &str) -> String {
    if path.is_empty() { "the domain itself".to_owned() } else { path.replace("[1]", "") }
}

fn before(edit: &DomainEdit) -> String {
    match edit {
        DomainEdit::Attribute { path, name, from: Some(from), .. } => {
            format!("{name}='{from}' in {}", shown(path))
        }
        DomainEdit::Attribute { path, name, from: None, .. } => format!("no {name} in {}", shown(path)),
        DomainEdit::Text { path, from, .. } => format!("`{from}` as {}", shown(path)),
        DomainEdit::Element { path, from: Some(from), .. } => format!("{from} in {}", shown(path)),
        DomainEdit::Element { path, from: None, to } => {
            format!("no {} in {}", to.as_deref().unwrap_or_default(), shown(path))
        }
    }
}

fn change(edit: &DomainEdit) -> String {
    match edit {
        DomainEdit::Attribute { path, name, to: Some(to), .. } => {
            format!("{name}='{to}' in {}", shown(path))
        }
        DomainEdit::Attribute { path, name, to: None, .. } => format!("takes {name} out of {}", shown(path)),
        DomainEdit::Text { path, to, .. } => format!("`{to}` as {}", shown(path)),
        DomainEdit::Element { path, to: Some(to), .. } => format!("puts {to} into {}", shown(path)),
        DomainEdit::Element { path, from, to: None } => {
            format!("takes {} out of {}", from.as_deref().unwrap_or_default(), shown(path))
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.'))
        && !name.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'))
}

fn is_path(path: &str) -> bool {
    // What an element is known by may hold anything but what ends it.
    path.len() <= 1024
        && !path.chars().any(char::is_control)
        && (path.is_empty()
            || path.split("]/").all(|step| {
                let step = step.strip_suffix(']').unwrap_or(step);
                step.split_once('[').is_some_and(|(name, key)| is_name(name) && !key.is_empty())
            }))
}

fn is_element(text: &str) -> bool {
    let (document, issues) = Document::read(text);
    issues.is_empty() && document.roots().count() == 1 && text.trim() == text && text.starts_with('<')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_place_of_a_domain_is_refused() {
        let faults = |connection: &str, edits: Vec<DomainEdit>| {
            EditDomain { connection, domain: "web", edits: &edits }.faults().len()
        };
        let attribute = |path: &str, name: &str| DomainEdit::Attribute {
            path: path.into(),
            name: name.into(),
            from: None,
            to: Some("none".into()),
        };
        let element = |to: &str| DomainEdit::Element { path: String::new(), from: None, to: Some(to.into()) };
        let system = "qemu:///system";
        let good = attribute("devices[1]/disk[vda]/driver[1]", "cache");
        assert_eq!(faults(system, vec![good.clone(), element("<iothreads>2</iothreads>")]), 0);
        assert_eq!(faults("qemu+ssh://elsewhere/system", vec![good.clone()]), 1);
        assert_eq!(faults(system, Vec::new()), 1);
        for bad in [
            attribute("devices/disk", "cache"),
            attribute("devices[1]/disk[vda]", "a b"),
            attribute("a[1]\n", "cache"),
            element("<a/><b/>"),
            element("<a>"),
            element("text"),
            DomainEdit::Text { path: "vcpu[1]".into(), from: "1".into(), to: "1".into() },
        ] {
            assert_eq!(faults(system, vec![bad.clone()]), 1, "{bad:?}");
        }
        let both = [good, element("<iothreads>2</iothreads>")];
        assert_eq!(inverse(&inverse(&both)), both);
    }

    fn attribute(path: &str, name: &str, from: &str, to: &str) -> DomainEdit {
        let (from, to) = (Some(from.to_owned()), Some(to.to_owned()));
        DomainEdit::Attribute { path: path.into(), name: name.into(), from, to }
    }

    fn text(path: &str, to: &str) -> DomainEdit {
        DomainEdit::Text { path: path.into(), from: "1".into(), to: to.into() }
    }

    fn put(path: &str, to: &str) -> DomainEdit {
        DomainEdit::Element { path: path.into(), from: None, to: Some(to.into()) }
    }

    #[test]
    fn changes_of_places_that_do_not_meet_are_one_change() {
        let kind = attribute("os[1]/type[1]", "machine", "pc-q35-9.2", "pc-q35-7.2");
        for other in [
            text("os[1]/loader[1]", "/usr/share/OVMF/OVMF_CODE_4M.fd"),
            attribute("os[1]/type[1]", "arch", "i686", "x86_64"),
            put("os[1]", "<smbios mode='sysinfo'/>"),
            put("", "<iothreads>1</iothreads>"),
            text("vcpu[1]", "2"),
        ] {
            let both = together(std::slice::from_ref(&kind), std::slice::from_ref(&other));
            assert_eq!(both, Some(vec![kind.clone(), other.clone()]), "{other:?}");
            // What both want is done once.
            let more = [other.clone(), kind.clone()];
            assert_eq!(together(std::slice::from_ref(&kind), &more), Some(vec![kind.clone(), other]));
        }
        for other in [
            attribute("os[1]/type[1]", "machine", "pc-q35-9.2", "q35"),
            put("os[1]", "<type>hvm</type>"),
            put("", "<os/>"),
        ] {
            let [one, other] = [[kind.clone()], [other]];
            assert_eq!(together(&one, &other), None, "{other:?}");
            assert_eq!(together(&other, &one), None, "{other:?}");
        }
    }

    #[test]
    fn what_a_place_is_found_by_is_not_changed_beside_it() {
        let cache = attribute("devices[1]/disk[vda]/driver[1]", "cache", "none", "unsafe");
        let bus = attribute("devices[1]/disk[vda]/target[1]", "bus", "ide", "virtio");
        let mac = "<mac address='52:54:00:00:00:01'/>";
        assert!(together(std::slice::from_ref(&cache), std::slice::from_ref(&bus)).is_some());
        for (one, other) in [
            (cache.clone(), attribute("devices[1]/disk[vda]/target[1]", "dev", "vda", "sda")),
            (cache.clone(), put("devices[1]", "<disk><target dev='vdb'/></disk>")),
            (text("devices[1]/interface[1]/model[1]", "2"), put("devices[1]/interface[1]", mac)),
        ] {
            assert_eq!(together(std::slice::from_ref(&one), std::slice::from_ref(&other)), None, "{other:?}");
            assert_eq!(together(&[other], &[one]), None);
        }
        assert!(together(&[cache], &[put("devices[1]", "<rng/>")]).is_some());
    }

    /// Places of a made-up domain with their values.
    type State = std::collections::BTreeMap<(usize, usize), u8>;

    fn place(at: usize, name: usize) -> (String, String) {
        let path = ["", "os[1]", "os[1]/type[1]", "vcpu[1]", "devices[1]/disk[vda]/driver[1]"][at];
        (path.to_owned(), ["machine", "cache", "placement"][name].to_owned())
    }

    fn edits(wanted: &State, state: &State) -> Vec<DomainEdit> {
        let changed = wanted.iter().filter(|(place, to)| state.get(place) != Some(to));
        let edit = |(key, to): (&(usize, usize), &u8)| {
            let from = state.get(key).map(u8::to_string);
            let (path, name) = place(key.0, key.1);
            DomainEdit::Attribute { path, name, from, to: Some(to.to_string()) }
        };
        changed.map(edit).collect()
    }

    fn key(path: &str, name: &str) -> Option<(usize, usize)> {
        let mut keys = (0..5).flat_map(|at| (0..3).map(move |name| (at, name)));
        keys.find(|key| place(key.0, key.1) == (path.to_owned(), name.to_owned()))
    }

    /// What a state is behind edits, each of which must find what it expects.
    fn behind(state: &State, edits: &[DomainEdit]) -> Option<State> {
        let mut state = state.clone();
        for edit in edits {
            let DomainEdit::Attribute { path, name, from, to } = edit else { return None };
            let key = key(path, name)?;
            if state.get(&key).map(u8::to_string) != *from {
                return None;
            }
            match to {
                Some(to) => state.insert(key, to.parse().ok()?),
                None => state.remove(&key),
            };
        }
        Some(state)
    }

    fn states() -> impl Strategy<Value = State> {
        proptest::collection::btree_map((0..5_usize, 0..3_usize), 0..3_u8, 0..6)
    }

    proptest! {
        /// Two changes are one exactly where no place is wanted in two ways; then their order is the same to the
        /// domain, both have what they want, and the way back leads back.
        #[test]
        fn two_changes_of_one_domain(state in states(), one in states(), other in states()) {
            let both = |first: &State, second: &State| together(&edits(first, &state), &edits(second, &state));
            let quarrel = one.iter().any(|(place, to)| {
                let differs = |value: Option<&u8>| value.is_some_and(|value| value != to);
                let wanted = other.get(place);
                // What one side leaves as it is, is no wish of it.
                differs(wanted) && state.get(place) != Some(to) && state.get(place) != wanted
            });
            let (joined, turned) = (both(&one, &other), both(&other, &one));
            prop_assert_eq!(joined.is_none(), quarrel);
            prop_assert_eq!(turned.is_none(), quarrel);
            if let (Some(joined), Some(turned)) = (joined, turned) {
                let done = behind(&state, &joined);
                prop_assert!(done.is_some());
                prop_assert_eq!(&done, &behind(&state, &turned));
                let done = done.unwrap_or_default();
                for edit in edits(&one, &state).iter().chain(&edits(&other, &state)) {
                    let DomainEdit::Attribute { path, name, to, .. } = edit else { continue };
                    let found = key(path, name).and_then(|key| done.get(&key)).map(u8::to_string);
                    prop_assert_eq!(found, to.clone());
                }
                prop_assert_eq!(behind(&done, &inverse(&joined)), Some(state));
            }
        }
    }
}

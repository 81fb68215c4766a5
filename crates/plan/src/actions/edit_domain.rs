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

    fn faults(&self) -> Vec<Fault> {
        let mut faults = super::machine::faults(self.domain);
        let mut wrong = |why: String| faults.push(Fault::Value(why));
        if !["qemu:///system", "qemu:///session"].contains(&self.connection) {
            wrong(format!("{} is no libvirt of this host", quoted(self.connection)));
        }
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
}

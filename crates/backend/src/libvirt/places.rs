//! Places of a domain as plans name them: found, compared and changed, and no other byte with them. Pure.

use super::patch::{self, Patch, Texts, covers, keyed};
use roxmltree::{Document, Node};
use thiserror::Error;
use vmwright_model::plan::DomainEdit;

/// Why places were not found or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// A text is not XML.
    #[error("the domain's XML cannot be read: {0}")]
    NotXml(String),
    /// No such element.
    #[error("the domain has no `{0}`")]
    NotThere(String),
    /// Something else than expected.
    #[error("{place} is {found}; expected {expected}")]
    Other {
        /// The place.
        place: String,
        /// What is there.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The domain says something else where it would be changed.
    #[error("{0}")]
    Both(String),
}

/// Where a domain stands, seen from a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// Every place is as before it.
    Before,
    /// Every place is as after it.
    After,
    /// Neither.
    Neither(PlaceError),
}

/// The places of `now` that have to change so that a domain which says `before` says `after`.
///
/// # Errors
/// [`PlaceError`]: `now` says neither in one of these places.
pub fn places(before: &str, after: &str, now: &str) -> Result<Vec<DomainEdit>, PlaceError> {
    patch::places(Texts { before, after, known: None, now }).map_err(|error| match error {
        patch::PatchError::NotXml(why) => PlaceError::NotXml(why),
        patch::PatchError::Both(why) => PlaceError::Both(why),
    })
}

/// Whether a device is in a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugged {
    /// None that is known by the same.
    Absent,
    /// One that says all that the device says.
    There,
    /// One that is known by the same and says something else; its text.
    Other(String),
}

/// Whether a device, an element of its own, is in a domain.
///
/// # Errors
/// [`PlaceError::NotXml`].
pub fn plugged(xml: &str, device: &str) -> Result<Plugged, PlaceError> {
    let (domain, device) = (read(xml)?, read(device)?);
    let wanted = device.root_element();
    let own = |node: &Node<'_, '_>| {
        node.is_element()
            && node.tag_name() == wanted.tag_name()
            && known_by(*node).is_some()
            && known_by(*node) == known_by(wanted)
    };
    let devices = domain.root_element().children().filter(|node| node.tag_name().name() == "devices");
    let found = devices.flat_map(|devices| devices.children()).find(own);
    Ok(match found {
        None => Plugged::Absent,
        Some(found) if covers(wanted, found) => Plugged::There,
        Some(found) => Plugged::Other(xml[found.range()].split_whitespace().collect::<Vec<_>>().join(" ")),
    })
}

/// What libvirt knows a device by: the target of a disk, the MAC address of an interface, and what of the host it is.
fn known_by(device: Node<'_, '_>) -> Option<Vec<String>> {
    let below = |path: &[&str]| {
        path.iter().try_fold(device, |at, name| at.children().find(|child| child.tag_name().name() == *name))
    };
    let of = |path: &[&str], name: &str| Some(below(path)?.attribute(name)?.to_ascii_lowercase());
    match device.tag_name().name() {
        "disk" => Some(vec![of(&["target"], "dev")?]),
        "interface" => Some(vec![of(&["mac"], "address")?]),
        "hostdev" => {
            let part = |name| of(&["source", "address"], name).unwrap_or_default();
            let parts = ["domain", "bus", "slot", "function"].map(part);
            below(&["source", "address"])?;
            Some(parts.map(|part| part.trim_start_matches("0x").trim_start_matches('0').to_owned()).into())
        }
        _ => None,
    }
}

/// Where a domain stands.
///
/// # Errors
/// [`PlaceError::NotXml`].
pub fn stands(xml: &str, edits: &[DomainEdit]) -> Result<Stands, PlaceError> {
    let document = read(xml)?;
    let root = document.root_element();
    let first = |after: bool| edits.iter().find_map(|edit| is(root, edit, after).err());
    Ok(match (first(false), first(true)) {
        (None, _) => Stands::Before,
        (_, None) => Stands::After,
        (Some(why), Some(_)) => Stands::Neither(why),
    })
}

/// The domain with the places changed, each of which must be as expected.
///
/// # Errors
/// [`PlaceError`].
pub fn changed(xml: &str, edits: &[DomainEdit]) -> Result<String, PlaceError> {
    edits.iter().try_fold(xml.to_owned(), |xml, edit| one(&xml, edit))
}

fn one(xml: &str, edit: &DomainEdit) -> Result<String, PlaceError> {
    let document = read(xml)?;
    let root = document.root_element();
    is(root, edit, false)?;
    let mut patch = Patch::new(xml, "");
    match edit {
        DomainEdit::Attribute { path, name, to, .. } => {
            patch.attribute(find(root, path)?, name, to.as_deref());
        }
        DomainEdit::Text { path, to, .. } => patch.set_text(find(root, path)?, to),
        DomainEdit::Element { path, to: Some(to), .. } => {
            let fragment = read(to)?;
            let mut patch = Patch::new(xml, to);
            patch.insert(find(root, path)?, fragment.root_element());
            return Ok(patch.text());
        }
        DomainEdit::Element { path, from, to: None } => {
            let from = read(from.as_deref().unwrap_or_default())?;
            if let Some(there) = like(find(root, path)?, from.root_element()) {
                patch.remove(there);
            }
        }
    }
    Ok(patch.text())
}

/// That a place is as before its change, or as after it.
fn is(root: Node<'_, '_>, edit: &DomainEdit, after: bool) -> Result<(), PlaceError> {
    let other = |place: String, found: Option<&str>, expected: Option<&str>| {
        let told = |value: Option<&str>| match value {
            Some(value) => format!("`{value}`"),
            None => "absent".to_owned(),
        };
        Err(PlaceError::Other { place, found: told(found), expected: told(expected) })
    };
    match edit {
        DomainEdit::Attribute { path, name, from, to } => {
            let wanted = if after { to } else { from }.as_deref();
            match find(root, path)?.attribute(name.as_str()) {
                found if found == wanted => Ok(()),
                found => other(format!("{path}/@{name}"), found, wanted),
            }
        }
        DomainEdit::Text { path, from, to } => {
            let wanted = if after { to } else { from }.trim();
            match find(root, path)?.text().unwrap_or_default().trim() {
                found if found == wanted => Ok(()),
                found => other(path.clone(), Some(found), Some(wanted)),
            }
        }
        DomainEdit::Element { path, from, to } => {
            let (wanted, against) = if after { (to, from) } else { (from, to) };
            let parent = find(root, path)?;
            let has = |element: &Option<String>| -> Result<bool, PlaceError> {
                let Some(element) = element else { return Ok(false) };
                Ok(like(parent, read(element)?.root_element()).is_some())
            };
            match (wanted, has(wanted)?, has(against)?) {
                (Some(_), true, _) | (None, _, false) => Ok(()),
                (Some(element), false, _) => other(format!("{path}/{element}"), None, Some("there")),
                (None, _, true) => other(format!("{path}/*"), against.as_deref(), None),
            }
        }
    }
}

/// An element in another that says all that `wanted` says.
fn like<'a, 'input>(parent: Node<'a, 'input>, wanted: Node<'_, '_>) -> Option<Node<'a, 'input>> {
    let own = |child: &Node<'_, '_>| {
        child.is_element() && child.tag_name().name() == wanted.tag_name().name() && covers(wanted, *child)
    };
    parent.children().find(own)
}

fn read(xml: &str) -> Result<Document<'_>, PlaceError> {
    Document::parse(xml).map_err(|error| PlaceError::NotXml(error.to_string()))
}

fn find<'a, 'input>(root: Node<'a, 'input>, path: &str) -> Result<Node<'a, 'input>, PlaceError> {
    let mut at = root;
    let mut rest = path;
    while !rest.is_empty() {
        // What an element is known by may hold a slash.
        let (step, behind) = match rest.find("]/") {
            Some(end) => (&rest[..=end], &rest[end + 2..]),
            None => (rest, ""),
        };
        let child = keyed(at).into_iter().find(|(key, _)| key == step);
        at = child.map(|(_, child)| child).ok_or_else(|| PlaceError::NotThere(path.to_owned()))?;
        rest = behind;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "<domain><name>a</name><vcpu>2</vcpu><devices><disk><driver name='qemu'/><target dev='vda'/></disk><interface><mac address='52:54:00:00:00:01'/></interface></devices></domain>";
    const NOW: &str = "<domain type='kvm'>\n  <name>a</name>\n  <!-- mine -->\n  <vcpu placement='static'>2</vcpu>\n  <devices>\n    <disk>\n      <driver name='qemu' type='raw'/>\n      <target dev='vda'/>\n    </disk>\n    <interface>\n      <mac address='52:54:00:00:00:01'/>\n    </interface>\n  </devices>\n</domain>\n";

    #[test]
    fn places_change_and_change_back_and_no_other_byte_does() {
        let after = BEFORE
            .replace("<driver name='qemu'/>", "<driver name='qemu' cache='none'/>")
            .replace("<vcpu>2</vcpu>", "<vcpu>4</vcpu><iothreads>1</iothreads>")
            .replace("0:01'/>", "0:01'/><driver name='vhost' queues='2'/>");
        let edits = places(BEFORE, &after, NOW).expect("nobody else changed them");
        assert_eq!(edits.len(), 4, "{edits:#?}");
        assert_eq!(stands(NOW, &edits), Ok(Stands::Before));
        let new = changed(NOW, &edits).expect("they are as expected");
        assert_eq!(stands(&new, &edits), Ok(Stands::After));
        for part in [
            "<!-- mine -->",
            "cache='none'",
            "<vcpu placement='static'>4</vcpu>",
            "<iothreads>1</iothreads>",
            "<driver name='vhost' queues='2'/>",
        ] {
            assert!(new.contains(part), "{part} is not in {new}");
        }
        let back = turned_round(&edits);
        assert_eq!(stands(&new, &back), Ok(Stands::Before));
        // libvirt sets the blanks between elements anew.
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(plain(&changed(&new, &back).expect("as they were left")), plain(NOW));
    }

    #[test]
    fn a_device_is_there_where_all_that_is_said_of_it_is() {
        let disk = |rest: &str| format!("<disk>{rest}<target dev='vda'/></disk>");
        assert_eq!(plugged(NOW, &disk("<driver type='raw'/>")), Ok(Plugged::There));
        assert!(
            matches!(plugged(NOW, &disk("<driver type='qcow2'/>")), Ok(Plugged::Other(what)) if what.contains("'raw'"))
        );
        assert_eq!(plugged(NOW, "<disk><target dev='vdb'/></disk>"), Ok(Plugged::Absent));
        assert_eq!(
            plugged(NOW, "<interface><mac address='52:54:00:00:00:01'/></interface>"),
            Ok(Plugged::There)
        );
        assert_eq!(plugged(NOW, "<interface/>"), Ok(Plugged::Absent), "it is known by nothing");
        let pci = |bus: &str| {
            format!(
                "<hostdev><source><address domain='0x0000' bus='{bus}' slot='0x00' function='0x0'/></source></hostdev>"
            )
        };
        let now = NOW.replace("  </devices>", &format!("{}</devices>", pci("0x41")));
        assert_eq!(plugged(&now, &pci("0x41")), Ok(Plugged::There));
        assert_eq!(plugged(&now, &pci("0x04")), Ok(Plugged::Absent));
    }

    /// As a plan turns edits round.
    fn turned_round(edits: &[DomainEdit]) -> Vec<DomainEdit> {
        let back = |edit: &DomainEdit| match edit.clone() {
            DomainEdit::Attribute { path, name, from, to } => {
                DomainEdit::Attribute { path, name, from: to, to: from }
            }
            DomainEdit::Text { path, from, to } => DomainEdit::Text { path, from: to, to: from },
            DomainEdit::Element { path, from, to } => DomainEdit::Element { path, from: to, to: from },
        };
        edits.iter().rev().map(back).collect()
    }

    #[test]
    fn a_place_that_somebody_else_changed_is_named() {
        let cache = |from: Option<&str>, to: &str| DomainEdit::Attribute {
            path: "devices[1]/disk[vda]/driver[1]".into(),
            name: "cache".into(),
            from: from.map(Into::into),
            to: Some(to.into()),
        };
        let theirs = NOW.replace("type='raw'", "type='raw' cache='unsafe'");
        let Ok(Stands::Neither(why)) = stands(&theirs, &[cache(None, "none")]) else { panic!("it differs") };
        assert_eq!(why.to_string(), "devices[1]/disk[vda]/driver[1]/@cache is `unsafe`; expected absent");
        assert!(changed(&theirs, &[cache(None, "none")]).is_err());
        let gone = NOW.replace("vda", "vdb");
        let Ok(Stands::Neither(why)) = stands(&gone, &[cache(None, "none")]) else { panic!("it is gone") };
        assert_eq!(why.to_string(), "the domain has no `devices[1]/disk[vda]/driver[1]`");
        assert!(stands("<domain", &[]).is_err());
    }
}

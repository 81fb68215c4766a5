//! What has changed in a specification, as changes of a domain's XML that somebody else may have changed too. Pure.
//!
//! The domain that vmwright would have written before is compared with the one that it would write now; only where
//! these two differ is anything touched. Names, metadata and all that the specification has no word for stay byte for
//! byte. Where both sides have changed the same thing, nothing is done, and the place is named.

use super::domain::NAMESPACE;
use roxmltree::{Document, Node};
use std::collections::BTreeSet;
use std::ops::Range;
use thiserror::Error;
use vmwright_model::plan::DomainEdit;

/// Why a domain was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum PatchError {
    /// One of the texts is not XML.
    #[error("the domain's XML cannot be read: {0}")]
    NotXml(String),
    /// Both sides have changed this.
    #[error("{0}")]
    Both(String),
}

/// The texts that a change is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    /// What vmwright would have written of the specification that the domain carries.
    pub(super) before: &'a str,
    /// What it would write of today's.
    pub(super) after: &'a str,
    /// The domain as libvirt had it after vmwright's last change, where that is known.
    pub(super) known: Option<&'a str>,
    /// The domain as libvirt has it now.
    pub(super) now: &'a str,
}

/// The domain with the changes of the specification.
///
/// # Errors
/// [`PatchError`].
pub(super) fn patch(texts: Texts<'_>) -> Result<String, PatchError> {
    let parse = |text| Document::parse(text).map_err(|error| PatchError::NotXml(error.to_string()));
    let (before, after, now) = (parse(texts.before)?, parse(texts.after)?, parse(texts.now)?);
    // A damaged copy is no copy.
    let known = texts.known.and_then(|text| Document::parse(text).ok());
    let mut patch = Patch::new(texts.now, texts.after);
    let root = known.as_ref().map(Document::root_element);
    patch.element("", before.root_element(), after.root_element(), root, now.root_element())?;
    Ok(patch.text())
}

/// The same as places that a plan can name.
pub(super) fn places(texts: Texts<'_>) -> Result<Vec<DomainEdit>, PatchError> {
    let parse = |text| Document::parse(text).map_err(|error| PatchError::NotXml(error.to_string()));
    let (before, after, now) = (parse(texts.before)?, parse(texts.after)?, parse(texts.now)?);
    let mut patch = Patch::new(texts.now, texts.after);
    patch.element("", before.root_element(), after.root_element(), None, now.root_element())?;
    Ok(patch.places)
}

/// Changes of one text.
pub(super) struct Patch<'a> {
    now: &'a str,
    after: &'a str,
    edits: Vec<(Range<usize>, String)>,
    places: Vec<DomainEdit>,
}

impl<'a> Patch<'a> {
    /// Changes of `now`, to which elements of `after` may be added.
    pub(super) fn new(now: &'a str, after: &'a str) -> Self {
        Self { now, after, edits: Vec::new(), places: Vec::new() }
    }

    /// The text with the changes.
    pub(super) fn text(mut self) -> String {
        let mut text = self.now.to_owned();
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        for (range, new) in self.edits.into_iter().rev() {
            text.replace_range(range, &new);
        }
        text
    }
}

impl Patch<'_> {
    fn element(
        &mut self,
        path: &str,
        before: Node<'_, '_>,
        after: Node<'_, '_>,
        known: Option<Node<'_, '_>>,
        now: Node<'_, '_>,
    ) -> Result<(), PatchError> {
        let names = before.attributes().chain(after.attributes()).map(|one| one.name().to_owned());
        for name in names.collect::<BTreeSet<String>>() {
            let of = |node: Node<'_, '_>| node.attribute(name.as_str()).map(ToOwned::to_owned);
            let (old, new, there) = (of(before), of(after), of(now));
            if old == new || there == new {
                continue;
            }
            let place = if path.is_empty() { format!("@{name}") } else { format!("{path}/@{name}") };
            own(&place, &old, &there, known.map(of))?;
            self.places.push(DomainEdit::Attribute {
                path: path.to_owned(),
                name: name.clone(),
                from: there,
                to: new.clone(),
            });
            self.attribute(now, &name, new.as_deref());
        }
        let leaf = |node: Node<'_, '_>| !node.children().any(|child| child.is_element());
        if leaf(before) && leaf(after) && leaf(now) {
            let of = |node: Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
            let (old, new, there) = (of(before), of(after), of(now));
            if old != new && there != new {
                // What is vmwright's own is not for others to change.
                if now.tag_name().namespace() != Some(NAMESPACE) {
                    own(path, &Some(old), &Some(there), known.map(|node| Some(of(node))))?;
                }
                self.places.push(DomainEdit::Text { path: path.to_owned(), from: of(now), to: new });
                self.set_text(now, after.text().unwrap_or_default());
            }
            return Ok(());
        }
        self.children(path, before, after, known, now)
    }

    fn children(
        &mut self,
        path: &str,
        before: Node<'_, '_>,
        after: Node<'_, '_>,
        known: Option<Node<'_, '_>>,
        now: Node<'_, '_>,
    ) -> Result<(), PatchError> {
        let (old, new, there) = (keyed(before), keyed(after), keyed(now));
        let known = known.map(keyed);
        let find = |list: &[(String, Node<'_, '_>)], key: &str| list.iter().position(|(own, _)| own == key);
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") };
        for (key, after) in &new {
            let (old, there) = (find(&old, key).map(|at| old[at].1), find(&there, key).map(|at| there[at].1));
            let known = known.as_ref().and_then(|known| find(known, key).map(|at| known[at].1));
            match (old, there) {
                (Some(old), Some(there)) => self.element(&below(key), old, *after, known, there)?,
                // Somebody else has added the same thing.
                (None, Some(there)) if covers(*after, there) => {}
                // What libvirt itself has added is another one.
                (None, Some(_)) if known.is_some() => self.add(path, now, *after),
                (None, Some(_)) => {
                    return Err(PatchError::Both(format!(
                        "`{}`, which somebody else has added otherwise",
                        below(key)
                    )));
                }
                (None, None) => self.add(path, now, *after),
                (Some(old), None) if alike(old, *after) => {}
                (Some(_), None) => {
                    return Err(PatchError::Both(format!(
                        "`{}`, which somebody else has taken out",
                        below(key)
                    )));
                }
            }
        }
        for (key, old) in &old {
            // What sits in a port keeps its address, and the port has to stay.
            let port = old.tag_name().name() == "controller" && old.attribute("type") == Some("pci");
            if find(&new, key).is_none()
                && !port
                && let Some(at) = find(&there, key)
            {
                let there = there[at].1;
                self.places.push(DomainEdit::Element {
                    path: path.to_owned(),
                    from: Some(self.now[there.range()].to_owned()),
                    to: None,
                });
                self.remove(there);
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &str, now: Node<'_, '_>, after: Node<'_, '_>) {
        let to = Some(self.after[after.range()].to_owned());
        self.places.push(DomainEdit::Element { path: path.to_owned(), from: None, to });
        self.insert(now, after);
    }

    pub(super) fn attribute(&mut self, now: Node<'_, '_>, name: &str, new: Option<&str>) {
        let new = new.map(super::domain::escape);
        match (now.attribute_node(name), new) {
            (Some(there), Some(new)) => self.edits.push((there.range_value(), new)),
            (Some(there), None) => {
                let mut range = there.range();
                // The blank before it goes too.
                range.start -= self.now[..range.start].len() - self.now[..range.start].trim_end().len();
                self.edits.push((range, String::new()));
            }
            (None, Some(new)) => {
                let at = end_of_name(self.now, now);
                self.edits.push((at..at, format!(" {name}='{new}'")));
            }
            (None, None) => {}
        }
    }

    pub(super) fn set_text(&mut self, now: Node<'_, '_>, new: &str) {
        let new = super::domain::escape(new);
        match (now.first_child(), now.last_child()) {
            (Some(first), Some(last)) => self.edits.push((first.range().start..last.range().end, new)),
            _ => {
                let whole = now.range();
                let name = &self.now[whole.start + 1..end_of_name(self.now, now)];
                let name = name.to_owned();
                match self.now[whole.clone()].strip_suffix("/>") {
                    Some(open) => {
                        let at = whole.start + open.trim_end().len();
                        self.edits.push((at..whole.end, format!(">{new}</{name}>")));
                    }
                    None => {
                        let at = whole.start + self.now[whole].rfind("</").unwrap_or(0);
                        self.edits.push((at..at, new));
                    }
                }
            }
        }
    }

    /// Puts an element in behind the last one of its name, or as the last child.
    pub(super) fn insert(&mut self, now: Node<'_, '_>, after: Node<'_, '_>) {
        let mut fragment = self.after[after.range()].to_owned();
        // A prefix that is declared far above is declared here.
        let name_ends = end_of_name(self.after, after) - after.range().start;
        if let Some((prefix, _)) = fragment[1..name_ends].split_once(':') {
            let declared = format!("xmlns:{prefix}=");
            if let Some(uri) = after.tag_name().namespace().filter(|_| !fragment.contains(&declared)) {
                fragment.insert_str(name_ends, &format!(" {declared}'{uri}'"));
            }
        }
        let of_name = |node: &Node<'_, '_>| node.is_element() && node.tag_name() == after.tag_name();
        if let Some(last) = now.children().rfind(of_name) {
            let end = last.range().end;
            let line = self.now[..last.range().start].rfind('\n').map_or(0, |at| at + 1);
            let indent = &self.now[line..last.range().start];
            let indent = if indent.trim().is_empty() { indent } else { "" };
            self.edits.push((end..end, format!("\n{indent}{fragment}")));
            return;
        }
        let whole = now.range();
        match self.now[whole.clone()].rfind("</").filter(|_| !self.now[whole.clone()].ends_with("/>")) {
            Some(closing) => {
                let at = whole.start + closing;
                self.edits.push((at..at, format!("  {fragment}\n")));
            }
            None => {
                let name = self.now[whole.start + 1..end_of_name(self.now, now)].to_owned();
                let open = self.now[whole.clone()].trim_end_matches("/>").trim_end().len();
                self.edits.push((whole.start + open..whole.end, format!(">{fragment}</{name}>")));
            }
        }
    }

    /// Takes an element out, with the line that it stands alone on.
    pub(super) fn remove(&mut self, there: Node<'_, '_>) {
        let mut range = there.range();
        let line = self.now[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let end = self.now[range.end..].find('\n').map_or(self.now.len(), |at| range.end + at + 1);
        if self.now[line..range.start].trim().is_empty() && self.now[range.end..end].trim().is_empty() {
            range = line..end;
        }
        self.edits.push((range, String::new()));
    }
}

/// Fine where nobody else has changed a value: it is what vmwright wrote, or what libvirt made of that.
fn own(
    place: &str,
    old: &Option<String>,
    there: &Option<String>,
    known: Option<Option<String>>,
) -> Result<(), PatchError> {
    if old == there || known.as_ref() == Some(there) {
        return Ok(());
    }
    let said =
        |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), |value| format!("`{value}`"));
    Err(PatchError::Both(format!(
        "`{place}`, which somebody else has set to {} from {}",
        said(there),
        said(old)
    )))
}

/// The elements in an element, each with what it is known by: the target of a disk, the MAC address of an interface,
/// or its number among those of its name.
pub(super) fn keyed<'a, 'input>(node: Node<'a, 'input>) -> Vec<(String, Node<'a, 'input>)> {
    let mut found: Vec<(String, Node<'_, '_>)> = Vec::new();
    let mut numbers = std::collections::BTreeMap::new();
    for child in node.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        let of = |below: &str, attribute: &str| {
            let mut elements = child.children().filter(|node| node.tag_name().name() == below);
            elements.next().and_then(|node| node.attribute(attribute)).map(str::to_ascii_lowercase)
        };
        let own = |attribute: &str| child.attribute(attribute).map(ToOwned::to_owned);
        let key = match name {
            "disk" => of("target", "dev"),
            "interface" => of("mac", "address"),
            "channel" => of("target", "name"),
            "controller" => {
                own("type").map(|kind| format!("{kind} {}", own("index").unwrap_or("0".to_owned())))
            }
            "feature" => own("name"),
            "vcpupin" => own("vcpu"),
            "iothreadpin" => own("iothread"),
            "graphics" | "timer" => own("type").or_else(|| own("name")),
            // Other programs' metadata beside ours.
            "machine" => child.tag_name().namespace().map(ToOwned::to_owned),
            _ => None,
        };
        let key = key.unwrap_or_else(|| {
            let number = numbers.entry((child.tag_name().namespace(), name)).or_insert(0_u32);
            *number += 1;
            number.to_string()
        });
        found.push((format!("{name}[{key}]"), child));
    }
    found
}

/// Whether two elements say the same.
fn alike(one: Node<'_, '_>, other: Node<'_, '_>) -> bool {
    let attributes = |node: Node<'_, '_>| -> BTreeSet<(String, String)> {
        node.attributes().map(|one| (one.name().to_owned(), one.value().to_owned())).collect()
    };
    let text = |node: Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
    let children = |node: Node<'_, '_>| node.children().filter(Node::is_element).count();
    attributes(one) == attributes(other)
        && text(one) == text(other)
        && children(one) == children(other)
        && keyed(one).into_iter().zip(keyed(other)).all(|((a, one), (b, other))| a == b && alike(one, other))
}

/// Whether an element says all that another one says.
pub(super) fn covers(one: Node<'_, '_>, other: Node<'_, '_>) -> bool {
    let text = |node: Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
    let there = keyed(other);
    one.attributes().all(|own| other.attribute(own.name()) == Some(own.value()))
        && (text(one).is_empty() || text(one) == text(other))
        && keyed(one)
            .into_iter()
            .all(|(key, own)| there.iter().any(|(other, node)| *other == key && covers(own, *node)))
}

/// Where an element's name ends.
fn end_of_name(text: &str, element: Node<'_, '_>) -> usize {
    let start = element.range().start;
    let name = text[start..].find(|letter: char| letter.is_whitespace() || "/>".contains(letter));
    // An element is at least `<a/>`.
    start + name.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "<domain type='qemu'><name>a</name><metadata><v:machine xmlns:v='urn:vmwright:machine:1'><v:specification>one</v:specification></v:machine></metadata><memory unit='KiB'>1</memory><vcpu>1</vcpu><devices><disk><source file='/a'/><target dev='vda'/></disk><disk><source file='/b'/><target dev='vdb'/></disk></devices></domain>";
    /// As libvirt has it, and others: a comment, elements and attributes of their own.
    const NOW: &str = "<domain type='qemu' xmlns:q='urn:q'>\n  <name>a</name>\n  <!-- mine -->\n  <metadata>\n    <x:note  weird = \"yes\" xmlns:x='urn:x'><!-- kept --><machine/></x:note>\n    <v:machine xmlns:v=\"urn:vmwright:machine:1\"><v:specification>one</v:specification></v:machine>\n  </metadata>\n  <memory unit='KiB'>1</memory>\n  <vcpu placement='static'>1</vcpu>\n  <devices>\n    <disk>\n      <source file='/a' index='1'/>\n      <target dev='vda'/>\n      <address bus='7'/>\n    </disk>\n    <disk>\n      <source file='/b'/>\n      <target dev='vdb'/>\n    </disk>\n    <unheard of='yes'/>\n  </devices>\n  <q:own/>\n</domain>\n";

    fn after(changes: &[(&str, &str)]) -> String {
        changes.iter().fold(BEFORE.to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{old}");
            text.replacen(old, new, 1)
        })
    }

    fn patched(after: &str, now: &str) -> Result<String, PatchError> {
        patch(Texts { before: BEFORE, after, known: None, now })
    }

    #[test]
    fn what_the_specification_does_not_change_stays_to_the_byte() {
        assert_eq!(patched(BEFORE, NOW).as_deref(), Ok(NOW));
        let changed =
            after(&[(">one<", ">two<"), ("'KiB'>1<", "'KiB'>2<"), ("<vcpu>1", "<vcpu current='1'>2")]);
        let expected = NOW.replacen(">one<", ">two<", 1).replacen("'KiB'>1<", "'KiB'>2<", 1).replacen(
            "<vcpu placement='static'>1",
            "<vcpu current='1' placement='static'>2",
            1,
        );
        assert_eq!(patched(&changed, NOW), Ok(expected));
    }

    #[test]
    fn devices_come_and_go_by_what_they_are_known_by() {
        let gone = after(&[("<disk><source file='/a'/><target dev='vda'/></disk>", ""), ("/b", "/c")]);
        let new = patched(&gone, NOW).expect("nobody else has changed it");
        assert!(
            !new.contains("vda") && !new.contains("bus='7'") && new.contains("<source file='/c'/>"),
            "{new}"
        );
        let more = after(&[("</devices>", "<rng/><disk><target dev='vdc'/></disk></devices>")]);
        let new = patched(&more, NOW).expect("there is room");
        assert!(
            new.contains("</disk>\n    <disk><target dev='vdc'/></disk>\n    <unheard of='yes'/>"),
            "{new}"
        );
        assert!(new.contains("<rng/>") && new.contains("<!-- kept -->"), "{new}");
        assert_eq!(
            patch(Texts { before: &more, after: BEFORE, known: None, now: &new })
                .map(|back| back.matches("<disk>").count()),
            Ok(2)
        );
    }

    #[test]
    fn what_both_have_changed_is_named_and_nothing_is_lost() {
        let theirs = NOW.replacen("'KiB'>1<", "'KiB'>8<", 1);
        let ours = after(&[("'KiB'>1<", "'KiB'>2<")]);
        let told = patched(&ours, &theirs).expect_err("both have").to_string();
        assert_eq!(told, "`memory[1]`, which somebody else has set to `8` from `1`");
        // What libvirt itself has made of ours is nobody else's change.
        let texts = Texts { before: BEFORE, after: &ours, known: Some(&theirs), now: &theirs };
        assert!(patch(texts).is_ok_and(|new| new.contains("'KiB'>2<")));
        // The same change is no quarrel.
        let same = after(&[("'KiB'>1<", "'KiB'>8<")]);
        assert_eq!(patched(&same, &theirs).as_deref(), Ok(theirs.as_str()));
        let without = NOW.replace("dev='vdb'", "dev='vdz'");
        let told = patched(&after(&[("/b", "/c")]), &without).expect_err("it is gone").to_string();
        assert_eq!(told, "`devices[1]/disk[vdb]`, which somebody else has taken out");
    }
}

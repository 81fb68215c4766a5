//! Changes of a domain's XML that leave every other byte as it is: comments, other programs' metadata, elements that
//! vmwright has no word for. Pure.
//!
//! A path names elements from the root's children on: `vcpu`, `devices/disk/driver`, `devices/disk[2]/driver`, where
//! a number counts from 1 among those of the name, and without one there has to be exactly one. The empty path is the root.

use super::domain::escape;
use roxmltree::{Document, Node};
use std::ops::Range;
use thiserror::Error;

/// Why an XML was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// It is not XML.
    #[error("the domain's XML cannot be read: {0}")]
    NotXml(String),
    /// No such element.
    #[error("the domain has no `{0}`")]
    NotThere(String),
    /// The path fits several.
    #[error("the domain has {count} of `{path}`; say which with `[1]` to `[{count}]` behind it")]
    Several {
        /// The path up to the element that is not unique.
        path: String,
        /// How many there are.
        count: usize,
    },
    /// The element has other elements in it, so it has no text to set.
    #[error("`{0}` holds elements, not text")]
    NotText(String),
    /// What is put in is not one element.
    #[error("not one element: {0}")]
    NotAnElement(String),
}

/// Sets an attribute of an element, or adds it.
///
/// # Errors
/// [`EditError`].
pub fn set_attribute(xml: &str, path: &str, name: &str, value: &str) -> Result<String, EditError> {
    let document = read(xml)?;
    let element = find(&document, path)?;
    let value = escape(value);
    Ok(match element.attribute_node(name) {
        Some(attribute) => put(xml, attribute.range_value(), &value),
        None => {
            let after = start_of_attributes(xml, element);
            put(xml, after..after, &format!(" {name}='{value}'"))
        }
    })
}

/// Sets the text of an element that holds nothing else.
///
/// # Errors
/// [`EditError`].
pub fn set_text(xml: &str, path: &str, value: &str) -> Result<String, EditError> {
    let document = read(xml)?;
    let element = find(&document, path)?;
    if element.children().any(|child| !child.is_text()) {
        return Err(EditError::NotText(path.to_owned()));
    }
    let value = escape(value);
    let whole = element.range();
    let text = &xml[whole.clone()];
    Ok(match (text.find('>'), text.rfind("</")) {
        // The attributes' values cannot hold `>` unescaped here: libvirt writes none, and what does is refused.
        (Some(opened), Some(closing)) if opened < closing => {
            put(xml, whole.start + opened + 1..whole.start + closing, &value)
        }
        _ => {
            let name = &text[1..start_of_attributes(xml, element) - whole.start];
            let open = text.trim_end_matches("/>").trim_end();
            put(xml, whole, &format!("{open}>{value}</{name}>"))
        }
    })
}

/// Puts an element in as the last child of another.
///
/// # Errors
/// [`EditError`].
pub fn insert(xml: &str, path: &str, fragment: &str) -> Result<String, EditError> {
    Document::parse(fragment).map_err(|error| EditError::NotAnElement(error.to_string()))?;
    let document = read(xml)?;
    let element = find(&document, path)?;
    let whole = element.range();
    let closing = xml[whole.clone()].rfind("</").filter(|_| element.has_children());
    let closing =
        closing.map(|at| whole.start + at).ok_or_else(|| EditError::NotThere(format!("{path}/*")))?;
    // The closing tag's own indentation stays before it.
    let line = xml[..closing].rfind('\n').map_or(closing, |at| at + 1);
    let indent = &xml[line..closing];
    if !indent.trim().is_empty() {
        return Ok(put(xml, closing..closing, fragment));
    }
    Ok(put(xml, line..line, &format!("{indent}  {fragment}\n")))
}

/// Takes an element out, with the line that it stands alone on.
///
/// # Errors
/// [`EditError`].
pub fn remove(xml: &str, path: &str) -> Result<String, EditError> {
    let document = read(xml)?;
    let mut range = find(&document, path)?.range();
    let line = xml[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = xml[range.end..].find('\n').map_or(xml.len(), |at| range.end + at + 1);
    if xml[line..range.start].trim().is_empty() && xml[range.end..end].trim().is_empty() {
        range = line..end;
    }
    Ok(put(xml, range, ""))
}

fn read(xml: &str) -> Result<Document<'_>, EditError> {
    Document::parse(xml).map_err(|error| EditError::NotXml(error.to_string()))
}

fn find<'a, 'input>(document: &'a Document<'input>, path: &str) -> Result<Node<'a, 'input>, EditError> {
    let mut at = document.root_element();
    let mut walked = String::new();
    for step in path.split('/').filter(|step| !step.is_empty()) {
        if !walked.is_empty() {
            walked.push('/');
        }
        walked.push_str(step);
        let (name, number) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, number)) => (name, number.parse::<usize>().ok()),
            None => (step, None),
        };
        let of_name: Vec<Node<'_, '_>> =
            at.children().filter(|child| child.is_element() && child.tag_name().name() == name).collect();
        at = match (number, of_name.as_slice()) {
            (None, [only]) => *only,
            (None, [_, _, ..]) => {
                return Err(EditError::Several { path: walked, count: of_name.len() });
            }
            (Some(number), all) if number >= 1 && number <= all.len() => all[number - 1],
            _ => return Err(EditError::NotThere(walked)),
        };
    }
    Ok(at)
}

/// Where an element's name ends.
fn start_of_attributes(xml: &str, element: Node<'_, '_>) -> usize {
    let start = element.range().start;
    let name = xml[start..].find(|letter: char| letter.is_whitespace() || "/>".contains(letter));
    // An element is at least `<a/>`.
    start + name.unwrap_or(1)
}

fn put(xml: &str, range: Range<usize>, new: &str) -> String {
    let mut out = String::with_capacity(xml.len() + new.len());
    out.push_str(&xml[..range.start]);
    out.push_str(new);
    out.push_str(&xml[range.end..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<domain type='qemu' xmlns:q='urn:q'>\n  <!-- mine -->\n  <name>a</name>\n  <vcpu placement='static'>1</vcpu>\n  <metadata>\n    <q:own weird = \"yes\"/>\n  </metadata>\n  <devices>\n    <disk type='file'>\n      <driver name='qemu'/>\n    </disk>\n    <disk type='block'><driver name='qemu' cache='none'/></disk>\n    <on_poweroff/>\n  </devices>\n</domain>\n";

    #[test]
    fn one_thing_changes_and_nothing_else() {
        let check = |new: Result<String, EditError>, old: &str, changed: &str| {
            assert_eq!(new.expect("a good path"), XML.replacen(old, changed, 1));
        };
        check(set_text(XML, "vcpu", "4"), ">1<", ">4<");
        check(set_attribute(XML, "vcpu", "placement", "a'b"), "static", "a&apos;b");
        check(
            set_attribute(XML, "devices/disk[1]/driver", "cache", "none"),
            "<driver name='qemu'/>",
            "<driver cache='none' name='qemu'/>",
        );
        check(
            set_attribute(XML, "devices/disk[2]/driver", "cache", "unsafe"),
            "cache='none'",
            "cache='unsafe'",
        );
        check(set_text(XML, "devices/on_poweroff", "<"), "<on_poweroff/>", "<on_poweroff>&lt;</on_poweroff>");
        check(insert(XML, "devices", "<rng/>"), "  </devices>", "    <rng/>\n  </devices>");
        check(remove(XML, "devices/on_poweroff"), "    <on_poweroff/>\n", "");
    }

    #[test]
    fn a_path_that_fits_none_or_several_is_refused() {
        let told = |path: &str| set_text(XML, path, "x").expect_err(path).to_string();
        assert_eq!(
            told("devices/disk/driver"),
            "the domain has 2 of `devices/disk`; say which with `[1]` to `[2]` behind it"
        );
        assert_eq!(told("cpu/model"), "the domain has no `cpu`");
        assert_eq!(told("devices/disk[3]"), "the domain has no `devices/disk[3]`");
        assert_eq!(told("devices"), "`devices` holds elements, not text");
        assert!(matches!(insert(XML, "devices", "<a/><b/>"), Err(EditError::NotAnElement(_))));
        assert!(matches!(set_text("<a", "b", "x"), Err(EditError::NotXml(_))));
    }
}

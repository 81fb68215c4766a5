//! XML as people paste it: a fragment without a root, several documents in one text, prose around it, an end cut
//! off, a prefix that nobody declared. A conforming parser refuses all of these as a whole; this one reads what
//! stands there and lists what is wrong. It expands no entities but the five of XML and characters by number.

mod parse;

use crate::lines::LineIndex;
use vmwright_model::{Issue, Spanned};

/// Most elements that are kept of one text. A domain has hundreds; the limit bounds memory.
const ELEMENTS_MAX: usize = 200_000;

/// The elements of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    name: String,
    line: u32,
    attributes: Vec<(String, Spanned<String>)>,
    text: String,
    /// Line of the first letter of `text` that is not blank; 0 where there is none.
    text_line: u32,
    parent: Option<usize>,
    first_child: Option<usize>,
    last_child: Option<usize>,
    next: Option<usize>,
}

impl Document {
    /// Reads a text.
    #[must_use]
    pub fn read(text: &str) -> (Self, Vec<Issue>) {
        parse::Parser::new(text, LineIndex::new(text)).run()
    }

    /// The elements that stand in no other.
    pub fn roots(&self) -> impl Iterator<Item = Element<'_>> {
        self.roots.iter().map(|id| Element { document: self, id: *id })
    }

    /// Every element, in the order of the text.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len()).map(|id| Element { document: self, id })
    }
}

/// One element of a [`Document`].
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    document: &'a Document,
    id: usize,
}

impl<'a> Element<'a> {
    fn node(self) -> &'a Node {
        &self.document.nodes[self.id]
    }

    /// Its name with prefix, as written: `qemu:arg`.
    #[must_use]
    pub fn name(self) -> &'a str {
        &self.node().name
    }

    /// Line of its start tag.
    #[must_use]
    pub fn line(self) -> u32 {
        self.node().line
    }

    /// Its parent.
    #[must_use]
    pub fn parent(self) -> Option<Element<'a>> {
        self.node().parent.map(|id| Element { document: self.document, id })
    }

    /// Its child elements.
    pub fn children(self) -> impl Iterator<Item = Element<'a>> {
        let mut next = self.node().first_child;
        std::iter::from_fn(move || {
            let id = next?;
            next = self.document.nodes[id].next;
            Some(Element { document: self.document, id })
        })
    }

    /// Its first child of this name.
    #[must_use]
    pub fn child(self, name: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.name() == name)
    }

    /// Its children of this name.
    pub fn all(self, name: &str) -> impl Iterator<Item = Element<'a>> {
        self.children().filter(move |child| child.name() == name)
    }

    /// An attribute's value, with the line on which it stands.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<Spanned<&'a str>> {
        let (_, value) = self.node().attributes.iter().find(|attribute| attribute.0 == name)?;
        Some(Spanned::new(value.value.as_str(), value.line))
    }

    /// Its attributes.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, Spanned<&'a str>)> {
        let attributes = self.node().attributes.iter();
        attributes.map(|(name, value)| (name.as_str(), Spanned::new(value.value.as_str(), value.line)))
    }

    /// The text directly in it, without blanks around; none where there is nothing else.
    #[must_use]
    pub fn text(self) -> Option<Spanned<&'a str>> {
        let text = self.node().text.trim();
        (!text.is_empty()).then(|| Spanned::new(text, self.node().text_line))
    }

    /// [`Element::attribute`], owned.
    #[must_use]
    pub fn attr(self, name: &str) -> Option<Spanned<String>> {
        self.attribute(name).map(owned)
    }

    /// An attribute of the first child of this name, owned.
    #[must_use]
    pub fn child_attr(self, child: &str, name: &str) -> Option<Spanned<String>> {
        self.child(child)?.attr(name)
    }

    /// The text of the first child of this name, owned.
    #[must_use]
    pub fn child_text(self, child: &str) -> Option<Spanned<String>> {
        self.child(child)?.text().map(owned)
    }
}

pub(crate) fn owned(text: Spanned<&str>) -> Spanned<String> {
    Spanned::new(text.value.to_owned(), text.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        Document::read(text).0.elements().map(|element| element.name().to_owned()).collect()
    }

    #[test]
    fn a_document_with_its_lines() {
        let (document, issues) = Document::read(
            "<?xml version='1.0'?>\n<!-- c < d -->\n<domain type='kvm'>\n  <name>a &amp; b&#x21;</name>\n  <disk\n    type=\"file\"/>\n  <x><![CDATA[<y>]]></x>\n</domain>\n",
        );
        assert_eq!(issues, []);
        let domain = document.roots().next().expect("one root");
        assert_eq!((domain.name(), domain.line()), ("domain", 3));
        assert_eq!(domain.attribute("type"), Some(Spanned::new("kvm", 3)));
        assert_eq!(domain.child_text("name"), Some(Spanned::new("a & b!".to_owned(), 4)));
        assert_eq!(domain.child_attr("disk", "type"), Some(Spanned::new("file".to_owned(), 6)));
        assert_eq!(domain.child_text("x"), Some(Spanned::new("<y>".to_owned(), 7)));
        assert_eq!(domain.children().count(), 3);
    }

    #[test]
    fn fragments_prose_and_several_documents() {
        let (document, issues) = Document::read(
            "# virsh dumpxml a\n<a/>\n1 < 2 and <- and b<c\n<os firmware='bios'/>\n<p:b p:c='d'></p:b>",
        );
        assert_eq!(
            document.roots().map(|root| root.name().to_owned()).collect::<Vec<_>>(),
            ["a", "os", "p:b"]
        );
        assert_eq!(issues, []);
    }

    #[test]
    fn a_cut_end_keeps_what_precedes_it() {
        let (document, issues) = Document::read("<domain>\n <name>web</name>\n <devices>\n  <disk type='fi");
        assert_eq!(
            document.elements().map(Element::name).collect::<Vec<_>>(),
            ["domain", "name", "devices", "disk"]
        );
        let told: Vec<_> = issues.iter().map(|issue| (issue.line, issue.what.as_str())).collect();
        assert_eq!(
            told,
            [
                (4, "the text ends inside a tag"),
                (4, "element `disk` is not closed"),
                (3, "element `devices` is not closed"),
                (1, "element `domain` is not closed"),
            ]
        );
    }

    #[test]
    fn wrong_closing_tags_do_not_lose_the_rest() {
        let (document, issues) = Document::read("<a>\n<b>\n</a>\n</x>\n<c/>");
        assert_eq!(names("<a>\n<b>\n</a>\n</x>\n<c/>"), ["a", "b", "c"]);
        assert_eq!(document.roots().count(), 2);
        let told: Vec<_> = issues.iter().map(|issue| (issue.line, issue.what.as_str())).collect();
        assert_eq!(told, [(2, "element `b` is not closed"), (4, "`</x>` closes nothing")]);
    }

    #[test]
    fn slips_in_tags() {
        let (document, issues) = Document::read("<a b=c d e='1' e='2'>&nope; & x</a><g h='i<j/>");
        let a = document.roots().next().expect("it is there");
        assert_eq!(a.attribute("b").map(|b| b.value), Some("c"));
        assert_eq!(a.attribute("e").map(|e| e.value), Some("1"));
        assert_eq!(a.text().map(|text| text.value), Some("&nope; & x"));
        let told: Vec<_> = issues.iter().map(|issue| issue.what.as_str()).collect();
        assert_eq!(
            told,
            [
                "the value of attribute `b` has no quotes",
                "attribute `d` has no value",
                "attribute `e` stands twice",
                "`&` begins no entity that XML knows",
                "`&` begins no entity that XML knows",
                "the value of attribute `h` is not closed",
                "the tag of `g` is not closed",
                "element `g` is not closed",
            ]
        );
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "<a>".repeat(50_000);
        assert_eq!(Document::read(&deep).0.elements().count(), 50_000);
        let many = "<a/>".repeat(ELEMENTS_MAX + 10);
        let (document, issues) = Document::read(&many);
        assert_eq!(document.elements().count(), ELEMENTS_MAX);
        assert_eq!(issues.len(), 1);
    }
}

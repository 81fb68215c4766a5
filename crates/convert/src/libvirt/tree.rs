//! XML as a tree that can be changed, and its text.

use roxmltree::{Document, ParsingOptions};
use std::fmt::Write as _;

/// Deepest nesting that is read. libvirt's own documents have fewer than 20 levels.
const DEPTH_MAX: usize = 64;

/// Most nodes that are read.
const NODES_MAX: u32 = 1_000_000;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Name with prefix: `qemu:commandline`.
    pub(crate) name: String,
    /// Names with prefix, declarations of namespaces included.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) content: Vec<Content>,
}

/// What stands in an element. Blanks between elements are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Element(Node),
    Text(String),
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        match self.attributes.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = &Node> {
        self.content.iter().filter_map(|one| match one {
            Content::Element(node) => Some(node),
            Content::Text(_) => None,
        })
    }

    pub(crate) fn children_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.content.iter_mut().filter_map(|one| match one {
            Content::Element(node) => Some(node),
            Content::Text(_) => None,
        })
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children().find(|node| node.name == name)
    }

    /// The text that stands directly in it.
    pub(crate) fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|one| match one {
            Content::Text(text) => Some(text.as_str()),
            Content::Element(_) => None,
        });
        texts.collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.content.is_empty()
    }
}

/// Reads a document.
///
/// # Errors
/// Line and problem.
pub(crate) fn parse(text: &str) -> Result<Node, (u32, String)> {
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| (error.pos().row, format!("not well-formed XML: {error}")))?;
    element(document.root_element(), text, 0)
        .ok_or_else(|| (1, format!("elements nest deeper than {DEPTH_MAX} levels")))
}

fn element(from: roxmltree::Node<'_, '_>, text: &str, depth: usize) -> Option<Node> {
    if depth > DEPTH_MAX {
        return None;
    }
    // The name as it is written: the parser splits prefixes off.
    let tag = &text[from.range().start + 1..from.range().end];
    let end = tag.find(|letter: char| letter.is_whitespace() || letter == '>' || letter == '/');
    let mut node = Node::new(&tag[..end.unwrap_or(tag.len())]);
    let above = from.parent_element().map_or(0, |parent| parent.namespaces().len());
    // A prefix may also be declared anew.
    let start_tag = &tag[..tag.find('>').unwrap_or(tag.len())];
    let declares = from.namespaces().len() > above || start_tag.contains("xmlns");
    for namespace in from.namespaces().filter(|_| declares) {
        let inherited = from
            .parent_element()
            .is_some_and(|parent| parent.lookup_namespace_uri(namespace.name()) == Some(namespace.uri()));
        if !inherited {
            let name = namespace.name().map_or("xmlns".to_owned(), |name| format!("xmlns:{name}"));
            node.attributes.push((name, namespace.uri().to_owned()));
        }
    }
    for attribute in from.attributes() {
        node.attributes.push((text[attribute.range_qname()].to_owned(), attribute.value().to_owned()));
    }
    for child in from.children() {
        if child.is_element() {
            node.content.push(Content::Element(element(child, text, depth + 1)?));
        } else if let Some(text) = child.text().filter(|_| child.is_text()) {
            match node.content.last_mut() {
                Some(Content::Text(before)) => before.push_str(text),
                _ => node.content.push(Content::Text(text.to_owned())),
            }
        }
    }
    node.content.retain(|one| !matches!(one, Content::Text(text) if text.trim().is_empty()));
    Some(node)
}

/// The text of an element, two blanks a level, as libvirt writes it.
pub(crate) fn print(node: &Node) -> String {
    let mut text = String::new();
    element_text(node, 0, true, &mut text);
    text.push('\n');
    text
}

/// The text of an element in one line.
pub(crate) fn print_short(node: &Node) -> String {
    let mut text = String::new();
    element_text(node, 0, false, &mut text);
    text
}

/// An attribute as it stands in a tag.
pub(crate) fn attribute_text(name: &str, value: &str) -> String {
    let mut text = format!("{name}='");
    escape(value, true, &mut text);
    text.push('\'');
    text
}

fn element_text(node: &Node, depth: usize, lines: bool, out: &mut String) {
    let _ = write!(out, "<{}", node.name);
    for (name, value) in &node.attributes {
        let _ = write!(out, " {}", attribute_text(name, value));
    }
    if node.content.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    // Where text stands, blanks count.
    let lines = lines && !node.content.iter().any(|one| matches!(one, Content::Text(_)));
    for one in &node.content {
        match one {
            Content::Text(text) => escape(text, false, out),
            Content::Element(child) => {
                if lines {
                    let _ = write!(out, "\n{:1$}", "", (depth + 1) * 2);
                }
                element_text(child, depth + 1, lines, out);
            }
        }
    }
    if lines {
        let _ = write!(out, "\n{:1$}", "", depth * 2);
    }
    let _ = write!(out, "</{}>", node.name);
}

fn escape(text: &str, quoted: bool, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' if quoted => out.push_str("&apos;"),
            // A reader turns these into blanks where they stand as they are.
            '\n' | '\t' if quoted => {
                let _ = write!(out, "&#{};", u32::from(letter));
            }
            '\r' => out.push_str("&#13;"),
            // XML 1.0 has no way to write other control characters.
            letter if letter.is_control() && !matches!(letter, '\n' | '\t') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
}

//! The parser: one pass, an explicit stack, every search bounded by what it then skips.

use super::{Document, ELEMENTS_MAX, Node};
use crate::lines::LineIndex;
use std::collections::HashMap;
use vmwright_model::{Issue, Spanned};

/// Most issues that are listed; a text that has more is not XML.
const ISSUES_MAX: usize = 200;

/// Most attributes kept of one element; each is compared with those before it.
const ATTRIBUTES_MAX: usize = 64;

pub(super) struct Parser<'a> {
    text: &'a str,
    index: LineIndex,
    at: usize,
    document: Document,
    issues: Vec<Issue>,
    /// Open elements, outermost first.
    open: Vec<usize>,
    /// How many open elements have a name, so that a closing tag that fits none costs no search.
    names: HashMap<String, usize>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, index: LineIndex) -> Self {
        let names = HashMap::new();
        Self {
            text,
            index,
            at: 0,
            document: Document::default(),
            issues: Vec::new(),
            open: Vec::new(),
            names,
        }
    }

    pub(super) fn run(mut self) -> (Document, Vec<Issue>) {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let Some(to_tag) = rest.find('<') else {
                self.add_text(self.at, self.text.len());
                break;
            };
            self.add_text(self.at, self.at + to_tag);
            self.at += to_tag;
            if self.document.nodes.len() >= ELEMENTS_MAX {
                self.issue(self.at, format!("more than {ELEMENTS_MAX} elements; the rest is not read"));
                self.open.clear();
                break;
            }
            let rest = &self.text[self.at..];
            if rest.starts_with("<!--") {
                self.skip("-->", "comment");
            } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
                let start = self.at + 9;
                let end = start + data.find("]]>").unwrap_or(data.len());
                self.add_raw(start, &self.text[start..end]);
                self.skip("]]>", "CDATA section");
            } else if rest.starts_with("<?") {
                self.skip("?>", "processing instruction");
            } else if rest.starts_with("<!") {
                self.issue(self.at, "a document type is not read");
                self.skip(">", "document type");
            } else if let Some(tag) = rest.strip_prefix("</") {
                self.close(tag);
            } else if rest[1..].starts_with(|letter: char| letter.is_alphabetic() || letter == '_') {
                self.start();
            } else {
                // An arrow or a comparison in the text around.
                self.add_text(self.at, self.at + 1);
                self.at += 1;
            }
        }
        while let Some(id) = self.open.pop() {
            self.unclosed(id);
        }
        (self.document, self.issues)
    }

    fn issue(&mut self, at: usize, what: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::new(self.index.line(at), what));
        }
    }

    fn unclosed(&mut self, id: usize) {
        let node = &self.document.nodes[id];
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::new(node.line, format!("element `{}` is not closed", short(&node.name))));
        }
    }

    fn skip(&mut self, end: &str, what: &str) {
        match self.text[self.at..].find(end) {
            Some(length) => self.at += length + end.len(),
            None => {
                self.issue(self.at, format!("the text ends inside a {what}"));
                self.at = self.text.len();
            }
        }
    }

    fn add_raw(&mut self, at: usize, text: &str) {
        let Some(id) = self.open.last() else { return };
        let blank = text.len() - text.trim_start().len();
        let line = self.index.line(at + blank);
        let node = &mut self.document.nodes[*id];
        if node.text_line == 0 && blank < text.len() {
            node.text_line = line;
        }
        node.text.push_str(text);
    }

    fn add_text(&mut self, start: usize, end: usize) {
        // Blanks between elements are most of a text, and nobody asks for them.
        if self.open.is_empty() || self.text[start..end].trim().is_empty() {
            return;
        }
        let text = self.decode(start, end);
        self.add_raw(start, &text);
    }

    fn decode(&mut self, start: usize, end: usize) -> String {
        let raw = &self.text[start..end];
        let mut text = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find('&') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            // The longest entity is `&#x10FFFF;`.
            let semicolon = rest.bytes().take(12).position(|byte| byte == b';');
            let letter = semicolon.and_then(|semicolon| entity(&rest[1..semicolon]));
            match (letter, semicolon) {
                (Some(letter), Some(semicolon)) => {
                    text.push(letter);
                    rest = &rest[semicolon + 1..];
                }
                _ => {
                    self.issue(end - rest.len(), "`&` begins no entity that XML knows");
                    text.push('&');
                    rest = &rest[1..];
                }
            }
        }
        text.push_str(rest);
        text
    }

    fn close(&mut self, tag: &str) {
        let end = tag.find(['>', '<']).unwrap_or(tag.len());
        let name = tag[..end].trim();
        let at = self.at;
        self.at += 2 + end + usize::from(tag[end..].starts_with('>'));
        match self.names.get(name) {
            Some(1..) => {}
            _ => {
                self.issue(at, format!("`</{}>` closes nothing", short(name)));
                return;
            }
        }
        while let Some(id) = self.open.pop() {
            let node = &self.document.nodes[id];
            let fits = node.name == name;
            if let Some(count) = self.names.get_mut(&node.name) {
                *count -= 1;
            }
            if fits {
                return;
            }
            self.unclosed(id);
        }
    }

    fn start(&mut self) {
        let begin = self.at;
        self.at += 1;
        let name = self.word();
        let mut node = Node { name, line: self.index.line(begin), ..Node::default() };
        let mut empty = false;
        loop {
            let rest = &self.text[self.at..];
            let blanks = rest.len() - rest.trim_start().len();
            self.at += blanks;
            let rest = &rest[blanks..];
            match rest.as_bytes().first() {
                // `a <b` in the prose around is no tag.
                None | Some(b'<') if self.open.is_empty() && node.attributes.is_empty() => return,
                None => {
                    self.issue(self.at, "the text ends inside a tag");
                    break;
                }
                Some(b'>') => {
                    self.at += 1;
                    break;
                }
                Some(b'/') if rest.starts_with("/>") => {
                    self.at += 2;
                    empty = true;
                    break;
                }
                Some(b'<') => {
                    self.issue(self.at, format!("the tag of `{}` is not closed", short(&node.name)));
                    break;
                }
                Some(b'/' | b'=' | b'"' | b'\'') => {
                    self.issue(self.at, "a character that belongs to no attribute");
                    self.at += 1;
                }
                Some(_) => self.attribute(&mut node),
            }
        }
        self.insert(node, empty);
    }

    /// A name: up to a blank or a letter that ends it.
    fn word(&mut self) -> String {
        let rest = &self.text[self.at..];
        let ends =
            |letter: char| letter.is_whitespace() || matches!(letter, '/' | '>' | '<' | '=' | '"' | '\'');
        let end = rest.find(ends).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn attribute(&mut self, node: &mut Node) {
        let begin = self.at;
        let name = self.word();
        let rest = &self.text[self.at..];
        let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
            if !rest.trim_start().is_empty() {
                self.issue(begin, format!("attribute `{}` has no value", short(&name)));
            }
            return;
        };
        let start = self.text.len() - value.len();
        let line = self.index.line(start);
        self.at = start;
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inside = &value[1..];
                let end = inside.find([quote, '<']).unwrap_or(inside.len());
                self.at = start + 1 + end;
                if inside[end..].starts_with(quote) {
                    self.at += 1;
                } else if end < inside.len() {
                    // XML allows no `<` in a value: the quote was forgotten.
                    self.issue(start, format!("the value of attribute `{}` is not closed", short(&name)));
                }
                self.decode(start + 1, start + 1 + end)
            }
            _ => {
                self.issue(start, format!("the value of attribute `{}` has no quotes", short(&name)));
                self.word()
            }
        };
        if node.attributes.iter().any(|attribute| attribute.0 == name) {
            self.issue(begin, format!("attribute `{}` stands twice", short(&name)));
        } else if node.attributes.len() < ATTRIBUTES_MAX {
            node.attributes.push((name, Spanned::new(value, line)));
        }
    }

    fn insert(&mut self, mut node: Node, empty: bool) {
        let id = self.document.nodes.len();
        node.parent = self.open.last().copied();
        match node.parent {
            None => self.document.roots.push(id),
            Some(parent) => {
                let last = self.document.nodes[parent].last_child.replace(id);
                match last {
                    Some(last) => self.document.nodes[last].next = Some(id),
                    None => self.document.nodes[parent].first_child = Some(id),
                }
            }
        }
        if !empty {
            *self.names.entry(node.name.clone()).or_default() += 1;
            self.open.push(id);
        }
        self.document.nodes.push(node);
    }
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    })
}

fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

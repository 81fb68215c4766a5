//! One description of a part of the XML that serves both ways: reading fills a value from an element, writing fills
//! an element from a value. What reading does not ask for is found afterwards, by comparing the text with what is
//! written from the value.

use super::tree::{Content, Node};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use vmwright_formats::machine_spec::check;

/// The text of an element, in place of an attribute's name.
pub(super) const TEXT: &str = "";

/// An element that is read or written.
pub(super) struct Port<'a> {
    /// None: it is written.
    from: Option<&'a Node>,
    to: Node,
    /// Elements that are read as nothing, by their place in memory.
    skipped: BTreeSet<usize>,
}

/// How a place in memory names an element of the tree that is read.
pub(super) fn place(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

impl<'a> Port<'a> {
    pub(super) fn reader(from: &'a Node) -> Self {
        Self { from: Some(from), to: Node::default(), skipped: BTreeSet::new() }
    }

    pub(super) fn writer(name: &str) -> Self {
        Self { from: None, to: Node::new(name), skipped: BTreeSet::new() }
    }

    pub(super) fn reading(&self) -> bool {
        self.from.is_some()
    }

    /// What was read as nothing.
    pub(super) fn into_skipped(self) -> BTreeSet<usize> {
        self.skipped
    }

    /// What was written.
    pub(super) fn into_node(self) -> Node {
        self.to
    }

    /// The element that is read, or what is written so far.
    pub(super) fn node(&self) -> &Node {
        self.from.unwrap_or(&self.to)
    }

    /// An attribute's value (or the element's text) as it stands.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        let from = self.node();
        if name == TEXT {
            return Some(from.text()).filter(|text| !text.is_empty());
        }
        from.attribute(name).map(ToOwned::to_owned)
    }

    /// Writes an attribute, or text.
    pub(super) fn put(&mut self, name: &str, value: impl Into<String>) {
        if self.reading() {
            return;
        }
        if name == TEXT {
            self.to.content.push(Content::Text(value.into()));
        } else {
            self.to.set(name, value.into());
        }
    }

    /// An attribute by two functions.
    pub(super) fn by<T>(
        &mut self,
        name: &str,
        field: &mut Option<T>,
        read: impl Fn(&str) -> Option<T>,
        write: impl Fn(&T) -> Option<String>,
    ) {
        if self.reading() {
            if let Some(value) = self.raw(name).and_then(|text| read(&text)) {
                *field = Some(value);
            }
        } else if let Some(text) = field.as_ref().and_then(write) {
            self.put(name, text);
        }
    }

    /// A text of this format of the specification; what is none is not read.
    pub(super) fn text(&mut self, name: &str, format: &str, field: &mut Option<String>) {
        self.by(
            name,
            field,
            |text| check(format, text).is_ok().then(|| text.to_owned()),
            |text| Some(text.clone()),
        );
    }

    /// A text that the specification always has.
    pub(super) fn string(&mut self, name: &str, format: &str, field: &mut String) {
        let mut some = (!self.reading()).then(|| field.clone());
        self.text(name, format, &mut some);
        if self.reading() {
            *field = some.unwrap_or_default();
        }
    }

    /// A decimal number in a range.
    pub(super) fn number<T: FromStr + Display + PartialOrd>(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<T>,
        field: &mut Option<T>,
    ) {
        self.by(
            name,
            field,
            |text| text.trim().parse().ok().filter(|number| range.contains(number)),
            |number| Some(number.to_string()),
        );
    }

    /// A number of libvirt's addresses, hexadecimal or decimal; written as `0x1f`.
    pub(super) fn hex(&mut self, name: &str, field: &mut Option<u32>, digits: usize) {
        self.by(name, field, number, |number| Some(format!("0x{number:0digits$x}")));
    }

    /// One of some words.
    pub(super) fn word<T: Copy + PartialEq>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
        field: &mut Option<T>,
    ) {
        self.by(
            name,
            field,
            |text| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value),
            |value| words.iter().find(|(_, one)| one == value).map(|(word, _)| (*word).to_owned()),
        );
    }

    /// One of the words of the specification itself.
    pub(super) fn same<T: Serialize + DeserializeOwned>(&mut self, name: &str, field: &mut Option<T>) {
        self.by(name, field, spec_word, |value| {
            serde_json::to_value(value).ok()?.as_str().map(ToOwned::to_owned)
        });
    }

    pub(super) fn yes_no(&mut self, name: &str, field: &mut Option<bool>) {
        self.word(name, &[("yes", true), ("no", false)], field);
    }

    pub(super) fn on_off(&mut self, name: &str, field: &mut Option<bool>) {
        self.word(name, &[("on", true), ("off", false)], field);
    }

    /// A value that has a default, which is not written.
    pub(super) fn or_default<T: Default + PartialEq + Clone>(
        &mut self,
        field: &mut T,
        inner: impl FnOnce(&mut Self, &mut Option<T>),
    ) {
        let mut some = (!self.reading() && *field != T::default()).then(|| field.clone());
        inner(self, &mut some);
        if self.reading() {
            *field = some.unwrap_or_default();
        }
    }

    /// A child. Reading, nothing happens where it is absent; writing, it is left out where it is empty.
    pub(super) fn child(&mut self, name: &str, inner: impl FnOnce(&mut Port<'a>)) {
        self.child_if(name, false, inner);
    }

    /// A child that is written even where it is empty.
    pub(super) fn child_if(&mut self, name: &str, even_empty: bool, inner: impl FnOnce(&mut Port<'a>)) {
        match self.from {
            Some(from) => {
                let Some(child) = from.child(name) else { return };
                let mut port = Self::reader(child);
                inner(&mut port);
                self.skipped.append(&mut port.skipped);
            }
            None => {
                // Two parts of the description may speak of the same child.
                let same = |one: &Content| matches!(one, Content::Element(child) if child.name == name);
                let at = self.to.content.iter().position(same);
                let mut port = Self::writer(name);
                if let Some(at) = at
                    && let Content::Element(node) = self.to.content.remove(at)
                {
                    port.to = node;
                }
                inner(&mut port);
                if even_empty || !port.to.is_empty() {
                    let at = at.unwrap_or(self.to.content.len());
                    self.to.content.insert(at, Content::Element(port.to));
                }
            }
        }
    }

    /// A child that is there or not.
    pub(super) fn present(&mut self, name: &str, field: &mut bool) {
        if self.reading() {
            *field = self.node().child(name).is_some();
        } else if *field {
            self.child_if(name, true, |_| {});
        }
    }

    /// A child that is there for a value that may be absent.
    pub(super) fn option<T>(
        &mut self,
        name: &str,
        field: &mut Option<T>,
        new: impl FnOnce() -> T,
        inner: impl FnOnce(&mut Port<'a>, &mut T),
    ) {
        if self.reading() {
            let mut value = new();
            let mut there = false;
            self.child(name, |port| {
                there = true;
                inner(port, &mut value);
            });
            if there {
                *field = Some(value);
            }
        } else if let Some(value) = field {
            self.child_if(name, true, |port| inner(port, value));
        }
    }

    /// Children of one name. Reading, one for which the function says no is left to the foreign parts; writing, it
    /// is left out.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: &mut Vec<T>,
        new: impl Fn() -> T,
        mut one: impl FnMut(&mut Port<'a>, &mut T) -> bool,
    ) {
        match self.from {
            Some(from) => {
                for child in from.children().filter(|child| child.name == name) {
                    let mut port = Self::reader(child);
                    let mut item = new();
                    if one(&mut port, &mut item) {
                        items.push(item);
                        self.skipped.append(&mut port.skipped);
                    } else {
                        self.skipped.insert(place(child));
                    }
                }
            }
            None => {
                for item in items {
                    let mut port = Self::writer(name);
                    if one(&mut port, item) {
                        self.to.content.push(Content::Element(port.to));
                    }
                }
            }
        }
    }
}

/// A word of the specification, for types whose words are libvirt's.
pub(super) fn spec_word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

/// A number as libvirt's addresses have it: `0x1f`, `31`.
pub(crate) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

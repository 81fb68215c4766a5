//! Reading: documents made of what the parser tells, one event after the other.

use super::{Marks, scalar};
use crate::ReadError;
use crate::json::wrong;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Deepest nesting. Kubernetes' own objects stay below 30; JSON's reader stops at 128.
const DEPTH: usize = 100;

/// Most values, those that aliases repeat included: a few lines of aliases of aliases are millions of values.
const VALUES: usize = 1 << 20;

/// A document, and where its parts stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) marks: Marks,
}

/// The documents of a text; those that say nothing are left out.
///
/// # Errors
/// Line and problem.
pub(crate) fn documents(text: &str) -> Result<Vec<Document>, ReadError> {
    let mut composer = Composer::default();
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let (event, span) = event
            .map_err(|error| wrong(line(error.marker().line()), format!("not YAML: {}", error.info())))?;
        composer.event(event, line(span.start.line()))?;
    }
    Ok(composer.documents)
}

fn line(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A value, its place, and how many values it is.
#[derive(Clone)]
struct Node {
    value: Value,
    marks: Marks,
    count: usize,
}

/// A list or an object whose end has not come yet.
struct Open {
    anchor: usize,
    line: u32,
    count: usize,
    inner: Inner,
}

enum Inner {
    List(Vec<Value>, Vec<Marks>),
    Object {
        members: Map<String, Value>,
        marks: BTreeMap<String, Marks>,
        key: Option<Key>,
        merged: Vec<Value>,
    },
}

/// A key whose value has not come yet.
struct Key {
    name: String,
    line: u32,
    /// Whether what it names goes into the object itself.
    merges: bool,
}

#[derive(Default)]
struct Composer {
    documents: Vec<Document>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    values: usize,
}

impl Composer {
    fn event(&mut self, event: Event<'_>, line: u32) -> Result<(), ReadError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_key =
                    matches!(self.open.last().map(|open| &open.inner), Some(Inner::Object { key: None, .. }));
                if is_key {
                    return self.key(&text, line, style == ScalarStyle::Plain && text == "<<");
                }
                let value = value(&text, style, tag.as_deref());
                self.add(Node { value, marks: Marks { line, ..Marks::default() }, count: 1 }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, line, Inner::List(Vec::new(), Vec::new())),
            Event::MappingStart(anchor, _) => {
                let (members, marks, key, merged) = Default::default();
                self.begin(anchor, line, Inner::Object { members, marks, key, merged })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let anchor = open.anchor;
                self.add(open.end(), anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(wrong(line, "an alias names what does not stand before it"));
                };
                self.count(node.count, line)?;
                // It stands where the alias does.
                self.add(Node { marks: Marks { line, ..node.marks }, ..node }, 0)
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, line: u32, inner: Inner) -> Result<(), ReadError> {
        if let Some(Open { inner: Inner::Object { key: None, .. }, .. }) = self.open.last() {
            return Err(wrong(line, "a key is no word but an object or list"));
        }
        if self.open.len() == DEPTH {
            return Err(wrong(line, format!("more than {DEPTH} levels")));
        }
        self.open.push(Open { anchor, line, count: 1, inner });
        Ok(())
    }

    fn key(&mut self, text: &str, line: u32, merges: bool) -> Result<(), ReadError> {
        let Some(Open { inner: Inner::Object { members, key, .. }, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        if members.contains_key(text) {
            let text: String = text.chars().take(80).collect();
            return Err(wrong(line, format!("the key `{}` stands twice", text.escape_debug())));
        }
        *key = Some(Key { name: text.to_owned(), line, merges });
        Ok(())
    }

    fn count(&mut self, more: usize, line: u32) -> Result<(), ReadError> {
        self.values = self.values.saturating_add(more);
        if self.values > VALUES {
            return Err(wrong(
                line,
                format!("more than {VALUES} values, those that aliases repeat included"),
            ));
        }
        Ok(())
    }

    /// Puts a value where it belongs: into what is open, or as a document.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), ReadError> {
        self.count(1, node.marks.line)?;
        if anchor > 0 {
            self.count(node.count, node.marks.line)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            if !node.value.is_null() {
                self.documents.push(Document { value: node.value, marks: node.marks });
            }
            return Ok(());
        };
        open.count += node.count;
        match &mut open.inner {
            Inner::List(values, marks) => {
                values.push(node.value);
                marks.push(node.marks);
            }
            Inner::Object { members, marks, key, merged } => match key.take() {
                Some(key) if key.merges && (node.value.is_object() || node.value.is_array()) => {
                    merged.push(node.value);
                }
                Some(Key { name, line, .. }) => {
                    marks.insert(name.clone(), Marks { line, ..node.marks });
                    members.insert(name, node.value);
                }
                None => return Err(wrong(node.marks.line, "a key is an alias")),
            },
        }
        Ok(())
    }
}

impl Open {
    fn end(self) -> Node {
        let own = Marks { line: self.line, ..Marks::default() };
        let (value, marks) = match self.inner {
            Inner::List(values, elements) => (values.into(), Marks { elements, ..own }),
            Inner::Object { mut members, marks, merged, .. } => {
                // What an object takes from others (`<<`) its own members override, and the first the later.
                for other in merged {
                    let others = match other {
                        Value::Array(others) => others,
                        other => vec![other],
                    };
                    for (key, value) in others.into_iter().filter_map(object).flatten() {
                        members.entry(key).or_insert(value);
                    }
                }
                (members.into(), Marks { members: marks, ..own })
            }
        };
        Node { value, marks, count: self.count }
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let word = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    match style {
        ScalarStyle::Plain if !word => scalar::resolve(text),
        _ => Cow::from(text).into(),
    }
}

//! From a TOML document to the model: the document is walked beside the schema of the model's types, so that one
//! wrong value does not hide the next.

use super::schema::{Place, Shape};
use super::syntax::{self, short};
use crate::{lines::LineIndex, nearest::nearest};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::ops::Range;
use toml_edit::{Array, ArrayOfTables, Item, Key, TableLike, Value};
use vmwright_model::Issue;

/// A walk through a document.
pub(super) struct Reader {
    index: LineIndex,
    /// Dotted keys that are there and known, with their lines.
    pub(super) keys: Vec<(String, u32)>,
    pub(super) issues: Vec<Issue>,
    /// Dotted keys whose values are wrong or missing: what follows from them is not worth telling.
    pub(super) bad: BTreeSet<String>,
}

/// A value, wherever TOML lets it stand.
#[derive(Clone, Copy)]
enum Node<'a> {
    Table(&'a dyn TableLike, &'static str),
    Tables(&'a ArrayOfTables),
    Array(&'a Array),
    Value(&'a Value),
    Nothing,
}

impl<'a> From<&'a Item> for Node<'a> {
    fn from(item: &'a Item) -> Self {
        match item {
            Item::None => Self::Nothing,
            Item::Table(table) => Self::Table(table, "a table"),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::Value(value) => value.into(),
        }
    }
}

impl<'a> From<&'a Value> for Node<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::InlineTable(table) => Self::Table(table, "an inline table"),
            Value::Array(array) => Self::Array(array),
            value => Self::Value(value),
        }
    }
}

impl Node<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Table(_, name) => name,
            Self::Tables(_) => "an array of tables",
            Self::Array(_) => "an array",
            Self::Nothing => "nothing",
            Self::Value(Value::String(_)) => "a string",
            Self::Value(Value::Integer(_)) => "an integer",
            Self::Value(Value::Float(_)) => "a float",
            Self::Value(Value::Boolean(_)) => "a boolean",
            Self::Value(_) => "a date",
        }
    }
}

impl Reader {
    pub(super) fn new(index: LineIndex) -> Self {
        Self { index, keys: Vec::new(), issues: Vec::new(), bad: BTreeSet::new() }
    }

    /// The document as plain data that the model's types accept. Values that are wrong are left out, or, where they
    /// are required, replaced; `bad` names them.
    pub(super) fn document(&mut self, table: &dyn TableLike) -> Json {
        self.table(table, "", 0, Place::root())
    }

    fn line(&self, span: Option<Range<usize>>) -> u32 {
        span.map_or(0, |span| self.index.line(span.start))
    }

    fn tell(&mut self, line: u32, path: &str, what: &str) -> Option<Json> {
        self.issues.push(Issue::new(line, format!("`{path}` {what}")));
        self.bad.insert(path.to_owned());
        None
    }

    fn table(&mut self, table: &dyn TableLike, path: &str, line: u32, place: Place) -> Json {
        let mut fields = Map::new();
        let within = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        for (name, item) in table.iter() {
            let key_span = table.key(name).and_then(Key::span);
            let key_line = self.line(key_span.clone().or(item.span()));
            let path = within(name);
            let Some(inner) = place.key(name) else {
                let mut what = format!("unknown key `{}`", short(&path));
                let known: Vec<&str> = place.keys().collect();
                if let Some(near) = nearest(name, &known) {
                    what.push_str(&format!("; did you mean `{near}`?"));
                }
                self.issues.push(Issue::new(key_line, what));
                continue;
            };
            self.keys.push((path.clone(), key_line));
            let line = self.line(item.span().or(key_span));
            if let Some(value) = self.value(item.into(), &path, line, inner) {
                fields.insert(name.to_owned(), value);
            }
        }
        for name in place.required() {
            if fields.contains_key(name) {
                continue;
            }
            let path = within(name);
            if !table.contains_key(name) {
                self.issues.push(Issue::new(line, format!("missing key `{path}`")));
            }
            self.bad.insert(path);
            if let Some(inner) = place.key(name) {
                fields.insert(name.to_owned(), inner.any_value());
            }
        }
        Json::Object(fields)
    }

    fn value(&mut self, node: Node<'_>, path: &str, line: u32, place: Place) -> Option<Json> {
        match (place.shape(), node) {
            (Shape::Table, Node::Table(table, _)) => Some(self.table(table, path, line, place)),
            (Shape::Array(inner), Node::Tables(tables)) => {
                let one = tables.iter().map(|table| (Node::Table(table, "a table"), table.span()));
                Some(self.elements(one, path, line, inner))
            }
            (Shape::Array(inner), Node::Array(array)) => {
                Some(self.elements(array.iter().map(|value| (value.into(), value.span())), path, line, inner))
            }
            (Shape::Text(format), Node::Value(Value::String(text))) => {
                match format.map_or(Ok(()), |format| syntax::check(format, text.value())) {
                    Ok(()) => Some(text.value().as_str().into()),
                    Err(what) => self.tell(line, path, &what),
                }
            }
            (Shape::Choice(words), Node::Value(Value::String(text))) => {
                self.choice(text.value(), &words, path, line)
            }
            (Shape::Truth, Node::Value(Value::Boolean(truth))) => Some((*truth.value()).into()),
            (Shape::Number { min, max }, Node::Value(Value::Integer(number))) => {
                let number = *number.value();
                if (min..=max).contains(&number) {
                    return Some(number.into());
                }
                let range =
                    if max == i64::MAX { format!("{min} or more") } else { format!("{min} to {max}") };
                self.tell(line, path, &format!("is {number}; it must be {range}"))
            }
            (shape, node) => {
                let expected = match shape {
                    Shape::Table => "a table",
                    Shape::Array(inner) => match inner.shape() {
                        Shape::Table => "an array of tables",
                        Shape::Number { .. } => "an array of whole numbers",
                        _ => "an array of strings",
                    },
                    Shape::Text(_) | Shape::Choice(_) => "a string",
                    Shape::Truth => "true or false",
                    Shape::Number { .. } => "a whole number",
                    Shape::Other => "absent",
                };
                self.tell(line, path, &format!("must be {expected}, found {}", node.name()))
            }
        }
    }

    fn elements<'a>(
        &mut self,
        nodes: impl Iterator<Item = (Node<'a>, Option<Range<usize>>)>,
        path: &str,
        line: u32,
        place: Place,
    ) -> Json {
        let mut values = Vec::new();
        for (at, (node, span)) in nodes.enumerate() {
            let path = format!("{path}.{at}");
            let line = span.map_or(line, |span| self.index.line(span.start));
            // What is wrong keeps its place, so that those behind it keep their numbers.
            let value = self.value(node, &path, line, place).unwrap_or_else(|| place.any_value());
            values.push(value);
            self.keys.push((path, line));
        }
        Json::Array(values)
    }

    fn choice(&mut self, text: &str, words: &[&str], path: &str, line: u32) -> Option<Json> {
        if words.contains(&text) {
            return Some(text.into());
        }
        let mut what = format!("is `{}`; it must be one of `{}`", short(text), words.join("`, `"));
        if let Some(near) = nearest(text, words) {
            what.push_str(&format!("; did you mean `{near}`?"));
        }
        self.tell(line, path, &what)
    }
}

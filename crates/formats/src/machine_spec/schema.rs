//! The JSON Schema of the model's types, as far as the reader needs it.

use serde_json::Value;
use std::sync::LazyLock;
use vmwright_model::MachineSpec;

/// The JSON Schema of a specification (draft 2020-12), made from the types that it is read into.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(MachineSpec).to_value());

/// One place of the schema, with references and "or nothing" followed to what they stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    root: &'a Value,
    node: &'a Value,
}

/// What may stand at a place.
pub(super) enum Shape<'a> {
    /// A table with these keys.
    Table,
    /// An array of this.
    Array(Place<'a>),
    /// A text, that must look like this.
    Text(Option<&'a str>),
    /// One of these words.
    Choice(Vec<&'a str>),
    /// A whole number.
    Number {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// True or false.
    Truth,
    /// What the types do not use; nothing is read there.
    Other,
}

impl<'a> Place<'a> {
    /// The whole specification.
    pub(super) fn root(schema: &'a Value) -> Self {
        Self { root: schema, node: schema }
    }

    fn at(self, node: &'a Value) -> Self {
        let mut node = node;
        // A chain of references is as long as the types nest; one in a circle ends here too.
        for _ in 0..16 {
            if let Some(name) = node.get("$ref").and_then(Value::as_str) {
                node =
                    name.strip_prefix('#').and_then(|path| self.root.pointer(path)).unwrap_or(&Value::Null);
            } else if let Some(any) = node.get("anyOf").and_then(Value::as_array) {
                let some = any.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null"));
                node = some.unwrap_or(&Value::Null);
            } else {
                break;
            }
        }
        Self { node, ..self }
    }

    /// What may stand at a key of a table.
    pub(super) fn key(self, key: &str) -> Option<Self> {
        Some(self.at(self.node.get("properties")?.get(key)?))
    }

    /// The keys of a table.
    pub(super) fn keys(self) -> impl Iterator<Item = &'a str> {
        let keys = self.node.get("properties").and_then(Value::as_object);
        keys.into_iter().flat_map(|keys| keys.keys().map(String::as_str))
    }

    /// The keys that a table must have.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        let keys = self.node.get("required").and_then(Value::as_array);
        keys.into_iter().flatten().filter_map(Value::as_str)
    }

    /// What may stand here.
    pub(super) fn shape(self) -> Shape<'a> {
        let words = |key: &str| self.node.get(key).and_then(Value::as_array);
        if let Some(words) = words("enum") {
            return Shape::Choice(words.iter().filter_map(Value::as_str).collect());
        }
        if let Some(one) = words("oneOf") {
            return Shape::Choice(one.iter().filter_map(|one| one.get("const")?.as_str()).collect());
        }
        let kinds = self.node.get("type");
        let kind = kinds
            .and_then(Value::as_str)
            .or_else(|| kinds?.as_array()?.iter().filter_map(Value::as_str).find(|kind| *kind != "null"));
        let format = self.node.get("format").and_then(Value::as_str);
        match kind {
            Some("object") => Shape::Table,
            Some("array") => {
                self.node.get("items").map_or(Shape::Other, |items| Shape::Array(self.at(items)))
            }
            Some("string") => Shape::Text(format),
            Some("boolean") => Shape::Truth,
            Some("integer") => {
                let (least, most) = match format {
                    Some("uint32") => (0, i64::from(u32::MAX)),
                    Some("uint64") => (0, i64::MAX),
                    _ => (i64::MIN, i64::MAX),
                };
                let bound = |key: &str| self.node.get(key).and_then(Value::as_i64);
                Shape::Number {
                    min: bound("minimum").unwrap_or(least),
                    max: bound("maximum").unwrap_or(most),
                }
            }
            _ => Shape::Other,
        }
    }

    /// A value that may stand here, for a key that is required and whose own value is wrong: so that what it has to
    /// do with other keys can be looked at.
    pub(super) fn any_value(self) -> Value {
        match self.shape() {
            Shape::Table => {
                let one = |key: &'a str| Some((key.to_owned(), self.key(key)?.any_value()));
                Value::Object(self.required().filter_map(one).collect())
            }
            Shape::Array(_) => Value::Array(Vec::new()),
            Shape::Choice(words) => words.first().copied().into(),
            Shape::Number { min, .. } => min.into(),
            Shape::Truth => false.into(),
            Shape::Text(_) | Shape::Other => "".into(),
        }
    }
}

//! The JSON Schema of the model's types, as far as the reader needs it.
//!
//! It lies in the tree as text: to make it of the types, or to read the whole of it, takes a short-lived program such as
//! `vm start` longer than to read the specification.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

/// The schema of the types, a definition in each line.
const TEXT: &str = include_str!("schema.json");

/// The JSON Schema of a specification (draft 2020-12), that of the types that it is read into.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(TEXT).expect(WHOLE));

/// What a test sees to.
const WHOLE: &str = "the schema in the tree is JSON";

/// The schema in pieces, of which each is read when it is asked for.
struct Pieces {
    root: Value,
    definitions: BTreeMap<&'static str, (&'static RawValue, OnceLock<Value>)>,
}

static PIECES: LazyLock<Pieces> = LazyLock::new(|| {
    let mut top: BTreeMap<&str, &RawValue> = serde_json::from_str(TEXT).expect(WHOLE);
    let definitions = top.remove("$defs").map_or("{}", RawValue::get);
    let definitions: BTreeMap<&str, &RawValue> = serde_json::from_str(definitions).expect(WHOLE);
    let definitions = definitions.into_iter().map(|(name, text)| (name, (text, OnceLock::new()))).collect();
    Pieces { root: serde_json::to_value(top).expect(WHOLE), definitions }
});

/// What `#/$defs/NAME` refers to.
fn definition(reference: &str) -> Option<&'static Value> {
    let (text, read) = PIECES.definitions.get(reference.strip_prefix("#/$defs/")?)?;
    Some(read.get_or_init(|| serde_json::from_str(text.get()).expect(WHOLE)))
}

/// One place of the schema, with references and "or nothing" followed to what they stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    node: &'static Value,
}

/// What may stand at a place.
pub(super) enum Shape {
    /// A table with these keys.
    Table,
    /// An array of this.
    Array(Place),
    /// A text, that must look like this.
    Text(Option<&'static str>),
    /// One of these words.
    Choice(Vec<&'static str>),
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

impl Place {
    /// The whole specification.
    pub(super) fn root() -> Self {
        Self { node: &PIECES.root }
    }

    fn at(node: &'static Value) -> Self {
        let mut node = node;
        // A chain of references is as long as the types nest; one in a circle ends here too.
        for _ in 0..16 {
            if let Some(name) = node.get("$ref").and_then(Value::as_str) {
                node = definition(name).unwrap_or(&Value::Null);
            } else if let Some(any) = node.get("anyOf").and_then(Value::as_array) {
                let some = any.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null"));
                node = some.unwrap_or(&Value::Null);
            } else {
                break;
            }
        }
        Self { node }
    }

    /// What may stand at a key of a table.
    pub(super) fn key(self, key: &str) -> Option<Self> {
        Some(Self::at(self.node.get("properties")?.get(key)?))
    }

    /// The keys of a table.
    pub(super) fn keys(self) -> impl Iterator<Item = &'static str> {
        let keys = self.node.get("properties").and_then(Value::as_object);
        keys.into_iter().flat_map(|keys| keys.keys().map(String::as_str))
    }

    /// The keys that a table must have.
    pub(super) fn required(self) -> impl Iterator<Item = &'static str> {
        let keys = self.node.get("required").and_then(Value::as_array);
        keys.into_iter().flatten().filter_map(Value::as_str)
    }

    /// What may stand here.
    pub(super) fn shape(self) -> Shape {
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
                self.node.get("items").map_or(Shape::Other, |items| Shape::Array(Self::at(items)))
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
                let one = |key: &'static str| Some((key.to_owned(), self.key(key)?.any_value()));
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

#[cfg(test)]
mod tests {
    use super::TEXT;
    use serde_json::Value;
    use std::path::Path;
    use vmwright_model::MachineSpec;

    /// The schema of the types, a definition in each line: so a change of one is a change of one line.
    fn of_the_types() -> String {
        let mut schema = schemars::schema_for!(MachineSpec).to_value();
        let definitions = schema["$defs"].take();
        let definitions = definitions.as_object().into_iter().flatten();
        let lines: Vec<String> = definitions.map(|(name, one)| format!("{}:{one}", Value::from(name.as_str()))).collect();
        schema.as_object_mut().unwrap().remove("$defs");
        let rest = schema.to_string();
        format!("{{\"$defs\":{{\n{}\n}},\n{}\n", lines.join(",\n"), rest.strip_prefix('{').unwrap())
    }

    #[test]
    fn the_schema_in_the_tree_is_that_of_the_types() {
        let should = of_the_types();
        if TEXT != should {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/machine_spec/schema.json");
            let written = std::fs::write(&path, &should);
            panic!("{} was not that of the types, and is now: {written:?}", path.display());
        }
        let whole: Value = serde_json::from_str(TEXT).unwrap();
        assert_eq!(whole, schemars::schema_for!(MachineSpec).to_value());
    }
}

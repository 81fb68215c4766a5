//! JSON in which no key stands twice: of two values, which one a VMM takes is anybody's guess.

use super::wrong;
use crate::ReadError;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Reads a document.
///
/// # Errors
/// Line and problem.
pub(crate) fn parse(text: &str) -> Result<Value, ReadError> {
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str::<Strict>(text) {
        Ok(Strict(value)) if value.is_object() => Ok(value),
        Ok(_) => Err(wrong(1, "the JSON is no object; a machine is one")),
        Err(error) => {
            // The parser's own words, without its place at their end.
            let told = error.to_string();
            let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(told, _)| told);
            Err(wrong(u32::try_from(error.line()).unwrap_or(0), format!("not JSON: {told}")))
        }
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Strict(element)) = list.next_element()? {
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            if members.contains_key(&key) {
                let key: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format!("the key `{}` stands twice", key.escape_debug())));
            }
            let Strict(value) = object.next_value()?;
            members.insert(key, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = |text: &str| parse(text).expect_err(text).to_string();
        assert_eq!(told("{\n\"a\": 1,\n\"a\": 2}"), "line 3: not JSON: the key `a` stands twice");
        assert_eq!(told("{\n\"a\": 1,\n}"), "line 3: not JSON: trailing comma");
        assert_eq!(told("[]"), "line 1: the JSON is no object; a machine is one");
        assert!(told(&"[".repeat(100_000)).contains("recursion"));
        assert_eq!(parse("{\"a\": [1, -2, 1.5, null, \"é\"]}").expect("JSON")["a"][1], -2);
    }
}

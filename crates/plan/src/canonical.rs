//! One spelling for each value, so that a hash or a signature over it means the value.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use vmwright_model::Plan;

/// The canonical JSON of a value: keys in the order of their bytes, no insignificant white space, UTF-8, strings
/// escaped only where JSON asks for it. The order does not depend on how `serde_json` was built.
///
/// # Panics
/// If `T` has a map whose keys are not strings; no type of `vmwright-model` has one.
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("the types of the model are all expressible as JSON");
    let mut out = Vec::new();
    write(&value, &mut out);
    out
}

/// Id of a plan: SHA-256 over its canonical JSON, 64 hexadecimal digits.
#[must_use]
pub fn plan_id(plan: &Plan) -> String {
    sha256(&canonical(plan))
}

/// SHA-256 of any bytes, 64 hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `text` is a SHA-256 as [`sha256`] writes it.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(number) => out.extend(number.to_string().bytes()),
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (at, (key, item)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string(key, out);
                out.push(b':');
                write(item, out);
            }
            out.push(b'}');
        }
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    let quoted = serde_json::to_string(text).expect("a string is always expressible as JSON");
    out.extend(quoted.bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth_and_nothing_is_padded() {
        let value = json!({"b": [1, {"z": null, "a": true}], "a": "x\"\n\u{e9}", "B": -3});
        let text = String::from_utf8(canonical(&value)).expect("JSON is UTF-8");
        assert_eq!(text, "{\"B\":-3,\"a\":\"x\\\"\\n\u{e9}\",\"b\":[1,{\"a\":true,\"z\":null}]}");
    }

    #[test]
    fn the_digest_is_the_published_one() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(is_sha256(&sha256(b"")));
        assert!(!is_sha256("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"));
    }
}

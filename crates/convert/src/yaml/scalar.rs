//! What a word means that stands without quotes, as Kubernetes takes it (go-yaml version 2, `resolve.go`: YAML 1.1).

use serde_json::{Number, Value};

/// Words for nothing.
const NOTHING: [&str; 5] = ["", "~", "null", "Null", "NULL"];

const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];

const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];

/// The value of a word.
pub(super) fn resolve(word: &str) -> Value {
    if NOTHING.contains(&word) {
        return Value::Null;
    }
    if TRUE.contains(&word) {
        return true.into();
    }
    if FALSE.contains(&word) {
        return false.into();
    }
    number(word).map_or_else(|| word.into(), Value::Number)
}

fn number(word: &str) -> Option<Number> {
    if !word.starts_with(|letter: char| letter.is_ascii_digit() || "+-.".contains(letter)) {
        return None;
    }
    let plain = word.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', _, ..] if digits.bytes().all(|byte| byte.is_ascii_digit()) => (8, &digits[1..]),
        _ => (10, digits),
    };
    if let Ok(whole) = u64::from_str_radix(digits, radix)
        && !digits.starts_with('+')
    {
        return match (negative, i64::try_from(whole)) {
            (false, _) => Some(whole.into()),
            (true, Ok(whole)) => Some((-whole).into()),
            (true, Err(_)) => None,
        };
    }
    // Infinity and what is no number at all JSON has no word for: they stay words.
    let digits = plain.trim_start_matches(['+', '-']);
    let fraction = radix != 16
        && radix != 2
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    fraction.then(|| plain.parse().ok().and_then(Number::from_f64)).flatten()
}

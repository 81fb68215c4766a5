//! Values of options: read from a text, written into one.

use super::table::{Item, Kind};
use serde_json::{Map, Value, json};

/// Most numbers of a list.
const NUMBERS_MAX: usize = 8192;
/// Most numbers of all lists of an option together: a few letters can name thousands.
const PAIRS_MAX: usize = 65_536;

/// The parts of an option: what stands between commas that are neither quoted nor in brackets, each a key and a value.
/// A part without a value is its own.
pub(super) fn parts(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut depth) = (false, 0_usize);
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                continue;
            }
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.checked_sub(1).ok_or("a bracket closes nothing")?,
            ',' if !quoted && depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    if quoted || depth > 0 {
        return Err("a bracket or quotation mark is never closed".to_owned());
    }
    parts.push(part);
    let split = |part: String| match part.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (part.clone(), String::new()),
    };
    Ok(parts.into_iter().filter(|part| !part.is_empty()).map(split).collect())
}

/// A value of its text.
pub(super) fn read(item: &Item, text: &str) -> Option<Value> {
    Some(match item.kind {
        Kind::Text => text.into(),
        Kind::Number => text.parse::<u64>().ok()?.into(),
        Kind::Size => size(text)?.into(),
        Kind::Switch => match text {
            "on" | "true" => true.into(),
            "off" | "false" => false.into(),
            _ => return None,
        },
        Kind::Words(words) => words.iter().find(|(word, _)| *word == text.to_lowercase())?.1.into(),
        Kind::Is(value) => {
            if text.is_empty() {
                value.into()
            } else {
                return None;
            }
        }
        Kind::Numbers => numbers(inner(text)?)?.into(),
        Kind::Texts => inner(text)?.split(',').map(Value::from).collect(),
        Kind::Topology => {
            let numbers: Vec<u64> =
                text.split(':').map(|number| number.parse().ok()).collect::<Option<_>>()?;
            let [threads, cores, dies, packages] = numbers.as_slice() else { return None };
            json!({ "threads_per_core": threads, "cores_per_die": cores, "dies_per_package": dies, "packages": packages })
        }
        Kind::Pairs(one, two, many) => {
            let (mut pairs, mut count) = (Vec::new(), 0);
            for pair in split(inner(text)?) {
                let (first, second) = pair.split_once('@')?;
                let list = if many { numbers(inner(second)?)? } else { vec![second.parse().ok()?] };
                count += list.len();
                if count > PAIRS_MAX {
                    return None;
                }
                let second: Value = if many { list.into() } else { list[0].into() };
                pairs.push(json!({ one: first.parse::<u64>().ok()?, two: second }));
            }
            pairs.into()
        }
        Kind::Features => {
            let mut features = Map::new();
            for feature in text.trim_matches(['[', ']']).split(',') {
                features.insert(feature.to_owned(), true.into());
            }
            features.into()
        }
    })
}

fn size(text: &str) -> Option<u64> {
    let shift = match text.as_bytes().last()? {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        _ => 0,
    };
    let digits = if shift > 0 { &text[..text.len() - 1] } else { text };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// What stands in brackets.
fn inner(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// Parts between commas outside of brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|letter| {
        depth += i32::from(letter == '[') - i32::from(letter == ']');
        letter == ',' && depth == 0
    })
    .collect()
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        if first > last || last - first >= NUMBERS_MAX as u64 || all.len() > NUMBERS_MAX {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// Puts a value at a path.
pub(super) fn put(value: &mut Value, path: &str, new: Value) {
    let mut place = value;
    for step in path.split('/') {
        place = &mut place[step];
    }
    *place = new;
}

/// Takes a value from a path.
pub(super) fn take(value: &mut Value, path: &str) -> Option<Value> {
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    let mut place = value;
    for step in above.split('/').filter(|step| !step.is_empty()) {
        place = place.get_mut(step)?;
    }
    place.as_object_mut()?.remove(last)
}

/// The text of an option, which is taken out of the element; what has no text stays there.
pub(super) fn text(items: &[Item], element: &mut Value) -> String {
    let mut texts = Vec::new();
    for item in items {
        let Some(value) = take(element, item.key) else { continue };
        match write(item, &value) {
            Some(text) if matches!(item.kind, Kind::Is(_)) => texts.push(text),
            Some(text) => texts.push(format!("{}={text}", item.argument)),
            None => put(element, item.key, value),
        }
    }
    texts.join(",")
}

fn write(item: &Item, value: &Value) -> Option<String> {
    Some(match item.kind {
        Kind::Text => quoted(value.as_str()?)?,
        Kind::Number => value.as_u64()?.to_string(),
        Kind::Size => short_size(value.as_u64()?),
        Kind::Switch => if value.as_bool()? { "on" } else { "off" }.to_owned(),
        Kind::Words(words) => words.iter().find(|(_, own)| value == own)?.0.to_owned(),
        Kind::Is(own) => {
            if value == own {
                item.argument.to_owned()
            } else {
                return None;
            }
        }
        Kind::Numbers => format!("[{}]", list(value)?),
        Kind::Texts => {
            let texts: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
            let plain = |text: &&str| !text.contains([',', '[', ']', '"']);
            if texts.iter().all(plain) { format!("[{}]", texts.join(",")) } else { return None }
        }
        Kind::Topology => {
            let keys = ["threads_per_core", "cores_per_die", "dies_per_package", "packages"];
            let numbers = keys.map(|key| value.get(key).and_then(Value::as_u64));
            let numbers: Vec<String> =
                numbers.into_iter().map(|one| Some(one?.to_string())).collect::<Option<_>>()?;
            numbers.join(":")
        }
        Kind::Pairs(one, two, many) => {
            let pair = |pair: &Value| {
                let second = pair.get(two)?;
                let second = if many { format!("[{}]", list(second)?) } else { second.as_u64()?.to_string() };
                Some(format!("{}@{second}", pair.get(one)?.as_u64()?))
            };
            let pairs: Vec<String> = value.as_array()?.iter().map(pair).collect::<Option<_>>()?;
            format!("[{}]", pairs.join(","))
        }
        Kind::Features => {
            let on = value.as_object()?.iter().filter(|(_, on)| **on == Value::Bool(true));
            let names: Vec<&str> = on.map(|(name, _)| name.as_str()).collect();
            if names.is_empty() { return None } else { names.join(",") }
        }
    })
}

fn list(value: &Value) -> Option<String> {
    let numbers: Vec<String> =
        value.as_array()?.iter().map(|number| Some(number.as_u64()?.to_string())).collect::<Option<_>>()?;
    Some(numbers.join(","))
}

fn short_size(bytes: u64) -> String {
    let units = [("G", 30), ("M", 20), ("K", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

/// In quotation marks a comma is a letter; a quotation mark itself has no spelling.
fn quoted(text: &str) -> Option<String> {
    if text.is_empty() || text.contains('"') {
        return None;
    }
    Some(if text.contains([',', '[', ']', '=']) { format!("\"{text}\"") } else { text.to_owned() })
}

/// What is left and says something: each value with its place.
pub(super) fn leaves(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (key, value) in members {
                let below = if at.is_empty() { key.clone() } else { format!("{at}/{key}") };
                leaves(value, &below, found);
            }
        }
        other => found.push((at.to_owned(), crate::json::short(other))),
    }
}

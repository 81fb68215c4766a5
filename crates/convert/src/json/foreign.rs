//! What a document says beyond the machine, and how it comes back into a document.
//!
//! Reading compares the document with what is written from the machine that was read. Each difference is a part:
//!
//! | `at` | `text` | what it is |
//! |---|---|---|
//! | `drives[rootfs]/partuuid` | `"0eaa91a0-01"` | a member of that object |
//! | `pmem[0]` | `{"id":"p"}` | an element of that list, the first |
//! | `machine-config/smt` | `<?with false?>` | the member is spelled like this, and means the same |
//! | `rng` | `<?without?>` | it is not there, although it would be written |
//!
//! A step is a key (`~`, `/` and `[` in it are `~0`, `~1` and `~2`), with a number from 0 or the element's own id in
//! brackets. Parts that change a spelling count only as long as the machine means the same with them.

use super::port::place;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use vmwright_model::machine::{Foreign, ForeignFormat};

/// A document that is compared: as it was read, and as it is written from what was read.
pub(crate) struct Compared<'a> {
    pub(crate) format: ForeignFormat,
    /// Elements that the machine does not say.
    pub(crate) skipped: &'a BTreeSet<usize>,
}

impl Compared<'_> {
    /// The differences of what was read from what is written of it: `terse`, and `full` with all that goes without
    /// saying.
    pub(crate) fn difference(&self, read: &Value, terse: &Value, full: &Value) -> Vec<Foreign> {
        let mut parts = Vec::new();
        self.objects(read, Some(terse), Some(full), "", &mut parts);
        parts
    }

    fn part(&self, at: &str, text: String, parts: &mut Vec<Foreign>) {
        parts.push(Foreign { format: self.format, at: at.to_owned(), text });
    }

    fn objects(
        &self,
        read: &Value,
        terse: Option<&Value>,
        full: Option<&Value>,
        at: &str,
        parts: &mut Vec<Foreign>,
    ) {
        let none = Map::new();
        let own = read.as_object().unwrap_or(&none);
        let written = terse.and_then(Value::as_object).unwrap_or(&none);
        for (key, value) in own {
            let at = below(at, &step(key));
            let full = full.and_then(|full| full.get(key));
            match (written.get(key), full) {
                (Some(terse), _) => self.values(value, terse, full, &at, parts),
                _ if value.is_null() => self.part(&at, "<?with null?>".to_owned(), parts),
                (None, Some(full)) if full == value => self.part(&at, format!("<?with {value}?>"), parts),
                (None, Some(full))
                    if full.is_object() && value.as_object().is_some_and(|own| !own.is_empty()) =>
                {
                    self.objects(value, None, Some(full), &at, parts);
                }
                // What is empty says nothing.
                _ if matches!(value.as_array(), Some(elements) if elements.is_empty()) => {
                    self.part(&at, "<?with []?>".to_owned(), parts);
                }
                _ => match value.as_array() {
                    // Element by element, so that each is told, and edits of the others do no harm.
                    Some(elements) if elements.iter().all(Value::is_object) => {
                        for (number, element) in elements.iter().enumerate() {
                            self.part(&format!("{at}[{number}]"), element.to_string(), parts);
                        }
                    }
                    _ => self.part(&at, value.to_string(), parts),
                },
            }
        }
        for key in written.keys().filter(|key| !own.contains_key(*key)) {
            self.part(&below(at, &step(key)), "<?without?>".to_owned(), parts);
        }
    }

    fn values(&self, read: &Value, terse: &Value, full: Option<&Value>, at: &str, parts: &mut Vec<Foreign>) {
        match (read, terse) {
            _ if read == terse => {}
            (Value::Object(_), Value::Object(_)) => self.objects(read, Some(terse), full, at, parts),
            (Value::Array(own), Value::Array(written))
                if own.iter().all(Value::is_object) && written.iter().all(Value::is_object) =>
            {
                let mut written = written.iter().enumerate();
                for (number, element) in own.iter().enumerate() {
                    let matched = if self.skipped.contains(&place(element)) { None } else { written.next() };
                    let Some((place, terse)) = matched else {
                        self.part(&format!("{at}[{number}]"), element.to_string(), parts);
                        continue;
                    };
                    let id = key(element).filter(|id| key(terse) == Some(id) && unique(own, id));
                    let at = id.map_or_else(|| format!("{at}[{number}]"), |id| format!("{at}[{id}]"));
                    self.objects(element, Some(terse), full.and_then(|full| full.get(place)), &at, parts);
                }
            }
            _ => self.part(at, format!("<?with {read}?>"), parts),
        }
    }
}

fn below(at: &str, step: &str) -> String {
    if at.is_empty() { step.to_owned() } else { format!("{at}/{step}") }
}

/// A key as a step of a path.
pub(crate) fn step(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1").replace('[', "~2")
}

/// What an element of a list is known by, so that a part finds it after others have come and gone.
pub(crate) fn key(element: &Value) -> Option<&str> {
    let names = ["drive_id", "iface_id", "id", "name", "tag"];
    let id = names.into_iter().find_map(|name| element.get(name)?.as_str())?;
    let plain = !id.is_empty() && !id.contains(['/', '[', ']']) && id.parse::<usize>().is_err();
    plain.then_some(id)
}

fn unique(elements: &[Value], id: &str) -> bool {
    elements.len() < 1000 && elements.iter().filter(|element| key(element) == Some(id)).count() == 1
}

/// The place of an element in a list: by its number, or by what it is known by.
pub(crate) fn element(list: &Value, element: &str) -> Option<usize> {
    match element.parse() {
        Ok(number) => Some(number),
        Err(_) => list.as_array()?.iter().position(|one| key(one) == Some(element)),
    }
}

/// Whether a part changes nothing but how something is spelled.
pub(crate) fn is_spelling(part: &Foreign) -> bool {
    part.text.starts_with("<?")
}

/// Puts parts back. Gives those that found no place.
pub(crate) fn weave<'p>(document: &mut Value, parts: impl Iterator<Item = &'p Foreign>) -> Vec<&'p Foreign> {
    parts.filter(|part| put(document, part).is_none()).collect()
}

fn put(document: &mut Value, part: &Foreign) -> Option<()> {
    let spelled = part.text.strip_prefix("<?with ").and_then(|rest| rest.strip_suffix("?>"));
    let without = part.text == "<?without?>";
    let (above, last) = part.at.rsplit_once('/').unwrap_or(("", &part.at));
    let mut node = document;
    for step in above.split('/').filter(|step| !step.is_empty()) {
        node = enter(node, step)?;
    }
    let (name, element) = split(last);
    let object = node.as_object_mut()?;
    if without {
        object.remove(&name);
        return Some(());
    }
    let value: Value = serde_json::from_str(spelled.unwrap_or(&part.text)).ok()?;
    match element {
        None if spelled.is_some() => drop(object.insert(name, value)),
        // What the machine says itself by now counts more.
        None => drop(object.entry(name).or_insert(value)),
        Some(element) => {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
            let at = element.parse::<usize>().unwrap_or(usize::MAX).min(list.len());
            list.insert(at, value);
        }
    }
    Some(())
}

/// A step's key, and the element of the list that stands there.
pub(crate) fn split(step: &str) -> (String, Option<&str>) {
    let (name, element) = match step.split_once('[') {
        Some((name, element)) => (name, Some(element.strip_suffix(']').unwrap_or(element))),
        None => (step, None),
    };
    (name.replace("~2", "[").replace("~1", "/").replace("~0", "~"), element)
}

fn enter<'v>(node: &'v mut Value, step: &str) -> Option<&'v mut Value> {
    let (name, element) = split(step);
    let object = node.as_object_mut()?;
    let Some(element) = element else {
        return Some(object.entry(name).or_insert_with(|| Value::Object(Map::new())));
    };
    let list = object.get_mut(&name)?;
    let at = self::element(list, element)?;
    list.get_mut(at)
}

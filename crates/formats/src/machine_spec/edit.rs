//! Changing one value of a specification; comments, blanks and order stay as the user wrote them.

use thiserror::Error;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

/// Why a value was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// The text is not TOML.
    #[error("the specification is not TOML: {0}")]
    NotToml(String),
    /// The key has an empty part.
    #[error("`{0}` is not a dotted key")]
    BadKey(String),
    /// The new or the expected value is not one TOML value.
    #[error("`{0}` is not a TOML value")]
    BadValue(String),
    /// Something other than the expected value stands there.
    #[error("`{key}` is {found}, expected {expected}")]
    Drift {
        /// The dotted key.
        key: String,
        /// What stands there, as TOML; `absent` where nothing does.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The key leads into something that is not a table, or to an array element that does not exist.
    #[error("`{0}` does not exist, so nothing can be set in it")]
    NoParent(String),
}

/// Changes the value at `dotted_key` (`cpu.model`, `disk.0.path`) to `to`, and gives the new text. Values are
/// TOML source (`"\"kvm\""`, `"2"`). `expected` is what must stand there now, none for an absent key; `to` none
/// removes the key.
///
/// # Errors
/// [`EditError`]; nothing is changed then.
pub fn set_value(
    text: &str,
    dotted_key: &str,
    expected: Option<&str>,
    to: Option<&str>,
) -> Result<String, EditError> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| EditError::NotToml(error.message().to_owned()))?;
    let parts: Vec<&str> = dotted_key.split('.').collect();
    let Some((last, parents)) = parts.split_last().filter(|_| parts.iter().all(|part| !part.is_empty()))
    else {
        return Err(EditError::BadKey(dotted_key.to_owned()));
    };
    let expected = expected.map(value).transpose()?;
    let to = to.map(value).transpose()?;

    let found = parts.iter().try_fold(document.as_item(), |item, part| child(item, part));
    let same = match (found, &expected) {
        (None, None) => true,
        (Some(found), Some(expected)) => {
            found.as_value().is_some_and(|found| canonical(found) == canonical(expected))
        }
        _ => false,
    };
    if !same {
        let show = |value: Option<String>| value.unwrap_or_else(|| "absent".to_owned());
        return Err(EditError::Drift {
            key: dotted_key.to_owned(),
            found: show(
                found.map(|item| item.as_value().map_or_else(|| item.type_name().to_owned(), canonical)),
            ),
            expected: show(expected.as_ref().map(canonical)),
        });
    }

    let Some(to) = to else {
        return if found.is_some() { remove(text, &parts) } else { Ok(text.to_owned()) };
    };
    let mut item = document.as_item_mut();
    for (depth, part) in parents.iter().enumerate() {
        item = enter(item, part).ok_or_else(|| EditError::NoParent(parents[..=depth].join(".")))?;
    }
    let parent = || EditError::NoParent(parents.join("."));
    if let Some(array) = item.as_array_mut() {
        let at: usize = last.parse().map_err(|_| parent())?;
        if at >= array.len() {
            return Err(parent());
        }
        array.replace(at, to);
    } else {
        let table = item.as_table_like_mut().ok_or_else(parent)?;
        match table.get_mut(last).and_then(Item::as_value_mut) {
            Some(old) => {
                // The blanks before and the comment behind belong to the place, not to the value.
                let decor = old.decor().clone();
                *old = to;
                *old.decor_mut() = decor;
            }
            None => {
                table.insert(last, Item::Value(to.decorated(" ", "")));
            }
        }
    }
    Ok(document.to_string())
}

fn value(source: &str) -> Result<Value, EditError> {
    let parsed: Value = source.trim().parse().map_err(|_| EditError::BadValue(source.to_owned()))?;
    Ok(parsed.decorated("", ""))
}

fn child<'a>(item: &'a Item, part: &str) -> Option<&'a Item> {
    if let Some(table) = item.as_table_like() {
        return table.get(part);
    }
    // `Item::get` takes an index on arrays and on arrays of tables.
    item.get(part.parse::<usize>().ok()?)
}

/// Like [`child`], but makes the table where a table can be made.
fn enter<'a>(item: &'a mut Item, part: &str) -> Option<&'a mut Item> {
    if item.as_table_like().is_none() {
        return item.get_mut(part.parse::<usize>().ok()?);
    }
    let table = item.as_table_like_mut()?;
    if !table.contains_key(part) {
        table.insert(part, Item::Table(Table::new()));
    }
    table.get_mut(part)
}

/// Cuts one key out. In a table of lines, the lines of the value go and nothing else: comments above it stay.
fn remove(text: &str, parts: &[&str]) -> Result<String, EditError> {
    let document =
        toml_edit::Document::parse(text).map_err(|error| EditError::NotToml(error.message().to_owned()))?;
    let (last, parents) = parts.split_last().expect("the caller found the key");
    let parent = parents.iter().try_fold(document.as_item(), |item, part| child(item, part));
    let key = parent.and_then(Item::as_table).and_then(|table| TableLike::get_key_value(table, last));
    if let Some((key, item)) = key
        && let (Some(key), Some(value)) = (key.span(), item.span())
    {
        let start = text[..key.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[value.end..].find('\n').map_or(text.len(), |at| value.end + at + 1);
        let cut = format!("{}{}", &text[..start], &text[end..]);
        // A dotted key in a line of its own is cut with its line like any other.
        if cut.parse::<DocumentMut>().is_ok() {
            return Ok(cut);
        }
    }
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| EditError::NotToml(error.message().to_owned()))?;
    let mut item = document.as_item_mut();
    for part in parents {
        item = enter(item, part).ok_or_else(|| EditError::NoParent(parents.join(".")))?;
    }
    if let Some(array) = item.as_array_mut() {
        if let Some(at) = last.parse().ok().filter(|at| *at < array.len()) {
            array.remove(at);
        }
    } else if let Some(table) = item.as_table_like_mut() {
        table.remove(last);
    }
    Ok(document.to_string())
}

/// A value without the blanks and comments around it and in it, in one spelling.
fn canonical(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.value()),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        Value::Boolean(truth) => truth.value().to_string(),
        Value::Datetime(date) => date.value().to_string(),
        Value::Array(array) => {
            let values: Vec<String> = array.iter().map(canonical).collect();
            format!("[{}]", values.join(", "))
        }
        Value::InlineTable(table) => {
            let mut values: Vec<String> =
                table.iter().map(|(key, value)| format!("{key:?} = {}", canonical(value))).collect();
            values.sort();
            format!("{{{}}}", values.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "# top\nname = \"a\"  # the name\naccelerator = 'kvm' # fast\n\n# two of them\n[cpu]\n# more is not faster\ncount = 2\nmodel = \"host\"\n\n[[disk]]\npath = \"/d\"\nformat = \"raw\"\n";

    #[test]
    fn one_value_changes_and_nothing_else() {
        let edited =
            set_value(SPEC, "accelerator", Some("\"kvm\""), Some("\"tcg\"")).expect("it stands there");
        assert_eq!(edited, SPEC.replace("'kvm'", "\"tcg\""));
        let back =
            set_value(&edited, "accelerator", Some("\"tcg\""), Some("'kvm'")).expect("it stands there");
        assert_eq!(back, SPEC);
        let edited = set_value(SPEC, "disk.0.path", Some("\"/d\""), Some("\"/e\"")).expect("it stands there");
        assert_eq!(edited, SPEC.replace("/d", "/e"));
    }

    #[test]
    fn keys_are_added_and_removed() {
        let edited = set_value(SPEC, "cpu.features", None, Some("[\"-vmx\"]")).expect("it is absent");
        assert_eq!(edited, SPEC.replace("\"host\"\n", "\"host\"\nfeatures = [\"-vmx\"]\n"));
        let back = set_value(&edited, "cpu.features", Some("[ '-vmx' ]"), None).expect("it stands there");
        assert_eq!(back, SPEC);
        let edited = set_value(SPEC, "cpu.count", Some("2"), None).expect("it stands there");
        assert_eq!(edited, SPEC.replace("count = 2\n", ""), "the comment above stays");
        let edited = set_value(SPEC, "process.user", None, Some("\"nobody\"")).expect("it is absent");
        assert_eq!(edited, format!("{SPEC}\n[process]\nuser = \"nobody\"\n"));
        assert_eq!(set_value(SPEC, "boot.kernel", None, None).as_deref(), Ok(SPEC));
    }

    #[test]
    fn inline_tables_and_arrays() {
        let text = "name = 'a'\ncpu = { model = 'max', count = 2 } # c\nx = [1, 2]\n";
        let edited = set_value(text, "cpu.count", Some("2"), Some("3")).expect("it stands there");
        assert_eq!(edited, text.replace("count = 2", "count = 3"));
        let edited = set_value(text, "cpu.count", Some("2"), None).expect("it stands there");
        assert_eq!(
            edited.parse::<DocumentMut>().map(|doc| doc["cpu"].get("count").is_none()).ok(),
            Some(true)
        );
        let edited = set_value(text, "x.1", Some("2"), Some("9")).expect("it stands there");
        assert!(edited.contains("9]") && edited.contains("[1"), "{edited}");
    }

    #[test]
    fn drift_is_refused() {
        let error = set_value(SPEC, "accelerator", Some("\"tcg\""), Some("\"kvm\"")).expect_err("it is kvm");
        assert_eq!(error.to_string(), "`accelerator` is \"kvm\", expected \"tcg\"");
        let error = set_value(SPEC, "cpu.count", None, Some("3")).expect_err("it is there");
        assert_eq!(error.to_string(), "`cpu.count` is 2, expected absent");
        let error = set_value(SPEC, "boot.kernel", Some("1"), None).expect_err("it is absent");
        assert_eq!(error.to_string(), "`boot.kernel` is absent, expected 1");
        let error = set_value(SPEC, "cpu", Some("1"), None).expect_err("it is a table");
        assert!(matches!(error, EditError::Drift { .. }), "{error}");
    }

    #[test]
    fn bad_requests_are_refused() {
        assert!(matches!(set_value(SPEC, "cpu..x", None, Some("1")), Err(EditError::BadKey(_))));
        assert!(matches!(set_value(SPEC, "", None, Some("1")), Err(EditError::BadKey(_))));
        assert!(matches!(
            set_value(SPEC, "name", Some("\"a\""), Some("b\nc = 1")),
            Err(EditError::BadValue(_))
        ));
        assert!(matches!(set_value(SPEC, "disk.3.path", None, Some("1")), Err(EditError::NoParent(_))));
        assert!(matches!(set_value(SPEC, "name.x", None, Some("1")), Err(EditError::NoParent(_))));
        assert!(matches!(set_value("[", "name", None, Some("1")), Err(EditError::NotToml(_))));
    }
}

//! Which of a text's objects is the machine, and what stands beside it.

use super::claims::{self, KINDS, Kind};
use crate::json::wrong;
use crate::yaml::{self, Document, Marks};
use crate::{Effect, ReadError, Remark};
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Foreign, ForeignFormat};

/// A text's machine.
pub(super) struct Machine {
    pub(super) document: Document,
    pub(super) kind: Kind,
    /// The other objects, as foreign parts.
    pub(super) others: Vec<Foreign>,
}

/// Where the other objects are kept.
const DOCUMENTS: &str = "~documents[";

/// Finds the one machine.
///
/// # Errors
/// Where there is none, or several; each with its line.
pub(super) fn machine(documents: Vec<Document>) -> Result<Machine, ReadError> {
    let mut objects: Vec<Document> = documents.into_iter().flat_map(unlisted).collect();
    let machines: Vec<(usize, Kind)> =
        objects.iter().enumerate().filter_map(|(at, one)| Some((at, claims::kind_of(&one.value)?))).collect();
    let (at, kind) = match machines.as_slice() {
        [] => return Err(none(&objects)),
        [one] => *one,
        several => {
            let told: Vec<String> =
                several.iter().map(|(at, kind)| called(&objects[*at], kind.name)).collect();
            let line = objects[several[1].0].marks.line;
            return Err(wrong(
                line,
                format!("the text has several machines, one is translated at a time: {}", told.join(", ")),
            ));
        }
    };
    let document = objects.remove(at);
    let others = objects.iter().enumerate().map(|(number, other)| Foreign {
        format: ForeignFormat::Kubevirt,
        // Behind a number above that of the machine stands what stood behind it.
        at: format!("{DOCUMENTS}{}]", if number < at { number } else { number + 1 }),
        text: other.value.to_string(),
    });
    Ok(Machine { others: others.collect(), document, kind })
}

/// The objects of a list of Kubernetes; else the document itself.
fn unlisted(mut document: Document) -> Vec<Document> {
    if document.value.get("kind").is_none_or(|kind| kind != "List") {
        return vec![document];
    }
    match document.value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => {
            let mut marks =
                document.marks.members.remove("items").map(|items| items.elements).unwrap_or_default();
            marks.resize(items.len(), Marks::default());
            items.into_iter().zip(marks).map(|(value, marks)| Document { value, marks }).collect()
        }
        _ => Vec::new(),
    }
}

fn called(object: &Document, kind: &str) -> String {
    let name = object.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without a name");
    let name: String = name.chars().take(80).collect();
    format!("{kind} `{}` (line {})", name.escape_debug(), object.marks.line)
}

fn none(objects: &[Document]) -> ReadError {
    let kinds = KINDS.map(|kind| kind.name).join(", ");
    match objects.first() {
        Some(object) => {
            let kind = object.value.get("kind").and_then(Value::as_str).unwrap_or("object without a kind");
            let kind: String = kind.chars().take(80).collect();
            let found = called(object, &kind.escape_debug().to_string());
            wrong(
                object.marks.line.max(1),
                format!("no object of the text is a machine of `kubevirt.io` ({kinds}); found: {found}"),
            )
        }
        None => wrong(1, "the text has no object"),
    }
}

/// The text of a machine, with the other objects around it, and what of these is none any more.
pub(super) fn print(document: &Value, spec: &MachineSpec) -> (String, Vec<Remark>) {
    let mut objects: Vec<(usize, Value)> = Vec::new();
    let mut remarks = Vec::new();
    for part in spec.foreign.iter().filter(|part| claims::is_claimed(part) && part.at.starts_with(DOCUMENTS))
    {
        let number = part.at[DOCUMENTS.len()..].trim_end_matches(']').parse::<usize>();
        match (number, serde_json::from_str(&part.text)) {
            (Ok(number), Ok(value)) => objects.push((number, value)),
            _ => remarks.push(Remark {
                effect: Effect::Lost,
                item: part.at.clone(),
                why: "it is no object".to_owned(),
            }),
        }
    }
    objects.sort_by_key(|(number, _)| *number);
    // The machine stands where the numbers leave a place.
    let gap = objects.iter().enumerate().position(|(at, (number, _))| *number != at).unwrap_or(objects.len());
    let mut texts: Vec<String> = objects.iter().map(|(_, value)| yaml::print(value)).collect();
    texts.insert(gap, yaml::print(document));
    (texts.join("---\n"), remarks)
}

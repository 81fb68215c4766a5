//! What the formats that are JSON or like it have in common: reading, foreign parts, writing.

mod bucket;
mod foreign;
#[cfg(test)]
mod mangle;
mod port;
mod strict;

use crate::{Effect, ReadError, Remark, differences};
pub(crate) use bucket::bucket;
pub(crate) use foreign::{element, key, split, step};
#[cfg(test)]
pub(crate) use mangle::{differing, mangled};
pub(crate) use port::{Port, Style, place, size_text};
use serde_json::Value;
use std::collections::BTreeMap;
pub(crate) use strict::parse;
use vmwright_model::machine::{Foreign, ForeignFormat};
use vmwright_model::{Issue, MachineSpec};

/// How a format says a machine.
pub(crate) struct Dialect {
    /// Whose foreign parts it keeps.
    pub(crate) format: ForeignFormat,
    /// The machine that a document says which says nothing.
    pub(crate) blank: fn() -> MachineSpec,
    /// The machine with what is added to it where it is not `bare`, in the format's own terms.
    pub(crate) explicit: fn(&MachineSpec) -> MachineSpec,
    /// A machine, both ways.
    pub(crate) describe: fn(&mut Port<'_>, &mut MachineSpec),
    /// Foreign parts that `describe` itself keeps and writes back.
    pub(crate) claimed: fn(&Foreign) -> bool,
    /// How many steps of a path parts have in common whose spellings hold or fall together.
    pub(crate) depth: usize,
}

/// Most groups of spellings that are looked at one by one.
const GROUPS: usize = 64;

impl Dialect {
    /// The machine that a document says, with its foreign parts, and what was understood otherwise than it was said.
    pub(crate) fn read(&self, document: &Value) -> (MachineSpec, Vec<Remark>) {
        let mut spec = (self.blank)();
        let mut port = Port::reader(document);
        (self.describe)(&mut port, &mut spec);
        let (skipped, remarks) = port.into_read();
        let said = (self.explicit)(&spec);
        let ((terse, _), (full, _)) = (self.document(&said, Style::Terse), self.document(&said, Style::Full));
        let compared = foreign::Compared { format: self.format, skipped: &skipped };
        spec.foreign.extend(compared.difference(document, &terse, &full));
        (spec, remarks)
    }

    /// The document that says a machine, and what it says otherwise than the machine.
    pub(crate) fn write(&self, spec: &MachineSpec) -> (Value, Vec<Remark>) {
        let spec = &(self.explicit)(spec);
        let (plain, left_out) = self.document(spec, Style::Terse);
        let mut remarks = differences::remarks(spec, &self.machine(&plain), &left_out);
        let mut document = plain;
        let own = || spec.foreign.iter().filter(|part| part.format == self.format && !(self.claimed)(part));
        for part in foreign::weave(&mut document, own().filter(|part| !foreign::is_spelling(part))) {
            remarks.push(Remark {
                effect: Effect::Lost,
                item: part.at.clone(),
                why: format!("there is no such place any more for {}", part.text),
            });
        }
        // What changes spellings must not change what is meant: the machine may have been edited since.
        let meant = self.machine(&document);
        let all: Vec<&Foreign> = own().filter(|part| foreign::is_spelling(part)).collect();
        let mut groups: BTreeMap<String, Vec<&Foreign>> = BTreeMap::new();
        for part in &all {
            groups.entry(self.group(&part.at)).or_default().push(part);
        }
        let mut attempts = vec![all];
        // Without an edit all of them hold.
        if groups.len() <= GROUPS {
            attempts.extend(groups.into_values());
        }
        for (number, parts) in attempts.into_iter().enumerate() {
            let mut spelled = document.clone();
            foreign::weave(&mut spelled, parts.into_iter());
            if self.machine(&spelled) == meant {
                document = spelled;
                if number == 0 {
                    break;
                }
            }
        }
        (document, remarks)
    }

    /// The first steps of a path, without what names the elements of lists.
    fn group(&self, at: &str) -> String {
        let steps = at.split('/').take(self.depth);
        steps.map(|step| step.split('[').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
    }

    /// What a document says, without foreign parts.
    fn machine(&self, document: &Value) -> MachineSpec {
        let mut spec = (self.blank)();
        (self.describe)(&mut Port::reader(document), &mut spec);
        let mut spec = (self.explicit)(&spec);
        // What `describe` keeps comes back as it was, in whatever order.
        spec.foreign.clear();
        spec
    }

    /// What is written of a machine, without foreign parts.
    fn document(&self, spec: &MachineSpec, style: Style) -> (Value, Vec<(&'static str, usize)>) {
        let mut port = Port::writer(style);
        (self.describe)(&mut port, &mut spec.clone());
        port.into_written()
    }
}

/// Refuses a document in which nothing is of the format.
pub(crate) fn known(document: &Value, keys: &[&str], what: &str) -> Result<(), ReadError> {
    if keys.iter().any(|key| document.get(key).is_some()) {
        return Ok(());
    }
    let keys = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    Err(wrong(1, format!("{what} has at least one of {keys}; this has none")))
}

/// One problem.
pub(crate) fn wrong(line: u32, what: impl Into<String>) -> ReadError {
    ReadError::Wrong(vec![Issue::new(line, what.into())])
}

/// A value for a message.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().nth(80).is_none() { text } else { text.chars().take(77).chain("...".chars()).collect() }
}

/// The text of a document, two blanks a level.
pub(crate) fn print(document: &Value) -> String {
    format!("{document:#}\n")
}

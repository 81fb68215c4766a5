//! Where the parts of a document stand.

use serde_json::Value;
use std::collections::BTreeMap;

/// The line of a value, and those of what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Line of the value, or of the key before it; from 1.
    pub(crate) line: u32,
    /// Of an object's members.
    pub(crate) members: BTreeMap<String, Marks>,
    /// Of a list's elements.
    pub(crate) elements: Vec<Marks>,
}

impl Marks {
    /// The line of what a path names, as foreign parts and remarks have it: `spec/volumes[root]/name`, or of the
    /// deepest part of the path that is there. None where not even its first step is.
    pub(crate) fn line_of(&self, value: &Value, at: &str) -> Option<u32> {
        let (mut marks, mut value, mut line) = (self, value, None);
        for step in at.split('/') {
            let (name, element) = crate::json::split(step);
            let (Some(below), Some(member)) = (marks.members.get(&name), value.get(&name)) else { break };
            (marks, value, line) = (below, member, Some(below.line));
            let Some(element) = element else { continue };
            let number = crate::json::element(value, element);
            let (Some(below), Some(member)) =
                (number.and_then(|at| marks.elements.get(at)), number.and_then(|at| value.get(at)))
            else {
                break;
            };
            (marks, value, line) = (below, member, Some(below.line));
        }
        line
    }
}

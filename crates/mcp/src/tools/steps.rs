//! What the tools that think step by step have in common: the parameters that agents know, and the notes of a step.

use crate::parameters::{Given, Parameter, Takes};

/// A step or a count of steps.
const COUNT: Takes = Takes::Number(1, 10_000);

/// The form of a step.
pub(super) const FORM: [Parameter; 10] = [
    Parameter::required("step", Takes::Text, "first step: the question, in the user's words"),
    Parameter::required("step_number", COUNT, "from 1"),
    Parameter::required("total_steps", COUNT, "as estimated now"),
    Parameter::required("next_step_required", Takes::Flag, ""),
    Parameter::required("findings", Takes::Text, "your notes; kept, no evidence"),
    Parameter::optional("hypothesis", Takes::Text, "a rule, a code, or words"),
    Parameter::optional("confidence", Takes::Text, "not used"),
    Parameter::optional("files_checked", Takes::Texts, ""),
    Parameter::optional("relevant_files", Takes::Texts, ""),
    Parameter::optional("relevant_context", Takes::Texts, ""),
];

/// The form, and what a tool takes besides.
pub(super) const fn form_and<const MORE: usize, const ALL: usize>(
    more: [Parameter; MORE],
) -> [Parameter; ALL] {
    assert!(FORM.len() + MORE == ALL);
    let mut all = [FORM[0]; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < FORM.len() { FORM[at] } else { more[at - FORM.len()] };
        at += 1;
    }
    all
}

/// What the caller noted: findings and lists, without what is empty.
pub(super) fn notes(given: &Given) -> Vec<String> {
    let mut notes = vec![given.words("findings")];
    for name in ["files_checked", "relevant_files", "relevant_context"] {
        let list = given.texts(name);
        if !list.is_empty() {
            notes.push(format!("{}: {}", name.replace('_', " "), list.join(", ")));
        }
    }
    notes.retain(|note| !note.trim().is_empty());
    notes
}

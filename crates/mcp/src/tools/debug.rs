use super::escalate::{AGENTS, hand_over, numbered};
use super::steps::{form_and, notes};
use super::{Call, KEEPS, Showing, Tool};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Investigate, Operation, Reads};

pub(crate) const TOOL: Tool = Tool {
    name: "debug",
    title: "Find the root cause",
    says: "One step of an investigation: reads the source that is expected to tell competing hypotheses apart best, and \
           gives back how each stands, what would refute it, and what to read next. Without a next step it goes on by \
           itself until the question is settled or nothing is left to read. Your hypothesis competes; your confidence \
           is not used.",
    hints: KEEPS,
    parameters: &form_and::<6, 16>([
        Parameter::optional("continuation_id", Takes::Text, "the investigation [the last one]"),
        Parameter::optional("probe", Takes::Text, "read this one of `next`"),
        Parameter::optional(
            "escalate_to",
            Takes::Word(AGENTS),
            "hand it over with a dossier; `step` is what is asked",
        ),
        Parameter::optional("vm", Takes::Text, "first step"),
        Parameter::optional("from", Takes::Texts, "read these records, not this host"),
        Parameter::optional("host", Takes::Text, "first step: ssh://user@host:port"),
    ]),
    gives: &[
        ("investigation", "integer"),
        ("state", "string"),
        ("hypotheses", "array"),
        ("next", "array"),
        ("conclusion", "untrusted"),
    ],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    if given.text("escalate_to").is_some() {
        let number = given.text("continuation_id").map(|id| numbered(&id)).transpose()?;
        return hand_over(number, given.text("escalate_to").as_deref(), given.text("step"), standing);
    }
    let reads = if given.flag("next_step_required") { Reads::One } else { Reads::All };
    investigate(given, standing, reads)
}

/// One step of an investigation.
pub(super) fn investigate(given: &Given, standing: &Standing, reads: Reads) -> Result<Call, String> {
    let first = given.number("step_number") == Some(1);
    let resume = match given.text("continuation_id") {
        Some(id) => Some(numbered(&id)?),
        None if first => None,
        None => Some(
            standing.investigation.ok_or("`continuation_id` is needed: no investigation was begun here")?,
        ),
    };
    let step = given.words("step").trim().to_owned();
    let mut notes = notes(given);
    if resume.is_some() && !step.is_empty() {
        notes.insert(0, step.clone());
    }
    let what = Investigate {
        resume,
        complaint: if resume.is_some() { String::new() } else { step },
        vm: given.text("vm"),
        from: given.texts("from").into_iter().map(Into::into).collect(),
        host: given.text("host"),
        hypotheses: given.text("hypothesis").into_iter().filter(|one| !one.trim().is_empty()).collect(),
        notes: notes.join("\n"),
        reads,
        probe: given.text("probe"),
        require_sandbox: standing.read_only,
    };
    Ok(Call::Perform(vec![Operation::Investigate(what)], Showing::Causes))
}

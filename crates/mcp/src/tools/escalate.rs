use super::{Call, KEEPS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Escalate, Operation, entry_number};
use vmwright_model::Agent;

/// Who takes over what lies outside vmwright's authority.
pub(super) const AGENTS: &[&str] =
    &["security-engineer", "systems-architect", "performance-engineer", "debug-specialist"];

pub(crate) const TOOL: Tool = Tool {
    name: "escalate",
    title: "Hand over",
    says: "Hand an investigation over with a dossier: question, evidence, what was tried, what is asked. The findings say \
           to whom; it is refused where nothing is beyond vmwright's authority and `to` names nobody.",
    hints: KEEPS,
    parameters: &[
        Parameter::optional("investigation", Takes::Number(1, u32::MAX as u64), "[the last one]"),
        Parameter::optional("to", Takes::Word(AGENTS), ""),
        Parameter::optional("ask", Takes::Text, "what is asked of them"),
    ],
    gives: &[("dossier", "object"), ("markdown", "untrusted"), ("json", "untrusted")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let number = given.number("investigation").and_then(|number| i64::try_from(number).ok());
    hand_over(number, given.text("to").as_deref(), given.text("ask"), standing)
}

/// The hand-over of an investigation, of the session's last one where none is named.
pub(super) fn hand_over(
    number: Option<i64>,
    to: Option<&str>,
    ask: Option<String>,
    standing: &Standing,
) -> Result<Call, String> {
    if standing.read_only {
        return Err("a read-only server hands nothing over".to_owned());
    }
    let number = number.or(standing.investigation);
    let investigation = number.ok_or("no investigation was begun here: name its number")?;
    let to = to.map(|name| match name {
        "security-engineer" => Agent::SecurityEngineer,
        "systems-architect" => Agent::SystemsArchitect,
        "performance-engineer" => Agent::PerformanceEngineer,
        _ => Agent::DebugSpecialist,
    });
    perform(Operation::Escalate(Escalate { investigation, to, ask }))
}

/// The investigation that a continuation names.
pub(super) fn numbered(id: &str) -> Result<i64, String> {
    entry_number(id).ok_or_else(|| "`continuation_id` is no number of an investigation".to_owned())
}

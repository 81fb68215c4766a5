use super::{Call, KEEPS, Tool};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use crate::thinking::Thought;

const COUNT: Takes = Takes::Number(1, 10_000);

pub(crate) const TOOL: Tool = Tool {
    name: "sequentialthinking",
    title: "Think step by step",
    says: "Keep one thought of a chain in the journal; thoughts can be revised and branch. Gives back what vmwright knows \
           of it: codes and messages explained, rules, entries. Certainty is computed by `analyze`, never stated here.",
    hints: KEEPS,
    parameters: &[
        Parameter::required("thought", Takes::Text, "this step"),
        Parameter::required("nextThoughtNeeded", Takes::Flag, "whether another follows"),
        Parameter::required("thoughtNumber", COUNT, "from 1"),
        Parameter::required("totalThoughts", COUNT, "as estimated now"),
        Parameter::optional("isRevision", Takes::Flag, ""),
        Parameter::optional("revisesThought", COUNT, ""),
        Parameter::optional("branchFromThought", COUNT, ""),
        Parameter::optional("branchId", Takes::Text, ""),
        Parameter::optional("needsMoreThoughts", Takes::Flag, ""),
    ],
    gives: &[("thoughtNumber", "integer"), ("thoughtHistoryLength", "integer"), ("known", "object")],
    own: true,
    call,
};

fn call(given: &Given, _: &Standing) -> Result<Call, String> {
    let number = |name| given.number(name);
    let thought = Thought {
        text: given.words("thought"),
        number: number("thoughtNumber").unwrap_or(1),
        total: number("totalThoughts").unwrap_or(1),
        next: given.flag("nextThoughtNeeded"),
        revises: number("revisesThought"),
        from: number("branchFromThought"),
        branch: given.text("branchId"),
    };
    if thought.text.trim().is_empty() {
        return Err("`thought` is empty".to_owned());
    }
    if given.flag("isRevision") && thought.revises.is_none() {
        return Err("a revision names the thought that it revises: `revisesThought`".to_owned());
    }
    if thought.from.is_some() != thought.branch.is_some() {
        return Err("`branchFromThought` and `branchId` go together".to_owned());
    }
    Ok(Call::Think(thought))
}

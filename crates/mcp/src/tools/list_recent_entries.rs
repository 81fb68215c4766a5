use super::{Call, READS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "list_recent_entries",
    title: "Newest journal entries",
    says: "The newest entries of the journal, newest first.",
    hints: READS,
    parameters: &[
        Parameter::optional("limit", Takes::Number(1, 100), "at most so many [10]"),
        Parameter::optional("type", Takes::Word(&["project", "user", "both"]), "[both]"),
        Parameter::optional("days", Takes::Number(1, 36_500), "not older than this [30]"),
    ],
    gives: &[("entries", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let limit = given.number("limit").unwrap_or(10);
    let mut which = standing.which(&given.words("type"));
    which.days = Some(given.number("days").unwrap_or(30));
    perform(Operation::JournalList { limit: limit.try_into().unwrap_or(10), which })
}

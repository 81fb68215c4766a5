use super::{Call, READS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "search_journal",
    title: "Search the journal",
    says: "Entries that match, best first: by signature (rule ids, error codes, PCI ids), words, and whether a run or \
           review proved them.",
    hints: READS,
    parameters: &[
        Parameter::required("query", Takes::Text, "words; punctuation is text"),
        Parameter::optional("limit", Takes::Number(1, 100), "at most so many [10]"),
        Parameter::optional("type", Takes::Word(&["project", "user", "both"]), "[both]"),
        Parameter::optional(
            "sections",
            Takes::Texts,
            "only entries with one of these: feelings, technical_insights, ...",
        ),
    ],
    gives: &[("entries", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let limit = given.number("limit").unwrap_or(10);
    let mut which = standing.which(&given.words("type"));
    which.sections = given.texts("sections");
    perform(Operation::JournalSearch {
        query: given.words("query"),
        limit: limit.try_into().unwrap_or(10),
        which,
    })
}

use super::{Call, READS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "read_journal_entry",
    title: "Read a journal entry",
    says: "One entry of the journal, whole.",
    hints: READS,
    parameters: &[Parameter::required("path", Takes::Text, "its number, or its path as a search gives it")],
    gives: &[("entries", "array")],
    own: false,
    call,
};

fn call(given: &Given, _: &Standing) -> Result<Call, String> {
    let path = given.words("path");
    let entry = vmwright_engine::entry_number(&path);
    let entry = entry.ok_or(
        "`path` names an entry of the journal, by its number or as a search gives it; no file is read",
    )?;
    perform(Operation::JournalShow { entry })
}

use super::debug::investigate;
use super::steps::form_and;
use super::{Call, KEEPS, Tool};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Reads;

pub(crate) const TOOL: Tool = Tool {
    name: "thinkdeep",
    title: "Think it through",
    says: "Think about a question without reading anything new: the hypotheses that compete, from the question, the \
           journal and you, what each predicts, what would refute it, and which source would tell most. `debug` goes on \
           with it. Shares are computed; your confidence is not used.",
    hints: KEEPS,
    parameters: &form_and::<2, 12>([
        Parameter::optional("continuation_id", Takes::Text, "the investigation [the last one]"),
        Parameter::optional("vm", Takes::Text, "first step"),
    ]),
    gives: &[("investigation", "integer"), ("state", "string"), ("hypotheses", "array"), ("next", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    investigate(given, standing, Reads::Nothing)
}

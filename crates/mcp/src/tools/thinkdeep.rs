use super::debug::investigate;
use super::{Call, KEEPS, Tool};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Reads;

/// A step or a count of steps.
const COUNT: Takes = Takes::Number(1, 10_000);

pub(crate) const TOOL: Tool = Tool {
    name: "thinkdeep",
    title: "Think it through",
    says: "Think about a question without reading anything new: the hypotheses that compete, from the question, the \
           journal and you, what each predicts, what would refute it, and which source would tell most. `debug` goes on \
           with it. Shares are computed; your confidence is not used.",
    hints: KEEPS,
    parameters: &[
        Parameter::required("step", Takes::Text, "first step: the question"),
        Parameter::required("step_number", COUNT, "from 1"),
        Parameter::required("total_steps", COUNT, "as estimated now"),
        Parameter::required("next_step_required", Takes::Flag, ""),
        Parameter::required("findings", Takes::Text, "your notes; kept, no evidence"),
        Parameter::optional("hypothesis", Takes::Text, "a rule, a code, or words"),
        Parameter::optional("confidence", Takes::Text, "not used"),
        Parameter::optional("files_checked", Takes::Texts, ""),
        Parameter::optional("relevant_files", Takes::Texts, ""),
        Parameter::optional("relevant_context", Takes::Texts, ""),
        Parameter::optional("continuation_id", Takes::Text, "the investigation [the last one]"),
        Parameter::optional("vm", Takes::Text, "first step"),
    ],
    gives: &[("investigation", "integer"), ("state", "string"), ("hypotheses", "array"), ("next", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    investigate(given, standing, Reads::Nothing)
}

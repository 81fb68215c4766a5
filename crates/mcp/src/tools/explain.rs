use super::{Call, READS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "explain",
    title: "Explain",
    says: "What a rule is about and how it is confirmed, refuted and fixed; or what an error code or message means. \
           Without `rule`: the list of rules.",
    hints: READS,
    parameters: &[
        Parameter::optional("rule", Takes::Text, "area/problem, a code (0x7B), a name or a message"),
        Parameter::optional("area", Takes::Text, "list the rules of this area only"),
    ],
    gives: &[("rules", "array"), ("meanings", "array")],
    own: false,
    call,
};

fn call(given: &Given, _: &Standing) -> Result<Call, String> {
    match (given.text("rule"), given.text("area")) {
        (Some(rule), None) => perform(Operation::Explain { rule }),
        (None, area) => perform(Operation::Rules { area }),
        _ => Err("`rule` or `area`, not both".to_owned()),
    }
}

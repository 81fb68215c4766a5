use super::{Call, READS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "preview",
    title: "Preview a plan",
    says: "What a plan expects, does and disturbs, step by step, and how it is undone.",
    hints: READS,
    parameters: &[Parameter::required("plan", Takes::Text, "id of the plan, or its beginning")],
    gives: &[("id", "string"), ("plan", "object"), ("preview", "object")],
    own: false,
    call,
};

pub(super) fn call(given: &Given, _: &Standing) -> Result<Call, String> {
    let plan = given.words("plan");
    if plan.contains(['/', '.']) {
        return Err("`plan` is the id of a plan that vmwright keeps, not a path".to_owned());
    }
    perform(Operation::Preview { plan })
}

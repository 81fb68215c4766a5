use super::{CHANGES, Call, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "undo",
    title: "Take a run back",
    says: "Take a run of this session's plan back, to the state before it.",
    hints: CHANGES,
    parameters: &[Parameter::required("run", Takes::Text, "id of the run")],
    gives: &[("run", "string")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    perform(Operation::Undo { run: standing.run(&given.words("run"))? })
}

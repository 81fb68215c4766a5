use super::{CHANGES, Call, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "confirm",
    title: "Let a run stay",
    says: "Let a run stay that could have locked its user out and waits for this.",
    hints: CHANGES,
    parameters: &[Parameter::required("run", Takes::Text, "id of the run")],
    gives: &[("run", "string")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    perform(Operation::Confirm { run: standing.run(&given.words("run"))? })
}

use super::{Call, READS, Tool, perform};
use crate::parameters::Given;
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "recover",
    title: "Look at runs",
    says: "Runs that were cut off or wait for a confirmation, and where each of their steps stands. Looks only.",
    hints: READS,
    parameters: &[],
    gives: &[("lines", "array")],
    own: false,
    call,
};

fn call(_: &Given, _: &Standing) -> Result<Call, String> {
    perform(Operation::Recover)
}

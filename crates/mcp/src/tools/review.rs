use super::{CHANGES, Call, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

pub(crate) const TOOL: Tool = Tool {
    name: "review",
    title: "Review a VM",
    says: "Boots a VM in scope where it does not run, exercises and measures it, and reports gate by gate. Not tested is \
           not passed.",
    hints: CHANGES,
    parameters: &[
        Parameter::required("vm", Takes::Text, "a VM in scope"),
        Parameter::optional("gates", Takes::Texts, "only these: boot, network, devices, cpu-flaws"),
    ],
    gives: &[("verdict", "string"), ("review", "object"), ("html", "untrusted")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    perform(Operation::Review { vm: standing.in_scope(&given.words("vm"))?, gates: given.texts("gates") })
}

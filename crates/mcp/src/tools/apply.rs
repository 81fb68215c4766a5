use super::{CHANGES, Call, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::{At, Standing};
use vmwright_engine::Operation;

/// As the command has it, in seconds.
const CONFIRM_WITHIN: u64 = 300;

pub(crate) const TOOL: Tool = Tool {
    name: "apply",
    title: "Carry out the approved plan",
    says: "Carries out the plan of this mode, step by step, exactly as it was approved. Drift or a failed step takes it \
           back and ends the mode. Cancelling takes it back too.",
    hints: CHANGES,
    parameters: &[
        Parameter::optional("resume", Takes::Text, "go on with this run behind the restart of the host"),
        Parameter::optional(
            "confirm_within",
            Takes::Number(1, 86_400),
            "seconds to confirm a run that could lock its user out; else it is taken back [300]",
        ),
    ],
    gives: &[("run", "string"), ("state", "string"), ("steps", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let At::Implementation { plan } = &standing.mode else {
        return Err("no plan is being carried out".to_owned());
    };
    if let Some(run) = given.text("resume") {
        return perform(Operation::Resume { run: standing.run(&run)? });
    }
    let confirm_within = given.number("confirm_within").unwrap_or(CONFIRM_WITHIN);
    perform(Operation::Apply { plan: plan.clone(), confirm_within })
}

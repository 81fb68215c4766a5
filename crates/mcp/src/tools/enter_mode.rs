use super::{Call, KEEPS, Tool};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::{Standing, Wanted};

pub(crate) const TOOL: Tool = Tool {
    name: "enter_mode",
    title: "Enter a mode",
    says: "Change the mode, and with it the list of tools. Searches the journal for the challenge. IMPLEMENTATION needs \
           a plan that a person has signed with 'vmwright approve' (no argument can stand for that); REVIEW needs the \
           VMs in scope.",
    hints: KEEPS,
    parameters: &[
        Parameter::required("mode", Takes::Word(&["analysis", "implementation", "review"]), "the mode"),
        Parameter::required("challenge", Takes::Text, "what is to be found out, done or proven; one line"),
        Parameter::optional("plan", Takes::Text, "for implementation: id of the approved plan"),
        Parameter::optional("scope", Takes::Texts, "for review: names of the VMs; localhost for this host"),
    ],
    gives: &[("mode", "string"), ("banner", "untrusted"), ("tools", "array"), ("journal", "array")],
    own: true,
    call,
};

fn call(given: &Given, _: &Standing) -> Result<Call, String> {
    let challenge = given.words("challenge");
    let challenge = challenge.lines().map(str::trim).find(|line| !line.is_empty());
    let challenge =
        challenge.ok_or("`challenge` is empty: say what is to be found out, done or proven")?.to_owned();
    let (plan, scope) = (given.text("plan"), given.texts("scope"));
    Ok(Call::Enter(match (given.words("mode").as_str(), plan, scope.is_empty()) {
        ("analysis", None, true) => Wanted::Analysis { challenge },
        ("implementation", Some(plan), true) => Wanted::Implementation { challenge, plan },
        ("implementation", None, _) => {
            return Err("IMPLEMENTATION needs `plan`: the id of an approved plan".to_owned());
        }
        ("review", None, false) => Wanted::Review { challenge, scope },
        ("review", _, true) => {
            return Err("REVIEW needs `scope`: the names of the VMs to be reviewed".to_owned());
        }
        _ => return Err("`plan` goes with implementation alone, and `scope` with review alone".to_owned()),
    }))
}

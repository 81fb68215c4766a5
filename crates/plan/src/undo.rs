//! The plan that takes a plan back.

use crate::target::{Target, least_disruption};
use vmwright_model::plan::PLAN_SCHEMA;
use vmwright_model::{Action, Plan, Step};

/// A plan that takes back the steps of `of` that were done, the last first. Each comes with the action that was
/// recorded, from the state found before it, as its inverse. It settles nothing: what the steps settled is open
/// again afterwards.
#[must_use]
pub fn undo(of: &Plan, done: &[(Step, Action)]) -> Plan {
    let steps = done
        .iter()
        .rev()
        .map(|(step, action)| Step {
            subject: Target::of(action).subject(),
            action: action.clone(),
            why: format!("takes back: {}", step.why),
            disruption: step.disruption.max(least_disruption(action)),
            settles: Vec::new(),
        })
        .collect();
    Plan {
        schema: PLAN_SCHEMA.to_owned(),
        title: format!("take back: {}", of.title),
        host_id: of.host_id.clone(),
        vm: of.vm.clone(),
        steps,
        left: Vec::new(),
        complaint: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fix, lint};
    use vmwright_model::{Disruption, Subject};

    #[test]
    fn the_last_step_is_taken_back_first() {
        let step = |action: Action| Step {
            subject: Subject::host(),
            action,
            why: "because".into(),
            disruption: Disruption::None,
            settles: Vec::new(),
        };
        let mode = |from, to| Action::FileMode { path: "/d".into(), from, to };
        let start = Action::MachineStart { machine: "m".into() };
        let stop = Action::MachineStop { machine: "m".into() };
        let of = fix(&[], "h", Some("m"), true);
        let plan = undo(&of, &[(step(mode(0o700, 0o711)), mode(0o711, 0o700)), (step(start), stop.clone())]);
        let actions: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
        assert_eq!(actions, [&stop, &mode(0o711, 0o700)]);
        assert_eq!(plan.steps[0].disruption, Disruption::GuestRestart);
        assert_eq!(plan.steps[0].why, "takes back: because");
        assert_eq!(lint(&plan), []);
    }
}

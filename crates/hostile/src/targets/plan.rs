//! A plan from bytes that somebody may have cut, edited or made up.

use vmwright_model::plan::{PLAN_SCHEMA, Settles};
use vmwright_model::{Action, Disruption, Plan, Step, Subject, SubjectKind};
use vmwright_plan::{canonical, lint, parse, preview, undo};

pub(super) fn run(bytes: &[u8]) {
    let Ok((plan, id)) = parse(bytes) else { return };
    let (again, same) = parse(&canonical(&plan)).expect("what a plan is written as is a plan");
    assert_eq!((&again, &same), (&plan, &id));
    let _ = lint(&plan);
    let _ = preview(&plan).to_text();
    let done: Vec<_> = plan.steps.iter().map(|step| (step.clone(), step.action.clone())).collect();
    let _ = undo(&plan, &done);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let subject = Subject { kind: SubjectKind::Vm, name: "web".to_owned() };
    let edit = Action::EditSpec {
        path: "/var/lib/vmwright/machines/web/machine.toml".to_owned(),
        key: "cpu.model".to_owned(),
        from: Some("\"host\"".to_owned()),
        to: Some("\"max\"".to_owned()),
    };
    let bridge = Action::BridgeAdd { name: "br0".to_owned(), address: Some("192.0.2.1/24".to_owned()) };
    let start = Action::MachineStart { machine: "web".to_owned() };
    let step = |action| Step {
        subject: subject.clone(),
        action,
        why: "the CPU lacks what the guest asks for".to_owned(),
        disruption: Disruption::GuestRestart,
        settles: vec![Settles { rule: "cpu/model-not-runnable".to_owned(), subject: subject.clone() }],
    };
    let plan = Plan {
        schema: PLAN_SCHEMA.to_owned(),
        title: "start vm web".to_owned(),
        host_id: "0".repeat(32),
        vm: Some("web".to_owned()),
        steps: [edit, bridge, start].map(step).to_vec(),
        left: vec!["host/no-swap: a person has to do it".to_owned()],
        complaint: String::new(),
    };
    vec![canonical(&plan)]
}

//! Findings to a plan.

use crate::actions::{self, Phase};
use crate::target::{Target, follows, least_disruption};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use vmwright_model::plan::{PLAN_SCHEMA, Settles};
use vmwright_model::{Action, Applicability, Disruption, Finding, Level, Plan, Step};

/// A plan that settles `findings`, which come as the diagnosis ranks them: a cause before its consequences.
///
/// Steps stand in this order: machines and services stopped (they hold what later steps need), interfaces of the
/// host, owners and modes of paths, contents of files, modules, values of the running kernel, devices, services and
/// other machines started, `vm` started last. Within one kind the findings' order holds.
/// The same action wanted by several findings is one step, and so are changes of different places of one domain: a
/// domain that is wrong in two places is refused by libvirt until both are mended. A finding is settled by the last of its steps, so that
/// its rule is asked again only when all of them are done. What no step settles goes to `left` with the reason:
/// work for a person, and actions that contradict those of a better ranked finding.
///
/// `start_after` adds a start of `vm` where no finding asks for it, unless an error is left or the host restarts at the end: the VM
/// would fail as it did before, and with that step the whole run would be taken back.
#[must_use]
pub fn fix(findings: &[Finding], host_id: &str, vm: Option<&str>, start_after: bool) -> Plan {
    let mut drafts = Drafts::default();
    let mut left: Vec<String> = Vec::new();
    let mut settled = 0_usize;
    let mut unsettled = false;
    for finding in findings {
        match draft(finding, &mut drafts, vm) {
            Ok(()) => settled += 1,
            Err(reason) => {
                unsettled |= finding.level == Level::Error;
                let line = format!("{} ({}): {reason}", finding.rule, finding.subject);
                if !left.contains(&line) {
                    left.push(line);
                }
            }
        }
    }
    let Drafts { all: mut drafts, .. } = drafts;
    if let Some(vm) = vm.filter(|_| start_after) {
        let action = Action::MachineStart { machine: vm.to_owned() };
        let asked = drafts.iter().any(|draft| draft.action == action);
        let restarts = drafts.iter().any(|draft| matches!(draft.action, Action::Reboot { .. }));
        if unsettled && !asked {
            left.push(format!("vm {vm}: it is not started before the errors above are settled"));
        } else if restarts && !asked {
            left.push(format!(
                "vm {vm}: it is started after the restart of the host, which settles what keeps it from that"
            ));
        } else if !asked {
            let why = vec![format!("so that {vm} is seen to run")];
            drafts.push(Draft { action, why, disruption: Disruption::None, wanted_by: Vec::new() });
        }
    }
    drafts.sort_by_key(|draft| place(&draft.action, vm));

    let mut steps: Vec<Step> = drafts.iter().map(Draft::step).collect();
    // Of the steps that a finding wants the last one is kept.
    let wanted =
        drafts.iter().enumerate().flat_map(|(at, draft)| draft.wanted_by.iter().map(move |by| (by, at)));
    for (settles, at) in wanted.collect::<BTreeMap<_, _>>() {
        steps[at].settles.push(settles.clone());
    }
    for step in &mut steps {
        step.settles.sort();
    }
    let title = title(settled, vm, &steps);
    Plan {
        schema: PLAN_SCHEMA.to_owned(),
        title,
        host_id: host_id.to_owned(),
        vm: vm.map(str::to_owned),
        steps,
        left,
        complaint: String::new(),
    }
}

/// The steps that were wanted so far.
#[derive(Default)]
struct Drafts {
    all: Vec<Draft>,
    /// Which of them change something of this name: only such can contradict each other, or be the same.
    by_name: BTreeMap<String, Vec<usize>>,
}

/// A step before the order is known.
struct Draft {
    action: Action,
    why: Vec<String>,
    disruption: Disruption,
    wanted_by: Vec<Settles>,
}

impl Draft {
    fn step(&self) -> Step {
        Step {
            subject: Target::of(&self.action).subject(),
            action: self.action.clone(),
            why: self.why.join("; "),
            disruption: self.disruption.max(least_disruption(&self.action)),
            settles: Vec::new(),
        }
    }
}

/// Adds a finding's actions to the drafts, or none of them and says why.
fn draft(finding: &Finding, drafts: &mut Drafts, vm: Option<&str>) -> Result<(), String> {
    let fix = &finding.fix;
    if fix.applicability == Applicability::ManualOnly || fix.actions.is_empty() {
        return Err(format!("a person has to act: {}", fix.summary));
    }
    for action in &fix.actions {
        let near = drafts.by_name.get(Target::of(action).name()).into_iter().flatten();
        let rival = near
            .map(|at| &drafts.all[*at])
            .find(|draft| one_step(&draft.action, action).is_none() && contradict(&draft.action, action, vm));
        if let Some(rival) = rival {
            return Err(format!(
                "its fix contradicts an earlier step on {}, which is there to {}; plan again after this one",
                Target::of(action),
                rival.why.join("; ")
            ));
        }
    }
    let wanted_by = Settles { rule: finding.rule.clone(), subject: finding.subject.clone() };
    for action in &fix.actions {
        let near = drafts.by_name.entry(Target::of(action).name().to_owned()).or_default();
        let same = near.iter().find_map(|at| Some((*at, one_step(&drafts.all[*at].action, action)?)));
        let (at, action) = same.unwrap_or_else(|| {
            drafts.all.push(Draft {
                action: action.clone(),
                why: Vec::new(),
                disruption: Disruption::None,
                wanted_by: Vec::new(),
            });
            near.push(drafts.all.len() - 1);
            (drafts.all.len() - 1, action.clone())
        });
        let draft = &mut drafts.all[at];
        draft.action = action;
        if !draft.why.contains(&fix.summary) {
            draft.why.push(fix.summary.clone());
        }
        draft.disruption = draft.disruption.max(fix.disruption);
        if !draft.wanted_by.contains(&wanted_by) {
            draft.wanted_by.push(wanted_by.clone());
        }
    }
    Ok(())
}

/// Two actions as one step, where they are the same or changes of one thing that do not meet.
fn one_step(earlier: &Action, later: &Action) -> Option<Action> {
    if earlier == later { Some(later.clone()) } else { actions::of(later).joined(earlier) }
}

/// Whether two actions on one thing cannot stand in one plan, in the order that [`place`] gives them.
fn contradict(earlier: &Action, later: &Action, vm: Option<&str>) -> bool {
    let overlap = Target::of(earlier).overlaps(&Target::of(later));
    overlap
        && match place(earlier, vm).cmp(&place(later, vm)) {
            Ordering::Greater => !follows(earlier, later),
            Ordering::Less | Ordering::Equal => !follows(later, earlier),
        }
}

/// Where an action stands in a plan; lower comes first. `vm` is started after all others.
fn place(action: &Action, vm: Option<&str>) -> (Phase, bool) {
    let last = matches!(action, Action::MachineStart { machine } if Some(machine.as_str()) == vm);
    (actions::of(action).phase(), last)
}

fn title(settled: usize, vm: Option<&str>, steps: &[Step]) -> String {
    let findings = match settled {
        0 => String::new(),
        1 => "settle 1 finding".to_owned(),
        n => format!("settle {n} findings"),
    };
    let starts = steps
        .iter()
        .any(|step| matches!(&step.action, Action::MachineStart { machine } if Some(machine.as_str()) == vm));
    match (vm, findings.as_str(), starts) {
        (Some(vm), "", true) => format!("start vm {vm}"),
        (Some(vm), "", false) => format!("nothing to do for vm {vm}"),
        (Some(vm), findings, true) => format!("{findings} and start vm {vm}"),
        (Some(vm), findings, false) => format!("{findings} of vm {vm}"),
        (None, "", _) => "nothing to do on the host".to_owned(),
        (None, findings, _) => format!("{findings} on the host"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::lint;
    use crate::{canonical, plan_id};
    use vmwright_model::plan::DomainEdit;
    use vmwright_model::{Fix, Subject, SubjectKind};

    fn finding(rule: &str, summary: &str, actions: Vec<Action>) -> Finding {
        let applicability =
            if actions.is_empty() { Applicability::ManualOnly } else { Applicability::NeedsApproval };
        Finding {
            rule: rule.into(),
            subject: Subject::new(SubjectKind::Vm, "web"),
            level: Level::Error,
            title: "t".into(),
            support: Vec::new(),
            confidence: 0.9,
            fix: Fix { summary: summary.into(), actions, applicability, disruption: Disruption::None },
            escalation: None,
            controls: Vec::new(),
        }
    }

    fn mode(path: &str, to: u32) -> Action {
        Action::FileMode { path: path.into(), from: 0o700, to }
    }

    fn stop(machine: &str) -> Action {
        Action::MachineStop { machine: machine.into() }
    }

    fn bridge() -> Action {
        Action::BridgeAdd { name: "br0".into(), address: Some("10.0.0.1/24".into()) }
    }

    fn edit(to: &str) -> Action {
        Action::EditSpec {
            path: "/m/web.toml".into(),
            key: "cpu.model".into(),
            from: Some("\"host\"".into()),
            to: Some(to.into()),
        }
    }

    #[test]
    fn steps_stand_in_order_and_the_vm_starts_last() {
        let hint =
            Finding { level: Level::Warn, ..finding("bios/vt", "switch it on in the firmware", Vec::new()) };
        let findings = [
            finding("cpu/model", "use another model", vec![edit("\"max\"")]),
            finding("access/dir", "open the way", vec![mode("/d", 0o711), mode("/d/e", 0o711)]),
            finding("network/bridge", "make the bridge", vec![bridge()]),
            finding("storage/lock", "free the disk", vec![stop("old")]),
            hint,
        ];
        let plan = fix(&findings, "h1", Some("web"), true);
        let actions: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
        let start = Action::MachineStart { machine: "web".into() };
        assert_eq!(
            actions,
            [&stop("old"), &bridge(), &mode("/d", 0o711), &mode("/d/e", 0o711), &edit("\"max\""), &start]
        );
        assert_eq!(plan.left, ["bios/vt (vm web): a person has to act: switch it on in the firmware"]);
        assert_eq!(plan.title, "settle 4 findings and start vm web");
        assert_eq!(plan.steps[0].disruption, Disruption::GuestRestart, "a stop is never less");
        // A finding of two steps is asked again after the second.
        assert!(plan.steps[2].settles.is_empty());
        assert_eq!(plan.steps[3].settles[0].rule, "access/dir");
        assert_eq!(lint(&plan), []);
        let again = fix(&findings, "h1", Some("web"), true);
        assert_eq!(canonical(&plan), canonical(&again));
        assert_eq!(plan_id(&plan), plan_id(&again));
    }

    #[test]
    fn with_an_error_left_the_vm_is_not_started() {
        let gone = finding("storage/image-missing", "put it back", Vec::new());
        let plan = fix(std::slice::from_ref(&gone), "h1", Some("web"), true);
        assert!(plan.steps.is_empty(), "a start would fail as before: {:?}", plan.steps);
        assert_eq!(
            plan.left,
            [
                "storage/image-missing (vm web): a person has to act: put it back",
                "vm web: it is not started before the errors above are settled"
            ]
        );
        // What can be done is done all the same.
        let plan = fix(
            &[gone, finding("access/dir", "open the way", vec![mode("/d", 0o711)])],
            "h1",
            Some("web"),
            true,
        );
        assert_eq!(plan.steps.len(), 1);
        assert_eq!(plan.title, "settle 1 finding of vm web");
    }

    #[test]
    fn where_the_host_restarts_the_vm_is_not_started_before() {
        let boots = finding(
            "iommu/disabled",
            "switch it on",
            vec![mode("/etc/a", 0o640), Action::Reboot { left: None }],
        );
        let plan = fix(&[boots], "h1", Some("web"), true);
        assert!(
            !plan.steps.iter().any(|step| matches!(step.action, Action::MachineStart { .. })),
            "{plan:?}"
        );
        assert!(plan.left.iter().any(|line| line.contains("vm web") && line.contains("after the restart")));
        assert_eq!(lint(&plan), []);
    }

    #[test]
    fn one_action_for_two_findings_is_one_step() {
        let findings = [
            finding("access/dir", "open the way", vec![mode("/d", 0o711)]),
            finding("storage/denied", "let it read", vec![mode("/d", 0o711)]),
        ];
        let plan = fix(&findings, "h1", None, true);
        assert_eq!(plan.steps.len(), 1);
        assert_eq!(plan.steps[0].why, "open the way; let it read");
        let rules: Vec<&str> = plan.steps[0].settles.iter().map(|settles| settles.rule.as_str()).collect();
        assert_eq!(rules, ["access/dir", "storage/denied"]);
    }

    fn place(domain: &str, path: &str, to: &str) -> Action {
        let (path, from) = (path.to_owned(), "old".to_owned());
        let edits = vec![DomainEdit::Text { path, from, to: to.to_owned() }];
        Action::EditDomain { connection: "qemu:///system".into(), domain: domain.into(), edits }
    }

    #[test]
    fn two_findings_about_one_domain_are_one_change_of_it() {
        let findings = [
            finding("machine/type", "another type", vec![place("web", "os[1]/type[1]", "new")]),
            finding("access/dir", "open the way", vec![mode("/d", 0o711)]),
            finding("firmware/loader", "another loader", vec![place("web", "os[1]/loader[1]", "new")]),
            finding("firmware/other", "a third one", vec![place("web", "os[1]/loader[1]", "third")]),
            finding("machine/old", "another type", vec![place("db", "os[1]/type[1]", "new")]),
        ];
        let plan = fix(&findings, "h1", Some("web"), false);
        assert_eq!(lint(&plan), []);
        assert_eq!(plan.steps.len(), 3, "{:#?}", plan.steps);
        let Action::EditDomain { edits, domain, .. } = &plan.steps[1].action else { panic!("{plan:?}") };
        assert_eq!((domain.as_str(), edits.len()), ("web", 2));
        assert_eq!(plan.steps[1].why, "another type; another loader");
        let rules: Vec<&str> = plan.steps[1].settles.iter().map(|settles| settles.rule.as_str()).collect();
        assert_eq!(rules, ["firmware/loader", "machine/type"]);
        assert_eq!(plan.left.len(), 1, "the place that two want otherwise: {:?}", plan.left);
        // One of its actions contradicts: neither is done.
        let torn = finding(
            "a/b",
            "both",
            vec![place("db", "os[1]/loader[1]", "new"), place("web", "os[1]/type[1]", "third")],
        );
        let plan = fix(&[findings[0].clone(), torn], "h1", None, false);
        assert_eq!((plan.steps.len(), plan.left.len()), (1, 1), "{plan:#?}");
    }

    #[test]
    fn a_contradiction_leaves_the_better_ranked_finding() {
        let findings = [
            finding("access/dir", "open the way", vec![mode("/d", 0o711)]),
            finding("access/other", "close it", vec![bridge(), mode("/d", 0o750)]),
        ];
        let plan = fix(&findings, "h1", None, false);
        assert_eq!(plan.steps.len(), 1, "neither action of the second finding is in");
        assert!(plan.left[0].contains("contradicts an earlier step on the mode of /d"), "{:?}", plan.left);
        assert_eq!(lint(&plan), []);
    }

    #[test]
    fn a_restart_is_a_stop_and_a_start() {
        let start = Action::MachineStart { machine: "web".into() };
        let findings =
            [finding("a/b", "restart it", vec![start.clone()]), finding("c/d", "stop it", vec![stop("web")])];
        let plan = fix(&findings, "h1", Some("web"), true);
        let actions: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
        assert_eq!(actions, [&stop("web"), &start]);
        assert_eq!(lint(&plan), []);
    }

    #[test]
    fn nothing_to_do_is_an_empty_plan_that_lint_refuses() {
        let plan = fix(&[], "h1", None, false);
        assert_eq!(plan.title, "nothing to do on the host");
        assert_eq!(lint(&plan), [crate::LintError::Empty]);
    }
}

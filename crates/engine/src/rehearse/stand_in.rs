//! The plan as a lab carries it out: bound to the lab, without what a lab cannot do, and with the lab's own names for the
//! kernel and for what it boots. Pure.

use vmwright_model::plan::{Generator, Trial};
use vmwright_model::{Action, Plan};
use vmwright_plan::intents::entry_before;
use vmwright_plan::target::built_on_earlier;

/// What the lab has of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    /// Its id.
    pub(super) host_id: String,
    /// Version of its kernel.
    pub(super) kernel: String,
    /// Its `/boot/grub/grub.cfg`.
    pub(super) grub: Option<String>,
}

/// A plan with the lab's names, and what stands for what.
pub(super) fn named(plan: &Plan, host_kernel: Option<&str>, own: &Own) -> (Plan, Vec<String>) {
    let (mut plan, mut told) = (plan.clone(), Vec::new());
    own.host_id.clone_into(&mut plan.host_id);
    if let Some(kernel) = host_kernel.filter(|kernel| *kernel != own.kernel && !own.kernel.is_empty()) {
        let mut changed = false;
        for step in &mut plan.steps {
            changed |= kernel_named(&mut step.action, kernel, &own.kernel);
        }
        if changed {
            told.push(format!("kernel {} stands for {kernel}", own.kernel));
        }
    }
    let copied = plan.steps.iter().find_map(|step| match &step.action {
        Action::FileCopy { path, from } => Some((from.clone(), path.clone())),
        _ => None,
    });
    for (at, step) in plan.steps.iter_mut().enumerate() {
        match &mut step.action {
            Action::FileCreate { path, text, .. } if path.ends_with("/custom.cfg") => {
                let copied = copied.as_ref().map(|(from, path)| (from.as_str(), path.as_str()));
                if let Some(new) = own.grub.as_deref().and_then(|grub| entry_before(text, grub, copied)) {
                    *text = new;
                    told.push(format!("step {}: the entry that boots as before is of the lab's own", at + 1));
                }
            }
            Action::BootTrial { trial: Trial::Grub { entry, .. } } if entry != "0" => {
                told.push(format!(
                    "step {}: the lab's first entry stands for `{}`",
                    at + 1,
                    entry.escape_debug()
                ));
                "0".clone_into(entry);
            }
            _ => {}
        }
    }
    (plan, told)
}

/// Names another kernel where an action is about one. Whether it was.
fn kernel_named(action: &mut Action, from: &str, to: &str) -> bool {
    let mut changed = false;
    let mut change = |text: &mut String| {
        if text.contains(from) {
            *text = text.replace(from, to);
            changed = true;
        }
    };
    match action {
        Action::Regenerate { generator, outputs, .. } => {
            if let Generator::UpdateInitramfs { kernel } | Generator::Dracut { kernel } = generator {
                change(kernel);
            }
            outputs.iter_mut().for_each(change);
        }
        Action::FileCopy { path, from } => {
            change(path);
            change(from);
        }
        _ => {}
    }
    changed
}

/// The steps that go with those that cannot be tried, each with the reason: what needs what another one makes, and the start of
/// a machine, which needs all.
pub(super) fn left_out(plan: &Plan, unable: &[Option<String>]) -> Vec<Option<String>> {
    let mut left: Vec<Option<String>> = unable.to_vec();
    for at in 0..plan.steps.len() {
        if left[at].is_some() {
            continue;
        }
        let without = (0..at).filter(|one| left[*one].is_some());
        let needs = without.clone().find(|one| {
            let mut two = plan.clone();
            two.steps = vec![plan.steps[*one].clone(), plan.steps[at].clone()];
            built_on_earlier(&two)[1]
        });
        let starts = matches!(plan.steps[at].action, Action::MachineStart { .. });
        let needs = needs.or_else(|| without.clone().next().filter(|_| starts));
        left[at] = needs.map(|one| format!("it builds upon step {}, which was not tried", one + 1));
    }
    left
}

/// The plan of the steps that stay, and the number of each in the whole, from 0.
pub(super) fn reduced(plan: &Plan, left: &[Option<String>]) -> (Plan, Vec<usize>) {
    let numbers: Vec<usize> = (0..plan.steps.len()).filter(|at| left[*at].is_none()).collect();
    let mut plan = plan.clone();
    plan.steps = numbers.iter().map(|at| plan.steps[*at].clone()).collect();
    (plan, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Disruption, Step, Subject};

    fn plan(actions: Vec<Action>) -> Plan {
        let mut plan = vmwright_plan::fix(&[], "host", None, false);
        plan.steps = actions
            .into_iter()
            .map(|action| Step {
                subject: Subject::host(),
                action,
                why: String::new(),
                disruption: Disruption::None,
                settles: Vec::new(),
            })
            .collect();
        plan
    }

    #[test]
    fn a_plan_is_bound_to_the_lab_and_has_its_kernel() {
        let whole = plan(vec![
            Action::FileCopy {
                path: "/boot/vmwright-before-initrd.img-6.12".into(),
                from: "/boot/initrd.img-6.12".into(),
            },
            Action::Regenerate {
                generator: Generator::UpdateInitramfs { kernel: "6.12".into() },
                outputs: vec!["/boot/initrd.img-6.12".into()],
                holds: Vec::new(),
            },
            Action::BootTrial {
                trial: Trial::Grub { environment: "/boot/grub/grubenv".into(), entry: "1>2".into() },
            },
        ]);
        let own = Own { host_id: "lab".into(), kernel: "6.1.0-1".into(), grub: None };
        let (named, told) = named(&whole, Some("6.12"), &own);
        assert_eq!(named.host_id, "lab");
        assert_eq!(
            told,
            ["kernel 6.1.0-1 stands for 6.12", "step 3: the lab's first entry stands for `1>2`"]
        );
        let json = serde_json::to_string(&named).expect("it is JSON");
        assert!(
            !json.contains("6.12") && json.contains("/boot/vmwright-before-initrd.img-6.1.0-1"),
            "{json}"
        );
        assert_eq!(whole.host_id, "host", "the host's own plan stays");
    }

    #[test]
    fn what_builds_upon_a_step_that_is_left_out_goes_with_it() {
        let edit = |key: &str| Action::EditSpec {
            path: "/m.toml".into(),
            key: key.into(),
            from: None,
            to: Some("1".into()),
        };
        let whole = plan(vec![
            edit("cpu"),
            edit("cpu.model"),
            edit("memory"),
            Action::MachineStart { machine: "web".into() },
        ]);
        let unable = [Some("why".to_owned()), None, None, None];
        let left = left_out(&whole, &unable);
        assert_eq!(left[1].as_deref(), Some("it builds upon step 1, which was not tried"));
        assert!(left[2].is_none() && left[3].is_some(), "{left:?}");
        let (reduced, numbers) = reduced(&whole, &left);
        assert_eq!((reduced.steps.len(), numbers), (1, vec![2]));
    }
}

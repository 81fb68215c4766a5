//! The restart behind which a plan for the boot holds, and the way back where the host does not come up from it: the boot
//! loader tries once what was made, and boots as before where nobody goes on with the run.

use super::{Boot, boot, fallback};
use crate::actions::of;
use crate::target::{Target, least_disruption};
use vmwright_formats::mounts::Mounts;
use vmwright_model::plan::{Setting, Settles};
use vmwright_model::{Action, Plan, Step};

/// A plan that restarts the host at its end, if it makes something that is there behind it.
#[must_use]
pub fn with_reboot(plan: Plan, boot: &Boot<'_>, mounts: &Mounts) -> Plan {
    if !plan.steps.iter().any(|step| crate::lasts(&step.action)) {
        return plan;
    }
    let why = "what was written for the boot holds from there";
    behind(plan, boot, mounts, Action::Reboot { left: None }, why)
}

/// A plan that waits at its end until somebody restarts the host, if it changes how that boots.
#[must_use]
pub fn awaiting_reboot(mut plan: Plan, boot: &Boot<'_>, mounts: &Mounts) -> Plan {
    if !plan.steps.iter().any(|step| changes_boot(&step.action)) {
        return plan;
    }
    if !boot.programs.contains(boot::SYSTEMD) {
        plan.left.push("no systemd was seen here, so nothing takes it back behind a restart: where the host does not come up, choose the entry `As before vmwright` by hand".to_owned());
        return plan;
    }
    let why = "what was written for the boot holds from the restart, and is taken back where nobody goes on behind it";
    behind(plan, boot, mounts, Action::AwaitReboot { left: None }, why)
}

/// A plan that restarts the host already, with a way back where it changes how that boots and has none.
#[must_use]
pub fn way_back(mut plan: Plan, boot: &Boot<'_>, mounts: &Mounts) -> Plan {
    let any = |is: fn(&Action) -> bool| plan.steps.iter().any(|step| is(&step.action));
    if !any(|action| matches!(action, Action::Reboot { left: None }))
        || !any(changes_boot)
        || any(|action| matches!(action, Action::BootTrial { .. }))
    {
        return plan;
    }
    let made: Vec<_> = plan.steps.iter().map(|step| (step.action.clone(), String::new())).collect();
    match boot.fallback(None, &made) {
        Ok(steps) => steps.into_iter().for_each(|(action, why)| insert(&mut plan, action, why)),
        Err(why) => plan.left.push(why),
    }
    tried_once(&mut plan, boot, mounts);
    plan
}

/// Whether an action changes what the host boots: its kernel's command line, or the initramfs.
fn changes_boot(action: &Action) -> bool {
    matches!(
        action,
        Action::Regenerate { .. } | Action::EditSetting { setting: Setting::EntryParameter { .. }, .. }
    )
}

/// A plan with this as its last step, which settles what only the next boot can.
fn behind(mut plan: Plan, boot: &Boot<'_>, mounts: &Mounts, last: Action, why: &str) -> Plan {
    let mut settles: Vec<_> = plan
        .steps
        .iter_mut()
        .filter(|step| crate::lasts(&step.action))
        .flat_map(|step| std::mem::take(&mut step.settles))
        .collect();
    settles.sort();
    settles.dedup();
    tried_once(&mut plan, boot, mounts);
    plan.steps.push(step(last, why.to_owned(), settles));
    plan
}

/// Has the boot loader try once what the plan makes, where it can.
fn tried_once(plan: &mut Plan, boot: &Boot<'_>, mounts: &Mounts) {
    let made: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
    match fallback::trial(boot, mounts, &made) {
        Ok((action, why)) => insert(plan, action, why),
        Err(why) => plan.left.push(why),
    }
}

/// Puts a step behind those of its kind.
fn insert(plan: &mut Plan, action: Action, why: String) {
    let phase = of(&action).phase();
    let at = plan.steps.iter().position(|step| of(&step.action).phase() > phase).unwrap_or(plan.steps.len());
    plan.steps.insert(at, step(action, why, Vec::new()));
}

fn step(action: Action, why: String, settles: Vec<Settles>) -> Step {
    let (subject, disruption) = (Target::of(&action).subject(), least_disruption(&action));
    Step { subject, disruption, action, why, settles }
}

//! Plans that an administrator has named: those that two people have to sign, and those that have to be rehearsed.

use crate::disruption;
use crate::target::Target;
use vmwright_model::{Action, Disruption, Plan};

/// Plans, by what they disturb and whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedPlans {
    /// Those that disturb at least so much.
    pub from: Option<Disruption>,
    /// Those for one of these VMs, or that disturb it.
    pub vms: Vec<String>,
}

impl NamedPlans {
    /// Reads a list: `disruption LEVEL` or `vm NAME` a line, and comments. Of several levels the least counts.
    ///
    /// # Errors
    /// The number of the first line that is neither, counted from 1: half of a rule is none.
    pub fn read(text: &str) -> Result<Self, usize> {
        use Disruption::{GuestPause, GuestRestart, HostReboot, None, ServiceRestart};
        let mut rule = Self::default();
        for (at, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
            match words[..] {
                [] => {}
                ["vm", name] => rule.vms.push(name.to_owned()),
                ["disruption", level] => {
                    let all = [None, GuestPause, GuestRestart, ServiceRestart, HostReboot];
                    let level = all.into_iter().find(|one| one.to_string() == level).ok_or(at + 1)?;
                    rule.from = Some(rule.from.map_or(level, |from| from.min(level)));
                }
                _ => return Err(at + 1),
            }
        }
        Ok(rule)
    }

    /// Whether a plan is one of them.
    #[must_use]
    pub fn names(&self, plan: &Plan) -> bool {
        let listed = |name: &str| self.vms.iter().any(|vm| vm == name);
        let touches = |action: &Action| match action {
            Action::EditDomain { domain, .. }
            | Action::DeviceAttach { domain, .. }
            | Action::DeviceDetach { domain, .. } => listed(domain),
            Action::Qmp { machine, .. } => listed(machine),
            action => match Target::of(action) {
                Target::Record(name) | Target::Machine(name) => listed(&name),
                _ => false,
            },
        };
        self.from.is_some_and(|from| disruption(plan) >= from)
            || plan.vm.as_deref().is_some_and(listed)
            || plan.steps.iter().any(|step| touches(&step.action))
    }
}

/// Plans that are let through once their rehearsal has passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// Which.
    pub plans: NamedPlans,
    /// Whether one suffices in which a part of the plan could not be tried.
    pub partly: bool,
}

impl Rehearsed {
    /// Reads a list as [`NamedPlans::read`] does, with the word `partly` on a line of its own besides.
    ///
    /// # Errors
    /// The number of the first line that is neither, counted from 1.
    pub fn read(text: &str) -> Result<Self, usize> {
        let is_partly = |line: &str| line.split('#').next().unwrap_or("").trim() == "partly";
        // A line that is taken out leaves an empty one, so that the others keep their numbers.
        let others: Vec<&str> = text.lines().map(|line| if is_partly(line) { "" } else { line }).collect();
        Ok(Self { plans: NamedPlans::read(&others.join("\n"))?, partly: text.lines().any(is_partly) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_whole_or_not_at_all() {
        let rule = NamedPlans::read(
            "# all that restarts\ndisruption host-reboot\n\nvm db1 # the books\ndisruption service-restart\n",
        );
        assert_eq!(rule, Ok(NamedPlans { from: Some(Disruption::ServiceRestart), vms: vec!["db1".into()] }));
        assert_eq!(NamedPlans::read("vm a\ndisruption much\n"), Err(2));
        assert_eq!(NamedPlans::read("two\n"), Err(1));
    }

    #[test]
    fn rehearsals_are_asked_for_in_the_same_words() {
        let rule = Rehearsed::read("partly # the lab has no NVMe\nvm db1\n").expect("it is one");
        assert!(rule.partly && rule.plans.vms == ["db1"]);
        assert!(!Rehearsed::read("vm db1\n").expect("it is one").partly);
        assert_eq!(Rehearsed::read("partly\nmostly\n"), Err(2));
    }

    #[test]
    fn plans_are_told_apart_by_what_they_disturb_and_whom() {
        let stop = |machine: &str| {
            let mut plan = crate::fix(&[], "h", None, false);
            let action = Action::MachineStop { machine: machine.into() };
            plan.steps.push(vmwright_model::Step {
                subject: vmwright_model::Subject::host(),
                action,
                why: String::new(),
                disruption: Disruption::GuestRestart,
                settles: Vec::new(),
            });
            plan
        };
        let rule = |text: &str| NamedPlans::read(text).expect("it is one");
        assert!(rule("disruption guest-restart").names(&stop("web")));
        assert!(!rule("disruption host-reboot").names(&stop("web")));
        assert!(rule("vm web").names(&stop("web")) && !rule("vm db").names(&stop("web")));
        assert!(rule("vm db").names(&crate::fix(&[], "h", Some("db"), true)));
        assert!(!rule("").names(&stop("web")));
    }
}

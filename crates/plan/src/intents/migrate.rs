//! A running VM moved to another host, where nothing stands in the way.

use super::{IntentError, made};
use vmwright_model::{Action, Disruption, Finding, Level, Plan};

/// The plan that moves `vm` to the place `to`, such as `tcp:hv2:49152` or `libvirt:qemu+ssh://hv2/system`. `findings` are
/// what a look at both hosts says of the move; `running` is whether the VM runs.
///
/// # Errors
/// [`IntentError::Move`] where the move would fail: with the findings that say so.
pub fn migrate(
    host_id: &str,
    vm: &str,
    to: &str,
    findings: &[Finding],
    running: bool,
) -> Result<Plan, IntentError> {
    let told = |finding: &Finding| {
        let mut quotes = finding.support.iter().filter(|support| !support.against);
        let quote = quotes.find_map(|support| support.evidence.as_ref());
        let quote = quote.map(|quote| format!(" ({}:{}: {})", quote.source, quote.line, quote.quote.trim()));
        format!("{}: {}{}", finding.rule, finding.title, quote.unwrap_or_default())
    };
    let mut against: Vec<String> =
        findings.iter().filter(|finding| finding.level == Level::Error).map(told).collect();
    if !running {
        against.push(format!("{vm} does not run: copy its specification and disks, and start it there"));
    }
    if !against.is_empty() {
        return Err(IntentError::Move { vm: vm.to_owned(), to: to.to_owned(), problems: against });
    }
    let step = Action::MachineMigrate { machine: vm.to_owned(), to: to.to_owned() };
    let why = format!("{vm} runs at {to} then; a look at both hosts found nothing that stands in the way");
    let mut plan =
        made(host_id, Some(vm), format!("move vm {vm} to {to}"), vec![(step, why, Disruption::None)]);
    // What would not stop it is for the approver to weigh.
    plan.left = findings.iter().map(|finding| format!("to be weighed: {}", told(finding))).collect();
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, lint};
    use vmwright_model::{Applicability, Fix, Subject, SubjectKind};

    fn finding(level: Level) -> Finding {
        Finding {
            rule: "migration/target-older".into(),
            subject: Subject::new(SubjectKind::Vm, "web"),
            level,
            title: "the target's QEMU is older".into(),
            support: Vec::new(),
            confidence: 0.9,
            fix: Fix {
                summary: "update it".into(),
                actions: Vec::new(),
                applicability: Applicability::ManualOnly,
                disruption: Disruption::None,
            },
            escalation: None,
            controls: Vec::new(),
        }
    }

    #[test]
    fn a_move_is_one_step_that_nobody_here_can_take_back() {
        let plan = migrate("h", "web", "tcp:hv2:49152", &[finding(Level::Warn)], true).expect("it can go");
        assert_eq!(lint(&plan), []);
        assert_eq!(plan.left, ["to be weighed: migration/target-older: the target's QEMU is older"]);
        assert_eq!(crate::disruption(&plan), Disruption::GuestPause);
        let text = crate::preview(&plan).to_text();
        for line in ["1. moves web to tcp:hv2:49152 while it runs", "has to be sent back from tcp:hv2:49152"]
        {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let again = migrate("h", "web", "tcp:hv2:49152", &[finding(Level::Warn)], true).expect("the same");
        assert_eq!(canonical(&plan), canonical(&again));
        let nowhere = migrate("h", "web", "hv2 ; rm", &[], true).expect("it is lint's to refuse");
        assert!(lint(&nowhere)[0].to_string().contains("is no place for a guest"), "{:?}", lint(&nowhere));
    }

    #[test]
    fn what_stands_in_the_way_refuses_it() {
        let error =
            migrate("h", "web", "tcp:hv2:49152", &[finding(Level::Error)], false).expect_err("it would fail");
        assert_eq!(
            error.to_string(),
            "web cannot move to tcp:hv2:49152:\n  migration/target-older: the target's QEMU is older\n  web does not run: copy its specification and disks, and start it there"
        );
    }
}

//! A running VM moved to another host, where nothing stands in the way.

use super::{IntentError, made};
use vmwright_model::plan::QmpValue;
use vmwright_model::{Action, Disruption, Finding, Level, Plan};

/// How a VM may move, otherwise than QEMU does by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Bytes that it may send in a second.
    pub bandwidth: Option<u64>,
    /// Milliseconds that the guest may stand still at the end.
    pub downtime: Option<u64>,
}

/// What QEMU has by itself: 128 MiB in a second, and 300 ms (`MAX_THROTTLE` and `DEFAULT_MIGRATE_SET_DOWNTIME` in its
/// `migration/options.c`).
const USUAL: Pace = Pace { bandwidth: Some(128 << 20), downtime: Some(300) };

/// The plan that moves `vm` to the place `to`, such as `tcp:hv2:49152` or `libvirt:qemu+ssh://hv2/system`. `findings` are
/// what a look at both hosts says of the move; `running` is whether the VM runs, of which vmwright has the monitor where a
/// `pace` is asked for.
///
/// # Errors
/// [`IntentError::Move`] where the move would fail: with the findings that say so.
pub fn migrate(
    host_id: &str,
    vm: &str,
    to: &str,
    findings: &[Finding],
    running: bool,
    pace: Pace,
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
    let mut steps = Vec::new();
    for (value, from, to, why) in [
        (
            QmpValue::MigrationBandwidth,
            USUAL.bandwidth,
            pace.bandwidth,
            "memory goes over as fast as the link is given to it",
        ),
        (
            QmpValue::MigrationDowntime,
            USUAL.downtime,
            pace.downtime,
            "a guest that writes fast may stand still for longer at the end, and arrives",
        ),
    ] {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            let machine = vm.to_owned();
            steps.push((Action::Qmp { machine, value, from, to }, why.to_owned(), Disruption::None));
        }
    }
    let step = Action::MachineMigrate { machine: vm.to_owned(), to: to.to_owned() };
    let why = format!("{vm} runs at {to} then; a look at both hosts found nothing that stands in the way");
    steps.push((step, why, Disruption::None));
    let mut plan = made(host_id, Some(vm), format!("move vm {vm} to {to}"), steps);
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
        let plan = migrate("h", "web", "tcp:hv2:49152", &[finding(Level::Warn)], true, Pace::default())
            .expect("it can go");
        assert_eq!(lint(&plan), []);
        assert_eq!(plan.left, ["to be weighed: migration/target-older: the target's QEMU is older"]);
        assert_eq!(crate::disruption(&plan), Disruption::GuestPause);
        let text = crate::preview(&plan).to_text();
        for line in ["1. moves web to tcp:hv2:49152 while it runs", "has to be sent back from tcp:hv2:49152"]
        {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let again = migrate("h", "web", "tcp:hv2:49152", &[finding(Level::Warn)], true, Pace::default())
            .expect("the same");
        assert_eq!(canonical(&plan), canonical(&again));
        let nowhere =
            migrate("h", "web", "hv2 ; rm", &[], true, Pace::default()).expect("it is lint's to refuse");
        assert!(lint(&nowhere)[0].to_string().contains("is no place for a guest"), "{:?}", lint(&nowhere));
    }

    #[test]
    fn what_stands_in_the_way_refuses_it() {
        let error = migrate("h", "web", "tcp:hv2:49152", &[finding(Level::Error)], false, Pace::default())
            .expect_err("it would fail");
        assert_eq!(
            error.to_string(),
            "web cannot move to tcp:hv2:49152:\n  migration/target-older: the target's QEMU is older\n  web does not run: copy its specification and disks, and start it there"
        );
    }

    #[test]
    fn a_pace_is_given_before_the_move_and_only_where_it_differs() {
        let pace = Pace { bandwidth: Some(1 << 30), downtime: Some(300) };
        let plan = migrate("h", "web", "tcp:hv2:49152", &[], true, pace).expect("it can go");
        assert_eq!(lint(&plan), []);
        let does: Vec<String> =
            plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect();
        assert_eq!(does.len(), 2, "{does:?}");
        assert_eq!(does[0], "gives the running web 1073741824 bytes a second of a migration, until it ends");
        let slow = Pace { bandwidth: None, downtime: Some(2_000_001) };
        let plan = migrate("h", "web", "tcp:hv2:49152", &[], true, slow).expect("it is lint's to refuse");
        assert!(lint(&plan)[0].to_string().contains("the most that QEMU takes"), "{:?}", lint(&plan));
    }
}

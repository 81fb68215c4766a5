//! What a plan must be before anybody is asked to approve it. `vmwright-apply` asks again before it acts.

use crate::actions::{self, Fault};
use crate::canonical::plan_id;
use crate::secret::secrets;
use crate::target::{Target, follows, least_disruption};
use std::collections::BTreeMap;
use std::net::IpAddr;
use thiserror::Error;
use vmwright_model::plan::PLAN_SCHEMA;
use vmwright_model::{Action, Disruption, Plan};

/// The most steps of a plan. Nobody can weigh more, and a run keeps them all in memory.
pub const MAX_STEPS: usize = 10_000;

/// The longest text that a step restores, in bytes.
pub const MAX_TEXT: usize = 1 << 20;

/// What is wrong with a plan. Steps are counted from 1, as previews show them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LintError {
    /// Not a schema that this version writes.
    #[error("schema `{0}` is not {PLAN_SCHEMA}")]
    Schema(String),
    /// Nothing to do.
    #[error("the plan has no steps")]
    Empty,
    /// More than [`MAX_STEPS`].
    #[error("the plan has {0} steps, more than {MAX_STEPS}")]
    TooManySteps(usize),
    /// It does not say which host it is for.
    #[error("the plan names no host")]
    NoHost,
    /// Two steps on one thing, and the second does not expect what the first leaves.
    #[error(
        "step {second} contradicts step {first}: both change {target}, and {second} does not expect what {first} leaves"
    )]
    Contradiction {
        /// The earlier step.
        first: usize,
        /// The later step.
        second: usize,
        /// What both change.
        target: String,
    },
    /// Something comes after a machine's start.
    #[error("step {after} comes after the start of a machine in step {start}; starts come last")]
    StartNotLast {
        /// The start.
        start: usize,
        /// The step behind it.
        after: usize,
    },
    /// Something comes after the restart of the host.
    #[error("step {after} comes after the restart of the host in step {reboot}; it comes last")]
    RebootNotLast {
        /// The restart.
        reboot: usize,
        /// The step behind it.
        after: usize,
    },
    /// What can be taken back comes behind what cannot: where it fails, half of the plan stays done.
    #[error(
        "step {after} comes after step {first}, which nothing here takes back; what cannot be taken back comes last"
    )]
    CannotReturn {
        /// What cannot be taken back.
        first: usize,
        /// The step behind it.
        after: usize,
    },
    /// The boot loader would try something, and nobody would say that it was good.
    #[error(
        "step {trial} has the boot loader try an entry, and no restart of the host follows, behind which that ends"
    )]
    TrialWithoutReboot {
        /// The step.
        trial: usize,
    },
    /// The step changes nothing.
    #[error("step {step} changes nothing: it expects what it writes")]
    NoChange {
        /// The step.
        step: usize,
    },
    /// It disturbs more than allowed.
    #[error("step {step} disturbs {disruption}, more than the ceiling {ceiling}")]
    AboveCeiling {
        /// The step.
        step: usize,
        /// What it disturbs.
        disruption: Disruption,
        /// What is allowed.
        ceiling: Disruption,
    },
    /// It claims to disturb less than its action must.
    #[error("step {step} claims to disturb {claimed}, but its action disturbs {least} at least")]
    Understated {
        /// The step.
        step: usize,
        /// What it claims.
        claimed: Disruption,
        /// What the action disturbs.
        least: Disruption,
    },
    /// A path that is not plain.
    #[error("step {step} has the path `{path}`: {why}")]
    Path {
        /// The step.
        step: usize,
        /// The path, control characters escaped.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name, key, address, mode or digest that cannot be one.
    #[error("step {step}: {why}")]
    Value {
        /// The step.
        step: usize,
        /// What is wrong.
        why: String,
    },
    /// A secret stands in it.
    #[error("{place} holds what looks like a secret ({what}); plans are kept and shown, so it must not")]
    Secret {
        /// Where, a JSON pointer.
        place: String,
        /// What kind.
        what: &'static str,
    },
    /// It disturbs what an administrator has put under protection.
    #[error("step {step} disturbs {disruption}, and {what} is protected")]
    Protected {
        /// The step.
        step: usize,
        /// What it disturbs.
        disruption: Disruption,
        /// What is protected.
        what: String,
    },
    /// Its id is not the one that it is called by.
    #[error("the plan's id is {found}, not {claimed}")]
    Id {
        /// The id that it is called by.
        claimed: String,
        /// The id of its content.
        found: String,
    },
}

/// Everything that is wrong with a plan by itself; empty where it can be shown to an approver.
#[must_use]
pub fn lint(plan: &Plan) -> Vec<LintError> {
    lint_against(plan, None, None)
}

/// As [`lint`], and against the id that the plan is called by and the most that it may disturb, where given.
#[must_use]
pub fn lint_against(plan: &Plan, id: Option<&str>, ceiling: Option<Disruption>) -> Vec<LintError> {
    let mut errors = Vec::new();
    if plan.schema != PLAN_SCHEMA {
        errors.push(LintError::Schema(plan.schema.escape_debug().to_string()));
    }
    if plan.host_id.is_empty() {
        errors.push(LintError::NoHost);
    }
    if plan.steps.is_empty() {
        errors.push(LintError::Empty);
    }
    if plan.steps.len() > MAX_STEPS {
        // The checks below compare steps with each other: not for a plan without bounds.
        errors.push(LintError::TooManySteps(plan.steps.len()));
        return errors;
    }
    for (at, step) in plan.steps.iter().enumerate() {
        let number = at + 1;
        action(number, &step.action, &mut errors);
        let least = least_disruption(&step.action);
        if step.disruption < least {
            errors.push(LintError::Understated { step: number, claimed: step.disruption, least });
        }
        if let Some(ceiling) = ceiling.filter(|ceiling| step.disruption.max(least) > *ceiling) {
            let disruption = step.disruption.max(least);
            errors.push(LintError::AboveCeiling { step: number, disruption, ceiling });
        }
    }
    contradictions(plan, &mut errors);
    starts(plan, &mut errors);
    errors.extend(secrets(plan).into_iter().map(|(place, what)| LintError::Secret { place, what }));
    if let Some(claimed) = id {
        let found = plan_id(plan);
        if found != claimed {
            errors.push(LintError::Id { claimed: claimed.escape_debug().to_string(), found });
        }
    }
    errors
}

/// What no plan may disturb, as an administrator has decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// Names of VMs: no step may disturb them at all.
    pub vms: Vec<String>,
    /// The host: none of its services may be restarted, nor itself.
    pub host: bool,
}

impl Protected {
    /// Reads a list: `vm NAME` or `host` a line, and comments.
    ///
    /// # Errors
    /// The number of the first line that is neither, counted from 1: half of a protection is none.
    pub fn read(text: &str) -> Result<Self, usize> {
        let mut protected = Self::default();
        for (at, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
            match words[..] {
                [] => {}
                ["host"] => protected.host = true,
                ["vm", name] => protected.vms.push(name.to_owned()),
                _ => return Err(at + 1),
            }
        }
        Ok(protected)
    }

    /// What of a plan is against it.
    #[must_use]
    pub fn against(&self, plan: &Plan) -> Vec<LintError> {
        let mut errors = Vec::new();
        for (at, step) in plan.steps.iter().enumerate() {
            let disruption = step.disruption.max(least_disruption(&step.action));
            let vm = match &step.action {
                Action::MachineStop { machine } | Action::MachineMigrate { machine, .. } => {
                    Some(machine.as_str())
                }
                // What a plan for a VM disturbs, it disturbs of that VM at least.
                _ => plan.vm.as_deref().filter(|_| disruption > Disruption::None),
            };
            let mut protects = |what: String| {
                errors.push(LintError::Protected { step: at + 1, disruption, what });
            };
            if let Some(vm) = vm.filter(|vm| self.vms.iter().any(|name| name == vm)) {
                protects(format!("vm {vm}"));
            }
            if self.host && disruption >= Disruption::ServiceRestart {
                protects("the host".to_owned());
            }
        }
        errors
    }
}

fn action(step: usize, action: &Action, errors: &mut Vec<LintError>) {
    errors.extend(actions::of(action).faults().into_iter().map(|fault| match fault {
        Fault::Path(path, why) => LintError::Path { step, path, why },
        Fault::Value(why) => LintError::Value { step, why },
        Fault::NoChange => LintError::NoChange { step },
    }));
}

fn contradictions(plan: &Plan, errors: &mut Vec<LintError>) {
    // Only targets of one name can overlap; within a name they are few, unless the plan is made to be slow.
    let mut by_name: BTreeMap<String, Vec<(usize, Target)>> = BTreeMap::new();
    for (second, step) in plan.steps.iter().enumerate() {
        let target = Target::of(&step.action);
        let earlier = by_name.entry(target.name().to_owned()).or_default();
        // Only the nearest earlier step on the same thing counts: it leaves what this one finds.
        let first =
            earlier.iter().rev().find(|(_, earlier)| earlier.overlaps(&target)).map(|(first, _)| *first);
        if let Some(first) = first
            && !follows(&step.action, &plan.steps[first].action)
        {
            errors.push(LintError::Contradiction {
                first: first + 1,
                second: second + 1,
                target: target.to_string().escape_debug().to_string(),
            });
        }
        earlier.push((second, target));
    }
}

fn starts(plan: &Plan, errors: &mut Vec<LintError>) {
    let is_reboot = |at: usize| {
        matches!(plan.steps[at].action, Action::Reboot { left: None } | Action::AwaitReboot { left: None })
    };
    if let Some(reboot) = (0..plan.steps.len()).find(|at| is_reboot(*at))
        && reboot + 1 < plan.steps.len()
    {
        errors.push(LintError::RebootNotLast { reboot: reboot + 1, after: reboot + 2 });
    }
    let is_trial = |at: usize| matches!(plan.steps[at].action, Action::BootTrial { .. });
    if let Some(trial) = (0..plan.steps.len()).find(|at| is_trial(*at))
        && !(trial..plan.steps.len()).any(is_reboot)
    {
        errors.push(LintError::TrialWithoutReboot { trial: trial + 1 });
    }
    let stays = |at: usize| !actions::of(&plan.steps[at].action).can_be_undone();
    if let Some(first) = (0..plan.steps.len()).find(|at| stays(*at))
        && let Some(after) = (first + 1..plan.steps.len()).find(|at| !stays(*at) && !is_reboot(*at))
    {
        errors.push(LintError::CannotReturn { first: first + 1, after: after + 1 });
    }
    let is_start = |at: usize| matches!(plan.steps[at].action, Action::MachineStart { .. });
    // What takes the host or a machine away may come behind.
    let is_last = |at: usize| {
        is_start(at) || is_reboot(at) || matches!(plan.steps[at].action, Action::MachineMigrate { .. })
    };
    let first = (0..plan.steps.len()).find(|at| is_start(*at));
    if let Some(start) = first
        && let Some(after) = (start..plan.steps.len()).find(|at| !is_last(*at))
    {
        errors.push(LintError::StartNotLast { start: start + 1, after: after + 1 });
    }
}

/// Whether a text can name a network interface: `dev_valid_name` in the kernel's `net/core/dev.c`, and here ASCII
/// and no leading dash besides, because it stands on a command line.
///
/// # Errors
/// What is wrong with it.
pub fn interface_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 15 {
        return Err("it does not have 1 to 15 bytes");
    }
    if name == "." || name == ".." || name.starts_with('-') {
        return Err("it begins like an option or is a directory");
    }
    let fine = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':');
    if name.bytes().all(fine) { Ok(()) } else { Err("it has a byte that no interface name may have") }
}

/// An address with prefix length, `10.0.0.1/24`.
#[must_use]
pub fn parse_address(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = digits.then(|| prefix.parse().ok()).flatten()?;
    (prefix <= most).then_some((address, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Step, Subject};

    fn plan(actions: Vec<Action>) -> Plan {
        let steps = actions
            .into_iter()
            .map(|action| Step {
                subject: Subject::host(),
                disruption: least_disruption(&action),
                action,
                why: "because".into(),
                settles: Vec::new(),
            })
            .collect();
        Plan {
            schema: PLAN_SCHEMA.into(),
            title: "t".into(),
            host_id: "h".into(),
            vm: None,
            steps,
            left: Vec::new(),
            complaint: String::new(),
        }
    }

    fn edit(path: &str, key: &str, from: Option<&str>, to: Option<&str>) -> Action {
        Action::EditSpec {
            path: path.into(),
            key: key.into(),
            from: from.map(Into::into),
            to: to.map(Into::into),
        }
    }

    fn mode(path: &str, from: u32, to: u32) -> Action {
        Action::FileMode { path: path.into(), from, to }
    }

    fn start() -> Action {
        Action::MachineStart { machine: "m".into() }
    }

    fn leave() -> Action {
        Action::MachineMigrate { machine: "m".into(), to: "tcp:hv2:49152".into() }
    }

    #[test]
    fn a_sound_plan_has_nothing_against_it() {
        let sound = plan(vec![
            Action::MachineStop { machine: "old".into() },
            Action::BridgeAdd { name: "br0".into(), address: Some("fd00::1/64".into()) },
            mode("/srv/images", 0o700, 0o711),
            mode("/srv/images", 0o711, 0o755),
            edit("/m.toml", "cpu.model", Some("\"host\""), Some("\"max\"")),
            start(),
        ]);
        assert_eq!(lint(&sound), []);
        assert_eq!(lint_against(&sound, Some(&plan_id(&sound)), Some(Disruption::GuestRestart)), []);
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let one =
            |actions| lint(&plan(actions)).into_iter().map(|error| error.to_string()).collect::<Vec<_>>();
        let cases: Vec<(Vec<Action>, &str)> = vec![
            (vec![], "the plan has no steps"),
            (vec![mode("a/b", 0, 1)], "step 1 has the path `a/b`: it is not absolute"),
            (
                vec![mode("/a/../b", 0, 1)],
                "step 1 has the path `/a/../b`: it has a component that is `.` or `..`",
            ),
            (vec![mode("/a//b", 0, 1)], "step 1 has the path `/a//b`: it has an empty component"),
            (
                vec![mode("/a\u{1b}[2J", 0, 1)],
                "step 1 has the path `/a\\u{1b}[2J`: it has control characters",
            ),
            (vec![mode("/a", 0, 0o10000)], "step 1: 10000 is not a file mode of at most 7777"),
            (vec![mode("/a", 1, 1)], "step 1 changes nothing: it expects what it writes"),
            (
                vec![edit("/a", "b..c", None, Some("1"))],
                "step 1: `b..c` is not a dotted key of at most 256 bytes",
            ),
            (
                vec![Action::BootTrial {
                    trial: vmwright_model::plan::Trial::Counted {
                        entry: "/boot/loader/entries/a.conf".into(),
                    },
                }],
                "step 1 has the boot loader try an entry, and no restart of the host follows, behind which that ends",
            ),
            (
                vec![mode("/a", 1, 2), mode("/a", 1, 3)],
                "step 2 contradicts step 1: both change the mode of /a, and 2 does not expect what 1 leaves",
            ),
            (
                vec![edit("/a", "c", None, Some("1")), edit("/a", "c", None, Some("2"))],
                "step 2 contradicts step 1: both change `c` in /a, and 2 does not expect what 1 leaves",
            ),
            (
                vec![edit("/a", "c", None, Some("1")), edit("/a", "c.d", None, Some("2"))],
                "step 2 contradicts step 1: both change `c.d` in /a, and 2 does not expect what 1 leaves",
            ),
            (
                vec![start(), mode("/a", 1, 2)],
                "step 2 comes after the start of a machine in step 1; starts come last",
            ),
            (
                vec![Action::Reboot { left: None }, mode("/a", 1, 2)],
                "step 2 comes after the restart of the host in step 1; it comes last",
            ),
            (
                vec![leave(), mode("/a", 1, 2)],
                "step 2 comes after step 1, which nothing here takes back; what cannot be taken back comes last",
            ),
            (
                vec![Action::BridgeAdd { name: "a-name-too-long-".into(), address: None }],
                "step 1: interface name `a-name-too-long-`: it does not have 1 to 15 bytes",
            ),
            (
                vec![Action::BridgeAdd { name: "br0".into(), address: Some("10.0.0.1/33".into()) }],
                "step 1: `10.0.0.1/33` is not an address with prefix length",
            ),
            (
                vec![Action::MachineStart { machine: "../m".into() }],
                "step 1: `../m` is not the name of a machine",
            ),
            (
                vec![Action::FileWrite { path: "/a".into(), from_sha256: "x".into(), text: "t".into() }],
                "step 1: `x` is not a SHA-256",
            ),
        ];
        for (actions, error) in cases {
            assert_eq!(one(actions), [error]);
        }
    }

    #[test]
    fn a_host_may_be_emptied_and_restarted() {
        let mut other = leave();
        let Action::MachineMigrate { machine, .. } = &mut other else { unreachable!("it leaves") };
        "n".clone_into(machine);
        assert_eq!(lint(&plan(vec![mode("/a", 1, 2), leave(), other, Action::Reboot { left: None }])), []);
    }

    /// Steps have an order and no other bonds, so that a circle is two steps of which each expects what the other leaves.
    #[test]
    fn an_order_in_a_circle_is_refused() {
        let said = |actions| lint(&plan(actions)).iter().map(ToString::to_string).collect::<Vec<_>>();
        let circle = said(vec![mode("/a", 1, 2), mode("/b", 1, 2), mode("/a", 3, 1), mode("/b", 3, 1)]);
        assert_eq!(circle.len(), 2, "{circle:?}");
        assert!(circle[0].starts_with("step 3 contradicts step 1: both change the mode of /a"), "{circle:?}");
        // There and back is no circle: each step expects what was left.
        assert_eq!(said(vec![mode("/a", 1, 2), mode("/a", 2, 1)]), Vec::<String>::new());
    }

    #[test]
    fn a_disruption_can_be_neither_understated_nor_above_the_ceiling() {
        let mut stop = plan(vec![Action::MachineStop { machine: "m".into() }]);
        stop.steps[0].disruption = Disruption::None;
        let (claimed, least) = (Disruption::None, Disruption::GuestRestart);
        assert_eq!(lint(&stop), [LintError::Understated { step: 1, claimed, least }]);
        let errors = lint_against(&stop, None, Some(Disruption::None));
        assert!(
            matches!(errors[1], LintError::AboveCeiling { step: 1, disruption, .. } if disruption == least)
        );
    }

    #[test]
    fn what_is_protected_is_not_disturbed() {
        let protected = Protected::read("# ours\nvm old # for ever\n\nhost\n").expect("a list");
        let stop = |machine: &str| Action::MachineStop { machine: machine.into() };
        let said = |plan: &Plan| protected.against(plan).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(said(&plan(vec![stop("new"), mode("/a", 1, 2)])), Vec::<String>::new());
        assert_eq!(
            said(&plan(vec![stop("old")])),
            ["step 1 disturbs guest-restart, and vm old is protected"]
        );
        let mut restart = plan(vec![mode("/a", 1, 2)]);
        restart.steps[0].disruption = Disruption::ServiceRestart;
        assert_eq!(said(&restart), ["step 1 disturbs service-restart, and the host is protected"]);
        restart.vm = Some("old".into());
        assert_eq!(said(&restart).len(), 2);
        assert_eq!(Protected::read("vm a\nvms b\n"), Err(2));
    }

    #[test]
    fn ids_schemas_hosts_and_sizes() {
        let mut sound = plan(vec![start()]);
        let id = plan_id(&sound);
        sound.title.push('!');
        assert!(matches!(lint_against(&sound, Some(&id), None)[..], [LintError::Id { .. }]));
        sound.schema = "vmwright.plan/2".into();
        sound.host_id.clear();
        assert_eq!(lint(&sound), [LintError::Schema("vmwright.plan/2".into()), LintError::NoHost]);
        let many = plan((0..=MAX_STEPS).map(|n| mode(&format!("/d{n}"), 1, 2)).collect());
        assert_eq!(lint(&many), [LintError::TooManySteps(10_001)]);
        let most = plan((0..MAX_STEPS).map(|n| mode(&format!("/d{n}"), 1, 2)).collect());
        assert_eq!(lint(&most), []);
    }

    #[test]
    fn a_secret_is_named_by_its_place() {
        let secret = plan(vec![edit("/m.toml", "vnc.password", None, Some("\"hunter2\""))]);
        assert_eq!(
            lint(&secret)[0].to_string(),
            "/steps/0/action/to holds what looks like a secret (a password); plans are kept and shown, so it must not"
        );
    }
}

//! What a rehearsal came to. The facts are collected elsewhere; what they mean is judged here and nowhere else.

use serde::{Deserialize, Serialize};

/// Version of [`Rehearsal`] as JSON.
pub const REHEARSAL_SCHEMA: &str = "vmwright.rehearsal/1";

/// A plan, tried in a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rehearsal {
    /// [`REHEARSAL_SCHEMA`].
    pub schema: String,
    /// Id of the plan, 64 hexadecimal digits.
    pub plan: String,
    /// What the plan is for.
    pub title: String,
    /// When it began, RFC 3339, UTC.
    pub at: String,
    /// The lab that it was tried in, in words.
    pub lab: String,
    /// The capture that the lab is like; none where it was made like the running host.
    pub like: Option<String>,
    /// What stood for something of the host's that the lab cannot have, one line each.
    pub stood_in: Vec<String>,
    /// What of the host could not be copied, one line each.
    pub not_copied: Vec<String>,
    /// What became of each step.
    pub steps: Vec<Tried>,
    /// The lab's restarts, in order.
    pub boots: Vec<Restart>,
    /// Whether the lab was reached from outside, in order.
    pub reached: Vec<Reach>,
    /// How the run ended: `applied`, `undone`, `undo-incomplete`; none where it was not begun.
    pub run: Option<String>,
    /// Why the run stopped or was not begun.
    pub stopped: Option<String>,
    /// Whether the lab came back to how it was, by itself or with the run's own means; none where it did not have to.
    pub came_back: Option<bool>,
    /// Units of systemd that failed in the lab and did not before.
    pub failed_units: Vec<String>,
    /// What it means.
    pub verdict: Verdict,
    /// Why, one line each.
    pub why: Vec<String>,
}

/// What a rehearsal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All of the plan was carried out, and the lab stands well.
    Pass,
    /// What could be tried of the plan went well; the rest was not tried.
    Partly,
    /// The plan does not do in the lab what it should, or harms it.
    Fail,
    /// Nothing can be said of the plan.
    Unknown,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Verdict::Pass => "pass",
            Verdict::Partly => "partly",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
        })
    }
}

/// A step of the plan in the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// Its number, from 1.
    pub step: usize,
    /// What it does.
    pub what: String,
    /// What became of it.
    pub came: Came,
    /// Why, where it was not done.
    pub why: Option<String>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// Done and verified.
    Done,
    /// It could not be done, or it was done and did not hold.
    Failed,
    /// Done, and taken back with the run.
    Undone,
    /// The run did not come so far.
    NotBegun,
    /// It could not be tried in a lab.
    NotRehearsed,
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Came::Done => "done",
            Came::Failed => "failed",
            Came::Undone => "taken back",
            Came::NotBegun => "not begun",
            Came::NotRehearsed => "not rehearsed",
        })
    }
}

/// A restart of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Which.
    pub when: When,
    /// Whether a system came up.
    pub up: bool,
    /// Whether it came up by the entry that boots as before the plan.
    pub as_before: bool,
    /// Seconds until that was known.
    pub seconds: u64,
    /// Why it did not come up.
    pub why: Option<String>,
    /// What the console said last where it did not. Untrusted.
    pub console: Vec<String>,
}

/// Which of the lab's states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Made like the host, before the plan.
    Before,
    /// With what the plan wrote.
    With,
    /// After its power was cut, because it did not come up.
    PowerCut,
    /// After what the plan did was taken back.
    After,
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            When::Before => "before the plan",
            When::With => "with the plan",
            When::PowerCut => "after its power was cut",
            When::After => "after the plan was taken back",
        })
    }
}

/// Whether the lab was reached from outside, by the address that stands for the host's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// When.
    pub when: When,
    /// Whether it was.
    pub reached: bool,
}

impl Rehearsal {
    /// Whether the lab did not come up with what the plan wrote.
    #[must_use]
    pub fn is_unbootable(&self) -> bool {
        self.boots.iter().any(|boot| boot.when == When::With && (!boot.up || boot.as_before))
    }

    /// Whether the plan cuts off the one who uses it.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        let at = |when| self.reached.iter().filter(move |reach| reach.when == when);
        at(When::Before).any(|reach| reach.reached) && at(When::With).any(|reach| !reach.reached)
    }

    /// Judges the facts: `verdict` and `why` are what follows from all the rest.
    pub(crate) fn judge(&mut self) {
        let mut why = Vec::new();
        let unable = self.boots.iter().find(|boot| boot.when == When::Before && !boot.up);
        let unreached = self.reached.iter().any(|reach| reach.when == When::Before && !reach.reached);
        if self.is_unbootable() {
            let how = self.boots.iter().find(|boot| boot.when == When::With);
            let cause = how.and_then(|boot| boot.why.as_deref());
            let cause = cause.unwrap_or("the boot loader took the entry from before");
            why.push(format!("the host would not come up: {cause}"));
        }
        if self.is_unreachable() {
            why.push("the host would not be reached any more by its own address".to_owned());
        }
        if !why.is_empty() {
            match self.came_back {
                Some(true) => why.push("without anybody's help it is as before in the end".to_owned()),
                Some(false) => {
                    why.push("it does not come back by itself: somebody has to go there".to_owned())
                }
                None => {}
            }
        }
        for step in self.steps.iter().filter(|step| step.came == Came::Failed) {
            why.push(format!(
                "step {} fails: {}",
                step.step,
                step.why.as_deref().unwrap_or("nothing tells why")
            ));
        }
        let failed = self.steps.iter().any(|step| step.came == Came::Failed);
        if let (Some(stopped), false) = (&self.stopped, failed) {
            why.push(stopped.clone());
        }
        if self.run.as_deref() == Some("undo-incomplete") {
            why.push("not everything that was done could be taken back".to_owned());
        }
        for unit in &self.failed_units {
            why.push(format!("{unit} fails, and did not before"));
        }
        let left: Vec<&Tried> = self.steps.iter().filter(|step| step.came == Came::NotRehearsed).collect();
        let all_left = left.len() == self.steps.len();
        self.verdict = if let Some(boot) = unable {
            let cause = boot.why.as_deref().unwrap_or("nothing tells why");
            why = vec![format!("the lab does not come up as the host is, already without the plan: {cause}")];
            Verdict::Unknown
        } else if !why.is_empty() {
            Verdict::Fail
        } else if all_left || self.run.is_none() {
            why.push("nothing of the plan could be tried".to_owned());
            Verdict::Unknown
        } else if left.is_empty() && !unreached {
            Verdict::Pass
        } else {
            Verdict::Partly
        };
        if self.verdict == Verdict::Partly {
            why.extend(left.iter().map(|step| {
                format!(
                    "step {} was not tried: {}",
                    step.step,
                    step.why.as_deref().unwrap_or("nothing tells why")
                )
            }));
            if unreached {
                why.push(
                    "whether the host stays reachable was not tried: the lab was not reached before"
                        .to_owned(),
                );
            }
        }
        self.why = why;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(step: usize, came: Came) -> Tried {
        Tried { step, what: "does it".into(), came, why: (came != Came::Done).then(|| "because".into()) }
    }

    fn restart(when: When, up: bool, as_before: bool) -> Restart {
        let why = (!up).then(|| "the kernel stopped".into());
        Restart { when, up, as_before, seconds: 30, why, console: Vec::new() }
    }

    fn good() -> Rehearsal {
        Rehearsal {
            schema: REHEARSAL_SCHEMA.into(),
            plan: "0".repeat(64),
            title: "t".into(),
            at: String::new(),
            lab: String::new(),
            like: None,
            stood_in: Vec::new(),
            not_copied: Vec::new(),
            steps: vec![tried(1, Came::Done), tried(2, Came::Done)],
            boots: vec![restart(When::Before, true, false), restart(When::With, true, false)],
            reached: vec![
                Reach { when: When::Before, reached: true },
                Reach { when: When::With, reached: true },
            ],
            run: Some("applied".into()),
            stopped: None,
            came_back: None,
            failed_units: Vec::new(),
            verdict: Verdict::Unknown,
            why: Vec::new(),
        }
    }

    fn judged(change: impl FnOnce(&mut Rehearsal)) -> (Verdict, String) {
        let mut rehearsal = good();
        change(&mut rehearsal);
        rehearsal.judge();
        (rehearsal.verdict, rehearsal.why.join("\n"))
    }

    #[test]
    fn what_went_well_passes_and_what_was_not_tried_never_does() {
        assert_eq!(judged(|_| ()), (Verdict::Pass, String::new()));
        let (verdict, why) = judged(|all| all.steps[1] = tried(2, Came::NotRehearsed));
        assert!(verdict == Verdict::Partly && why == "step 2 was not tried: because", "{why}");
        let (verdict, _) = judged(|all| all.steps = vec![tried(1, Came::NotRehearsed)]);
        assert_eq!(verdict, Verdict::Unknown);
        let (verdict, _) = judged(|all| all.run = None);
        assert_eq!(verdict, Verdict::Unknown);
        let (verdict, why) = judged(|all| all.reached = vec![Reach { when: When::Before, reached: false }]);
        assert!(verdict == Verdict::Partly && why.contains("not reached before"), "{why}");
    }

    #[test]
    fn a_host_that_would_not_come_up_is_told() {
        let (verdict, why) = judged(|all| {
            all.boots[1] = restart(When::With, false, false);
            all.boots.push(restart(When::PowerCut, true, true));
            all.run = Some("undone".into());
            all.came_back = Some(true);
        });
        assert_eq!(verdict, Verdict::Fail);
        assert!(
            why.starts_with("the host would not come up: the kernel stopped\nwithout anybody's help"),
            "{why}"
        );
        // The boot loader has saved it, and it came up all the same: not with what the plan wrote.
        let (verdict, why) = judged(|all| all.boots[1] = restart(When::With, true, true));
        assert!(verdict == Verdict::Fail && why.contains("the entry from before"), "{why}");
        // What does not come up without the plan either says nothing of the plan.
        let (verdict, why) = judged(|all| all.boots = vec![restart(When::Before, false, false)]);
        assert!(verdict == Verdict::Unknown && why.contains("already without the plan"), "{why}");
    }

    #[test]
    fn a_host_that_would_not_be_reached_is_told() {
        let (verdict, why) = judged(|all| {
            all.reached[1].reached = false;
            all.came_back = Some(false);
        });
        assert!(
            verdict == Verdict::Fail && why.contains("would not be reached") && why.contains("go there"),
            "{why}"
        );
        // Nobody reached it before: that is not the plan's work.
        let (verdict, _) = judged(|all| all.reached.iter_mut().for_each(|reach| reach.reached = false));
        assert_eq!(verdict, Verdict::Partly);
    }

    #[test]
    fn steps_that_fail_and_units_that_fail_fail_the_plan() {
        let (verdict, why) = judged(|all| {
            all.steps = vec![tried(1, Came::Undone), tried(2, Came::Failed)];
            all.run = Some("undone".into());
            all.stopped = Some("step 2: because".into());
        });
        assert_eq!((verdict, why.as_str()), (Verdict::Fail, "step 2 fails: because"));
        let (verdict, why) = judged(|all| all.failed_units = vec!["libvirtd.service".into()]);
        assert!(verdict == Verdict::Fail && why.contains("libvirtd.service fails"), "{why}");
        let (verdict, why) = judged(|all| all.stopped = Some("refused".into()));
        assert_eq!((verdict, why.as_str()), (Verdict::Fail, "refused"));
    }
}

//! What an approver is shown: every step, what it expects, does and disturbs, how it is undone, what it settles.

use crate::actions;
use crate::canonical::plan_id;
use crate::describe::words;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use vmwright_model::plan::Settles;
use vmwright_model::{Disruption, Plan};

/// How a line of [`Plan::left`] begins that tells what an intent gave up for something more important.
pub(crate) const GIVEN_UP: &str = "given up ";

/// Version of [`Preview`] as JSON.
pub const PREVIEW_SCHEMA: &str = "vmwright.preview/1";

/// A plan as its approver sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// [`PREVIEW_SCHEMA`].
    pub schema: String,
    /// Id of the plan.
    pub plan: String,
    /// What it is for.
    pub title: String,
    /// Host that it may run on.
    pub host_id: String,
    /// VM that it is about, if one.
    pub vm: Option<String>,
    /// The highest disruption of its steps: what the approval must allow.
    pub disruption: Disruption,
    /// The steps, in order.
    pub steps: Vec<PreviewStep>,
    /// Findings that no step settles, and why.
    pub left: Vec<String>,
}

/// A step as its approver sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewStep {
    /// Counted from 1.
    pub number: usize,
    /// What it is about.
    pub subject: String,
    /// Why.
    pub why: String,
    /// The state that must be found.
    pub expects: String,
    /// What is done.
    pub does: String,
    /// The whole text that is written, where it is not in `does`.
    pub content: Option<String>,
    /// What it disturbs.
    pub disturbs: Disruption,
    /// How it is taken back.
    pub undone_by: String,
    /// The rules that must be quiet afterwards, with their subjects.
    pub settles: Vec<Settles>,
}

/// Shows a plan. The same plan gives the same bytes.
#[must_use]
pub fn preview(plan: &Plan) -> Preview {
    let steps = plan.steps.iter().enumerate().map(|(at, step)| {
        let words = words(&step.action);
        PreviewStep {
            number: at + 1,
            subject: step.subject.to_string(),
            why: step.why.clone(),
            expects: words.expects,
            does: words.does,
            content: actions::of(&step.action).content().map(str::to_owned),
            disturbs: step.disruption,
            undone_by: words.undone_by,
            settles: step.settles.clone(),
        }
    });
    Preview {
        schema: PREVIEW_SCHEMA.to_owned(),
        plan: plan_id(plan),
        title: plan.title.clone(),
        host_id: plan.host_id.clone(),
        vm: plan.vm.clone(),
        disruption: crate::disruption(plan),
        steps: steps.collect(),
        left: plan.left.clone(),
    }
}

impl Preview {
    /// The preview for a terminal. Control characters and characters that turn the direction of writing are
    /// escaped, so that what is shown is what is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let mut line = |indent: &str, label: &str, value: &str| {
            let label = if label.is_empty() { String::new() } else { format!("{label:<10}") };
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{indent}{label}{}", visible(value));
        };
        line("", "plan", &self.plan);
        line("", "for", &self.title);
        line("", "host", &self.host_id);
        if let Some(vm) = &self.vm {
            line("", "vm", vm);
        }
        line("", "disturbs", &self.disruption.to_string());
        for step in &self.steps {
            let head = format!("{}. {}", step.number, step.does);
            line("\n", "", &head);
            line("   ", "why", &step.why);
            line("   ", "expects", &step.expects);
            line("   ", "disturbs", &step.disturbs.to_string());
            line("   ", "undone by", &step.undone_by);
            for settles in &step.settles {
                line("   ", "settles", &format!("{} ({})", settles.rule, settles.subject));
            }
            for content in step.content.iter().flat_map(|text| text.split('\n')) {
                line("   ", "writes", content);
            }
        }
        // What an intent decided against stands apart from what is still to be done.
        let (given_up, left): (Vec<&String>, Vec<&String>) =
            self.left.iter().partition(|line| line.starts_with(GIVEN_UP));
        for (head, lines) in [("given up:", given_up), ("not settled by this plan:", left)] {
            if !lines.is_empty() {
                line("\n", "", head);
            }
            for text in lines {
                line("   ", "", text.strip_prefix(GIVEN_UP).unwrap_or(text));
            }
        }
        out
    }
}

/// `text` with everything escaped that a terminal acts on or that turns the direction of writing.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // The marks of the Unicode bidirectional algorithm, and the separators that end a line.
        let hides = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || hides {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::plan::PLAN_SCHEMA;
    use vmwright_model::{Action, Step, Subject, SubjectKind};

    fn sample() -> Plan {
        let step = |action, disruption| Step {
            subject: Subject::new(SubjectKind::Path, "/srv"),
            action,
            why: "the user qemu cannot reach the image".into(),
            disruption,
            settles: vec![Settles {
                rule: "access/path-not-traversable".into(),
                subject: Subject::new(SubjectKind::Path, "/srv"),
            }],
        };
        Plan {
            schema: PLAN_SCHEMA.into(),
            title: "settle 1 finding and start vm web".into(),
            host_id: "h1".into(),
            vm: Some("web".into()),
            steps: vec![
                step(Action::MachineStop { machine: "old".into() }, Disruption::GuestRestart),
                step(Action::FileMode { path: "/srv".into(), from: 0o700, to: 0o711 }, Disruption::None),
            ],
            left: vec!["kvm/firmware-off (host): a person has to act: switch it on".into()],
            complaint: String::new(),
        }
    }

    #[test]
    fn the_text_shows_every_part_of_every_step() {
        let expected = "\
plan      7e1d0f
for       settle 1 finding and start vm web
host      h1
vm        web
disturbs  guest-restart

1. stops old
   why       the user qemu cannot reach the image
   expects   machine old running
   disturbs  guest-restart
   undone by starts old
   settles   access/path-not-traversable (path /srv)

2. sets mode 0711 on /srv
   why       the user qemu cannot reach the image
   expects   mode 0700 on /srv
   disturbs  none
   undone by sets mode 0700 on /srv, if it is still 0711
   settles   access/path-not-traversable (path /srv)

not settled by this plan:
   kvm/firmware-off (host): a person has to act: switch it on
";
        let plan = sample();
        let mut shown = preview(&plan);
        assert_eq!(shown.plan, plan_id(&plan));
        shown.plan = "7e1d0f".into();
        assert_eq!(shown.to_text(), expected);
    }

    #[test]
    fn a_hostile_text_cannot_redraw_the_screen() {
        let mut plan = sample();
        plan.title = "fine\u{1b}[2J\r\u{202e}txt".into();
        plan.steps[0].why = "a\n1. does nothing".into();
        let text = preview(&plan).to_text();
        assert!(text.contains("for       fine\\u{1b}[2J\\r\\u{202e}txt\n"), "{text}");
        assert!(text.contains("why       a\\n1. does nothing\n"), "{text}");
    }

    #[test]
    fn a_restored_text_is_shown_whole() {
        let mut plan = sample();
        plan.steps[1].action = Action::FileWrite {
            path: "/m".into(),
            from_sha256: "0".repeat(64),
            text: "a = 1\nb = 2\n".into(),
        };
        let text = preview(&plan).to_text();
        assert!(text.contains("writes    a = 1\n   writes    b = 2\n"), "{text}");
    }
}

//! What a rule is made of.

use crate::{Context, Reading, Sign};
use vmwright_model::{Agent, Applicability, Disruption, Level, Need, Verdict};

/// A judgement of a move to another host.
pub type Preflight = fn(&Context<'_>, target: &Reading<'_>) -> Vec<Verdict>;

/// One rule. A file in the catalogue defines `pub const RULE: Rule = Rule { ..., ..Rule::NEW };`.
#[derive(Debug)]
pub struct Rule {
    /// How bad a finding is.
    pub level: Level,
    /// How mature the rule is.
    pub status: Status,
    /// How special the cause is: decides between causes that are equally well proven.
    pub rank: Rank,
    /// Free words for selection: `passthrough`, `boot`, `security`.
    pub tags: &'static [&'static str],
    /// What must be read on a live host.
    pub needs: &'static [Need],
    /// Messages that point to this cause, as data: all rules' signs are looked for in one pass.
    pub signs: &'static [Sign],
    /// Patterns in the user's complaint that go with this cause. They decide between equals and prove nothing.
    pub words: &'static [&'static str],
    /// Rules whose findings are consequences of this one.
    pub explains: &'static [&'static str],
    /// The source that would tell, where none was read: a path or a read-only command.
    pub tells: &'static str,
    /// What settles it, one sentence; `check` may add typed actions.
    pub remedy: &'static str,
    /// May the remedy be carried out by vmwright.
    pub applicability: Applicability,
    /// What the remedy disturbs.
    pub disruption: Disruption,
    /// Who takes it over, where it lies outside vmwright's authority.
    pub escalation: Option<Agent>,
    /// Controls that it touches, such as `cis:1.5.3`.
    pub controls: &'static [&'static str],
    /// The judgement. by default the signs alone.
    pub check: fn(&Context<'_>) -> Vec<Verdict>,
    /// The judgement, by the state of two hosts, of a move from the one that was read to the other. Where that is
    /// the question, rules without one are not asked.
    pub preflight: Option<Preflight>,
}

impl Rule {
    /// The defaults: an error, judged by its signs, settled by hand.
    pub const NEW: Rule = Rule {
        level: Level::Error,
        status: Status::Preview,
        rank: Rank::Normal,
        tags: &[],
        needs: &[],
        signs: &[],
        words: &[],
        explains: &[],
        tells: "",
        remedy: "",
        applicability: Applicability::ManualOnly,
        disruption: Disruption::None,
        escalation: None,
        controls: &[],
        check: signs_alone,
        preflight: None,
    };
}

/// The judgement of a rule whose messages say it all.
#[must_use]
fn signs_alone(cx: &Context<'_>) -> Vec<Verdict> {
    vec![cx.draft().verdict()]
}

/// How mature a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// May change its judgement between releases.
    Preview,
    /// Changes only where it was wrong.
    Stable,
    /// Will go; its documentation names the successor.
    Deprecated,
}

/// How special a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A net for what nothing special explains.
    General,
    /// The usual.
    Normal,
    /// Names one product or mechanism where a general rule could fire as well.
    Specific,
}

/// A rule in the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// `area/problem`.
    pub id: &'static str,
    /// Its documentation, Markdown. Its paragraph that begins with `Heard as: ` says in users' words what they see,
    /// and the one that begins with `Known by: ` has messages and names that go with it, parted by semicolons.
    pub doc: &'static str,
    /// The rule.
    pub rule: &'static Rule,
}

impl Entry {
    /// What is wrong, in general: the heading of the documentation.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.doc.lines().next().unwrap_or("").trim_start_matches("# ")
    }

    /// `vfio` of `vfio/no-reset`.
    #[must_use]
    pub fn area(&self) -> &'static str {
        self.id.split('/').next().unwrap_or("")
    }
}

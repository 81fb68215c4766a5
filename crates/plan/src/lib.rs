//! Plans: made from findings, checked, shown, read and turned round. Pure: the same input gives the same bytes.
//!
//! A plan's id is the hash of its content, so whoever approves an id approves every byte that matters. What a
//! plan does is carried out in `vmwright-apply` and nowhere else.

mod actions;
pub mod build;
pub mod canonical;
pub mod describe;
mod header;
pub mod intents;
pub mod lint;
mod named;
pub mod parse;
pub mod path;
pub mod preview;
mod secret;
pub mod target;
pub mod undo;
mod ways_in;

pub use actions::{device_name, inverse};
pub use build::fix;
pub use canonical::{canonical, plan_id};
pub use lint::{LintError, Protected, lint, lint_against};
pub use named::{NamedPlans, Rehearsed};
pub use parse::{ParseError, parse};
pub use preview::{Preview, preview};
pub use undo::undo;

use vmwright_model::{Disruption, Plan};

/// Whether one of a plan's steps can cut its user off: the network of the host, a device that may carry it, or what a
/// login reads.
#[must_use]
pub fn may_lock_out(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| actions::of(&step.action).may_lock_out() || ways_in::touched(&step.action))
}

/// Whether what an action does is still there after the host was restarted.
#[must_use]
pub fn lasts(action: &vmwright_model::Action) -> bool {
    use actions::Phase;
    matches!(actions::of(action).phase(), Phase::Access | Phase::Content | Phase::Generated | Phase::Record)
}

/// The highest disruption of a plan's steps: what its approval must allow.
#[must_use]
pub fn disruption(plan: &Plan) -> Disruption {
    plan.steps.iter().map(|step| step.disruption).max().unwrap_or(Disruption::None)
}

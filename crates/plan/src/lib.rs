//! Plans: made from findings, checked, shown, read and turned round. Pure: the same input gives the same bytes.
//!
//! A plan's id is the hash of its content, so whoever approves an id approves every byte that matters. What a
//! plan does is carried out in `vmwright-apply` and nowhere else.

mod actions;
pub mod build;
pub mod canonical;
pub mod describe;
pub mod intents;
pub mod lint;
pub mod parse;
pub mod path;
pub mod preview;
mod secret;
pub mod target;
pub mod undo;

pub use build::fix;
pub use canonical::{canonical, plan_id};
pub use lint::{LintError, lint, lint_against};
pub use parse::{ParseError, parse};
pub use preview::{Preview, preview};
pub use undo::undo;

use vmwright_model::{Disruption, Plan};

/// The highest disruption of a plan's steps: what its approval must allow.
#[must_use]
pub fn disruption(plan: &Plan) -> Disruption {
    plan.steps.iter().map(|step| step.disruption).max().unwrap_or(Disruption::None)
}

//! What the administrator wants rehearsed before it is approved and applied.

use super::report::{Rehearsal, Verdict};
use super::{of, short};
use crate::implementation::administrators;
use crate::{Environment, Error, PlanMade};
use vmwright_plan::Rehearsed;

/// The administrator's list.
const LIST: &str = "rehearsal";

/// That a plan needs no rehearsal, or has passed its last one. A list that others may write to, or that cannot be read, lets
/// nothing through.
pub(crate) fn check(made: &PlanMade, environment: &Environment) -> Result<(), Error> {
    let Some((path, text)) = administrators(environment, LIST)? else { return Ok(()) };
    let rule = Rehearsed::read(&text).map_err(|line| Error::RehearsalsList { path, line })?;
    if !rule.plans.names(&made.plan) {
        return Ok(());
    }
    match lacking(of(&made.id, environment)?.as_ref(), rule.partly) {
        None => Ok(()),
        Some(why) => Err(Error::NotRehearsed { plan: short(&made.id).to_owned(), why }),
    }
}

/// What is missing; none where nothing is.
fn lacking(last: Option<&Rehearsal>, partly: bool) -> Option<String> {
    let Some(last) = last else { return Some("it was not rehearsed".to_owned()) };
    let first = last.why.first().map_or("", String::as_str);
    match last.verdict {
        Verdict::Pass => None,
        Verdict::Partly if partly => None,
        Verdict::Partly => Some(format!("a part of it was not tried: {first}")),
        Verdict::Fail => Some(format!("it failed in its last rehearsal: {first}")),
        Verdict::Unknown => Some(format!("its last rehearsal told nothing: {first}")),
    }
}

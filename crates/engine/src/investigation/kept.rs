//! Investigations in the journal: each call appends the state, complete and without secrets, and supersedes the one
//! before.

use crate::{Environment, Error, memory};
use serde_json::Value;
use std::fmt::Write as _;
use vmwright_host::redact;
use vmwright_model::investigation::{INVESTIGATION_SCHEMA, Standing};
use vmwright_model::{EntryId, Investigation};

/// The operation that the entries have.
const OPERATION: &str = "investigate";

/// What stands around the state in an entry's text.
const FENCE: (&str, &str) = ("\n```json\n", "\n```\n");

/// The newest state of an investigation, by the number of any of its entries.
///
/// # Errors
/// [`Error::NoInvestigation`].
pub(crate) fn load(number: i64, environment: &Environment) -> Result<Investigation, Error> {
    let journal = memory::open(environment)?;
    let (id, entry) =
        journal.current(EntryId(number)).map_err(Error::Journal)?.ok_or(Error::NoEntry(number))?;
    let none = || Error::NoInvestigation(number);
    let text = entry.body.split_once(FENCE.0).and_then(|(_, rest)| rest.rsplit_once(FENCE.1));
    let (state, _) = text.filter(|_| entry.operation == OPERATION).ok_or_else(none)?;
    let mut all: Investigation = serde_json::from_str(state).map_err(|_| none())?;
    if all.schema != INVESTIGATION_SCHEMA {
        return Err(none());
    }
    // The first entry could not know its own number.
    if all.investigation == 0 {
        all.investigation = id.0;
    }
    Ok(all)
}

/// Keeps an investigation, and gives it its number.
pub(crate) fn keep(all: &mut Investigation, environment: &Environment) -> Result<(), Error> {
    let about = all.scope.vm.as_ref().map(|vm| format!("vm {vm}: ")).unwrap_or_default();
    let challenge: String = all.challenge.lines().next().unwrap_or("").chars().take(200).collect();
    let title = format!("{about}investigation: {challenge}");
    let state = clean(serde_json::to_value(&*all).expect("it has a JSON form"));
    let mut entry = memory::clean(memory::entry(OPERATION, title, summary(all), &all.host.id));
    let _ = write!(entry.body, "{}{state}{}", FENCE.0, FENCE.1);
    let supported = all.hypotheses.iter().filter(|one| one.standing == Standing::Supported);
    entry.rules = supported.filter_map(|one| one.rule.clone()).collect();
    if all.host.live {
        entry.evidence = memory::under(&all.host, environment);
    }
    let before = Some(EntryId(all.investigation)).filter(|id| id.0 > 0);
    let id = memory::write(&entry, before, environment)?;
    if all.investigation == 0 {
        all.investigation = id.0;
    }
    Ok(())
}

/// Every text without its secrets.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact::text_of("journal", &text)),
        Value::Array(list) => list.into_iter().map(clean).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, clean(value))).collect(),
        other => other,
    }
}

/// What a search finds and a person reads.
fn summary(all: &Investigation) -> String {
    let mut text = format!("{}\n\n", all.conclusion);
    for one in &all.hypotheses {
        let standing = match one.standing {
            Standing::Open => "open",
            Standing::Supported => "supported",
            Standing::Refuted => "refuted",
            Standing::Untested => "untested",
        };
        let name = one.rule.as_deref().unwrap_or(&one.statement);
        let _ = writeln!(text, "- {name}: {standing}, share {:.0} %: {}", 100.0 * one.share, one.why);
    }
    for step in &all.steps {
        let _ = writeln!(text, "- read: {}", step.probe);
    }
    text
}

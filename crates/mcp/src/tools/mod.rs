//! The tools, one file each: what it says of itself, what may be given, and the operation that it stands for.
//!
//! Each mode has a list of its own; a tool of another mode does not exist.

mod analyze;
mod apply;
mod confirm;
mod consensus;
mod debug;
mod enter_mode;
mod escalate;
mod list_recent_entries;
mod look_up;
mod plan;
mod preview;
mod process_thoughts;
mod read_journal_entry;
mod recover;
mod review;
mod search_journal;
mod sequentialthinking;
mod steps;
mod thinkdeep;
mod undo;
mod use_machine;

use crate::mark;
use crate::parameters::{self, Given, Parameter};
use crate::session::{At, Grants, Standing, Wanted};
use crate::thinking::Thought;
use rmcp::model;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use vmwright_engine::Operation;
use vmwright_model::Mode;

/// A tool.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// For the model.
    pub(crate) says: &'static str,
    pub(crate) hints: Hints,
    pub(crate) parameters: &'static [Parameter],
    /// Fields of the result that are always of one JSON type, with it.
    pub(crate) gives: &'static [(&'static str, &'static str)],
    /// Whether the result has these fields itself, and is no operation's outcome.
    pub(crate) own: bool,
    /// What a call stands for; where it cannot be meant, why.
    pub(crate) call: fn(&Given, &Standing) -> Result<Call, String>,
}

/// What clients are told of a tool's effects. Hints: nothing is safe because of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hints {
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
    pub(crate) idempotent: bool,
    pub(crate) open_world: bool,
}

/// Reads; asked twice, it says the same of the same host.
const READS: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: false };

/// Adds to vmwright's own state directory and takes nothing away.
const KEEPS: Hints = Hints { read_only: false, destructive: false, idempotent: false, open_world: false };

/// Changes a host or a VM.
const CHANGES: Hints = Hints { read_only: false, destructive: true, idempotent: false, open_world: false };

/// What a call stands for.
pub(crate) enum Call {
    /// Operations, one after the other; the first that fails is the last.
    Perform(Vec<Operation>, Showing),
    /// As the only operation, with what it reads on its standard input.
    PerformWith(Operation, Vec<u8>),
    /// Another mode.
    Enter(Wanted),
    /// A thought to keep.
    Think(Thought),
}

/// How much of a result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Showing {
    /// All.
    All,
    /// Of an analysis the causes, and of an investigation no grounds that are not needed for the next step; the rest is
    /// a resource, or an entry of the journal.
    Causes,
}

/// One operation, shown as a whole.
fn perform(operation: Operation) -> Result<Call, String> {
    Ok(Call::Perform(vec![operation], Showing::All))
}

const ANALYSIS: &[&Tool] = &[
    &enter_mode::TOOL,
    &analyze::TOOL,
    &debug::TOOL,
    &thinkdeep::TOOL,
    &consensus::TOOL,
    &look_up::TOOL,
    &plan::TOOL,
    &search_journal::TOOL,
    &read_journal_entry::TOOL,
    &list_recent_entries::TOOL,
    &process_thoughts::TOOL,
    &sequentialthinking::TOOL,
];

const IMPLEMENTATION: &[&Tool] = &[
    &enter_mode::TOOL,
    &preview::TOOL,
    &apply::TOOL,
    &confirm::TOOL,
    &undo::TOOL,
    &recover::TOOL,
    &look_up::TOOL,
    &search_journal::TOOL,
    &read_journal_entry::TOOL,
    &list_recent_entries::TOOL,
    &process_thoughts::TOOL,
    &sequentialthinking::TOOL,
];

const REVIEW: &[&Tool] = &[
    &enter_mode::TOOL,
    &review::TOOL,
    &escalate::TOOL,
    &use_machine::TOOL,
    &look_up::TOOL,
    &search_journal::TOOL,
    &read_journal_entry::TOOL,
    &list_recent_entries::TOOL,
    &process_thoughts::TOOL,
    &sequentialthinking::TOOL,
];

/// Every tool as clients are told of it, made once: its schemas are shared by all lists that are ever given.
static LISTED: LazyLock<BTreeMap<&str, model::Tool>> = LazyLock::new(|| {
    let tools = [ANALYSIS, IMPLEMENTATION, REVIEW].into_iter().flatten();
    tools
        .map(|tool| {
            let told = serde_json::from_value(tool.listed());
            (tool.name, told.expect("it has every field that the protocol asks for"))
        })
        .collect()
});

/// The tools that a session has, as its client is told of them.
pub(crate) fn listed(standing: &Standing) -> Vec<model::Tool> {
    of(standing).iter().filter_map(|tool| LISTED.get(tool.name).cloned()).collect()
}

/// The tools that a session has.
pub(crate) fn of(standing: &Standing) -> Vec<&'static Tool> {
    let all = match standing.mode.mode() {
        Mode::Analysis => ANALYSIS,
        Mode::Implementation => IMPLEMENTATION,
        Mode::Review => REVIEW,
    };
    let there = |tool: &&&'static Tool| match tool.name {
        "enter_mode" => !standing.read_only,
        "use_machine" => !standing.allowed.is_empty(),
        _ => true,
    };
    all.iter().filter(there).copied().collect()
}

/// What a call of a tool stands for, in a session where everything is allowed. For the test that holds the two faces of the
/// engine against each other.
///
/// # Errors
/// What the client would be told.
#[doc(hidden)]
pub fn stands_for(
    tool: &str,
    arguments: Value,
    plan: &str,
    scope: &[&str],
) -> Result<Vec<Operation>, String> {
    let scope = scope.iter().map(|vm| (*vm).to_owned()).collect();
    let find = |list: &'static [&'static Tool]| list.iter().copied().find(|one| one.name == tool);
    let (tool, mode) = if let Some(found) = find(ANALYSIS) {
        (found, At::Analysis)
    } else if let Some(found) = find(IMPLEMENTATION) {
        (found, At::Implementation { plan: plan.to_owned() })
    } else {
        (find(REVIEW).ok_or("no such tool")?, At::Review { scope })
    };
    let grants = Grants { machines: vec!["*".to_owned()], ..Grants::default() };
    let standing = Standing { mode, ..Standing::new(&grants, Path::new("/nowhere")) };
    let sent = arguments.as_object().cloned().ok_or("no object")?;
    let given = Given::check(sent, tool.parameters).map_err(|problems| problems.join("; "))?;
    match (tool.call)(&given, &standing)? {
        Call::Perform(operations, _) => Ok(operations),
        Call::PerformWith(operation, _) => Ok(vec![operation]),
        Call::Enter(_) | Call::Think(_) => Ok(Vec::new()),
    }
}

/// The mode that has a tool of this name, if another than the present one does.
pub(crate) fn elsewhere(name: &str) -> Option<Mode> {
    let lists = [(Mode::Analysis, ANALYSIS), (Mode::Implementation, IMPLEMENTATION), (Mode::Review, REVIEW)];
    lists.into_iter().find(|(_, list)| list.iter().any(|tool| tool.name == name)).map(|(mode, _)| mode)
}

impl Tool {
    /// As clients are told of it.
    fn listed(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.says,
            "inputSchema": parameters::schema(self.parameters),
            "outputSchema": self.output(),
            "annotations": {
                "readOnlyHint": self.hints.read_only,
                "destructiveHint": self.hints.destructive,
                "idempotentHint": self.hints.idempotent,
                "openWorldHint": self.hints.open_world,
            },
        })
    }

    /// What its structured results look like.
    pub(crate) fn output(&self) -> Value {
        let properties: Map<String, Value> =
            self.gives.iter().map(|(name, kind)| ((*name).to_owned(), field(kind))).collect();
        if self.own {
            return json!({ "type": "object", "properties": properties });
        }
        json!({
            "type": "object",
            "required": ["exit", "result"],
            "properties": { "exit": { "type": "string" }, "result": { "type": "object", "properties": properties } },
        })
    }
}

fn field(kind: &str) -> Value {
    match kind {
        mark::UNTRUSTED => mark::schema(),
        kind => json!({ "type": kind }),
    }
}

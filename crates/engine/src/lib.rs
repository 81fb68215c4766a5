//! Operation to Outcome: the three modes of vmwright live here, one file each.
//!
//! ANALYSIS (`analysis.rs`) locks the process before it reads; IMPLEMENTATION (`implementation.rs`) changes only
//! what an approved plan says; REVIEW (`review.rs`) starts and measures VMs in scope. A process serves one
//! operation: what ANALYSIS has locked stays locked.

mod accepted;
mod analysis;
mod aside;
mod asks;
mod attach;
mod backends;
mod capture;
mod captures;
mod convert;
mod create;
mod decide;
mod domains;
mod environment;
mod error;
mod escalate;
mod exchange;
mod grounds;
mod guard;
mod implementation;
mod intent;
mod intents;
mod investigation;
mod journaled;
mod judging;
mod lab;
mod lent;
mod machines;
mod meaning;
mod memory;
mod operation;
mod plans;
mod preflight;
mod rehearse;
mod remote;
mod review;
mod storage;
mod terminal;
mod unseen;
mod upgrade;
mod why;

pub use asks::{Ask, Came, MigrateOver, MigrateTo};
pub use decide::{Decide, is_choice};
pub use environment::{Environment, EnvironmentError};
pub use error::{Error, chain};
pub use escalate::{Escalate, Escalated, Hooked};
pub use guard::Watch;
pub use lab::{LabAsk, LabSummary, LabUp};
pub use memory::{Which, Who, entry_number, entry_path, without_secrets};
pub use unseen::is_unseen;
pub use vmwright_backend::Told;
pub use vmwright_backend::request::{MigrationProgress, Statistics};
pub use vmwright_formats::nearest;
pub use vmwright_plan::Preview;
pub use vmwright_review::reports::{html as review_html, text as review_text};
pub use vmwright_review::subject as review_subject;

pub use rehearse::Rehearse;
pub use rehearse::report::{self as rehearsal, Rehearsal};
pub use why::{Computation, Rank, Why};

pub use review::oscal::results as review_oscal;
pub use review::seal::Sealed;
pub use review::{HOST_REVIEWS, THIS_HOST};

pub use intent::{AttachDevice, DiskWish, Intent, NetworkWish, NewDisk, Technology, TuneFor};
pub use investigation::{Investigate, Reads};
pub use journaled::{Record, record};
pub use operation::{
    AnalysesMade, Analyze, Approve, Capture, Captured, Converted, Difference, Exchanged, MachineSummary,
    Operation, Outcome, PlanMade, PlannedSource, ReviewMade, Reviewing, RuleSummary, RunSummary,
    UpgradeChecked,
};

use std::path::PathBuf;
use vmwright_model::Analysis;

/// Something worth showing while an operation is under way.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A mode is entered.
    Banner(String),
    /// A step of the work.
    Note(String),
    /// One of several captures was analysed. They come in the order in which they were named.
    Analysed(Analysed),
    /// How far something asked of a machine is, or a piece of what it gives.
    Told(Told),
    /// Counts of a machine that is watched.
    Counted(Box<Statistics>),
}

/// One of several captures, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysed {
    /// Its path.
    pub from: PathBuf,
    /// Its number, counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// The analysis, or why there is none.
    pub result: Result<Box<Analysis>, String>,
}

/// Locks this process for an operation of ANALYSIS that does not lock it itself: from here on it can write to the state
/// directory and nowhere else.
///
/// To be called while no other thread runs.
///
/// # Errors
/// [`Error::Sandbox`] where it would be half locked, [`Error::SandboxLacking`] where the kernel cannot lock it fully.
pub fn lock(operation: &Operation, environment: &Environment) -> Result<(), Error> {
    analysis::lock_for(operation, environment)
}

/// Does one operation.
///
/// # Errors
/// [`Error`], which names the place and the exit status.
pub fn perform(
    operation: Operation,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let opened = journaled::open(&operation, environment, progress);
    let starts = matches!(operation, Operation::VmStart { .. });
    let came = match &opened {
        Some(opened) if starts => journaled::beside(opened, environment, progress, |progress, launched| {
            carry_out(operation, environment, progress, launched)
        }),
        _ => carry_out(operation, environment, progress, &mut || {}),
    };
    if let Some(opened) = opened {
        journaled::close(opened, &came, environment, progress);
    }
    came
}

fn carry_out(
    operation: Operation,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
    launched: &mut dyn FnMut(),
) -> Result<Outcome, Error> {
    match &operation {
        Operation::VmList => review::unfinished::put_right(None, environment, progress),
        Operation::VmStart { vm }
        | Operation::VmStop { vm, .. }
        | Operation::VmShow { vm }
        | Operation::VmAsk { vm, .. } => review::unfinished::put_right(Some(vm), environment, progress),
        Operation::Review(what) => review::unfinished::put_right(Some(&what.vm), environment, progress),
        _ => {}
    }
    match operation {
        Operation::Analyze(what) => analysis::analyze(&what, environment, progress),
        Operation::Capture(what) => capture::capture(&what, environment, progress),
        Operation::Investigate(what) => investigation::investigate(&what, environment, progress),
        Operation::Decide(what) => decide::decide(&what, environment, progress),
        Operation::Escalate(what) => escalate::escalate(&what, environment),
        Operation::Explain { rule } => analysis::explain(&rule),
        Operation::Rules { area } => analysis::rules(area.as_deref()),
        Operation::Plan { intent } => intents::plan(&intent, environment, progress),
        Operation::Preview { plan } => analysis::preview(&plan, environment),
        Operation::Approve(what) => implementation::approve(&what, environment),
        Operation::Approval { plan } => implementation::approval(&plan, environment),
        Operation::Apply { plan, confirm_within } => {
            implementation::apply(&plan, confirm_within, environment, progress)
        }
        Operation::Resume { run } => implementation::resume(&run, environment, progress),
        Operation::Confirm { run } => implementation::confirm(&run, environment, progress),
        Operation::Revert { run, watch } => guard::watch(&run, watch, environment, progress),
        Operation::Undo { run } => implementation::undo(&run, environment, progress),
        Operation::Recover => implementation::recover(environment),
        Operation::Review(what) => review::review(&what, environment, progress),
        Operation::Rehearse(what) => rehearse::rehearse(&what, environment, progress),
        Operation::Verify { review } => review::seal::verify(&review, environment),
        Operation::VmCreate { spec, backend } => machines::create(&spec, backend.as_deref(), environment),
        Operation::VmStart { vm } => machines::start(&vm, environment, launched),
        Operation::VmStop { vm, force } => machines::stop(&vm, force, environment),
        Operation::VmDelete { vm } => machines::delete(&vm, environment),
        Operation::VmList => machines::list(environment),
        Operation::VmShow { vm } => machines::show(&vm, environment),
        Operation::VmAsk { vm, ask } => asks::ask(&vm, &ask, environment, progress),
        Operation::VmReceive { vm, from, over, within } => {
            asks::receive(&vm, &from, &over, within, environment, progress)
        }
        Operation::Lab { what } => lab::ask(&what, environment, progress),
        Operation::VmSchema { example } => Ok(convert::schema(example)),
        Operation::Convert { file, from, to } => convert::convert(&file, from.as_deref(), &to, progress),
        Operation::JournalSearch { query, limit, which } => {
            memory::search(&query, limit, &which, environment)
        }
        Operation::JournalList { limit, which } => memory::list(limit, &which, environment),
        Operation::JournalShow { entry } => memory::show(entry, environment),
        Operation::JournalAdd { title, body, project, thought } => {
            memory::add(title, body, project, thought, environment)
        }
        Operation::JournalVerify => memory::verify(environment),
        Operation::JournalExport { to, which } => exchange::export(&to, &which, environment),
        Operation::JournalImport { from, project } => exchange::import(&from, project, environment),
    }
}

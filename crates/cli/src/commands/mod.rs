//! One file for each verb: what can be typed, and the operation it stands for.

mod agent_files;
mod analyze;
mod apply;
mod approve;
pub(crate) mod ask;
mod capture;
mod confirm;
mod convert;
mod decide;
mod escalate;
mod explain;
mod investigate;
mod journal;
mod lab;
mod mcp;
mod plan;
mod preview;
mod recover;
mod rehearse;
mod revert;
mod review;
mod rules;
mod undo;
mod verify;
mod vm;

use std::path::Path;
use vmwright_engine::Operation;

/// The verbs.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Analyze(analyze::Args),
    Capture(capture::Args),
    Investigate(investigate::Args),
    Decide(decide::Args),
    Explain(explain::Args),
    Rules(rules::Args),
    Plan(plan::Args),
    Preview(preview::Args),
    Approve(approve::Args),
    Apply(apply::Args),
    Confirm(confirm::Args),
    Undo(undo::Args),
    Recover(recover::Args),
    Revert(revert::Args),
    Review(review::Args),
    Rehearse(rehearse::Args),
    Verify(verify::Args),
    #[command(subcommand)]
    Vm(vm::Vm),
    #[command(subcommand)]
    Lab(lab::Lab),
    Convert(convert::Args),
    #[command(subcommand)]
    Journal(journal::Journal),
    Ask(ask::Args),
    Escalate(escalate::Args),
    Mcp(mcp::Args),
    AgentFiles(agent_files::Args),
}

impl Command {
    /// Where the result goes: what `-o` names, but for `capture`, whose `-o` names the archive.
    pub(crate) fn result_file<'o>(&self, output: Option<&'o Path>) -> Option<&'o Path> {
        output.filter(|_| !matches!(self, Command::Capture(_)))
    }

    /// Whether it reads a host or records, and has nothing to take back where it is cut off.
    pub(crate) fn only_reads(&self) -> bool {
        matches!(self, Command::Analyze(_) | Command::Capture(_) | Command::Investigate(_) | Command::Plan(_))
    }

    /// The operation that was asked for; `only_one` where the output has room for one analysis.
    pub(crate) fn operation(self, only_one: bool) -> anyhow::Result<Operation> {
        Ok(match self {
            Command::Analyze(args) => args.operation(only_one)?,
            Command::Capture(args) => args.operation(),
            Command::Investigate(args) => args.operation(),
            Command::Decide(args) => args.operation(),
            Command::Escalate(args) => args.operation(),
            Command::Explain(args) => args.operation(),
            Command::Rules(args) => args.operation(),
            Command::Plan(args) => args.operation(),
            Command::Preview(args) => args.operation(),
            Command::Approve(args) => args.operation()?,
            Command::Apply(args) => args.operation(),
            Command::Confirm(args) => args.operation(),
            Command::Undo(args) => args.operation(),
            Command::Recover(args) => args.operation(),
            Command::Revert(args) => args.operation(),
            Command::Review(args) => args.operation(),
            Command::Rehearse(args) => args.operation(),
            Command::Verify(args) => args.operation(),
            Command::Vm(args) => args.operation()?,
            Command::Lab(args) => args.operation()?,
            Command::Convert(args) => args.operation(),
            Command::Journal(args) => args.operation()?,
            Command::Ask(_) | Command::Mcp(_) | Command::AgentFiles(_) => {
                anyhow::bail!("it stands for no operation")
            }
        })
    }
}

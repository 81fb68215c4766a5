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

use crate::late::Late;
use std::path::Path;
use vmwright_engine::Operation;

/// The verbs.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Analyze(Late<analyze::Args>),
    // Its `-o` is not that of all verbs, which is seen where its arguments are there at once.
    Capture(capture::Args),
    Investigate(Late<investigate::Args>),
    Decide(Late<decide::Args>),
    Explain(Late<explain::Args>),
    Rules(Late<rules::Args>),
    Plan(Late<plan::Args>),
    Preview(Late<preview::Args>),
    Approve(Late<approve::Args>),
    Apply(Late<apply::Args>),
    Confirm(Late<confirm::Args>),
    Undo(Late<undo::Args>),
    Recover(Late<recover::Args>),
    Revert(Late<revert::Args>),
    Review(Late<review::Args>),
    Rehearse(Late<rehearse::Args>),
    Verify(Late<verify::Args>),
    #[command(subcommand)]
    Vm(Late<vm::Vm>),
    #[command(subcommand)]
    Lab(Late<lab::Lab>),
    Convert(Late<convert::Args>),
    #[command(subcommand)]
    Journal(Late<journal::Journal>),
    Ask(Late<ask::Args>),
    Escalate(Late<escalate::Args>),
    Mcp(Late<mcp::Args>),
    AgentFiles(Late<agent_files::Args>),
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
            Command::Analyze(Late(args)) => args.operation(only_one)?,
            Command::Capture(args) => args.operation(),
            Command::Investigate(Late(args)) => args.operation(),
            Command::Decide(Late(args)) => args.operation(),
            Command::Escalate(Late(args)) => args.operation(),
            Command::Explain(Late(args)) => args.operation(),
            Command::Rules(Late(args)) => args.operation(),
            Command::Plan(Late(args)) => args.operation(),
            Command::Preview(Late(args)) => args.operation(),
            Command::Approve(Late(args)) => args.operation()?,
            Command::Apply(Late(args)) => args.operation(),
            Command::Confirm(Late(args)) => args.operation(),
            Command::Undo(Late(args)) => args.operation(),
            Command::Recover(Late(args)) => args.operation(),
            Command::Revert(Late(args)) => args.operation(),
            Command::Review(Late(args)) => args.operation(),
            Command::Rehearse(Late(args)) => args.operation(),
            Command::Verify(Late(args)) => args.operation(),
            Command::Vm(Late(args)) => args.operation()?,
            Command::Lab(Late(args)) => args.operation()?,
            Command::Convert(Late(args)) => args.operation(),
            Command::Journal(Late(args)) => args.operation()?,
            Command::Ask(_) | Command::Mcp(_) | Command::AgentFiles(_) => {
                anyhow::bail!("it stands for no operation")
            }
        })
    }
}

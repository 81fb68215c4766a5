use crate::{Global, render};
use anyhow::Context;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vmwright_engine::Environment;
use vmwright_mcp::{Grants, Printers};
use vmwright_model::Exit;

/// Serve an AI agent over the Model Context Protocol, on standard input and output.
///
/// A session begins in ANALYSIS and has the tools of that mode alone; the agent enters another mode by name.
/// IMPLEMENTATION needs a plan that a person has signed with 'vmwright approve': no argument of any tool can stand for
/// that. REVIEW needs the VMs in scope; it may start them where they do not run, and change only those that --machines
/// names. What guests, logs and files wrote is marked as untrusted in every result.
///
/// 'vmwright agent-files' writes the configuration for a client.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Offer ANALYSIS alone, and do each operation in a process that the kernel has locked.
    #[arg(long, conflicts_with = "machines")]
    read_only: bool,
    /// Machines that the agent may start, use, change and remove in REVIEW; `*` for all of vmwright's own.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    machines: Vec<String>,
    /// The folder of the project that notes in the journal belong to [default: the working directory].
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Do one operation for a server, which tells of it on standard input.
    #[arg(long, hide = true)]
    worker: bool,
}

/// How a worker prints.
const PRINTERS: Printers = Printers {
    json: |outcome| render::value(outcome).unwrap_or_default(),
    progress: render::progress,
    text: |outcome| render::text(outcome, false),
    error: |error| vmwright_engine::chain(error),
};

impl Args {
    pub(crate) fn serve(self, global: &Global) -> anyhow::Result<Exit> {
        if self.worker {
            let stop = Arc::new(AtomicBool::new(false));
            for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
                signal_hook::flag::register_conditional_shutdown(
                    signal,
                    Exit::Incomplete as i32,
                    Arc::clone(&stop),
                )?;
                signal_hook::flag::register(signal, Arc::clone(&stop))?;
            }
            return Ok(vmwright_mcp::work(global.state.clone(), self.read_only, PRINTERS, stop));
        }
        let environment = Environment::new(global.state.clone(), Arc::new(AtomicBool::new(false)))?;
        let project = match self.project {
            Some(folder) => Some(folder.canonicalize().with_context(|| folder.display().to_string())?),
            // A server that was started nowhere has no project.
            None => std::env::current_dir().ok().filter(|folder| folder.parent().is_some()),
        };
        let grants = Grants { read_only: self.read_only, machines: self.machines, project };
        vmwright_mcp::serve_stdio(environment.state, &grants)?;
        Ok(Exit::Clean)
    }
}

//! The `vmwright` command: reads the arguments, asks the engine for one operation, prints its outcome.

mod apart;
mod commands;
mod events;
mod late;
mod output;
mod render;
mod token;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use events::{Ended, Events};
use output::Output;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vmwright_engine::{Environment, Operation, Outcome};
use vmwright_model::Exit;

/// A QEMU/KVM virtualization engineer: analyses hosts and VMs without being able to change them, carries out
/// exactly the plan that you approved, and proves the result on the running VM.
#[derive(Parser)]
#[command(name = "vmwright", version, help_template = HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<commands::Command>,
}

/// Options of every command.
#[derive(clap::Args)]
struct Global {
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
    /// Write the result to this file instead of standard output. It is overwritten if it is a regular file,
    /// and refused if it is anything else.
    #[arg(short, long, value_name = "FILE", global = true)]
    output: Option<PathBuf>,
    /// Where vmwright keeps its machines, plans, runs and journal
    /// [default: /var/lib/vmwright as root, else ~/.local/state/vmwright].
    #[arg(long, value_name = "DIR", env = "VMWRIGHT_STATE", global = true)]
    state: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document; schemas are versioned.
    Json,
    /// The same JSON in one line; of several captures a line each, with its path as `from`.
    Jsonl,
    /// Causes of an analysis, a line each: `source:line: level[rule]: title`; of several captures after their path.
    Concise,
    /// An analysis as SARIF 2.1.0, for code scanning.
    Sarif,
    /// An analysis or a review as JUnit test suites, for CI: causes fail, notes pass, what could not be told is skipped; of
    /// a review what could not be tried is an error.
    Junit,
    /// An analysis or a review for a ticket or a merge request.
    Markdown,
    /// An analysis or a review as one page that opens offline.
    Html,
    /// A review by the controls of `--framework` as OSCAL assessment results (NIST, 1.1.2).
    Oscal,
}

/// The verbs by mode. A test holds this text against the commands there are.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

ANALYSIS (reads only; the kernel keeps it so)
  analyze    Find what is wrong with this host, a VM, or files and archives from elsewhere
  investigate  Tell competing hypotheses apart, the most telling source first
  decide     Weigh hypervisors, storage, networks or isolation by needs and criteria
  capture    Keep what an analysis reads in one archive, without secrets
  explain    Explain a rule, or what an error code or message means
  rules      List the rules
  plan       Make a plan that settles the findings
  preview    Show what a plan expects, does and disturbs, and how it is undone

IMPLEMENTATION (exactly an approved plan)
  approve    Sign a plan with your SSH key
  apply      Carry out an approved plan
  confirm    Let a run stay that could have locked you out
  undo       Take a run back
  recover    Look at runs that were cut off or wait for you
  revert     Wait for a confirmation, and take the run back without (apply starts it)

REVIEW (proves it on the real VM)
  review     Boot, exercise and measure a VM
  rehearse   Carry a plan out in a lab made like this host, restarts and all, before it is approved
  verify     Check that a review is the one that somebody signed

MACHINES
  vm         Create, start, use, watch, change, move and stop machines; their schema
  lab        Bring up a throw-away hypervisor host, to reproduce faults and to try plans
  convert    Translate a machine: TOML, libvirt, QEMU, Firecracker, Cloud Hypervisor, KubeVirt

MEMORY
  journal    Search and read what was learned

AGENTS
  ask        Ask in your own words; answered by vmwright itself, or by a language model with its tools
  escalate   Hand an investigation over with a dossier, to whom its findings say
  mcp        Serve an AI agent over the Model Context Protocol: the same operations under the same rules
  agent-files  Write an agent's definition and the server's configuration for an AI client

Options:
{options}

Run 'vmwright <command> --help' for more. Exit status: 0 clean, 1 findings, 2 usage, 3 incomplete,
4 refused or stale, 5 a check failed after the change, 6 undo incomplete, 70 a defect of vmwright.
";

/// What `vmwright` alone prints.
const FIRST_SCREEN: &str = "\
vmwright: a QEMU/KVM virtualization engineer

  vmwright analyze                               what is wrong with this host
  vmwright analyze --vm web \"it does not start\"  why this VM does not start, with proof
  vmwright analyze --from ./logs                 the same for files that somebody sent you

Analysis never changes anything. What to do next: 'vmwright plan --vm web', then 'vmwright preview'.
All commands: 'vmwright --help'.
";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Some(command) = cli.command else {
        output::print(FIRST_SCREEN);
        return Exit::Clean.into();
    };
    let command = match command {
        commands::Command::Ask(late::Late(args)) => return told(args.answer(&cli.global)).into(),
        commands::Command::Mcp(late::Late(args)) => return told(args.serve(&cli.global)).into(),
        commands::Command::AgentFiles(late::Late(args)) => return told(args.write()).into(),
        operation => operation,
    };
    if command.only_reads() {
        return apart::run(|| reported(command, &cli.global)).into();
    }
    reported(command, &cli.global).into()
}

/// Runs a command, and says why it failed.
fn reported(command: commands::Command, global: &Global) -> Exit {
    told(run(command, global))
}

/// The exit status of a command, whose error is told.
fn told(result: anyhow::Result<Exit>) -> Exit {
    result.unwrap_or_else(|error| {
        eprintln!("{}", render::error::chain(&error));
        error.downcast_ref::<vmwright_engine::Error>().map_or(Exit::Usage, vmwright_engine::Error::exit)
    })
}

/// Set by the first Ctrl-C, which asks the run to stop and to take back what it did; the second one ends the process.
fn stopped_by_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, Exit::Incomplete as i32, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn run(command: commands::Command, global: &Global) -> anyhow::Result<Exit> {
    let stop = stopped_by_signals()?;
    let result = command.result_file(global.output.as_deref());
    let operation = command.operation(!global.format.has_parts())?;
    let environment = match Environment::new(global.state.clone(), Arc::clone(&stop)) {
        Err(_) if operation.needs_no_state() => Environment::without_state(stop),
        made => made?,
    };
    let reports = match &operation {
        Operation::Analyze(what) => !what.dry_run && what.why.is_none() && global.format != Format::Oscal,
        Operation::Review(what) if global.format == Format::Oscal => {
            anyhow::ensure!(!what.frameworks.is_empty(), NoFramework);
            true
        }
        Operation::Review(_) => global.format.is_of_reviews(),
        _ => false,
    };
    anyhow::ensure!(reports || !global.format.is_report(), Unsuitable(global.format));
    let output = Output::open(result).context("the output cannot be written")?;
    let mut events = Events::new(global.format, output);
    let outcome = match vmwright_engine::perform(operation, &environment, &mut |event| {
        if !events.show(event) {
            environment.stop.store(true, Ordering::Relaxed);
        }
    }) {
        Ok(outcome) => outcome,
        Err(error) => {
            events.discard();
            return Err(error.into());
        }
    };
    match events.end(&outcome) {
        Ok(()) => Ok(outcome.exit()),
        Err(Ended::Unsuitable(error)) => Err(error),
        Err(Ended::Unwritten(error)) => {
            eprintln!("{}", render::error::chain(&error));
            Ok(Exit::Incomplete)
        }
    }
}

/// One outcome, as it is printed.
fn rendered(format: Format, outcome: &Outcome, color: bool) -> anyhow::Result<String> {
    match (format, outcome) {
        (Format::Text, outcome) => Ok(render::text(outcome, color)),
        (Format::Json, outcome) => render::json(outcome),
        (Format::Jsonl, outcome) => render::jsonl::text(outcome),
        (Format::Concise, Outcome::Analyses(_)) => Ok(String::new()),
        (Format::Concise, Outcome::Analysis(analysis)) => Ok(render::concise::text(analysis)),
        (Format::Sarif, Outcome::Analysis(analysis)) => Ok(render::sarif::text(analysis)),
        (Format::Junit, Outcome::Analysis(analysis)) => Ok(render::junit::text(analysis)),
        (Format::Markdown, Outcome::Analysis(analysis)) => Ok(render::markdown::text(analysis)),
        (Format::Html, Outcome::Analysis(analysis)) => Ok(render::html::text(analysis)),
        (Format::Junit, Outcome::Review(made)) => Ok(render::review::junit::text(made)),
        (Format::Markdown, Outcome::Review(made)) => Ok(render::review::markdown::text(made)),
        (Format::Html, Outcome::Review(made)) => Ok(vmwright_engine::review_html(&made.review)),
        (Format::Oscal, Outcome::Review(made)) => {
            let results = vmwright_engine::review_oscal(&made.review).ok_or(NoFramework)?;
            Ok(format!("{results:#}\n"))
        }
        (format, _) => anyhow::bail!(Unsuitable(format)),
    }
}

impl Format {
    /// Whether it can be written capture by capture.
    fn has_parts(self) -> bool {
        matches!(self, Format::Text | Format::Jsonl | Format::Concise)
    }

    /// Whether a review can be written in it, of those that are reports.
    fn is_of_reviews(self) -> bool {
        matches!(self, Format::Junit | Format::Markdown | Format::Html | Format::Oscal)
    }

    /// Whether only the causes of an analysis, or a review, can be written in it.
    fn is_report(self) -> bool {
        !matches!(self, Format::Text | Format::Json | Format::Jsonl)
    }
}

/// A review that was not sorted by controls.
#[derive(Debug)]
struct NoFramework;

impl std::fmt::Display for NoFramework {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("--format oscal is for reviews by the controls of a framework (`--framework`)")
    }
}

impl std::error::Error for NoFramework {}

/// A format that an operation does not have.
#[derive(Debug)]
struct Unsuitable(Format);

impl std::fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.0.to_possible_value();
        let name = value.as_ref().map_or("this", |value| value.get_name());
        write!(
            f,
            "--format {name} is for the causes of an analysis, or for reviews; this operation has text, json and jsonl"
        )
    }
}

#[cfg(test)]
mod faces;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_help_names_every_command() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let line = format!("\n  {} ", command.get_name());
            assert!(HELP.contains(&line), "{} is not in the help", command.get_name());
        }
    }
}

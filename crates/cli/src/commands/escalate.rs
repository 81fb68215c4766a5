use vmwright_engine::{Escalate, Operation, entry_number};
use vmwright_model::Agent;

/// Hand over what lies outside vmwright's authority: a dossier with the question, the evidence, what was tried, and what
/// is asked of whom.
///
/// To whom is decided by the rules of the hypotheses that the investigation supports; --to names somebody else. The
/// dossier is kept as Markdown and JSON, and given to the command that `[escalate] hook = ["/path/program", ...]` in
/// vmwright.toml names: JSON on its standard input, VMWRIGHT_TO and VMWRIGHT_DOSSIER in its environment.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The number of the investigation; 'vmwright investigate' begins one.
    #[arg(value_parser = number)]
    investigation: i64,
    /// To whom.
    #[arg(long, value_name = "AGENT", value_parser = agent)]
    to: Option<Agent>,
    /// What is asked of them.
    #[arg(long, value_name = "TEXT")]
    ask: Option<String>,
}

fn number(text: &str) -> Result<i64, &'static str> {
    entry_number(text).ok_or("no number of an investigation")
}

fn agent(text: &str) -> Result<Agent, String> {
    let all = [
        Agent::SecurityEngineer,
        Agent::SystemsArchitect,
        Agent::PerformanceEngineer,
        Agent::DebugSpecialist,
    ];
    let names = || all.map(|agent| agent.to_string()).join(", ");
    all.into_iter().find(|agent| agent.to_string() == text).ok_or_else(|| format!("one of {}", names()))
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        let Self { investigation, to, ask } = self;
        Operation::Escalate(Escalate { investigation, to, ask })
    }
}

use crate::output::Output;
use crate::{Format, Global, render};
use anyhow::{Context, ensure};
use std::path::PathBuf;
use std::sync::Arc;
use vmwright_ask::{Asked, Endpoint, Limits, Question, Told};
use vmwright_engine::{Environment, Operation};
use vmwright_model::Exit;

/// Ask a question about a host or a VM, in your own words.
///
/// Without --model vmwright answers by itself: it analyses, tells hypotheses apart, and makes a plan where something can be
/// mended; a question for one of several (which storage, which hypervisor) is decided.
///
/// With --model a language model works with the tools that 'vmwright mcp' offers, in the same modes and under the same
/// rules: it changes nothing without a plan that a person has signed, and it cannot sign. The answer keeps apart what vmwright
/// found and what the model merely said. The question and the results of its calls, without secrets, go to the endpoint. The
/// conversation is kept in the journal.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The question.
    question: String,
    /// The VM that it is about.
    #[arg(long, value_name = "NAME")]
    vm: Option<String>,
    /// Read files that somebody kept, instead of this host: a folder, a capture or a sos report.
    #[arg(long, value_name = "PATH", conflicts_with = "vm")]
    from: Vec<PathBuf>,
    /// Read another host over SSH: `ssh://user@host:port`.
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    host: Option<String>,
    /// Let this model work on it: `anthropic:NAME` (Anthropic's Messages) or `openai:NAME` (whatever speaks like OpenAI's chat
    /// completions). The key comes from $ANTHROPIC_API_KEY or $OPENAI_API_KEY, with --endpoint from $VMWRIGHT_MODEL_KEY.
    #[arg(long, value_name = "KIND:NAME")]
    model: Option<String>,
    /// Where the model is reached: `https://HOST/v1`, or `http://127.0.0.1:PORT/v1` for one that runs here.
    #[arg(long, value_name = "URL", requires = "model")]
    endpoint: Option<String>,
    /// How often the model is asked at most.
    #[arg(long, value_name = "COUNT", default_value_t = 24, requires = "model", value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_steps: u16,
    /// How many tokens it may take, all together.
    #[arg(long, value_name = "COUNT", default_value_t = 400_000, requires = "model")]
    max_tokens: u64,
    /// Give the model ANALYSIS alone, each operation in a process that the kernel has locked.
    #[arg(long, requires = "model", conflicts_with = "machines")]
    read_only: bool,
    /// Machines that the model may start, use, change and remove in REVIEW; `*` for all of vmwright's own.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "model")]
    machines: Vec<String>,
}

/// Tokens of one answer of a model.
const ANSWER: u32 = 4096;

/// How much of a conversation the journal keeps, in bytes; the newest part counts.
const TRANSCRIPT: usize = 256 << 10;

impl Args {
    pub(crate) fn answer(self, global: &Global) -> anyhow::Result<Exit> {
        ensure!(
            matches!(global.format, Format::Text | Format::Json | Format::Jsonl),
            "an answer has the formats text, json and jsonl"
        );
        ensure!(!self.question.trim().is_empty(), "the question is empty");
        let stop = crate::stopped_by_signals()?;
        let environment = Environment::new(global.state.clone(), Arc::clone(&stop))?;
        let output = Output::open(global.output.as_deref()).context("the output cannot be written")?;
        let question = Question {
            text: self.question.clone(),
            vm: self.vm.clone(),
            from: self.from.clone(),
            host: self.host.clone(),
        };
        let mut results = String::new();
        let mut speaking = false;
        let mut told = |what: Told| match what {
            Told::Note(line) => {
                let line = render::shown(&line);
                eprintln!("{}{line}", if std::mem::take(&mut speaking) { "\n" } else { "" });
            }
            Told::Result(text) => {
                results.push_str(&text);
                results.push('\n');
            }
            Told::Model(piece) => {
                speaking = true;
                // Line by line: what a model says is shown, not obeyed.
                let piece = piece.split('\n').map(render::shown).collect::<Vec<_>>().join("\n");
                eprint!("{piece}");
            }
        };
        let asked = match self.endpoint()? {
            None => vmwright_ask::engineer(&question, &environment.state, &stop, &mut told),
            Some(endpoint) => {
                let limits =
                    Limits { steps: usize::from(self.max_steps), tokens: self.max_tokens, answer: ANSWER };
                let words = self.words();
                vmwright_ask::talk(
                    &question,
                    &endpoint,
                    &limits,
                    &words,
                    &environment.state,
                    &stop,
                    &mut told,
                )
            }
        };
        if speaking {
            eprintln!();
        }
        keep(&asked, &environment);
        let text = match global.format {
            Format::Text => results + &render::asked::text(&asked),
            Format::Json => render::inert(&format!("{:#}\n", serde_json::to_value(&asked)?)),
            _ => render::inert(&format!("{}\n", serde_json::to_value(&asked)?)),
        };
        let mut output = output;
        output.write(&text).context("the output cannot be written")?;
        Ok(asked.exit())
    }

    fn endpoint(&self) -> anyhow::Result<Option<Endpoint>> {
        let Some(model) = &self.model else { return Ok(None) };
        Ok(Some(Endpoint::new(model, self.endpoint.as_deref(), |name| std::env::var(name).ok())?))
    }

    /// What follows `mcp`.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.read_only {
            words.push("--read-only".to_owned());
        }
        if !self.machines.is_empty() {
            words.push(format!("--machines={}", self.machines.join(",")));
        }
        words
    }
}

/// Keeps a conversation. It is no knowledge: an analysis does not recall it.
fn keep(asked: &Asked, environment: &Environment) {
    let Some(said) = &asked.said else { return };
    let first: String = asked.question.lines().next().unwrap_or_default().chars().take(200).collect();
    let from = said.transcript.len().saturating_sub(TRANSCRIPT);
    let from = (from..=said.transcript.len()).find(|at| said.transcript.is_char_boundary(*at)).unwrap_or(0);
    let body = format!("{}\n\n{}\n", render::asked::ended(&asked.ended), &said.transcript[from..]);
    let add = Operation::JournalAdd {
        title: format!("asked {}: {first}", said.model),
        body,
        project: None,
        thought: true,
    };
    if let Err(error) = vmwright_engine::perform(add, environment, &mut |_| {}) {
        eprintln!("not in the journal: {}", vmwright_engine::chain(&error));
    }
}

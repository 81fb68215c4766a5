//! Hands over what lies outside vmwright's authority: a dossier, and the command that the administrator has set for it.
//! No host is read for it: what is handed over is in the journal.

use crate::{Environment, Error, Outcome, accepted, investigation, memory};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vmwright_model::dossier::{DOSSIER_SCHEMA, Dossier, DossierFinding};
use vmwright_model::investigation::{Outlook, Standing};
use vmwright_model::{Agent, Investigation};

/// How long the administrator's command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of what it says is told, in bytes.
const SAID: u64 = 4000;

/// How many entries of the journal a dossier names.
const ENTRIES: usize = 10;

/// Operations whose entries say what was done about a problem.
const DONE: [&str; 5] = ["apply", "undo", "review", "plan", "analyze"];

/// What to hand over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalate {
    /// The number of the investigation.
    pub investigation: i64,
    /// To whom; whoever the findings name where absent.
    pub to: Option<Agent>,
    /// What is asked of them; what their work is where absent.
    pub ask: Option<String>,
}

/// A hand-over that was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Escalated {
    /// What is handed over.
    pub dossier: Dossier,
    /// It as Markdown.
    pub text: String,
    /// Where the Markdown is kept.
    pub markdown: PathBuf,
    /// Where the JSON is kept.
    pub json: PathBuf,
    /// What the administrator's command did; none where none is set.
    pub hook: Option<Hooked>,
}

/// What the administrator's command did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hooked {
    /// The program.
    pub program: String,
    /// Its exit status; none where it did not end by itself or in time.
    pub status: Option<i32>,
    /// The beginning of what it said.
    pub said: String,
}

impl Hooked {
    /// Whether it took the dossier.
    #[must_use]
    pub fn took(&self) -> bool {
        self.status == Some(0)
    }
}

pub(crate) fn escalate(what: &Escalate, environment: &Environment) -> Result<Outcome, Error> {
    let all = investigation::load(what.investigation, environment)?;
    let (agent, reason) = whose(&all, what.to).ok_or(Error::NotBeyond(what.investigation))?;
    let hook = accepted::hook(environment)?;
    let dossier = dossier(&all, agent, reason, what.ask.as_deref(), environment)?;
    let text = markdown(&dossier);
    let (markdown, json) = keep(&dossier, &text, environment)?;
    let hook = hook.map(|hook| run(&hook, &dossier, &markdown));
    let mut entry = memory::entry(
        "escalate",
        format!("handed over to {agent}: {}", one_line(&dossier.question)),
        text.clone(),
        &dossier.host.id,
    );
    entry.rules = dossier
        .findings
        .iter()
        .filter(|one| one.standing == Standing::Supported)
        .filter_map(|one| one.rule.clone())
        .collect();
    entry.evidence = vec![format!("investigation {}", dossier.investigation), markdown.display().to_string()];
    memory::append(entry, environment)?;
    Ok(Outcome::Escalated(Box::new(Escalated { dossier, text, markdown, json, hook })))
}

/// Whose it is, and why: the caller's wish, the first supported hypothesis's rule, or, where all that is known leaves the
/// question unanswered, whoever debugs. None where it is vmwright's own.
fn whose(all: &Investigation, wish: Option<Agent>) -> Option<(Agent, String)> {
    let supported = all.hypotheses.iter().filter(|one| one.standing == Standing::Supported);
    let ruled = supported.clone().find_map(|one| Some((one.escalation?, one.rule.clone()?)));
    match (wish, ruled, all.state) {
        (Some(agent), Some((ruled, rule)), _) if agent == ruled => Some((agent, by_rule(agent, &rule))),
        (Some(agent), ..) => Some((agent, format!("it was asked for: {}", work(agent).0))),
        (None, Some((agent, rule)), _) => Some((agent, by_rule(agent, &rule))),
        (None, None, Outlook::Undecided) => Some((
            Agent::DebugSpecialist,
            "nothing is left to read that would tell, and no known cause is beyond doubt".to_owned(),
        )),
        (None, None, _) => None,
    }
}

fn by_rule(agent: Agent, rule: &str) -> String {
    format!("`{rule}` lies outside vmwright's authority: {}", work(agent).0)
}

/// What an agent decides, and what is asked of it where the caller does not say.
fn work(agent: Agent) -> (&'static str, &'static str) {
    match agent {
        Agent::SecurityEngineer => (
            "zero-trust architecture and compliance-critical settings",
            "decide which exposure is acceptable here, name the control that it rests on, and say what vmwright may change",
        ),
        Agent::SystemsArchitect => (
            "decisions that span several hosts",
            "decide how the hosts are to differ or agree, and say which of them vmwright may change, in which order",
        ),
        Agent::PerformanceEngineer => (
            "tuning of the host beyond one VM",
            "say what the host is to be tuned for, what may be given up for it, and which measurement proves it",
        ),
        Agent::DebugSpecialist => (
            "faults inside the kernel, KVM or firmware",
            "find which component is at fault, and say which version or setting avoids it",
        ),
    }
}

fn dossier(
    all: &Investigation,
    agent: Agent,
    reason: String,
    ask: Option<&str>,
    environment: &Environment,
) -> Result<Dossier, Error> {
    let finding = |one: &vmwright_model::investigation::Hypothesis| DossierFinding {
        rule: one.rule.clone(),
        statement: one.statement.clone(),
        standing: one.standing,
        why: one.why.clone(),
        confidence: one.confidence,
        share: one.share,
        evidence: one
            .pieces
            .iter()
            .filter(|piece| !piece.against)
            .filter_map(|piece| piece.evidence.clone())
            .collect(),
        refute: one.refute.clone(),
    };
    let mut tried: Vec<String> = all.steps.iter().map(|step| format!("read {}", step.probe)).collect();
    let journal = memory::open(environment)?;
    let about =
        all.scope.vm.as_ref().map_or(all.challenge.clone(), |vm| format!("vm {vm}: {}", all.challenge));
    let mut known = journal.recall(&about, &all.host.id, ENTRIES).map_err(Error::Journal)?;
    known.sort_by_key(|(id, _)| *id);
    tried.extend(
        known
            .into_iter()
            .filter(|(_, one)| DONE.contains(&one.operation.as_str()))
            .map(|(id, one)| format!("{} on {}: {} (entry {})", one.operation, one.written, one.title, id.0)),
    );
    let mut unread: Vec<(String, String)> = all.steps.iter().flat_map(|step| step.unread.clone()).collect();
    unread.sort();
    unread.dedup();
    Ok(Dossier {
        schema: DOSSIER_SCHEMA.to_owned(),
        agent,
        reason,
        question: all.challenge.clone(),
        asked: ask.map(str::trim).filter(|ask| !ask.is_empty()).unwrap_or(work(agent).1).to_owned(),
        host: all.host.clone(),
        vm: all.scope.vm.clone(),
        investigation: all.investigation,
        state: all.state,
        conclusion: all.conclusion.clone(),
        findings: all.hypotheses.iter().map(finding).collect(),
        tried,
        unread,
        open: all.next.iter().map(|next| next.probe.clone()).collect(),
        written: memory::now(),
    })
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or("").chars().take(160).collect()
}

/// The dossier for a person. What others wrote stands in quotes or as code.
fn markdown(dossier: &Dossier) -> String {
    let mut out = format!("# For the {}\n\n", dossier.agent);
    let code = |text: &str| format!("`{}`", text.replace('`', "'").replace(['\n', '\r'], " "));
    out.push_str(&format!("> {}\n\n", dossier.question.replace('\n', "\n> ")));
    out.push_str(&format!("**Asked:** {}.\n\n", dossier.asked.trim_end_matches('.')));
    out.push_str(&format!("**Why you:** {}.\n\n", dossier.reason));
    let vm = dossier.vm.as_ref().map_or(String::new(), |vm| format!(", VM {}", code(vm)));
    out.push_str(&format!(
        "Host {}{vm}; kernel {}; investigation {}; written {}.\n\n## Where it stands\n\n{}\n\n## Evidence\n\n",
        code(&dossier.host.name),
        code(&dossier.host.kernel),
        dossier.investigation,
        dossier.written,
        dossier.conclusion
    ));
    for one in &dossier.findings {
        let standing = match one.standing {
            Standing::Open => "open",
            Standing::Supported => "supported",
            Standing::Refuted => "refuted",
            Standing::Untested => "untested",
        };
        let name = one.rule.as_deref().map_or_else(|| code(&one.statement), code);
        out.push_str(&format!(
            "- **{standing}** {name}, share {:.0} %, confidence {:.0} %: {}\n",
            100.0 * one.share,
            100.0 * one.confidence,
            one.why
        ));
        for quote in &one.evidence {
            let place = code(&format!("{}:{}", quote.source, quote.line));
            out.push_str(&format!("  - {place}: {}\n", code(&quote.quote)));
        }
        if one.standing == Standing::Supported && !one.refute.is_empty() {
            let refute = one.refute.split_whitespace().collect::<Vec<_>>().join(" ");
            out.push_str(&format!("  - refuted by: {refute}\n"));
        }
    }
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("\n## {title}\n\n"));
            lines.iter().for_each(|line| out.push_str(&format!("- {line}\n")));
        }
    };
    list("What was tried", dossier.tried.clone());
    list(
        "What could not be read",
        dossier.unread.iter().map(|(source, why)| format!("{}: {why}", code(source))).collect(),
    );
    list("What would tell more", dossier.open.iter().map(|source| code(source)).collect());
    out
}

/// Keeps the dossier in both forms. Gives their paths.
fn keep(dossier: &Dossier, text: &str, environment: &Environment) -> Result<(PathBuf, PathBuf), Error> {
    let folder = environment.path("dossiers");
    let stem =
        format!("{}-{}-{}", dossier.written.replace([':', '-'], ""), dossier.investigation, dossier.agent);
    let (markdown, json) = (folder.join(format!("{stem}.md")), folder.join(format!("{stem}.json")));
    let write = |path: &Path, text: &str| -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    let made = || -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        write(&markdown, text)?;
        write(&json, &format!("{:#}\n", serde_json::to_value(dossier).map_err(std::io::Error::other)?))
    };
    made().map_err(|source| Error::File { path: markdown.clone(), source })?;
    Ok((markdown, json))
}

/// Gives the dossier to the administrator's command: JSON on its standard input, whose it is and where the Markdown lies
/// in its environment.
fn run(hook: &[String], dossier: &Dossier, markdown: &Path) -> Hooked {
    let (program, words) = hook.split_first().expect("a hook that is read has a program");
    let hooked = |status, said: String| Hooked { program: program.clone(), status, said };
    let child = Command::new(program)
        .args(words)
        .env("VMWRIGHT_TO", dossier.agent.to_string())
        .env("VMWRIGHT_DOSSIER", markdown)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return hooked(None, error.to_string()),
    };
    let json = serde_json::to_vec(dossier).expect("it has a JSON form");
    let mut to = child.stdin.take().expect("it was asked for");
    // One that does not read is not waited for.
    std::thread::spawn(move || drop(to.write_all(&json)));
    let (sender, said) = std::sync::mpsc::channel();
    let out: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("it was asked for"));
    let err: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("it was asked for"));
    for from in [out, err] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut from = from;
            let _ = from.by_ref().take(SAID).read_to_end(&mut text);
            // The rest is thrown away, so that the command does not wait for a reader.
            let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
            let _ = std::io::copy(&mut from, &mut std::io::sink());
        });
    }
    drop(sender);
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.code(),
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    // A child of its own may hold the pipes for ever.
    let mut text = String::new();
    while let Ok(part) = said.recv_timeout(Duration::from_millis(200)) {
        text.push_str(&part);
    }
    hooked(status, text.trim().to_owned())
}

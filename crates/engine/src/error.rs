//! Why an operation gave nothing back, and the exit status that says so.

use std::io;
use std::path::PathBuf;
use vmwright_backend::ControlError;
use vmwright_model::Exit;
use vmwright_plan::intents::IntentError;

pub use vmwright_backend::chain;

/// Why an operation gave nothing back. Where it had begun to change something, the run's log tells the rest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was to be read is not there.
    #[error(transparent)]
    Collect(vmwright_host::CollectError),
    /// What was named is no host to connect to.
    #[error(transparent)]
    Target(vmwright_host::ssh::TargetError),
    /// The host has no identity to bind plans to.
    #[error("this host cannot be told from others")]
    Identity(#[source] vmwright_host::IdentityError),
    /// The process could not be locked.
    #[error("analysis is refused: the process cannot be locked")]
    Sandbox(#[source] vmwright_host::sandbox::SandboxError),
    /// The process is locked in part, and `--require-sandbox` was given.
    #[error("analysis is refused: the kernel cannot lock the process fully: {}", .0.join("; "))]
    SandboxLacking(Vec<String>),
    /// There are several captures, where the caller has room for one.
    #[error("{0} captures are named, and this can be done with one alone")]
    Several(usize),
    /// No rule and no area has this name.
    #[error("no rule or area `{name}`{}", .near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownRule {
        /// What was asked for.
        name: String,
        /// The nearest name there is.
        near: Option<String>,
    },
    /// The configuration is wrong.
    #[error("{path}: {}", .issues.iter().map(|issue| format!("line {}: {}", issue.line, issue.what)).collect::<Vec<_>>().join("; "))]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, by line.
        issues: Vec<vmwright_model::Issue>,
    },
    /// The source of a move defines no VM of this name.
    #[error("the source defines no VM `{name}`{}", .near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownVm {
        /// What was asked for.
        name: String,
        /// The nearest name there is.
        near: Option<String>,
    },
    /// The journal cannot be used.
    #[error("the journal")]
    Journal(#[source] vmwright_journal::Error),
    /// The administrator's word vectors are none.
    #[error("{path} holds no word vectors")]
    WordVectors {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: vmwright_formats::word_vectors::WordVectorsError,
    },
    /// There is no state directory, so nothing is recalled or remembered.
    #[error("no state directory can be used: nothing is recalled or remembered")]
    NoMemory,
    /// The journal has no such entry.
    #[error("the journal has no entry {0}")]
    NoEntry(i64),
    /// The entry holds no investigation.
    #[error("entry {0} of the journal is no investigation; 'vmwright investigate' begins one")]
    NoInvestigation(i64),
    /// There is no decision.
    #[error(transparent)]
    Decide(vmwright_decide::DecideError),
    /// Nothing is to be handed over.
    #[error("nothing in investigation {0} is beyond vmwright's authority; name whom it goes to all the same")]
    NotBeyond(i64),
    /// No format of machines has this name.
    #[error("no format is called `{name}`; there are {known}")]
    UnknownFormat {
        /// What was asked for.
        name: String,
        /// All there are.
        known: String,
    },
    /// A description cannot be translated.
    #[error("{path} cannot be translated")]
    Convert {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<vmwright_convert::ConvertError>,
    },
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that was asked for cannot be made; one that exists is never replaced.
    #[error("{path} cannot be made")]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no plan.
    #[error("{path} is not a plan that can be used")]
    PlanFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: vmwright_plan::ParseError,
    },
    /// No plan has this id.
    #[error("no plan `{0}`; 'vmwright plan' makes one")]
    PlanUnknown(String),
    /// Several plans begin so.
    #[error("several plans begin with `{0}`: type more of the id")]
    PlanAmbiguous(String),
    /// The plan contradicts itself or the rules for plans.
    #[error("the plan cannot be carried out: {}", .0.join("; "))]
    Lint(Vec<String>),
    /// What is wrong is for a person to settle, or nothing is.
    #[error("there is nothing that a plan can settle{}", listed(.left))]
    NothingToPlan {
        /// What is left to a person, one each.
        left: Vec<String>,
    },
    /// What is wanted is no plan.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// Something that a plan rests on could not be read.
    #[error("{0} could not be read, so no plan can rest on it")]
    Unread(&'static str),
    /// Signing failed.
    #[error("the plan was not approved")]
    Sign(#[source] vmwright_apply::SignError),
    /// Nothing was begun.
    #[error("refused, and nothing was changed")]
    Refused(#[source] vmwright_apply::Refused),
    /// The plan was made for another host.
    #[error("the plan is for host `{plan}`, and this is `{this}`")]
    OtherHost {
        /// The host in the plan.
        plan: String,
        /// This host.
        this: String,
    },
    /// A run could not be begun.
    #[error("refused, and nothing was changed")]
    Apply(#[source] Box<vmwright_apply::ApplyError>),
    /// A run could not be taken back.
    #[error("nothing was taken back")]
    Undo(#[source] Box<vmwright_apply::UndoError>),
    /// A file that decides what is done could be written by others.
    #[error("a file that decides what is let through cannot be relied on")]
    Untrusted(#[source] vmwright_apply::trust::Untrusted),
    /// The list of what is protected cannot be read.
    #[error("{}: line {line} is neither `vm NAME` nor `host`", path.display())]
    ProtectedList {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The list of plans that two people approve cannot be read.
    #[error("{}: line {line} is neither `disruption LEVEL` nor `vm NAME`", path.display())]
    PersonsList {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The list of plans that have to be rehearsed cannot be read.
    #[error("{}: line {line} is neither `disruption LEVEL`, `vm NAME` nor `partly`", path.display())]
    RehearsalsList {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The administrator wants it rehearsed, and it is not, or not well.
    #[error(
        "plan {plan} is let through once its rehearsal has passed, and {why}; 'vmwright rehearse {plan}'"
    )]
    NotRehearsed {
        /// The beginning of its id.
        plan: String,
        /// What there is.
        why: String,
    },
    /// A run could not go on.
    #[error("the run did not go on, and nothing was changed")]
    Resume(#[source] Box<vmwright_apply::ResumeError>),
    /// A run could not be confirmed.
    #[error("nothing was confirmed")]
    Confirm(#[source] Box<vmwright_apply::ConfirmError>),
    /// The runs could not be looked at.
    #[error("the runs cannot be looked at")]
    Recover(#[source] Box<vmwright_apply::RecoverError>),
    /// A machine's directory or specification.
    #[error(transparent)]
    Store(vmwright_backend::store::StoreError),
    /// No backend of this name.
    #[error("no backend `{word}`: `qemu`, `firecracker`, `cloud-hypervisor`, `libvirt`, or libvirt's URI")]
    Backend {
        /// What was asked for.
        word: String,
        /// Why it is no libvirt.
        #[source]
        source: vmwright_backend::libvirt::NotLocal,
    },
    /// A machine did not start.
    #[error("`{vm}` did not start; 'vmwright analyze --vm {vm}' tells why")]
    Start {
        /// The machine.
        vm: String,
        /// Why.
        #[source]
        source: Box<vmwright_backend::StartError>,
    },
    /// A backend cannot run what a specification describes.
    #[error("{backend} cannot run `{vm}` by its specification")]
    Beyond {
        /// The machine.
        vm: String,
        /// The backend, as a machine's record names it.
        backend: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A machine's state could not be told or changed.
    #[error(transparent)]
    Control(vmwright_backend::ControlError),
    /// What was typed makes no sense.
    #[error("{0}")]
    Argument(String),
    /// The user's terminal cannot be used.
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
    /// A guest did not come in.
    #[error("`{vm}` was not received")]
    Receive {
        /// The machine.
        vm: String,
        /// Why.
        #[source]
        source: Box<vmwright_backend::StartError>,
    },
    /// A backend gave an answer to another question.
    #[error("the backend gave an answer to another question")]
    Answer,
    /// There is no lab, or it cannot be used.
    #[error(transparent)]
    Lab(Box<vmwright_lab::LabError>),
    /// No gate or framework has this name.
    #[error(transparent)]
    Gate(vmwright_review::Unknown),
}

impl Error {
    /// The exit status of a command that ends so.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Error::Collect(vmwright_host::CollectError::Ssh { .. }) => Exit::Incomplete,
            Error::Collect(_)
            | Error::Target(_)
            | Error::Several(_)
            | Error::UnknownRule { .. }
            | Error::UnknownVm { .. }
            | Error::Config { .. }
            | Error::Output { .. }
            | Error::NoEntry(_)
            | Error::NoInvestigation(_)
            | Error::Decide(_)
            | Error::PlanFile { .. }
            | Error::PlanUnknown(_)
            | Error::PlanAmbiguous(_)
            | Error::Argument(_)
            | Error::Store(_)
            | Error::Backend { .. }
            | Error::UnknownFormat { .. }
            | Error::Convert { .. }
            | Error::Gate(_)
            | Error::Intent(IntentError::NoDevice { .. } | IntentError::TooMany { .. }) => Exit::Usage,
            Error::Sandbox(_)
            | Error::SandboxLacking(_)
            | Error::Sign(_)
            | Error::Refused(_)
            | Error::Lint(_)
            | Error::NothingToPlan { .. }
            | Error::Intent(_)
            | Error::OtherHost { .. }
            | Error::Apply(_)
            | Error::Undo(_)
            | Error::Untrusted(_)
            | Error::ProtectedList { .. }
            | Error::PersonsList { .. }
            | Error::RehearsalsList { .. }
            | Error::NotRehearsed { .. }
            | Error::Resume(_)
            | Error::Beyond { .. }
            | Error::NotBeyond(_)
            | Error::Confirm(_) => Exit::Refused,
            Error::Lab(error) => match **error {
                vmwright_lab::LabError::NotFound(_) | vmwright_lab::LabError::Exists(_) => Exit::Usage,
                _ => Exit::Incomplete,
            },
            Error::Control(ControlError::Illegal(_) | ControlError::Cannot { .. }) => Exit::Refused,
            Error::Start { .. } => Exit::Findings,
            Error::Answer => Exit::Internal,
            Error::Identity(_)
            | Error::Journal(_)
            | Error::NoMemory
            | Error::WordVectors { .. }
            | Error::Unread(_)
            | Error::File { .. }
            | Error::Recover(_)
            | Error::Terminal(_)
            | Error::Receive { .. }
            | Error::Control(_) => Exit::Incomplete,
        }
    }
}

/// Lines below a message, one each.
fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  left to a person: {line}")).collect()
}

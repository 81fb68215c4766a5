//! Everything that can be asked of vmwright, and everything that it answers.

use crate::rehearsal::Verdict;
use crate::review::seal::Sealed;
use crate::{
    Ask, Came, Decide, Escalate, Escalated, Intent, Investigate, LabAsk, LabSummary, MigrateOver, Rehearsal,
    Rehearse, Watch, Which, Why,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use vmwright_model::analysis::Sandbox;
use vmwright_model::decision::Topic;
use vmwright_model::{
    Analysis, Decision, Depth, Disruption, Entry, EntryId, Exit, Investigation, Level, MachineSpec, Meaning,
    Mode, Plan, Review, RunState,
};
use vmwright_plan::Preview;
use vmwright_plan::intents::Break;

/// One thing to do. The command line and the agents' server are two faces of this type and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "operation")]
pub enum Operation {
    /// ANALYSIS: reads, judges, ranks.
    Analyze(Analyze),
    /// ANALYSIS: reads what all rules need and keeps it in a file.
    Capture(Capture),
    /// ANALYSIS: tells hypotheses apart, the most telling source first.
    Investigate(Investigate),
    /// ANALYSIS: which option meets given needs best, and what would change that.
    Decide(Decide),
    /// Hands an investigation over to somebody else.
    Escalate(Escalate),
    /// ANALYSIS: the documentation of a rule, or what a number or message means.
    Explain {
        /// Id of the rule, `area/problem`; or a number (`0x7B`), a name or a message.
        rule: String,
    },
    /// ANALYSIS: the rules there are.
    Rules {
        /// Only this area.
        area: Option<String>,
    },
    /// ANALYSIS: a plan for what is wanted.
    Plan {
        /// What is wanted.
        intent: Intent,
    },
    /// ANALYSIS: what a plan would do, step by step.
    Preview {
        /// Id of a plan, the beginning of one, or the path of a plan file.
        plan: String,
    },
    /// A person signs a plan with their own key; the key's passphrase or touch is asked for by `ssh-keygen`.
    Approve(Approve),
    /// Whether a person's signature allows a plan on this host, now.
    Approval {
        /// Id of a plan, the beginning of one, or the path of a plan file.
        plan: String,
    },
    /// IMPLEMENTATION: carries out an approved plan.
    Apply {
        /// Id of a plan, the beginning of one, or the path of a plan file.
        plan: String,
        /// Seconds in which a run that could lock its user out has to be confirmed, or it is taken back.
        confirm_within: u64,
    },
    /// IMPLEMENTATION: goes on with a run behind the restart of the host.
    Resume {
        /// Id of the run.
        run: String,
    },
    /// IMPLEMENTATION: lets a run stay that waits for it.
    Confirm {
        /// Id of the run.
        run: String,
    },
    /// IMPLEMENTATION: waits for a run's confirmation, and takes the run back where there is none in time. vmwright
    /// starts this by itself.
    Revert {
        /// Id of the run.
        run: String,
        /// Which of the two that wait.
        watch: Watch,
    },
    /// IMPLEMENTATION: takes a run back.
    Undo {
        /// Id of the run, or the beginning of one.
        run: String,
    },
    /// IMPLEMENTATION: looks at runs that were cut off, and says where each step stands.
    Recover,
    /// REVIEW: proves on the running VM that it works.
    Review(Reviewing),
    /// REVIEW: carries a plan out in a lab that is made like the host, and tells what would happen.
    Rehearse(Rehearse),
    /// REVIEW: whether the files of a review are those that a person signed.
    Verify {
        /// Its name in the state directory, or the path of one of its files.
        review: String,
    },
    /// Adds a machine from its specification.
    VmCreate {
        /// Path of the specification.
        spec: PathBuf,
        /// What makes it run: `qemu` (also where absent), `firecracker`, `cloud-hypervisor`, `libvirt`, or libvirt's
        /// URI.
        backend: Option<String>,
    },
    /// Starts a machine.
    VmStart {
        /// Its name.
        vm: String,
    },
    /// Stops a machine.
    VmStop {
        /// Its name.
        vm: String,
        /// At once, without asking the guest.
        force: bool,
    },
    /// Forgets a stopped machine.
    VmDelete {
        /// Its name.
        vm: String,
    },
    /// Machines with their states.
    VmList,
    /// A machine's specification, state and command line.
    VmShow {
        /// Its name.
        vm: String,
    },
    /// Something asked of a machine: to use it, count it, change it or move it.
    VmAsk {
        /// Its name.
        vm: String,
        /// What.
        ask: Ask,
    },
    /// Takes a machine in from elsewhere.
    VmReceive {
        /// Its name here.
        vm: String,
        /// `unix:/path`, `tcp:host:port` or `file:/path`.
        from: String,
        /// What both ends have to agree on.
        over: MigrateOver,
        /// Seconds that it is waited for the source to begin; without end where absent.
        within: Option<u64>,
    },
    /// A lab, a throw-away hypervisor host: brings one up, uses it, takes it down.
    Lab {
        /// What is done.
        what: LabAsk,
    },
    /// What a specification may say.
    VmSchema {
        /// An example with every key in place of the JSON Schema.
        example: bool,
    },
    /// Translates a machine's description into another format.
    Convert {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Its format; recognised where absent.
        from: Option<String>,
        /// The format that is wanted.
        to: String,
    },
    /// Entries that match, best first.
    JournalSearch {
        /// Words; punctuation is text.
        query: String,
        /// At most so many.
        limit: usize,
        /// Which of them.
        #[serde(default)]
        which: Which,
    },
    /// The newest entries.
    JournalList {
        /// At most so many.
        limit: usize,
        /// Which of them.
        #[serde(default)]
        which: Which,
    },
    /// One entry.
    JournalShow {
        /// Its number.
        entry: i64,
    },
    /// Writes an entry by hand.
    JournalAdd {
        /// One line.
        title: String,
        /// The text, Markdown.
        body: String,
        /// The project that it belongs to, as the path of its folder; none for what is known in all of them.
        project: Option<PathBuf>,
        /// Whether it is a step of thinking, and nothing that was learned.
        thought: bool,
    },
    /// Checks the journal's hash chain.
    JournalVerify,
    /// Writes entries into Markdown files.
    JournalExport {
        /// The folder that they are written below; made where absent.
        to: PathBuf,
        /// Which of them.
        which: Which,
    },
    /// Takes entries in from Markdown files.
    JournalImport {
        /// The folder that they lie below.
        from: PathBuf,
        /// The project that they belong to, as the path of its folder; none for what is known in all of them.
        project: Option<PathBuf>,
    },
}

impl Operation {
    /// The mode that it belongs to; none where it is about a person's approval, a machine's life, or files of a
    /// person's own.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        match self {
            Operation::Analyze(_)
            | Operation::Capture(_)
            | Operation::Investigate(_)
            | Operation::Decide(_)
            | Operation::Explain { .. }
            | Operation::Rules { .. }
            | Operation::Plan { .. }
            | Operation::Preview { .. }
            | Operation::Approval { .. }
            | Operation::VmList
            | Operation::VmShow { .. }
            | Operation::VmAsk { ask: Ask::Snapshots | Ask::Stats { .. }, .. }
            | Operation::VmSchema { .. }
            | Operation::Convert { .. }
            | Operation::JournalSearch { .. }
            | Operation::JournalList { .. }
            | Operation::JournalShow { .. }
            | Operation::JournalAdd { .. }
            | Operation::JournalVerify => Some(Mode::Analysis),
            Operation::Apply { .. }
            | Operation::Resume { .. }
            | Operation::Confirm { .. }
            | Operation::Revert { .. }
            | Operation::Undo { .. }
            | Operation::Recover => Some(Mode::Implementation),
            Operation::Review(_) | Operation::Rehearse(_) | Operation::Verify { .. } => Some(Mode::Review),
            Operation::Approve(_)
            | Operation::Escalate(_)
            | Operation::VmCreate { .. }
            | Operation::VmStart { .. }
            | Operation::VmStop { .. }
            | Operation::VmDelete { .. }
            | Operation::VmAsk { .. }
            | Operation::VmReceive { .. }
            | Operation::Lab { .. }
            | Operation::JournalExport { .. }
            | Operation::JournalImport { .. } => None,
        }
    }

    /// Whether nothing has to be taken back or finished where it is cut off.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        matches!(self, Operation::Recover) || self.mode() == Some(Mode::Analysis)
    }

    /// Whether it can be done on a host where nothing can be kept: it asks about files that were given, or about
    /// vmwright itself.
    #[must_use]
    pub fn needs_no_state(&self) -> bool {
        match self {
            Operation::Analyze(what) => !what.from.is_empty() || what.host.is_some(),
            Operation::Decide(_)
            | Operation::Explain { .. }
            | Operation::Rules { .. }
            | Operation::VmSchema { .. }
            | Operation::Convert { .. } => true,
            _ => false,
        }
    }
}

/// What to analyse.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analyze {
    /// Folders and archives of files that somebody kept; the running host where empty. Of several, and of a folder
    /// that holds nothing but captures, each is analysed by itself.
    pub from: Vec<PathBuf>,
    /// Refuse several captures: the caller has room for one analysis.
    pub only_one: bool,
    /// Another host, `ssh://user@host:port`, read over SSH.
    pub host: Option<String>,
    /// Records of the host that a VM is to move to: the question is then whether it can.
    pub against: Option<PathBuf>,
    /// The VM that the question is about.
    pub vm: Option<String>,
    /// What the user complains of.
    pub complaint: String,
    /// Only these rules or areas; all where empty.
    pub select: Vec<String>,
    /// Not these rules or areas.
    pub ignore: Vec<String>,
    /// The configuration; `vmwright.toml` in the configuration directory where absent.
    pub config: Option<PathBuf>,
    /// Refuse to read if the kernel cannot lock the process.
    pub require_sandbox: bool,
    /// Only list what would be read.
    pub dry_run: bool,
    /// Show how this rule came to its verdict, instead of the causes.
    pub why: Option<String>,
}

/// What to keep of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The file to make; one named after the host and the time, in the working directory, where absent.
    pub output: Option<PathBuf>,
    /// Another host, `ssh://user@host:port`, read over SSH.
    pub host: Option<String>,
    /// The VM whose records belong to it.
    pub vm: Option<String>,
    /// Give other names to hosts, and other hardware and IP addresses.
    pub anonymize: bool,
    /// Refuse to read if the kernel cannot lock the process.
    pub require_sandbox: bool,
    /// Only list what would be read, and what that takes.
    pub dry_run: bool,
}

/// What to review.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewing {
    /// Name of the VM, a machine's or a domain's of libvirt; `localhost`, or this host's own name, for the host itself where
    /// no VM is called so.
    pub vm: String,
    /// Gates to run; those of the depth where empty.
    pub gates: Vec<String>,
    /// How deep.
    #[serde(default)]
    pub depth: Depth,
    /// Compliance frameworks by whose controls the evidence is sorted.
    #[serde(default)]
    pub frameworks: Vec<String>,
    /// The earlier review that figures are compared with: the name of its file, `last`, or a path.
    #[serde(default)]
    pub baseline: Option<String>,
    /// How the guest is asked: `agent` (where absent), `console`, or the address of its SSH server like `ssh://root@10.0.0.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<String>,
    /// Path of a person's own SSH key, with which they sign the review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// What to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approve {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    pub plan: String,
    /// Path of the approver's SSH key: the private key, or the public one where an agent holds the other.
    pub key: PathBuf,
    /// Who signs, as the allowed signers name them.
    pub principal: String,
    /// The highest disruption allowed; the plan's own where absent.
    pub ceiling: Option<Disruption>,
    /// Seconds until it is void.
    pub valid_for: i64,
}

/// What an operation gives back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// Causes, best first.
    Analysis(Box<Analysis>),
    /// Several captures were analysed, and each was told in its turn.
    Analyses(AnalysesMade),
    /// Hypotheses, told apart as far as it was asked.
    Investigation(Box<Investigation>),
    /// Which option, and why.
    Decision(Box<Decision>),
    /// What can be decided on.
    Topics {
        /// Topics with their needs, criteria and options.
        topics: Vec<Topic>,
    },
    /// An investigation was handed over.
    Escalated(Box<Escalated>),
    /// How a rule came to its verdict.
    Why(Box<Why>),
    /// What an analysis would read.
    WorkList {
        /// Paths, commands and probes.
        sources: Vec<String>,
    },
    /// The host was captured.
    Captured(Box<Captured>),
    /// What a capture would read.
    CapturePlan {
        /// By source.
        sources: Vec<PlannedSource>,
    },
    /// A rule's documentation.
    Explanation {
        /// Id of the rule.
        rule: String,
        /// Markdown.
        text: String,
    },
    /// What a number or message can mean.
    Meanings {
        /// What was asked.
        of: String,
        /// Everything that it can mean.
        meanings: Vec<Meaning>,
    },
    /// The rules there are.
    Rules {
        /// By id.
        rules: Vec<RuleSummary>,
    },
    /// A plan was made and kept.
    Planned(Box<PlanMade>),
    /// What a plan would do.
    Preview(Box<PlanMade>),
    /// What an upgrade would break.
    UpgradeChecked(Box<UpgradeChecked>),
    /// A person's signature allows a plan.
    Approval {
        /// Id of the plan.
        plan: String,
        /// What the plan is for.
        title: String,
        /// Who signed.
        principal: String,
        /// The highest disruption that is allowed.
        ceiling: Disruption,
        /// When it becomes void, RFC 3339, UTC.
        expires: String,
    },
    /// A plan was signed.
    Approved {
        /// Id of the plan.
        plan: String,
        /// Who signed.
        principal: String,
        /// When it becomes void, RFC 3339, UTC.
        expires: String,
        /// What is missing before the plan is let through; none where nothing is.
        waits_for: Option<String>,
    },
    /// A plan was carried out or a run taken back, or it stopped and was taken back.
    Run(RunSummary),
    /// A run stays.
    Confirmed {
        /// Its id.
        run: String,
    },
    /// Nothing waits for a run any more.
    Watched {
        /// Its id.
        run: String,
        /// Whether it was taken back.
        reverted: bool,
    },
    /// Runs that were cut off.
    Recovery {
        /// One line for each run and step that needs a look; empty where there is none.
        lines: Vec<String>,
    },
    /// Gates with their measurements.
    Review(Box<ReviewMade>),
    /// A plan was tried in a lab.
    Rehearsed(Box<Rehearsal>),
    /// Whether a review's files are those that were signed.
    Sealed(Sealed),
    /// A machine, after the change that was asked for.
    Machine(Box<MachineSummary>),
    /// What came of something asked of a machine.
    Came(Box<Came>),
    /// Machines with their states.
    Machines {
        /// By name; then the domains of libvirt that vmwright did not make.
        machines: Vec<MachineSummary>,
        /// Of each libvirt daemon that is there and could not be asked, why.
        unread: Vec<String>,
    },
    /// Labs with their states.
    Labs {
        /// By name.
        labs: Vec<LabSummary>,
    },
    /// What a specification may say: its JSON Schema, or an example.
    Schema {
        /// JSON or TOML.
        text: String,
    },
    /// A machine's description in another format.
    Converted(Box<Converted>),
    /// Entries of the journal.
    Journal {
        /// Best or newest first.
        entries: Vec<(EntryId, Entry)>,
    },
    /// The journal's chain holds.
    JournalVerified {
        /// Entries checked.
        entries: u64,
    },
    /// Entries went to files, or came from them.
    JournalExchanged(Exchanged),
}

/// What came of entries that went to files, or came from them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exchanged {
    /// The folder.
    pub folder: PathBuf,
    /// How many were written.
    pub moved: usize,
    /// How many were there already.
    pub known: usize,
    /// Files that were left alone, and why.
    pub left: Vec<String>,
}

/// How the analysis of several captures ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AnalysesMade {
    /// How many captures there are.
    pub captures: usize,
    /// How many have findings at or above the threshold.
    pub with_findings: usize,
    /// How many have none, but were not read to their end.
    pub incomplete: usize,
    /// How many could not be read at all, or were not reached before the user stopped it.
    pub unread: usize,
}

/// A capture that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Captured {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// How many sources it speaks of.
    pub sources: usize,
    /// How many of them have a text.
    pub texts: usize,
    /// Sources that could not be read, with the reason.
    pub unread: Vec<(String, String)>,
    /// How often each kind of secret was taken out.
    pub redacted: BTreeMap<String, usize>,
    /// Whether names and addresses stand for others.
    pub anonymized: bool,
    /// How the process was locked.
    pub sandbox: Sandbox,
}

/// A source that a capture would read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedSource {
    /// A path, a pattern, a command or a probe.
    pub source: String,
    /// What one has to be to read it.
    pub privilege: String,
}

/// A rule in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleSummary {
    /// `area/problem`.
    pub rule: String,
    /// What is wrong.
    pub title: String,
    /// How bad it is.
    pub level: Level,
    /// Words to select it by: `passthrough`, `boot`.
    pub tags: Vec<String>,
    /// What would tell, if it is unknown.
    pub tells: String,
}

/// A plan with its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanMade {
    /// 64 hexadecimal digits over the plan's content.
    pub id: String,
    /// Where it is kept.
    pub path: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// What each step expects, does, disturbs, and how it is undone.
    pub preview: Preview,
}

/// What a newer QEMU or libvirt would break here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpgradeChecked {
    /// QEMU as it is; none where nothing told.
    pub qemu: Option<String>,
    /// QEMU that was asked about.
    pub qemu_to: Option<String>,
    /// libvirt as it is; none where nothing told.
    pub libvirt: Option<String>,
    /// libvirt that was asked about.
    pub libvirt_to: Option<String>,
    /// The VMs that were looked at.
    pub vms: Vec<String>,
    /// What breaks, by VM.
    pub breaks: Vec<Break>,
    /// What libvirt does otherwise then.
    pub changes: Vec<String>,
    /// What cannot be told.
    pub unknown: Vec<String>,
    /// What mends what can be mended.
    pub plan: Option<PlanMade>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Id of the run.
    pub run: String,
    /// How it ended.
    pub state: RunState,
    /// One line for each step.
    pub steps: Vec<String>,
    /// Why it stopped, if it did.
    pub why: Option<String>,
    /// Whether taking it back was what the user asked for.
    pub asked_for: bool,
    /// Seconds in which it has to be confirmed, or it is taken back; none where it stays as it is.
    pub confirm_within: Option<u64>,
}

/// A review with where its reports are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewMade {
    /// The review.
    pub review: Review,
    /// The report as a page that opens offline.
    pub html: PathBuf,
    /// `pass`, `fail` or `incomplete`.
    pub verdict: String,
}

/// A machine in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineSummary {
    /// Its name.
    pub name: String,
    /// `stopped`, `running`, `paused`, ...
    pub state: String,
    /// What makes it run: `qemu`, `firecracker`, `cloud-hypervisor`, or libvirt's URI.
    pub backend: String,
    /// Process id of its VMM while it runs.
    pub pid: Option<u32>,
    /// `kvm` or `tcg`, as the running VMM says.
    pub accelerator: Option<String>,
    /// Its specification, where it was asked for.
    pub spec: Option<MachineSpec>,
    /// Why its VMM runs as root, or would, though the specification does not ask for it.
    pub stays_root: Option<String>,
    /// The command line, option by option with its reason, where it was asked for.
    pub argv: Vec<(String, String)>,
    /// libvirt's domain XML or the VMM's configuration, where it was asked for and the backend has one.
    pub domain: Option<String>,
}

/// A machine's description in another format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Converted {
    /// The format that it was in.
    pub from: String,
    /// The format that it is in.
    pub to: String,
    /// The description.
    pub text: String,
    /// What it says otherwise.
    pub differences: Vec<Difference>,
}

/// What a translation says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `lost`, `approximated` or `defaulted`.
    pub effect: String,
    /// The item, as the specification's key or as the text names it.
    pub item: String,
    /// Why, and what stands in its place.
    pub why: String,
}

impl Outcome {
    /// The exit status of a command that ends with this.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Outcome::Analysis(analysis) => crate::analysis::exit(analysis),
            Outcome::Escalated(made) if made.hook.as_ref().is_some_and(|hook| !hook.took()) => {
                Exit::Incomplete
            }
            Outcome::Investigation(all) => crate::investigation::exit(all),
            Outcome::Decision(all) if all.choice.is_none() => Exit::Incomplete,
            Outcome::Analyses(made) if made.with_findings > 0 => Exit::Findings,
            Outcome::Analyses(made) if made.incomplete + made.unread > 0 => Exit::Incomplete,
            Outcome::Captured(captured) if !captured.unread.is_empty() => Exit::Incomplete,
            Outcome::Run(run) => match run.state {
                RunState::Applied | RunState::Rebooting | RunState::AwaitingReboot => Exit::Clean,
                // After a failed step it is a refusal by reality.
                RunState::Undone if run.asked_for => Exit::Clean,
                RunState::Undone => Exit::Refused,
                RunState::UndoIncomplete => Exit::UndoIncomplete,
                RunState::Interrupted => Exit::Incomplete,
            },
            // What runs in the guest tells by its own status.
            Outcome::Came(came) => match **came {
                Came::Executed { status, cut, .. } if status == Some(0) && !cut => Exit::Clean,
                Came::Executed { .. } => Exit::Findings,
                _ => Exit::Clean,
            },
            Outcome::Converted(made) if made.differences.iter().any(|one| one.effect != "defaulted") => {
                Exit::Findings
            }
            Outcome::UpgradeChecked(checked) if !checked.breaks.is_empty() => Exit::Findings,
            Outcome::JournalExchanged(made) if !made.left.is_empty() => Exit::Incomplete,
            Outcome::Sealed(sealed) if !sealed.wrong.is_empty() => Exit::Refused,
            Outcome::Recovery { lines } if !lines.is_empty() => Exit::Incomplete,
            Outcome::Rehearsed(made) => match made.verdict {
                Verdict::Pass => Exit::Clean,
                Verdict::Fail => Exit::GateFailed,
                Verdict::Partly | Verdict::Unknown => Exit::Incomplete,
            },
            Outcome::Review(made) => match made.verdict.as_str() {
                "pass" => Exit::Clean,
                "fail" => Exit::GateFailed,
                _ => Exit::Incomplete,
            },
            _ => Exit::Clean,
        }
    }
}

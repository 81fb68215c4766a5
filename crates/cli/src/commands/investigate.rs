use std::path::PathBuf;
use vmwright_engine::{Investigate, Operation, Reads, entry_number};

/// Tell competing hypotheses apart: read what tells most, refute what does not hold, and say how sure the rest is.
///
/// The hypotheses come from what you complain of, from the journal, from --hypothesis and from what is found on the way;
/// there are at least two. Each says what it predicts and what would refute it. Sources are read one after the other, the
/// one first that is expected to tell most (in bits); confidence and shares are computed from what was read. Nothing is
/// changed. The state is kept in the journal under a number; --resume goes on from there.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is complained of, in the user's own words.
    #[arg(required_unless_present = "resume")]
    complaint: Option<String>,
    /// The VM that the question is about.
    #[arg(long, value_name = "NAME")]
    vm: Option<String>,
    /// Read files that somebody kept, instead of this host: a folder, a capture or a sos report. With --resume: more of
    /// them.
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Read another host over SSH: `ssh://user@host:port`.
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    host: Option<String>,
    /// A hypothesis of yours: a rule, a code or message, or words. It competes; it is no evidence.
    #[arg(long, value_name = "TEXT")]
    hypothesis: Vec<String>,
    /// A note to keep with it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    /// Go on with the investigation of this number.
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    resume: Option<i64>,
    /// Read one source, and say what would be next.
    #[arg(long)]
    step: bool,
    /// Read nothing new: show the hypotheses, what they predict, and what would tell.
    #[arg(long, conflicts_with = "step")]
    think: bool,
    /// Read this source first, by the name that an investigation gives it (`dmesg`, `/proc/cpuinfo`, `probe kvm`).
    #[arg(long, value_name = "SOURCE", conflicts_with = "think")]
    probe: Option<String>,
    /// Refuse to read if the kernel cannot lock the process.
    #[arg(long)]
    require_sandbox: bool,
}

fn number(text: &str) -> Result<i64, &'static str> {
    entry_number(text).ok_or("no number of an investigation")
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Investigate(Investigate {
            resume: self.resume,
            complaint: self.complaint.unwrap_or_default(),
            vm: self.vm,
            from: self.from,
            host: self.host,
            hypotheses: self.hypothesis,
            notes: self.note,
            reads: match (self.think, self.step) {
                (true, _) => Reads::Nothing,
                (_, true) => Reads::One,
                _ => Reads::All,
            },
            probe: self.probe,
            require_sandbox: self.require_sandbox,
        })
    }
}

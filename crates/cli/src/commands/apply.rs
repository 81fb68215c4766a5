use vmwright_engine::Operation;

/// Carry out an approved plan.
///
/// Refuses without an approval that a person signed for this plan on this host. Each step's expectation is
/// checked again before it is done; on any surprise the run stops and takes back what it did.
///
/// A run with a step that could cut you off from this host waits for `vmwright confirm` at its end. Without one in time a
/// process that outlives your connection takes it back. A run that restarts this host goes on behind that with --resume;
/// where nobody does so in time, what it wrote for the boot is taken back and the host restarted once more. A run that
/// changes how this host boots and does not restart it waits until you do, and then in the same way, but restarts nothing;
/// `vmwright confirm` lets it stay before that, untried.
///
/// What `/etc/vmwright/commit` names, the path of a git work tree a line (`/etc` with etckeeper), gets a commit of the files
/// that a run changed or took back there, with an `Assisted-By` trailer; what others left uncommitted stays so.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    #[arg(required_unless_present = "resume")]
    plan: Option<String>,
    /// Go on with a run behind the restart of this host: look whether it brought what it should, else take it back.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["plan", "confirm_within"])]
    resume: Option<String>,
    /// Seconds that you have for `vmwright confirm` after a run that could lock you out; it is taken back else.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86400))]
    confirm_within: u64,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        match self.resume {
            Some(run) => Operation::Resume { run },
            None => {
                Operation::Apply { plan: self.plan.unwrap_or_default(), confirm_within: self.confirm_within }
            }
        }
    }
}

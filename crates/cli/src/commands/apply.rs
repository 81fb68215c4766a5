use vmwright_engine::Operation;

/// Carry out an approved plan.
///
/// Refuses without an approval that a person signed for this plan on this host. Each step's expectation is
/// checked again before it is done; on any surprise the run stops and takes back what it did.
///
/// A run with a step that could cut you off from this host waits for `vmwright confirm` at its end. Without one in time a
/// process that outlives your connection takes it back.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    plan: String,
    /// Seconds that you have for `vmwright confirm` after a run that could lock you out; it is taken back else.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86400))]
    confirm_within: u64,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Apply { plan: self.plan, confirm_within: self.confirm_within }
    }
}

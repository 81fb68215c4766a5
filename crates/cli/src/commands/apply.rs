use vmwright_engine::Operation;

/// Carry out an approved plan.
///
/// Refuses without an approval that a person signed for this plan on this host. Each step's expectation is
/// checked again before it is done; on any surprise the run stops and takes back what it did.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    plan: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Apply { plan: self.plan }
    }
}

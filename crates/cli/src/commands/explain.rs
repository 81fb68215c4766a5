use vmwright_engine::Operation;

/// Explain a rule: what it is, why it happens, how to confirm, refute and fix it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The rule, `area/problem`.
    rule: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Explain { rule: self.rule }
    }
}

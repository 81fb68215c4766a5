use vmwright_engine::Operation;

/// Show what each step of a plan expects to find, does and disturbs, and how it is undone.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    plan: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Preview { plan: self.plan }
    }
}

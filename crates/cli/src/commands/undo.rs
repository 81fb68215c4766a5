use vmwright_engine::Operation;

/// Take a run back: the host as it was before.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of the run, or the beginning of one.
    run: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Undo { run: self.run }
    }
}

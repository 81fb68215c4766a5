use vmwright_engine::Operation;

/// Let a run stay that could have locked you out: you still reach this host.
///
/// A run with a step that can cut you off, such as one on the network, is taken back by itself where nobody confirms it in
/// time. One that waits until you restart this host stays as it is, untried: the boot loader boots what it made from now on.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of the run.
    run: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Confirm { run: self.run }
    }
}

use vmwright_engine::Operation;

/// Look at runs that were cut off, and say where each step stands.
#[derive(clap::Args)]
pub(crate) struct Args {}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Recover
    }
}

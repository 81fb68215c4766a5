use clap::ValueEnum;
use vmwright_engine::{Operation, Watch};

/// Wait for a run's confirmation, and take the run back where there is none in time. `apply` starts this by itself.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of the run.
    run: String,
    /// Which of the two processes that look after each other.
    #[arg(long, value_enum, default_value_t = Which::First)]
    watch: Which,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    First,
    Second,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        let watch = match self.watch {
            Which::First => Watch::First,
            Which::Second => Watch::Second,
        };
        Operation::Revert { run: self.run, watch }
    }
}

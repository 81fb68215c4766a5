use vmwright_engine::Operation;

/// List the rules.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this area (`vfio`).
    #[arg(long)]
    area: Option<String>,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Rules { area: self.area }
    }
}

use vmwright_engine::Operation;

/// Make a plan that settles the findings.
///
/// The plan is kept under its id, which is the hash of its content. It changes nothing; see `preview`, `approve`
/// and `apply`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM to repair; the host alone where absent.
    #[arg(long, value_name = "NAME")]
    vm: Option<String>,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Plan { vm: self.vm }
    }
}

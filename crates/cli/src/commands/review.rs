use vmwright_engine::Operation;

/// Boot, exercise and measure a VM, and report gate by gate. Not tested is not passed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the VM.
    vm: String,
    /// Only these gates (`boot`, `network`, `devices`, `cpu-flaws`).
    #[arg(long, value_name = "GATE", value_delimiter = ',')]
    gates: Vec<String>,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Review { vm: self.vm, gates: self.gates }
    }
}

use vmwright_engine::Operation;

/// Explain a rule: what it is, why it happens, how to confirm, refute and fix it. Or say what a number or a message
/// means: exit reasons of KVM, errors of VFIO, libvirt and migrations, stop codes of Windows, kernel panics, exit
/// statuses and faults of microVMs, status codes of SEV and TDX.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The rule, `area/problem`; or a number, a name or a message (`0x7B`, `VIR_ERR_MIGRATE_UNSAFE`).
    rule: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Explain { rule: self.rule }
    }
}

use vmwright_engine::Operation;

/// Explain a rule: what it is, why it happens, how to confirm, refute and fix it. Or say what a number or a message
/// means: exit reasons of KVM, errors of VFIO, libvirt and migrations, stop codes of Windows, kernel panics, exit
/// statuses and faults of microVMs, status codes of SEV and TDX; which QEMU has a CPU model, what QEMU removed, and what
/// libvirt does otherwise since a version.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The rule, `area/problem`; or a number, a name or a message (`0x7B`, `VIR_ERR_MIGRATE_UNSAFE`, `EPYC-Genoa`,
    /// `-no-hpet`, `libvirt 10.4`).
    #[arg(allow_hyphen_values = true)]
    rule: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Explain { rule: self.rule }
    }
}

//! What a specification of vmwright's own leaves to its backend, said: other formats know nothing of such defaults.

use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, Character, Rng};

/// A copy that says all that is the same in every format: a first serial port, which is `serial`, and a source of random
/// numbers.
pub(crate) fn explicit(spec: &MachineSpec, serial: Character) -> MachineSpec {
    let mut spec = spec.clone();
    if !spec.bare {
        spec.bare = true;
        if spec.serials.is_empty() {
            spec.serials.push(serial);
        }
        if spec.rngs.is_empty() {
            spec.rngs.push(Rng::default());
        }
    }
    spec
}

/// The same for what runs on KVM alone, where the largest processor model is the host's own.
pub(crate) fn explicit_on_kvm(spec: &MachineSpec) -> MachineSpec {
    let mut spec = explicit(spec, Character::default());
    if spec.accelerator == Accelerator::Kvm && spec.cpu.model == "max" {
        spec.cpu.model = "host".to_owned();
    }
    spec
}

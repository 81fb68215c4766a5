//! Capabilities: only those that serve reading are kept.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use std::io;

/// What reading needs as root: files of others (`DAC_*`; `DAC_OVERRIDE` also writes a state directory that is
/// not root's own), the kernel log, links below `/proc`, and PCI configuration space beyond its first 64 bytes
/// (`SYS_ADMIN`).
pub(super) const READER: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::SYS_ADMIN);

/// What the messenger needs as root: sockets of daemons that run as others, and the firewall's rules, which the
/// kernel tells only to those who may change them.
pub(super) const MESSENGER: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_RAW);

/// What the witness needs as root.
pub(super) const WITNESS: CapabilitySet = CapabilitySet::DAC_READ_SEARCH.union(CapabilitySet::SYS_PTRACE);

/// Gives up every capability but those of `kept`, for this thread and for what it executes.
pub(crate) fn drop(kept: CapabilitySet) -> io::Result<()> {
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(capability) {
            continue;
        }
        match capability_is_in_bounding_set(capability) {
            // Without SETPCAP the bounding set stays; no_new_privs then keeps set-uid programs from filling it.
            Ok(true) => match remove_capability_from_bounding_set(capability) {
                Ok(()) | Err(Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            },
            Ok(false) => {}
            // The first number that this kernel does not know.
            Err(_) => break,
        }
    }
    // Kernels before 4.3 have no ambient set to clear.
    let _ = clear_ambient_capability_set();
    let mut sets = capabilities(None)?;
    sets.permitted &= kept;
    sets.effective &= kept;
    sets.inheritable = CapabilitySet::empty();
    Ok(set_capabilities(None, sets)?)
}

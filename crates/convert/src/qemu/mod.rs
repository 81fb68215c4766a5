//! QEMU's command line. Pure: the same machine and the same numbers give the same words.
//!
//! [`write()`] makes the command line of a machine, each option with the reason for which it is there. [`read()`] makes
//! a machine of a command line; what it does not understand is kept as [`Foreign`](vmwright_model::machine::Foreign)
//! of format `qemu`, in one of two ways that `at` tells apart: `-device` with the whole value, or the key of an item,
//! `disk.0`, with properties that are added to that item's own.

mod argument;
mod handles;
mod network_address;
mod read;
mod write;

pub(crate) use argument::escape;
pub use argument::{Argument, shell, words};
pub use handles::{Becomes, Descriptor, Handles};
pub use network_address::mac;
pub use read::{command, read};
pub use write::{AGENT_PORT, ArgvError, CommandLine, write};
pub(crate) use write::{pci_bus, usb_bus};

use crate::Written;
use vmwright_model::MachineSpec;

/// The command line of a machine as a shell takes it, with sockets and interfaces by name.
///
/// # Errors
/// [`ArgvError`].
pub fn text(spec: &MachineSpec) -> Result<Written, ArgvError> {
    let line = write(spec, &Handles::by_name())?;
    let program = spec.emulator.clone().unwrap_or_else(|| format!("qemu-system-{}", spec.arch));
    let remarks = line.remarks.into_iter().chain(line.unsaid).collect();
    Ok(Written { text: shell(&program, &line.arguments), remarks })
}

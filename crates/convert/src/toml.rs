//! vmwright's own TOML.

use crate::{Read, ReadError, Written};
use vmwright_formats::MachineSpecView;
use vmwright_formats::View;
use vmwright_formats::machine_spec::{WriteError, write_spec};
use vmwright_model::MachineSpec;

/// Reads a specification.
///
/// # Errors
/// Every problem that it has, with its line.
pub fn read(text: &str) -> Result<Read, ReadError> {
    let (view, issues) = MachineSpecView::read(text);
    match view.spec {
        Some(spec) => Ok(Read { spec, remarks: Vec::new() }),
        None => Err(ReadError::Wrong(issues)),
    }
}

/// Writes a specification. Nothing is lost.
///
/// # Errors
/// Where a number is larger than TOML's largest.
pub fn write(spec: &MachineSpec) -> Result<Written, WriteError> {
    Ok(Written { text: write_spec(spec)?, remarks: Vec::new() })
}

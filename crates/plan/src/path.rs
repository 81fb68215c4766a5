//! Paths as plans may name them.

use crate::actions::Fault;

/// Whether a path is absolute and has one spelling only.
///
/// # Errors
/// What is wrong with it.
pub fn plain_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("it is not absolute");
    }
    if path.len() > 4095 {
        return Err("it is longer than the kernel's 4095 bytes");
    }
    if path.chars().any(char::is_control) {
        return Err("it has control characters");
    }
    if path == "/" {
        return Ok(());
    }
    for part in path[1..].split('/') {
        match part {
            "" => return Err("it has an empty component"),
            "." | ".." => return Err("it has a component that is `.` or `..`"),
            _ => {}
        }
    }
    Ok(())
}

/// What is wrong with the path of an action.
pub(crate) fn path_faults(path: &str) -> Option<Fault> {
    plain_path(path).err().map(|why| Fault::Path(path.escape_debug().to_string(), why))
}

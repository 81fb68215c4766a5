//! Pictures of the guest's screen.

use super::Qemu;
use super::control::{monitor, unusable};
use super::qmp::QmpError;
use crate::request::{Answer, Picture};
use crate::supervise::running;
use crate::{ControlError, Operation, Stored};
use serde_json::json;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// QEMU writes into a file that vmwright has opened, so that one of another user or in a sandbox can too; the file
/// appears whole or not at all.
pub(super) fn screenshot(
    qemu: &Qemu,
    machine: &Stored,
    to: &Path,
    format: Picture,
) -> Result<Answer, ControlError> {
    let fail = |doing, source| ControlError::File { doing, path: to.to_owned(), source };
    if to.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and is not a regular file");
        return Err(fail("replace", source));
    }
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = to.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let mut options = File::options();
    // What QEMU opens has to be open as it asks for it: for writing alone.
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(&part).map_err(|source| fail("make", source))?;
    let made = dump(qemu, machine, &file, format).and_then(|()| {
        let size = file.metadata().and_then(|meta| std::fs::rename(&part, to).map(|()| meta.len()));
        size.map_err(|source| fail("make", source))
    });
    if made.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    made.map(Answer::Copied)
}

fn dump(qemu: &Qemu, machine: &Stored, file: &File, format: Picture) -> Result<(), ControlError> {
    let failed = |why: String| ControlError::Failed {
        machine: machine.name.clone(),
        operation: Operation::Screenshot,
        why,
    };
    let mut qmp = monitor(machine, &running(machine)?, qemu.patience)?;
    let mut arguments = json!({});
    if format == Picture::Png {
        let schema = qmp.schema().map_err(|source| unusable(machine, source))?;
        if !schema.knows("png", "ppm") {
            return Err(failed("this QEMU has no PNG (it came with 7.1); ask for a PPM".to_owned()));
        }
        arguments["format"] = "png".into();
    }
    arguments["filename"] = qmp.lend(file.as_fd()).map_err(|source| unusable(machine, source))?.into();
    match qmp.execute("screendump", Some(arguments)) {
        Ok(_) => Ok(()),
        Err(QmpError::Refused { description, .. }) if description.contains("no console") => {
            Err(failed("it has no screen: its specification has no `[[video]]`".to_owned()))
        }
        Err(source) => Err(unusable(machine, source)),
    }
}

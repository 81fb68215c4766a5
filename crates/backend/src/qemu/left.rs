//! What a VMM holds of its guest, once whoever moved or kept that guest is gone.

use super::Qemu;
use super::control::{ask, look};
use crate::{ControlError, Operation, Stored};
use std::time::{Duration, Instant};

/// How long a migration may take until it is given up: QEMU looks at it once a buffer is sent.
const GIVES_UP: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What there is of a guest in a machine's VMM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// There is no VMM.
    Nothing,
    /// The guest, which runs or stands still.
    Guest,
    /// What was sent away, to another VMM or into a file: it may go on elsewhere, and must not go on here as well.
    Sent,
    /// A place for a guest that has not come yet.
    Room,
}

/// Gives up what is still being sent, and tells what there is then.
pub(super) fn settle(qemu: &Qemu, machine: &Stored) -> Result<Holds, ControlError> {
    let deadline = Instant::now() + GIVES_UP;
    let mut given_up = false;
    loop {
        if !look(qemu, machine)?.state.alive() {
            return Ok(Holds::Nothing);
        }
        let word = |told: serde_json::Value| told["status"].as_str().unwrap_or_default().to_owned();
        match word(ask(qemu, machine, "query-status", None)?).as_str() {
            "inmigrate" => return Ok(Holds::Room),
            "postmigrate" => return Ok(Holds::Sent),
            _ => {}
        }
        let migration = word(ask(qemu, machine, "query-migrate", None)?);
        if matches!(migration.as_str(), "" | "none" | "completed" | "failed" | "cancelled") {
            return Ok(Holds::Guest);
        }
        if Instant::now() >= deadline {
            let why = format!("its migration is {migration} and is not given up");
            let operation = Operation::Migrate;
            return Err(ControlError::Failed { machine: machine.name.clone(), operation, why });
        }
        if !given_up {
            ask(qemu, machine, "migrate_cancel", None)?;
            given_up = true;
        }
        std::thread::sleep(LOOK);
    }
}

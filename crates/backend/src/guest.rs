//! Requests that the guest's agent carries out, whatever the way to it.

use crate::qemu::agent::Ask;
use crate::qemu::{copy, exec};
use crate::request::{Answer, Request, Watch};
use crate::{ControlError, Stored};
use std::time::Duration;

/// How long a guest's agent may take for one answer.
pub(crate) const AGENT: Duration = Duration::from_secs(20);

/// Runs a program in the guest of a backend's machine, or copies a file.
pub(crate) fn carry_out(
    agent: &mut dyn Ask,
    (backend, machine): (&'static str, &Stored),
    request: Request,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    match request {
        Request::Exec(what) => {
            let ended = exec::exec(agent, &what, watch);
            ended.map(Answer::Executed).map_err(|error| error.of(&machine.name))
        }
        Request::CopyOut { from, to } => {
            let copied = copy::copy_out(agent, &from, &to, watch);
            copied.map(Answer::Copied).map_err(|error| error.of(&machine.name))
        }
        Request::CopyIn { from, to } => {
            let copied = copy::copy_in(agent, &from, &to, watch);
            copied.map(Answer::Copied).map_err(|error| error.of(&machine.name))
        }
        other => {
            let operation = other.operation();
            Err(ControlError::Cannot { backend, operation, why: "a guest's agent is not asked for that" })
        }
    }
}

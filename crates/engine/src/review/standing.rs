//! A VM that stands still for a gate goes on, whatever becomes of the review: by [`Drop`], and where the review is killed by a
//! process of its own that notices.

use super::channels::Channels;
use crate::error::chain;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use vmwright_backend::{Backend, Request, Unwatched, perform};
use vmwright_review::Undone;

/// What the other process does, run by `sh`: it waits until its input ends. A line says that all is well; without one the
/// review is gone, and what it made is removed, and the VM goes on. A VM that runs already refuses that.
const AFTER: &str = r#"read -r _ && exit
rm -rf -- "$1" "$2"
shift 2
exec "$@""#;

/// The same of a machine whose state directory says what is to be done: whoever asks for the machine next does it.
const AFTER_OWN: &str = r#"read -r _ && exit
exec "$@""#;

/// Somebody who looks after a VM and a folder if the review is killed. It ends with this value.
pub(super) struct Afterwards(Child);

impl Afterwards {
    /// `vm` is the VM's name as the user said it.
    pub(super) fn of(channels: &Channels<'_>, vm: &str, place: &Path) -> Result<Self, Undone> {
        let cannot = |what: &str, error: &dyn std::fmt::Display| Undone::Cannot(format!("{what}: {error}"));
        let program = std::env::current_exe().map_err(|error| cannot("its own program", &error))?;
        // Of a domain that is lent, which lies in the state directory for as long as the review lasts.
        let lent = (channels.machine.state != channels.state).then_some(channels.machine.state.as_path());
        let mut command = Command::new("sh");
        command.args(["-c", AFTER, "sh"]).arg(place).arg(lent.unwrap_or(place));
        Self::spawn(command, &program, channels.state, vm).map_err(|error| cannot("sh", &error))
    }

    /// Somebody who puts a machine right of whose review a record is kept ([`super::unfinished`]).
    pub(super) fn of_own(state: &Path, vm: &str) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", AFTER_OWN, "sh"]);
        Self::spawn(command, &std::env::current_exe()?, state, vm)
    }

    fn spawn(mut command: Command, program: &Path, state: &Path, vm: &str) -> io::Result<Self> {
        command.arg(program).arg("--state").arg(state).args(["vm", "resume", "--", vm]);
        // What ends the review from a terminal is not for this one.
        command.process_group(0).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Self)
    }
}

impl Drop for Afterwards {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // One that is gone does nothing any more.
            let _ = input.write_all(b"\n");
        }
        let _ = self.0.wait();
    }
}

/// A VM that stands still as long as this value is there.
pub(super) struct Still<'a> {
    channels: &'a Channels<'a>,
    backend: &'a dyn Backend,
}

impl<'a> Still<'a> {
    pub(super) fn stand(channels: &'a Channels<'a>, backend: &'a dyn Backend) -> Result<Self, Undone> {
        channels.let_go();
        perform(backend, channels.machine, Request::Pause, &mut Unwatched)
            .map_err(|error| Undone::Failed(chain(&error)))?;
        Ok(Self { channels, backend })
    }
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        // A guest that stands still is seen by the next question.
        let _ = perform(self.backend, self.channels.machine, Request::Resume, &mut Unwatched);
    }
}

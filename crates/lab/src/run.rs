//! Programs that make images: what they say is shown as it comes, and the last of it is in the error.

use crate::LabError;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use vmwright_backend::{Told, Watch};

/// Lines that an error repeats.
const TAIL: usize = 15;
/// How often it is looked whether the user wants it to end.
const LOOK: Duration = Duration::from_millis(200);

/// Runs a program to its end. Its lines are shown; where the user stops it, it is killed.
pub(crate) fn run(doing: &'static str, command: &mut Command, watch: &mut dyn Watch) -> Result<(), LabError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C");
    command.process_group(0);
    let mut child = command.spawn().map_err(LabError::file("run", &program))?;
    let (send, lines) = mpsc::channel();
    for stream in [
        child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
    ]
    .into_iter()
    .flatten()
    {
        let send = send.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    break;
                }
            }
        });
    }
    drop(send);
    let mut tail: Vec<String> = Vec::new();
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) if line.is_empty() => {}
            Ok(line) => {
                // mmdebstrap marks what it does itself.
                if let Some(step) = line.strip_prefix("I: ") {
                    watch.tell(Told::Note(format!("{doing}: {step}")));
                }
                tail.push(line);
                if tail.len() > TAIL {
                    tail.remove(0);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if watch.stopped() {
            // Its helpers too, and in order: it takes down what it has mounted. It may have ended by itself.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::TERM);
            }
            let _ = child.wait();
            return Err(LabError::Stopped);
        }
    }
    let status = child.wait().map_err(LabError::file("wait for", &program))?;
    if status.success() {
        return Ok(());
    }
    Err(LabError::Program { doing, program, status, said: tail.join("\n") })
}

/// A program of PATH, or of the places that only an administrator's PATH has.
pub(crate) fn find(
    program: &'static str,
    purpose: &'static str,
    package: &'static str,
) -> Result<PathBuf, LabError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = places.map(|place| place.join(program)).find(|file| Path::is_file(file));
    found.ok_or(LabError::NoProgram { program, purpose, package })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_backend::Unwatched;

    #[test]
    fn the_last_words_of_a_failure_are_told_and_a_stop_ends_it() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo first; echo last >&2; exit 3"]);
        let told = run("try", &mut failing, &mut Unwatched).expect_err("it fails").to_string();
        assert!(told.contains("`sh`") && told.contains("exit status: 3") && told.contains("last"), "{told}");
        struct Stopped;
        impl Watch for Stopped {
            fn tell(&mut self, _: Told) {}
            fn stopped(&self) -> bool {
                true
            }
        }
        let mut endless = Command::new("sleep");
        endless.arg("600");
        assert!(matches!(run("try", &mut endless, &mut Stopped), Err(LabError::Stopped)));
        assert!(matches!(find("no-such-program", "does nothing", "none"), Err(LabError::NoProgram { .. })));
    }
}

//! Running another program: bounded in time and output, without the caller's environment.

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The most of a program's output that is kept, in bytes.
const OUTPUT_LIMIT: u64 = 4 << 20;

/// Where programs find others.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Why a program gave no answer.
#[derive(Debug, Error)]
pub enum ToolError {
    /// It could not be run.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It took too long and was stopped.
    #[error("{} gave no answer in {seconds} s", program.display())]
    TimeOut {
        /// The program.
        program: PathBuf,
        /// The limit, in seconds.
        seconds: u64,
    },
    /// It failed.
    #[error("{} failed ({status}): {said}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to stderr, on one line.
        said: String,
    },
    /// It answered something that cannot be understood.
    #[error("{} gave an answer that cannot be read: {why}", program.display())]
    Answer {
        /// The program.
        program: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// What a program said.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Said {
    /// Its stderr on one line, control characters escaped.
    pub(crate) fn complaint(&self) -> String {
        one_line(&self.stderr)
    }
}

/// Runs `program` with `input` as its stdin, and waits for at most `limit`.
pub(crate) fn run(program: &Path, args: &[&OsStr], input: &[u8], limit: Duration) -> Result<Said, ToolError> {
    let failed = |source: std::io::Error| ToolError::Run { program: program.to_owned(), source };
    // Files in memory, not pipes: neither side can wait for the other.
    let stdin = memory(input).map_err(failed)?;
    let (mut stdout, mut stderr) = (memory(b"").map_err(failed)?, memory(b"").map_err(failed)?);
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .env("LC_ALL", "C")
        // Scripts look for their own tools here, and for nothing that a caller put before them.
        .env("PATH", PATH)
        .current_dir("/")
        // With those that it starts: a script whose time is up must not go on by its children.
        .process_group(0)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout.try_clone().map_err(failed)?))
        .stderr(Stdio::from(stderr.try_clone().map_err(failed)?))
        .spawn()
        .map_err(failed)?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begun.elapsed() > limit {
            // They may have ended in this moment; both errors mean that nothing is left to stop.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            return Err(ToolError::TimeOut { program: program.to_owned(), seconds: limit.as_secs() });
        }
        std::thread::sleep(LOOK);
    };
    let stdout = all(&mut stdout).map_err(failed)?;
    let stderr = all(&mut stderr).map_err(failed)?;
    Ok(Said { status, stdout, stderr })
}

/// As [`run`], but a program that fails is an error.
pub(crate) fn succeed(program: &Path, args: &[&str], limit: Duration) -> Result<Vec<u8>, ToolError> {
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let said = run(program, &args, b"", limit)?;
    if !said.status.success() {
        let (status, complaint) = (said.status, said.complaint());
        return Err(ToolError::Failed { program: program.to_owned(), status, said: complaint });
    }
    Ok(said.stdout)
}

/// A file in memory that holds `bytes` and stands at its beginning.
pub(crate) fn memory(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("vmwright", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn all(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(OUTPUT_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(400).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, input: &[u8], limit: u64) -> Result<Said, ToolError> {
        let args = [OsStr::new("-c"), OsStr::new(script)];
        run(Path::new("/bin/sh"), &args, input, Duration::from_millis(limit))
    }

    #[test]
    fn input_output_and_status_go_through() {
        let said = sh("cat; echo no >&2; exit 3", b"yes", 10_000).expect("sh is there");
        assert_eq!(
            (said.status.code(), &said.stdout[..], said.complaint().as_str()),
            (Some(3), &b"yes"[..], "no")
        );
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        assert!(matches!(sh("exec sleep 60", b"", 50), Err(ToolError::TimeOut { .. })));
    }

    #[test]
    fn what_a_program_that_hangs_has_started_is_stopped_too() {
        let place = tempfile::tempdir().expect("a folder");
        let late = place.path().join("late");
        let script = format!("(sleep 1; echo late >{}) & sleep 60", late.display());
        assert!(matches!(sh(&script, b"", 50), Err(ToolError::TimeOut { .. })));
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!late.exists(), "it went on");
    }

    #[test]
    fn the_environment_of_the_caller_stays_behind() {
        let said = sh("echo $HOME$LC_ALL", b"", 10_000).expect("sh is there");
        assert_eq!(said.stdout, b"C\n");
    }
}

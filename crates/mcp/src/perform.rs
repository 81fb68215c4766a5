//! The worker's side: one operation, told on standard input, answered on standard output.

use crate::worker::{Done, Failed, Line, Task};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use serde_json::Value;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vmwright_engine::{Environment, Error, Operation, Outcome, Progress};
use vmwright_model::{Exit, Mode};

/// The longest task, in bytes: a complaint of 1 MiB, every byte escaped, and room for the rest.
const LONGEST: usize = 8 << 20;

/// How outcomes are written: the command's own printers, which this crate does not know.
#[derive(Debug, Clone, Copy)]
pub struct Printers {
    /// As `--format json` prints it.
    pub json: fn(&Outcome) -> Value,
    /// A line of progress.
    pub progress: fn(&Progress) -> String,
    /// For people.
    pub text: fn(&Outcome) -> String,
    /// Why there is none: the chain of causes.
    pub error: fn(&Error) -> String,
}

/// Does the one operation that standard input tells of. `stop` is set by the signals that ask a run to stop.
///
/// To be called while no other thread runs: ANALYSIS locks the thread that it finds.
#[must_use]
pub fn work(state: Option<PathBuf>, read_only: bool, printers: Printers, stop: Arc<AtomicBool>) -> Exit {
    match told(read_only) {
        Ok(operation) => done(operation, state, read_only, printers, stop),
        Err(error) => {
            say(&Line::Failed(Failed { exit: Exit::Internal as u8, error: error.to_string() }));
            Exit::Internal
        }
    }
}

/// Reads the task.
fn told(read_only: bool) -> io::Result<Operation> {
    let mut digits = String::new();
    // Byte by byte: what follows the task is the operation's own.
    loop {
        let mut byte = [0];
        read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => break,
            digit @ b'0'..=b'9' if digits.len() < 9 => digits.push(char::from(digit)),
            _ => return Err(invalid("it was told no length")),
        }
    }
    let length = digits.parse::<usize>().ok().filter(|length| *length <= LONGEST);
    let mut task = vec![0; length.ok_or_else(|| invalid("it was told too much"))?];
    read_exact(&mut task)?;
    let task: Task = serde_json::from_slice(&task)?;
    // A reader has nothing to take back. Whoever changes something is asked to stop, and takes back what it did.
    let signal = if task.operation.only_reads() { Signal::KILL } else { Signal::TERM };
    set_parent_process_death_signal(Some(signal))?;
    let parent = getppid().map(|id| id.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(task.server) {
        return Err(invalid("its server is gone"));
    }
    if read_only && task.operation.mode() != Some(Mode::Analysis) {
        return Err(invalid("the server is read-only, and this operation is none of ANALYSIS"));
    }
    Ok(task.operation)
}

fn read_exact(mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => buffer = &mut buffer[length..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn done(
    operation: Operation,
    state: Option<PathBuf>,
    read_only: bool,
    printers: Printers,
    stop: Arc<AtomicBool>,
) -> Exit {
    let failed = |exit: Exit, error: String| {
        say(&Line::Failed(Failed { exit: exit as u8, error }));
        exit
    };
    let environment = match Environment::new(state, stop) {
        Ok(environment) => environment,
        Err(error) => return failed(Exit::Usage, error.to_string()),
    };
    if read_only && let Err(error) = vmwright_engine::lock(&operation, &environment) {
        return failed(error.exit(), (printers.error)(&error));
    }
    let outcome = vmwright_engine::perform(operation, &environment, &mut |event| {
        say(&match event {
            Progress::Banner(banner) => Line::Banner(banner),
            event => Line::Note((printers.progress)(&event)),
        });
    });
    match outcome {
        Ok(outcome) => {
            let exit = outcome.exit();
            let (json, text) = ((printers.json)(&outcome), (printers.text)(&outcome));
            say(&Line::Done(Done { exit: exit as u8, outcome: json, text }));
            exit
        }
        Err(error) => failed(error.exit(), (printers.error)(&error)),
    }
}

/// A server that is gone wants no answer, and its end ends this process.
fn say(line: &Line) {
    let Ok(mut text) = serde_json::to_vec(line) else { return };
    text.push(b'\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(&text).and_then(|()| out.flush());
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

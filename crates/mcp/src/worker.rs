//! Operations, each in a process of its own: this program once more.
//!
//! ANALYSIS locks its process for good, and a server has to live on and may change its mode; what hangs in the kernel or
//! ends with a signal takes no server with it; and a call that is cancelled ends as a process does, with all that it has
//! open. So the server itself reads no host and changes none.
//!
//! The worker is told on its standard input: a line with the length of a JSON document, the document (a [`Task`]), then
//! whatever the operation itself reads there. It answers on its standard output, a JSON document a line: [`Line`].

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Semaphore, watch};
use vmwright_engine::Operation;

/// How many operations go on at once; others wait. An analysis uses a processor and some hundred MiB.
const AT_ONCE: usize = 4;

/// The longest line of a worker, in bytes. The analysis of a large host has some MiB.
const LONGEST: u64 = 256 << 20;

/// How long a worker that was asked to stop may take where it only reads.
const GRACE: Duration = Duration::from_millis(500);

/// How long it may take where it changes something: it takes back what it did.
const TAKING_BACK: Duration = Duration::from_secs(600);

/// What a worker is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The server's process: a worker whose parent is another one has lost its server.
    pub(crate) server: u32,
    /// What to do.
    pub(crate) operation: Operation,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// A mode is entered.
    Banner(String),
    /// How far it is.
    Note(String),
    /// It is done.
    Done(Done),
    /// There is no result.
    Failed(Failed),
}

/// What came of an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Done {
    /// The exit status that the command would have had.
    pub(crate) exit: u8,
    /// As `--format json` prints it.
    pub(crate) outcome: Value,
    /// As it is printed for people.
    pub(crate) text: String,
}

/// Why nothing came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failed {
    /// The exit status that the command would have had.
    pub(crate) exit: u8,
    /// The chain of causes.
    pub(crate) error: String,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// No process could be started, or it could not be spoken to.
    #[error("a process for the operation cannot be started: {0}")]
    Start(std::io::Error),
    /// It ended without a word.
    #[error("the operation ended without an answer ({0})")]
    Silent(String),
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Where operations are done.
#[derive(Debug)]
pub(crate) struct Workers {
    state: PathBuf,
    read_only: bool,
    free: Semaphore,
    /// Whether the server ends.
    closing: watch::Sender<bool>,
}

impl Workers {
    pub(crate) fn new(state: PathBuf, read_only: bool) -> Self {
        Self { state, read_only, free: Semaphore::new(AT_ONCE), closing: watch::channel(false).0 }
    }

    /// Asks every operation to stop, and waits until they have.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        let all = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
        // Fails only where it was closed, which nobody does.
        let _ = self.free.acquire_many(all).await;
    }

    /// Does one operation. `told` is given what the worker says on its way; where `cancelled` comes first, the worker is
    /// asked to stop, and is waited for.
    pub(crate) async fn perform(
        &self,
        operation: Operation,
        input: Vec<u8>,
        told: &mut (dyn FnMut(Line) + Send),
        cancelled: impl Future<Output = ()> + Send,
    ) -> Result<Result<Done, Failed>, WorkerError> {
        let mut closing = self.closing.subscribe();
        let mut cancelled = std::pin::pin!(async {
            tokio::select! {
                () = cancelled => {}
                // Fails only where nobody can close any more.
                _ = closing.wait_for(|closing| *closing) => {}
            }
        });
        let _turn = tokio::select! {
            turn = self.free.acquire() => turn,
            () = &mut cancelled => return Err(WorkerError::Cancelled),
        };
        let patience = if operation.only_reads() { GRACE } else { TAKING_BACK };
        let mut child = self.start()?;
        let task = Task { server: std::process::id(), operation };
        let task = serde_json::to_vec(&task).map_err(|error| WorkerError::Start(error.into()))?;
        let mut to = child.stdin.take();
        // At the same time, so that neither waits for the other where both have much to say.
        let tell = async move {
            let Some(to) = &mut to else { return };
            // A worker that has ended meanwhile says so by its silence.
            let _ = to.write_all(format!("{}\n", task.len()).as_bytes()).await;
            let _ = to.write_all(&task).await;
            let _ = to.write_all(&input).await;
        };
        let lines = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut listen = std::pin::pin!(async { tokio::join!(tell, last(lines, told)).1 });
        let (answer, stopped) = tokio::select! {
            answer = &mut listen => (answer, false),
            () = &mut cancelled => {
                ask_to_stop(&child);
                (tokio::time::timeout(patience, &mut listen).await.unwrap_or(Ok(None)), true)
            }
        };
        end(child, matches!(answer, Ok(Some(_)))).await;
        match answer {
            _ if stopped => Err(WorkerError::Cancelled),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(WorkerError::Silent("its process has ended".to_owned())),
            Err(error) => Err(WorkerError::Silent(error.to_string())),
        }
    }

    fn start(&self) -> Result<Child, WorkerError> {
        let mut words: Vec<OsString> = vec!["--state".into(), self.state.clone().into(), "mcp".into()];
        words.push("--worker".into());
        if self.read_only {
            words.push("--read-only".into());
        }
        // The program as it runs, also where its file was replaced since.
        Command::new("/proc/self/exe")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What goes wrong in it is in its answer; the server's own log is no place for what a guest says.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(WorkerError::Start)
    }
}

/// Listens to the end: the last line, if there is one.
async fn last(
    mut lines: BufReader<ChildStdout>,
    told: &mut (dyn FnMut(Line) + Send),
) -> std::io::Result<Option<Result<Done, Failed>>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut lines).take(LONGEST).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        match serde_json::from_slice(&line)? {
            Line::Done(done) => return Ok(Some(Ok(done))),
            Line::Failed(failed) => return Ok(Some(Err(failed))),
            line => told(line),
        }
    }
}

fn ask_to_stop(child: &Child) {
    let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(process) = process {
        // It may have ended in this moment.
        let _ = kill_process(process, Signal::TERM);
    }
}

/// Lets a worker go. One that waits for a file system which never answers ends when that does, and is not waited for.
async fn end(mut child: Child, said_all: bool) {
    if said_all && tokio::time::timeout(GRACE, child.wait()).await.is_ok() {
        return;
    }
    let _ = child.start_kill();
    let _ = tokio::time::timeout(GRACE, child.wait()).await;
}

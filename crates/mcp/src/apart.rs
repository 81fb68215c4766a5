//! One operation in a process of its own, for callers that are no server.

use crate::worker::{Line, Workers};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vmwright_engine::Operation;
use vmwright_model::Exit;

/// How often it is looked whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(100);

/// What came of an operation.
#[derive(Debug, Clone)]
pub struct Apart {
    /// The exit status that the command would have had.
    pub exit: u8,
    /// As `--format json` prints it.
    pub outcome: Value,
    /// As it is printed for people.
    pub text: String,
}

/// Does one operation in a process of its own, which locks itself as the command does. `told` gets what it says on its way;
/// where `stop` is set it is asked to end, and is waited for.
///
/// # Errors
/// The exit status that the command would have had, where it came to one, and why.
pub fn perform_apart(
    state: &Path,
    operation: Operation,
    stop: &AtomicBool,
    told: &mut dyn FnMut(String),
) -> Result<Apart, (Option<u8>, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (Some(Exit::Internal as u8), error.to_string()))?;
    let workers = Workers::new(state.to_owned(), false);
    let came = runtime.block_on(async {
        let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let stopped = async {
            while !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let work = async move {
            // Whoever listens goes away with this.
            let mut tell = |line: Line| drop(sender.send(line));
            workers.perform(operation, Vec::new(), &mut tell, stopped).await
        };
        let hear = async {
            while let Some(line) = lines.recv().await {
                if let Line::Banner(words) | Line::Note(words) = line {
                    told(words);
                }
            }
        };
        tokio::join!(work, hear).0
    });
    runtime.shutdown_background();
    match came {
        Ok(Ok(done)) => Ok(Apart { exit: done.exit, outcome: done.outcome, text: done.text }),
        Ok(Err(failed)) => Err((Some(failed.exit), failed.error)),
        Err(error) => Err((None, error.to_string())),
    }
}

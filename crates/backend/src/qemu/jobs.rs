//! QEMU's background jobs: begun, followed to their end, cleared away.

use super::Qemu;
use super::control::ask;
use crate::request::Watch;
use crate::{ControlError, Stored};
use serde_json::{Value, json};
use std::time::Duration;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Begins a job by `command`, which takes `job-id`, and waits for its end; what went wrong with it is the inner
/// error. The monitor is free for others between two looks.
pub(super) fn run(
    qemu: &Qemu,
    machine: &Stored,
    command: &str,
    mut arguments: Value,
    watch: &mut dyn Watch,
) -> Result<Result<(), String>, ControlError> {
    let id = format!("vmwright-{}", std::process::id());
    arguments["job-id"] = id.as_str().into();
    ask(qemu, machine, command, Some(arguments))?;
    let mut cancelled = false;
    loop {
        let jobs = ask(qemu, machine, "query-jobs", None)?;
        let job = jobs.as_array().into_iter().flatten().find(|job| job["id"] == id.as_str());
        let Some(job) = job else { return Ok(Err("its job has vanished".to_owned())) };
        if job["status"] == "concluded" {
            let error = job["error"].as_str().map(|text| text.chars().take(500).collect());
            ask(qemu, machine, "job-dismiss", Some(json!({ "id": id })))?;
            return Ok(error.map_or(Ok(()), Err));
        }
        if watch.stopped() && !cancelled {
            cancelled = true;
            // One that cannot be cancelled ends by itself.
            let _ = ask(qemu, machine, "job-cancel", Some(json!({ "id": id })));
        }
        std::thread::sleep(LOOK);
    }
}

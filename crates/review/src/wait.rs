//! Waiting until the VM is up, or shows that it will not be.

use crate::gates::boot::{self, Limits};
use crate::scope::{GuestError, Scope};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_model::machine::Accelerator;

/// Time between two questions. The time of a stage that is told by asking is uncertain by so much.
const PAUSE: Duration = Duration::from_millis(100);

/// What the wait found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waited {
    /// What runs the guest, as the VMM says; or why that is not known.
    pub(crate) accelerator: Result<Accelerator, String>,
    /// What is asked in the guest, for people.
    pub(crate) asked: &'static str,
    /// Whether the agent answers; or why it is not asked.
    pub(crate) agent: Result<Answered, String>,
    /// What showed that waiting longer is of no use.
    pub(crate) hopeless: Option<String>,
    /// How long was waited.
    pub(crate) waited: Duration,
    /// Whether the wait ended before the limit of the accelerator, because the caller had less patience.
    pub(crate) cut_short: bool,
}

/// The agent's first answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answered {
    /// Age of the VMM then, in seconds, where the agent had been silent before; none where it answered at the
    /// first question, which tells nothing of when it came up.
    pub(crate) came_up: Option<f64>,
}

/// Asks until the agent answers, the VM is seen to be stuck, or the time is over.
pub(crate) fn until_up(scope: &Scope<'_>) -> Waited {
    let began = Instant::now();
    let accelerator = accelerator(scope);
    let limit = Duration::from_secs_f64(Limits::of(accelerator.as_ref().ok().copied()).agent);
    let patience = scope.patience.unwrap_or(limit);
    let mut first = true;
    let mut waited = Waited {
        asked: scope.guest.called(),
        accelerator,
        agent: Err("the specification says that the guest runs no agent".to_owned()),
        hopeless: None,
        waited: Duration::ZERO,
        cut_short: false,
    };
    loop {
        let serial =
            scope.vmm.serial().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        if scope.spec.agent {
            match scope.guest.execute("guest-ping", json!({})) {
                Ok(_) => {
                    let age = scope.vmm.process().map(|process| process.age.as_secs_f64());
                    waited.agent = Ok(Answered { came_up: age.filter(|_| !first) });
                    break;
                }
                Err(error) => {
                    waited.agent = Err(error.to_string());
                    // One that answers no ping will not answer the next.
                    if let GuestError::Refused(why) = error {
                        waited.hopeless = Some(why);
                        break;
                    }
                }
            }
        } else if boot::reached_userland(&serial) {
            break;
        }
        first = false;
        waited.hopeless = hopeless(scope, &serial);
        if waited.hopeless.is_some() {
            break;
        }
        if began.elapsed() >= patience {
            waited.cut_short = patience < limit;
            break;
        }
        thread::sleep(PAUSE);
    }
    waited.waited = began.elapsed();
    waited
}

/// A VM that cannot come up any more.
fn hopeless(scope: &Scope<'_>, serial: &str) -> Option<String> {
    let end = boot::dead_end(serial);
    if scope.vmm.process().is_none() {
        return Some(end.map_or_else(
            || "the VMM has ended".to_owned(),
            |line| format!("the VMM has ended after `{line}`"),
        ));
    }
    if let Some(line) = end {
        return Some(line.to_owned());
    }
    let status = scope.vmm.query("query-status").ok()?;
    let status = status.get("status").and_then(Value::as_str)?;
    // The rest of QEMU's RunState pass by themselves (`prelaunch`, `inmigrate`, `restore-vm`, ...).
    matches!(status, "internal-error" | "io-error" | "guest-panicked" | "shutdown" | "paused" | "watchdog")
        .then(|| format!("the VMM's state is `{status}`"))
}

/// What runs the guest, by `query-kvm`. On the hosts in question QEMU has KVM and TCG.
fn accelerator(scope: &Scope<'_>) -> Result<Accelerator, String> {
    let answer = scope.vmm.query("query-kvm").map_err(|error| format!("query-kvm: {error}"))?;
    match answer.get("enabled").and_then(Value::as_bool) {
        Some(true) => Ok(Accelerator::Kvm),
        Some(false) => Ok(Accelerator::Tcg),
        None => Err("query-kvm: the answer has no `enabled`".to_owned()),
    }
}

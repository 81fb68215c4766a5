//! What tells whether a guest is the same after a move or a restore: what cannot change, and what can only grow.

pub(crate) mod cards;
pub(crate) mod line;
pub(crate) mod processor;

use crate::aspects::Aspects;
use crate::gates::cpu_flaws::{self, OfGuest, OfHost};
use crate::interfaces;
use crate::scope::{Guest, Session};
use cards::Card;
use processor::Features;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use vmwright_model::MachineSpec;
use vmwright_model::machine::Accelerator;

/// A guest at one moment. Every answer may be missing for a reason of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Of the boot that it runs since (random(4)).
    pub(crate) boot_id: Result<String, String>,
    /// Seconds since that boot.
    pub(crate) uptime: Result<f64, String>,
    /// Seconds that its clock is before the host's.
    pub(crate) ahead: Result<f64, String>,
    /// What became of the memory that was put under load; none where the guest is not our probe.
    pub(crate) memory: Option<Result<Memory, String>>,
    /// Its network cards.
    pub(crate) cards: Result<Vec<Card>, String>,
    /// What its kernel says of the processor's flaws.
    pub(crate) flaws: Result<OfGuest, String>,
    /// What its processor says of itself; none where the guest is not our probe.
    pub(crate) features: Option<Result<Features, String>>,
}

/// What a guest is held against wherever it goes on.
pub(crate) struct Ground {
    /// What executes it.
    pub(crate) accelerator: Result<Accelerator, String>,
    /// What the host's kernel says of the processor's flaws.
    pub(crate) host: OfHost,
    /// MAC addresses of the VM's network devices, before.
    pub(crate) macs: Result<Vec<String>, String>,
    /// Whether several go on from one state.
    pub(crate) several: bool,
}

impl Ground {
    pub(crate) fn of(session: &Session<'_>) -> Self {
        Self {
            accelerator: session.waited.accelerator.clone(),
            host: cpu_flaws::of_host(session),
            macs: interfaces::macs_of_vmm(session),
            several: false,
        }
    }
}

/// Whether a guest has the MAC and the addresses that it is meant to have, and the processor that its kernel found at boot, with
/// the flaws that it was told of. `when` says where it was looked at the second time.
pub(crate) fn keeps(
    seen: (&Seen, &Seen),
    ground: &Ground,
    spec: &MachineSpec,
    when: &str,
    aspects: &mut Aspects,
    evidence: &mut Vec<String>,
) {
    cards::judge(seen, ground, spec, when, aspects);
    processor::judge(seen, ground, when, aspects, evidence);
}

/// A memory that changes all the time and can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Pages that are not as they must be.
    pub(crate) wrong: u64,
    /// How often a page was changed so far.
    pub(crate) changes: u64,
}

pub(crate) fn look(guest: &dyn Guest, loaded: &Load) -> Seen {
    let text = |path: &str| {
        let bytes = guest.file_read(path, 128).map_err(|error| format!("{path}: {error}"))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let uptime = text("/proc/uptime").and_then(|text: String| {
        let first = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
        first.ok_or_else(|| "/proc/uptime of the guest is no number".to_owned())
    });
    Seen {
        boot_id: text("/proc/sys/kernel/random/boot_id"),
        uptime,
        ahead: ahead(guest),
        memory: match loaded {
            Load::None => None,
            Load::Failed(why) => Some(Err(format!("it was not put under load: {why}"))),
            Load::Runs => Some(memory(guest)),
        },
        cards: cards::look(guest),
        flaws: cpu_flaws::of_guest(guest),
        features: processor::look(guest),
    }
}

/// Seconds by which the guest's clock is before the host's, half of the question's own time uncertain.
pub(crate) fn ahead(guest: &dyn Guest) -> Result<f64, String> {
    let before = now();
    let answer = guest.execute("guest-get-time", json!({})).map_err(|error| error.to_string())?;
    let after = now();
    let nanoseconds =
        answer.as_f64().filter(|time| time.is_finite()).ok_or("guest-get-time: the answer is no number")?;
    Ok(nanoseconds / 1e9 - f64::midpoint(before, after))
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// What became of putting a guest's memory under load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Load {
    /// The guest is not our probe, and nothing was tried.
    None,
    /// It changes all the time.
    Runs,
    /// Our probe did not do it, for this reason.
    Failed(String),
}

/// Fills `mib` MiB of our own probe's memory and keeps changing them.
pub(crate) fn load(session: &Session<'_>, mib: u64) -> Load {
    if !session.is_probe() {
        return Load::None;
    }
    let asked = session.scope.guest.execute("vmwright-memory-fill", json!({ "mib": mib, "pause-us": 500 }));
    asked.map_or_else(|error| Load::Failed(error.to_string()), |_| Load::Runs)
}

/// Gives the memory back.
pub(crate) fn unload(guest: &dyn Guest, loaded: &Load) {
    if *loaded != Load::Runs {
        return;
    }
    // One that runs on in a guest of a test harms nobody.
    let _ = guest.execute("vmwright-memory-drop", json!({}));
}

fn memory(guest: &dyn Guest) -> Result<Memory, String> {
    let answer = guest.execute("vmwright-memory-check", json!({})).map_err(|error| error.to_string())?;
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    number("wrong")
        .zip(number("changes"))
        .map(|(wrong, changes)| Memory { wrong, changes })
        .ok_or_else(|| "vmwright-memory-check: the answer has another form".to_owned())
}

#[cfg(test)]
pub(crate) mod tests;

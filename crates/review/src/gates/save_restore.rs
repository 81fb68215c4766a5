//! `save-restore`: a guest whose state was kept goes on from it as itself, and two that go on from one state do not share
//! what must be single: random numbers.
//!
//! A state holds the generator of random numbers too. A guest that is not told that it was restored gives the same numbers
//! twice: keys, nonces and identifiers with them. It is told by a generation id (Microsoft's "Virtual Machine Generation
//! ID", QEMU's `vmgenid`), on which Linux 5.18 and later mix it in anew. Two VMMs go on from the same state beside the VM,
//! and each is asked for numbers.

use super::{Judged, measurement, table};
use crate::aspects::Aspects;
use crate::moment::{self, Seen};
use crate::quote;
use crate::scope::{Guest, GuestError, Saved, Session, Undone, Vmm};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vmwright_model::MachineSpec;

/// How often each is asked for random numbers. Kernels draw some of their own in between, so that the same numbers may
/// stand at different places: those of Linux 6.1.192 draw so many that 16 never met in 25 tries, and 200 at once.
const DRAWS: usize = 200;

/// Bytes of each draw: as many as Linux gives of one key of its generator.
const BYTES: usize = 32;

/// Seconds by which a clock that was set may be wrong.
const CLOCK: f64 = 1.0;

/// A guest that went on from the kept state.
pub(crate) struct Copy {
    pub(crate) seen: Seen,
    pub(crate) draws: Result<Vec<Vec<u8>>, String>,
    /// Its generation id, as the VMM says; none where it has none.
    pub(crate) generation: Option<String>,
    /// Whether the VMM does not tell of one in any case.
    pub(crate) untold: bool,
    /// Whether its kernel has a driver that heeds it.
    pub(crate) heeds: bool,
    /// Seconds that its clock is before the host's once it was told the time; or why it could not be told.
    pub(crate) set: Result<f64, String>,
}

/// What was seen.
pub(crate) struct Observed {
    pub(crate) saved: Result<Saved, Undone>,
    pub(crate) before: Option<Seen>,
    pub(crate) copies: Vec<Copy>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let cannot = |why: &str| Observed { saved: Err(Undone::Cannot(why.to_owned())), before: None, copies: Vec::new() };
    let Some(exercise) = session.scope.exercise else { return cannot("nothing may be done with this VM here") };
    if let Err(why) = &session.waited.agent {
        return cannot(why);
    }
    let guest = session.scope.guest;
    let before = Some(moment::look(guest, false));
    let mut copies = Vec::new();
    let saved = exercise.restored_twice(&mut |guest, vmm| copies.push(copy(guest, vmm)));
    if saved.is_ok() {
        // The VM itself stood still: it is told the time that went by.
        let _ = set_time(guest);
    }
    Observed { saved, before, copies }
}

fn copy(guest: &dyn Guest, vmm: &dyn Vmm) -> Copy {
    // First of all: whatever else the guest does draws numbers too.
    let draw = |_| guest.file_read("/dev/urandom", BYTES).map_err(|error| format!("/dev/urandom: {error}"));
    let draws = (0..DRAWS).map(draw).collect();
    let generation = vmm.query("query-vm-generation-id");
    let untold = generation.as_ref().is_err_and(|why| why.contains("does not tell"));
    let generation = generation.ok().and_then(|answer| answer.get("guid").and_then(Value::as_str).map(str::to_owned));
    Copy { seen: moment::look(guest, false), draws, generation, untold, heeds: heeds(guest), set: set_time(guest) }
}

/// Whether the guest's kernel has the driver `vmgenid`: its folder cannot be read as a file, and is there all the same. It lies
/// on the bus of ACPI, since Linux 6.10 on that of the platform.
fn heeds(guest: &dyn Guest) -> bool {
    ["acpi", "platform"].iter().any(|bus| match guest.file_read(&format!("/sys/bus/{bus}/drivers/vmgenid"), 1) {
        Ok(_) => true,
        Err(GuestError::Refused(why)) => !why.contains("No such file"),
        Err(GuestError::Silent(_)) => false,
    })
}

/// Tells the guest the time, as whoever restores a VM should. Gives how far its clock is from the host's then.
fn set_time(guest: &dyn Guest) -> Result<f64, String> {
    let nanoseconds = (moment::now() * 1e9) as u64;
    guest.execute("guest-set-time", json!({ "time": nanoseconds })).map_err(|error| error.to_string())?;
    moment::ahead(guest)
}

pub(crate) fn judge(seen: &Observed, _spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    aspects.about("restores");
    let saved = match &seen.saved {
        Ok(saved) => saved,
        Err(Undone::Cannot(why)) => {
            aspects.unknown(quote::line(why));
            return Judged::of(aspects, "");
        }
        Err(Undone::Failed(why)) => {
            aspects.fail(format!("it is not restored: {}", quote::line(why)));
            return Judged::of(aspects, "");
        }
    };
    if seen.copies.len() == 2 {
        aspects.pass();
    } else {
        aspects.unknown(format!("{} of 2 restored guests were looked at", seen.copies.len()));
    }
    let mut table = table("Restored", &["guest", "random numbers", "generation id", "clock behind", "once set"]);
    for (number, copy) in (1..).zip(&seen.copies) {
        one(number, copy, seen.before.as_ref(), &mut aspects);
        let seconds = |time: &Result<f64, String>| time.as_ref().map_or_else(|why| quote::line(why), |ahead| format!("{:.1} s", -ahead));
        let first = copy.draws.as_ref().ok().and_then(|draws| draws.first()).map_or_else(|| "not read".to_owned(), |draw| hex(draw));
        let generation = copy.generation.clone().unwrap_or_else(|| "none".to_owned());
        table.rows.push(vec![number.to_string(), first, quote::line(&generation), seconds(&copy.seen.ahead), seconds(&copy.set)]);
    }
    let mut evidence = Vec::new();
    if let [first, second] = seen.copies.as_slice() {
        randomness(first, second, &mut aspects, &mut evidence);
    }
    let measurements = vec![
        measurement("state", saved.bytes as f64, "bytes"),
        measurement("VM stood still", saved.stood_still.as_secs_f64(), "s"),
    ];
    Judged { measurements, evidence, tables: vec![table], ..Judged::of(aspects, "") }
}

/// What each restored guest has to be by itself.
fn one(number: usize, copy: &Copy, before: Option<&Seen>, aspects: &mut Aspects) {
    aspects.about("guest");
    match (before.map(|seen| &seen.boot_id), &copy.seen.boot_id) {
        (Some(Ok(before)), Ok(after)) => {
            aspects.expect(before == after, || format!("guest {number} has started anew in place of going on"));
        }
        (Some(Err(why)), _) | (_, Err(why)) => aspects.unknown(format!("guest {number}: {}", quote::line(why))),
        (None, _) => aspects.unknown("the guest was not looked at before"),
    }
    aspects.about("clock");
    match &copy.set {
        Ok(ahead) => aspects.expect(ahead.abs() <= CLOCK, || format!("the clock of guest {number} is {ahead:.1} s wrong although it was told the time")),
        Err(why) => aspects.unknown(format!("the clock of guest {number} could not be set (`guest-set-time`): {}", quote::line(why))),
    }
}

/// Whether two guests that went on from one state gave numbers of their own.
fn randomness(first: &Copy, second: &Copy, aspects: &mut Aspects, evidence: &mut Vec<String>) {
    aspects.about("random numbers");
    let (one, other) = match (&first.draws, &second.draws) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(why), _) | (_, Err(why)) => return aspects.unknown(quote::line(why)),
    };
    let whole = |draws: &[Vec<u8>]| draws.len() == DRAWS && draws.iter().all(|draw| draw.len() == BYTES);
    if !whole(one) || !whole(other) {
        return aspects.unknown("the restored guests gave fewer random bytes than were asked for");
    }
    let all: BTreeSet<&Vec<u8>> = one.iter().collect();
    let shared: Vec<&Vec<u8>> = other.iter().filter(|draw| all.contains(draw)).collect();
    evidence.extend(shared.iter().take(3).map(|draw| format!("both guests drew {}", hex(draw))));
    let told = match (&first.generation, &second.generation) {
        (Some(one), Some(other)) if one != other && !(first.heeds && second.heeds) => {
            "its generation id changed, and the guest's kernel has no driver for it"
        }
        (Some(one), Some(other)) if one != other => "its generation id changed, and the guest's kernel did not heed it",
        (Some(_), Some(_)) => "its generation id is the same in both",
        _ if first.untold && first.heeds => "whether a generation id told the guest that it was restored the VMM does not tell",
        _ if first.untold => "the guest's kernel has no driver for a generation id, which would tell it that it was restored",
        _ => "no generation id tells the guest that it was restored (QEMU: `-device vmgenid,guid=auto`, libvirt: `<genid/>`)",
    };
    if !shared.is_empty() {
        return aspects.fail(format!(
            "two guests that were restored from one state share {} of {DRAWS} random numbers: {told}",
            shared.len()
        ));
    }
    match (&first.generation, &second.generation) {
        (Some(one), Some(other)) if one != other && first.heeds && second.heeds => aspects.pass(),
        // That they differ this time has chance for a reason: an interrupt, or the time of a new key.
        _ => aspects.unknown(format!("the random numbers differ this time, but {told}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use std::time::Duration;
    use vmwright_model::GateOutcome;

    fn seen() -> Seen {
        Seen { boot_id: Ok("b".to_owned()), uptime: Ok(1.0), ahead: Ok(-4.0), memory: None }
    }

    fn draws(from: usize) -> Vec<Vec<u8>> {
        (from..from + DRAWS).map(|number| [number.to_le_bytes(); BYTES / size_of::<usize>()].concat()).collect()
    }

    fn restored(first: usize, second: usize, generations: [Option<&str>; 2]) -> Observed {
        let copy = |from, generation: Option<&str>| Copy {
            seen: seen(),
            draws: Ok(draws(from)),
            generation: generation.map(str::to_owned),
            untold: false,
            heeds: true,
            set: Ok(0.01),
        };
        Observed {
            saved: Ok(Saved { bytes: 1, stood_still: Duration::from_secs(4) }),
            before: Some(seen()),
            copies: vec![copy(first, generations[0]), copy(second, generations[1])],
        }
    }

    fn why(seen: &Observed) -> String {
        format!("{:?}", judge(seen, &spec()).outcome)
    }

    #[test]
    fn numbers_of_their_own_and_a_new_generation_pass() {
        assert_eq!(judge(&restored(0, DRAWS, [Some("a"), Some("b")]), &spec()).outcome, GateOutcome::Pass);
    }

    #[test]
    fn shared_numbers_fail_wherever_they_stand() {
        let same = why(&restored(0, 0, [None, None]));
        assert!(same.contains("share 200 of 200 random numbers: no generation id tells"), "{same}");
        assert!(why(&restored(0, DRAWS - 3, [Some("a"), Some("b")])).contains("share 3 of 200 random numbers: its generation id changed"));
        assert!(why(&restored(0, 0, [Some("a"), Some("a")])).contains("is the same in both"));
    }

    #[test]
    fn luck_is_no_pass() {
        assert!(why(&restored(0, DRAWS, [None, None])).starts_with("Unknown"));
        assert!(why(&restored(0, DRAWS, [Some("a"), Some("a")])).starts_with("Unknown"));
        let mut short = restored(0, DRAWS, [Some("a"), Some("b")]);
        short.copies[1].draws = Ok(vec![Vec::new(); DRAWS]);
        assert!(why(&short).starts_with("Unknown"));
        let mut deaf = restored(0, DRAWS, [Some("a"), Some("b")]);
        deaf.copies[1].heeds = false;
        assert!(why(&deaf).contains("Unknown(\"the random numbers differ this time, but its generation id changed, and the guest's kernel has no driver"));
        short.copies.pop();
        assert!(why(&short).starts_with("Unknown"));
    }

    #[test]
    fn another_boot_and_a_clock_that_cannot_be_set_are_told() {
        let mut seen = restored(0, DRAWS, [Some("a"), Some("b")]);
        seen.copies[0].set = Ok(-30.0);
        assert!(why(&seen).contains("clock of guest 1 is -30.0 s wrong"));
        seen.copies[0].seen.boot_id = Ok("c".to_owned());
        assert!(why(&seen).contains("guest 1 has started anew"));
        seen.saved = Err(Undone::Failed("no room".to_owned()));
        assert_eq!(why(&seen), "Fail(\"it is not restored: no room\")");
    }
}

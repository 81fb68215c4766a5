//! `migration`: the guest moves to a second VMM of this host and back, under load, and is the same afterwards.
//!
//! Behind each way it has its MAC and addresses, and the processor that its kernel found at boot, with the flaws that it was told
//! of, and a connection from the host is still open. Where the guest is our probe, a part of its memory is changed all the time and checked after each way. Downtime, total
//! time, bytes and dirty rate are the VMM's own counts. What moves of a VM of libvirt's is a copy that goes on from its memory,
//! between two daemons of their own, so that the domain itself stays where it is.

use super::{Judged, measurement, table};
use crate::aspects::Aspects;
use crate::moment::line::{self, Line, Open};
use crate::moment::{self, Ground, Seen, cards, processor};
use crate::quote;
use crate::scope::{Leg, Moved, Session, Undone};
use std::time::Duration;
use vmwright_model::machine::Accelerator;
use vmwright_model::{GateOutcome, MachineSpec, Measurement};

/// Memory that is put under load, in MiB: enough for several rounds, little enough for a small guest.
const LOAD: u64 = 32;

/// In the name of a measurement whose samples are the bytes still to send.
pub(crate) const REMAINING: &str = " left to send";

/// How long the guest may stand still on one way, where the specification does not say. QEMU aims at 0.3 s
/// (`downtime-limit`); what it does not count in advance, devices and the last of the disks, takes as much again. Under TCG
/// each of these is slower.
fn limit(accelerator: Option<Accelerator>) -> Duration {
    match accelerator {
        Some(Accelerator::Kvm) => Duration::from_millis(1000),
        Some(Accelerator::Tcg) | None => Duration::from_millis(3000),
    }
}

/// Seconds that a clock may lose on a way beside the time that the guest stood still.
const CLOCK: f64 = 1.0;

/// What was seen.
pub(crate) struct Observed {
    pub(crate) moved: Result<Moved, Undone>,
    /// Before, and after each way.
    pub(crate) seen: Vec<Seen>,
    pub(crate) ground: Ground,
    /// A connection from the host, before and after each way.
    pub(crate) line: Line,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let ground = Ground::of(session);
    let (mut seen, mut open) = (Vec::new(), Open::of(session));
    let moved = move_it(session, &mut seen, &mut open);
    Observed { moved, seen, ground, line: open.map(Open::close) }
}

fn move_it(session: &Session<'_>, seen: &mut Vec<Seen>, open: &mut Result<Open, GateOutcome>) -> Result<Moved, Undone> {
    let cannot = |why: &str| Undone::Cannot(why.to_owned());
    let exercise = session.scope.exercise.ok_or_else(|| cannot("nothing may be done with this VM here"))?;
    if let Err(why) = &session.waited.agent {
        return Err(cannot(why));
    }
    let guest = session.scope.guest;
    let loaded = moment::load(session, LOAD);
    let moved = exercise.there_and_back(&mut |guest| {
        seen.push(moment::look(guest, &loaded));
        if let Ok(open) = open.as_mut() {
            open.ask();
        }
    });
    moment::unload(guest, &loaded);
    moved
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    aspects.about("moves");
    let moved = match &seen.moved {
        Ok(moved) => moved,
        Err(Undone::Cannot(why)) => {
            aspects.unknown(quote::line(why));
            return Judged::of(aspects, "");
        }
        Err(Undone::Failed(why)) => {
            aspects.fail(format!("it does not move: {}", quote::line(why)));
            return Judged::of(aspects, "");
        }
    };
    let legs = moved.legs.as_slice();
    let mut evidence: Vec<String> = moved.without.iter().map(|what| format!("what moved is a copy, without {what}")).collect();
    aspects.expect(!legs.is_empty(), || "it did not move".to_owned());
    downtime(legs, seen.ground.accelerator.as_ref().ok().copied(), spec, &mut aspects);
    for (way, pair) in seen.seen.windows(2).enumerate() {
        same(&pair[0], &pair[1], legs.get(way), WAYS[way.min(1)], &mut aspects);
        let when = format!("on its way {}", WAYS[way.min(1)]);
        moment::keeps((&pair[0], &pair[1]), &seen.ground, spec, &when, &mut aspects, &mut evidence);
    }
    if moved.copy {
        aspects.about("open connection").none("what moved is a copy, whose network leads nowhere");
    } else {
        line::judge(&seen.line, &["on its way there", "on its way back"], &mut aspects);
    }
    if seen.seen.len() != legs.len() + 1 {
        aspects.about("guest").unknown("the guest was not looked at on each way");
    }
    let mut tables = vec![ways(legs, &seen.seen)];
    let moments = ["before".to_owned(), "there".to_owned(), "back".to_owned()].into_iter().zip(&seen.seen);
    tables.extend(processor::told(&moments.collect::<Vec<_>>()));
    Judged { measurements: measurements(legs), evidence, tables, ..Judged::of(aspects, "") }
}

const WAYS: [&str; 2] = ["there", "back"];

fn downtime(legs: &[Leg], accelerator: Option<Accelerator>, spec: &MachineSpec, aspects: &mut Aspects) {
    aspects.about("downtime");
    let wanted = spec.review.downtime_ms.map(|ms| Duration::from_millis(ms.into()));
    let limit = wanted.unwrap_or_else(|| limit(accelerator));
    for (way, leg) in WAYS.iter().zip(legs) {
        aspects.expect(leg.downtime <= limit, || {
            format!("the guest stood still for {} ms on its way {way}, the limit is {} ms", leg.downtime.as_millis(), limit.as_millis())
        });
    }
}

/// Whether it is the same guest, with time gone by and nothing else.
fn same(before: &Seen, after: &Seen, leg: Option<&Leg>, way: &str, aspects: &mut Aspects) {
    aspects.about("guest");
    match (&before.boot_id, &after.boot_id) {
        (Ok(before), Ok(after)) => aspects.expect(before == after, || format!("the guest has started anew on its way {way}")),
        (Err(why), _) | (_, Err(why)) => aspects.unknown(format!("the guest on its way {way}: {}", quote::line(why))),
    }
    match (&before.uptime, &after.uptime) {
        (Ok(before), Ok(after)) => aspects.expect(after >= before, || format!("the guest's uptime went back from {before} s to {after} s on its way {way}")),
        (Err(why), _) | (_, Err(why)) => aspects.unknown(format!("uptime on its way {way}: {}", quote::line(why))),
    }
    aspects.about("clock");
    let still = leg.map_or(0.0, |leg| leg.downtime.as_secs_f64());
    match (&before.ahead, &after.ahead) {
        (Ok(before), Ok(after)) => {
            let lost = before - after;
            aspects.expect(lost <= still + CLOCK && lost >= -CLOCK, || {
                format!("the guest's clock changed by {:.1} s on its way {way}, on which it stood still for {still:.1} s", -lost)
            });
        }
        (Err(why), _) | (_, Err(why)) => aspects.unknown(format!("clock on its way {way}: {}", quote::line(why))),
    }
    aspects.about("memory");
    match (&before.memory, &after.memory) {
        (Some(Ok(before)), Some(Ok(after))) => {
            aspects.expect(after.wrong == 0, || format!("{} pages of the guest's memory are not as it wrote them after its way {way}", after.wrong));
            aspects.expect(after.changes > before.changes, || format!("the load in the guest came to a halt on its way {way}"));
        }
        (None, _) | (_, None) => aspects.none("the guest is not vmwright's probe: its memory is not checked page by page"),
        (Some(Err(why)), _) | (_, Some(Err(why))) => aspects.unknown(format!("memory on its way {way}: {}", quote::line(why))),
    }
}

fn measurements(legs: &[Leg]) -> Vec<Measurement> {
    let mut all = Vec::new();
    for (way, leg) in WAYS.iter().zip(legs) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        all.push(measurement(format!("{way}: downtime"), milliseconds(leg.downtime), "ms"));
        all.push(measurement(format!("{way}: total"), milliseconds(leg.total), "ms"));
        all.push(measurement(format!("{way}: sent"), leg.sent as f64, "bytes"));
        let rate = leg.moments.iter().map(|moment| moment.dirty_rate).max().unwrap_or(0);
        all.push(measurement(format!("{way}: highest dirty rate"), rate as f64, "bytes/s"));
        let left = leg.moments.iter().map(|moment| moment.remaining as f64).collect::<Vec<_>>();
        if let Some(last) = left.last().copied() {
            all.push(Measurement { samples: left, ..measurement(format!("{way}:{REMAINING}"), last, "bytes") });
        }
    }
    all
}

fn ways(legs: &[Leg], seen: &[Seen]) -> vmwright_model::Table {
    let mut table = table("Ways", &["way", "total", "downtime", "sent", "rounds", "pages wrong", "MACs and addresses"]);
    for (number, (way, leg)) in WAYS.iter().zip(legs).enumerate() {
        let wrong = match seen.get(number + 1).and_then(|seen| seen.memory.as_ref()) {
            Some(Ok(memory)) => memory.wrong.to_string(),
            Some(Err(_)) | None => "not checked".to_owned(),
        };
        table.rows.push(vec![
            (*way).to_owned(),
            format!("{} ms", leg.total.as_millis()),
            format!("{} ms", leg.downtime.as_millis()),
            format!("{} MiB", leg.sent >> 20),
            leg.rounds.to_string(),
            wrong,
            seen.get(number + 1).map_or_else(|| "not looked at".to_owned(), cards::text),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use crate::moment::Memory;

    fn moved() -> Observed {
        let at = |uptime: f64, changes| Seen {
            boot_id: Ok("b".to_owned()),
            uptime: Ok(uptime),
            ahead: Ok(0.1 - uptime / 100.0),
            memory: Some(Ok(Memory { wrong: 0, changes })),
            ..crate::moment::tests::seen()
        };
        let leg = Leg { downtime: Duration::from_millis(120), total: Duration::from_secs(2), sent: 50 << 20, rounds: 3, ..Leg::default() };
        let moved = Moved { legs: vec![leg.clone(), leg], ..Moved::default() };
        Observed { moved: Ok(moved), seen: vec![at(10.0, 5), at(13.0, 50), at(16.0, 90)], ground: crate::moment::tests::ground(), line: Err(GateOutcome::NotApplicable("no bridge".to_owned())) }
    }

    fn why(seen: &Observed) -> String {
        format!("{:?}", judge(seen, &spec()).outcome)
    }

    #[test]
    fn a_guest_that_is_the_same_on_both_ways_passes() {
        let judged = judge(&moved(), &spec());
        assert_eq!(judged.outcome, GateOutcome::Pass);
        assert!(judged.measurements.iter().any(|one| one.name == "back: downtime" && (one.value - 120.0).abs() < 1e-9));
    }

    #[test]
    fn what_is_lost_on_the_way_fails() {
        let mut seen = moved();
        seen.seen[1].memory = Some(Ok(Memory { wrong: 3, changes: 50 }));
        assert!(why(&seen).contains("3 pages of the guest's memory are not as it wrote them after its way there"));
        let mut seen = moved();
        seen.seen[2].boot_id = Ok("c".to_owned());
        assert!(why(&seen).contains("started anew on its way back"));
        let mut seen = moved();
        seen.seen[2].ahead = Ok(-9.0);
        assert!(why(&seen).contains("clock changed by"));
        let mut seen = moved();
        if let Ok(moved) = &mut seen.moved {
            moved.legs[0].downtime = Duration::from_secs(9);
        }
        assert!(why(&seen).contains("stood still for 9000 ms on its way there, the limit is 3000 ms"));
        let mut strict = spec();
        strict.review.downtime_ms = Some(100);
        assert!(matches!(judge(&moved(), &strict).outcome, GateOutcome::Fail(_)));
    }

    #[test]
    fn not_tried_is_unknown_and_tried_in_vain_fails() {
        let mut seen = moved();
        seen.moved = Err(Undone::Failed("State blocked by non-migratable device".to_owned()));
        assert!(why(&seen).starts_with("Fail(\"it does not move: State blocked"));
        seen.moved = Err(Undone::Cannot("another backend".to_owned()));
        assert!(why(&seen).starts_with("Unknown"));
    }
}

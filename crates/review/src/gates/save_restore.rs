//! `save-restore`: a guest whose state was kept goes on from it as itself, with its clock, its MAC and addresses and the processor
//! that it was told of, and guests that go on from one state do not share what must be single: random numbers, and on one
//! network MAC and address.
//!
//! A state holds the generator of random numbers too. A guest that is not told that it was restored gives the same numbers
//! twice: keys, nonces and identifiers with them. It is told by a generation id (Microsoft's "Virtual Machine Generation
//! ID", QEMU's `vmgenid`), on which Linux 5.18 and later mix it in anew. Two VMMs go on from the same state beside the VM,
//! and each is asked for numbers; a third where those of two differ and nothing says that they had to.
//!
//! What the guest was told of its network goes on as well: no VMM changes it. Guests of one state that run side by side on one
//! network therefore have one MAC and one address there, unless somebody tells them apart. That is demanded where the
//! specification says so (`review.side_by_side`), and told in any case.

use super::{Judged, measurement, table};
use crate::aspects::Aspects;
use crate::interfaces;
use crate::moment::line::{self, Line, Open};
use crate::moment::{self, Ground, Load, Seen, cards, processor};
use crate::quote;
use crate::scope::{Guest, GuestError, Saved, Session, Undone, Vmm};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;
use vmwright_model::machine::Network;
use vmwright_model::{GateOutcome, MachineSpec};

/// How often each is asked for random numbers. Kernels draw some of their own in between, so that the same numbers may
/// stand at different places: those of Linux 6.1.192 draw so many that 16 never met in 25 tries, and 200 at once.
const DRAWS: usize = 200;

/// Bytes of each draw: as many as Linux gives of one key of its generator.
const BYTES: usize = 32;

/// Memory that is put under load, in MiB: as much as is while a guest moves.
const LOAD: u64 = 32;

/// The most that are restored.
const MOST: usize = 3;

/// Seconds by which a clock that was set may be wrong.
const CLOCK: f64 = 1.0;

/// A clock that was set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clock {
    /// Seconds by which it is before the host's then.
    ahead: f64,
    /// Seconds that it took to tell the guest the time, by which a slow way to it (a console) may set it behind.
    told_in: f64,
}

/// A guest that went on from the kept state.
pub(crate) struct Copy {
    pub(crate) seen: Seen,
    pub(crate) draws: Result<Vec<Vec<u8>>, String>,
    /// Its generation id, as the VMM says; none where it has none.
    pub(crate) generation: Option<String>,
    /// Whether the VMM does not tell of one in any case.
    pub(crate) untold: bool,
    /// MAC addresses of its network devices, as the VMM says.
    pub(crate) macs: Result<Vec<String>, String>,
    /// Whether its kernel has a driver that heeds it.
    pub(crate) heeds: bool,
    /// Its clock once it was told the time; or why it could not be told.
    pub(crate) set: Result<Clock, String>,
}

/// What was seen.
pub(crate) struct Observed {
    pub(crate) saved: Result<Saved, Undone>,
    pub(crate) before: Option<Seen>,
    pub(crate) copies: Vec<Copy>,
    pub(crate) ground: Ground,
    /// A connection from the host to the VM itself, before and once it goes on.
    pub(crate) line: Line,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let (mut before, mut copies, mut open) = (None, Vec::new(), Open::of(session));
    let ask = |open: &mut Result<Open, GateOutcome>| {
        if let Ok(open) = open {
            open.ask();
        }
    };
    ask(&mut open);
    let saved = restore(session, &mut before, &mut copies);
    ask(&mut open);
    Observed { saved, before, copies, ground: Ground { several: true, ..Ground::of(session) }, line: open.map(Open::close) }
}

fn restore(session: &Session<'_>, before: &mut Option<Seen>, copies: &mut Vec<Copy>) -> Result<Saved, Undone> {
    let cannot = |why: &str| Undone::Cannot(why.to_owned());
    let exercise = session.scope.exercise.ok_or_else(|| cannot("nothing may be done with this VM here"))?;
    if let Err(why) = &session.waited.agent {
        return Err(cannot(why));
    }
    let guest = session.scope.guest;
    let loaded = moment::load(session, LOAD);
    *before = Some(moment::look(guest, &loaded));
    let saved = exercise.restored(&mut |guest, vmm| {
        copies.push(copy(guest, vmm, &loaded));
        copies.len() < 2 || copies.len() < MOST && is_open(copies)
    });
    moment::unload(guest, &loaded);
    let saved = saved?;
    // The VM itself stood still: it is told the time that went by.
    let _ = set_time(guest);
    Ok(saved)
}

/// Whether the numbers differ, and nothing says that they had to: another guest may still draw those of the others.
fn is_open(copies: &[Copy]) -> bool {
    let mut aspects = Aspects::default();
    randomness(copies, &mut aspects, &mut Vec::new());
    matches!(aspects.conclude("").0, GateOutcome::Unknown(_))
}

fn copy(guest: &dyn Guest, vmm: &dyn Vmm, loaded: &Load) -> Copy {
    // First of all: whatever else the guest does draws numbers too.
    let draws = guest.file_reads("/dev/urandom", BYTES, DRAWS).map_err(|error| format!("/dev/urandom: {error}"));
    let generation = vmm.query("query-vm-generation-id");
    let untold = generation.as_ref().is_err_and(|why| why.contains("does not tell"));
    let generation = generation.ok().and_then(|answer| answer.get("guid").and_then(Value::as_str).map(str::to_owned));
    let (macs, heeds) = (interfaces::macs_of(vmm), heeds(guest));
    Copy { seen: moment::look(guest, loaded), draws, generation, untold, macs, heeds, set: set_time(guest) }
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

/// Tells the guest the time, as whoever restores a VM should.
fn set_time(guest: &dyn Guest) -> Result<Clock, String> {
    let nanoseconds = (moment::now() * 1e9) as u64;
    let told = Instant::now();
    guest.execute("guest-set-time", json!({ "time": nanoseconds })).map_err(|error| error.to_string())?;
    let told_in = told.elapsed().as_secs_f64();
    Ok(Clock { ahead: moment::ahead(guest)?, told_in })
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
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
    if seen.copies.len() >= 2 {
        aspects.pass();
    } else {
        aspects.unknown(format!("{} of 2 restored guests were looked at", seen.copies.len()));
    }
    let mut evidence: Vec<String> = saved.without.iter().map(|what| format!("the restored guests ran without {what}")).collect();
    let columns = ["guest", "random numbers", "generation id", "clock behind", "once set", "MACs and addresses", "MACs of the VMM"];
    let mut table = table("Restored", &columns);
    for (number, copy) in (1..).zip(&seen.copies) {
        one(number, copy, seen.before.as_ref(), &mut aspects);
        if let Some(before) = &seen.before {
            let when = format!("guest {number}");
            moment::keeps((before, &copy.seen), &seen.ground, spec, &when, &mut aspects, &mut evidence);
        }
        table.rows.push(row(number, copy));
    }
    line::judge(&seen.line, &["once the VM goes on"], &mut aspects);
    if seen.copies.len() >= 2 {
        randomness(&seen.copies, &mut aspects, &mut evidence);
        side_by_side(seen, spec, &mut aspects, &mut evidence);
    }
    let measurements = vec![
        measurement("state", saved.bytes as f64, "bytes"),
        measurement("VM stood still", saved.stood_still.as_secs_f64(), "s"),
    ];
    let mut tables = vec![table];
    let restored = (1..).zip(&seen.copies).map(|(number, copy)| (format!("guest {number}"), &copy.seen));
    let moments = seen.before.iter().map(|before| ("before".to_owned(), before)).chain(restored);
    tables.extend(processor::told(&moments.collect::<Vec<_>>()));
    Judged { measurements, evidence, tables, ..Judged::of(aspects, "") }
}

fn row(number: usize, copy: &Copy) -> Vec<String> {
    let seconds = |time: Result<f64, &String>| time.map_or_else(|why| quote::line(why), |ahead| format!("{:.1} s", -ahead));
    let first = copy.draws.as_ref().ok().and_then(|draws| draws.first()).map_or_else(|| "not read".to_owned(), |draw| hex(draw));
    let generation = copy.generation.clone().unwrap_or_else(|| "none".to_owned());
    let macs = copy.macs.as_ref().map_or_else(|why| why.clone(), |macs| macs.join(" "));
    vec![
        number.to_string(),
        first,
        quote::line(&generation),
        seconds(copy.seen.ahead.as_ref().copied()),
        seconds(copy.set.as_ref().map(|clock| clock.ahead)),
        cards::text(&copy.seen),
        quote::line(&macs),
    ]
}

/// Whether guests that went on from one state could be on one network together, where the specification wants that.
fn side_by_side(seen: &Observed, spec: &MachineSpec, aspects: &mut Aspects, evidence: &mut Vec<String>) {
    aspects.about("side by side");
    if spec.networks.is_empty() {
        aspects.none("the machine has no network");
    }
    for (index, network) in spec.networks.iter().enumerate() {
        let label = named(index, network);
        if !network.kind.leads_in() {
            evidence.push(format!("{label}: it is each VMM's own: guests of one MAC and address do not meet there"));
            aspects.pass();
            continue;
        }
        match shared(seen, spec, index) {
            Ok(shared) if shared.is_empty() => aspects.pass(),
            Ok(shared) => {
                let told = format!("{label}: guests that go on from one state all have {}", shared.join(" and "));
                evidence.push(told.clone());
                if spec.review.side_by_side == Some(true) {
                    aspects.fail(format!("{told}: on one network they disturb each other, and nothing tells them apart"));
                } else {
                    aspects.none(format!("{told}: one at a time may be there (`review.side_by_side` would demand more)"));
                }
            }
            Err(why) => aspects.unknown(format!("{label}: {why}")),
        }
    }
}

/// What the restored guests have in common on a network: MAC address and addresses, in words. A card of a MAC address that is of
/// no network of the specification may be on this one, with a MAC address that its guest gave it.
fn shared(seen: &Observed, spec: &MachineSpec, index: usize) -> Result<Vec<String>, String> {
    let macs: Vec<Option<String>> =
        spec.networks.iter().enumerate().map(|(at, network)| interfaces::expected_mac(network, at, &seen.ground.macs)).collect();
    if macs[index].is_none() {
        return Err("its MAC address is not known, so its interface cannot be told".to_owned());
    }
    let elsewhere = |mac: &String| {
        // The loopback's is all zeros.
        mac == "00:00:00:00:00:00" || macs.iter().enumerate().any(|(at, other)| at != index && other.as_ref() == Some(mac))
    };
    let mut common: Option<BTreeSet<String>> = None;
    for copy in &seen.copies {
        let cards = copy.seen.cards.as_ref().map_err(|why| quote::line(why))?;
        let mut words = BTreeSet::new();
        for card in cards {
            let Some(mac) = card.interface.mac.as_ref().filter(|mac| !elsewhere(mac)) else { continue };
            words.insert(format!("MAC address {mac}"));
            words.extend(cards::lasting(&card.interface).into_iter().map(|(ip, prefix)| format!("the address {ip}/{prefix}")));
        }
        common = Some(common.map_or_else(|| words.clone(), |common| &common & &words));
    }
    Ok(common.unwrap_or_default().into_iter().collect())
}

fn named(index: usize, network: &Network) -> String {
    match &network.bridge {
        Some(bridge) => format!("network {index} ({} {bridge})", network.kind.name()),
        None => format!("network {index} ({})", network.kind.name()),
    }
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
    aspects.about("memory");
    match (before.and_then(|seen| seen.memory.as_ref()), &copy.seen.memory) {
        (Some(Ok(before)), Some(Ok(after))) => {
            aspects.expect(after.wrong == 0, || format!("{} pages of the memory of guest {number} are not as it wrote them", after.wrong));
            aspects.expect(after.changes >= before.changes, || format!("the memory of guest {number} is older than the state that it goes on from"));
        }
        (Some(Err(why)), _) | (_, Some(Err(why))) => aspects.unknown(format!("memory of guest {number}: {}", quote::line(why))),
        (None, _) | (_, None) => aspects.none("the guest is not vmwright's probe: its memory is not checked page by page"),
    }
    aspects.about("clock");
    match &copy.set {
        Ok(Clock { ahead, told_in }) => aspects.expect(ahead.abs() <= CLOCK + told_in, || format!("the clock of guest {number} is {ahead:.1} s wrong although it was told the time")),
        Err(why) => aspects.unknown(format!("the clock of guest {number} could not be set (`guest-set-time`): {}", quote::line(why))),
    }
}

/// Whether guests that went on from one state gave numbers of their own.
fn randomness(copies: &[Copy], aspects: &mut Aspects, evidence: &mut Vec<String>) {
    aspects.about("random numbers");
    for copy in copies {
        match &copy.draws {
            Ok(draws) if draws.len() == DRAWS && draws.iter().all(|draw| draw.len() == BYTES) => {}
            Ok(_) => return aspects.unknown("the restored guests gave fewer random bytes than were asked for"),
            Err(why) => return aspects.unknown(quote::line(why)),
        }
    }
    let pairs: Vec<(&Copy, &Copy)> =
        (0..copies.len()).flat_map(|other| copies[..other].iter().map(move |one| (one, &copies[other]))).collect();
    for (one, other) in &pairs {
        let shared = drawn_by_both(one, other);
        if !shared.is_empty() {
            evidence.extend(shared.iter().take(3).map(|draw| format!("two guests drew {}", hex(draw))));
            return aspects.fail(format!(
                "two guests that were restored from one state share {} of {DRAWS} random numbers: {}",
                shared.len(),
                told(one, other)
            ));
        }
    }
    let proven = |(one, other): &&(&Copy, &Copy)| match (&one.generation, &other.generation) {
        (Some(first), Some(second)) => first != second && one.heeds && other.heeds,
        _ => false,
    };
    match pairs.iter().find(|pair| !proven(pair)) {
        None => aspects.pass(),
        // That they differ this time has chance for a reason: an interrupt, or the time of a new key.
        Some((one, other)) => aspects.unknown(format!("the random numbers differ this time, but {}", told(one, other))),
    }
}

fn drawn_by_both<'a>(one: &Copy, other: &'a Copy) -> Vec<&'a Vec<u8>> {
    let all: BTreeSet<&Vec<u8>> = one.draws.iter().flatten().collect();
    other.draws.iter().flatten().filter(|draw| all.contains(draw)).collect()
}

/// What told two guests that they were restored, and what came of it.
fn told(one: &Copy, other: &Copy) -> &'static str {
    match (&one.generation, &other.generation) {
        (Some(first), Some(second)) if first != second && !(one.heeds && other.heeds) => {
            "its generation id changed, and the guest's kernel has no driver for it"
        }
        (Some(first), Some(second)) if first != second => "its generation id changed, and the guest's kernel did not heed it",
        (Some(_), Some(_)) => "its generation id is the same in both",
        _ if one.untold && one.heeds => "whether a generation id told the guest that it was restored the VMM does not tell",
        _ if one.untold => "the guest's kernel has no driver for a generation id, which would tell it that it was restored",
        _ => "no generation id tells the guest that it was restored (QEMU: `-device vmgenid,guid=auto`, libvirt: `<genid/>`)",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::{network, spec};
    use crate::moment::Memory;
    use std::time::Duration;
    use vmwright_model::machine::NetworkKind;

    fn seen() -> Seen {
        Seen { ahead: Ok(-4.0), ..moment::tests::seen() }
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
            macs: Ok(Vec::new()),
            heeds: true,
            set: Ok(Clock { ahead: 0.01, told_in: 0.01 }),
        };
        Observed {
            saved: Ok(Saved { bytes: 1, stood_still: Duration::from_secs(4), without: Vec::new() }),
            before: Some(seen()),
            copies: vec![copy(first, generations[0]), copy(second, generations[1])],
            ground: moment::tests::ground(),
            line: Err(GateOutcome::NotApplicable("no bridge".to_owned())),
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
    fn a_third_is_asked_where_nothing_is_proven_and_counts_with_each() {
        let proven = restored(0, DRAWS, [Some("a"), Some("b")]);
        assert!(!is_open(&proven.copies));
        assert!(!is_open(&restored(0, 0, [None, None]).copies), "what failed stays so");
        let mut open = restored(0, DRAWS, [None, None]);
        assert!(is_open(&open.copies));
        open.copies.extend(restored(2 * DRAWS, 0, [None, None]).copies.drain(..1));
        assert!(why(&open).starts_with("Unknown(\"the random numbers differ this time"));
        open.copies[2].draws = Ok(draws(DRAWS - 1));
        let told = why(&open);
        assert!(told.contains("two guests that were restored from one state share 1 of 200 random numbers"), "{told}");
    }

    #[test]
    fn side_by_side_is_judged_where_it_is_wanted_and_told_in_any_case() {
        let mut seen = restored(0, DRAWS, [Some("a"), Some("b")]);
        let mut bridged = spec();
        bridged.networks = vec![network(NetworkKind::Bridge, Some("10.0.0.2/24"), None)];
        let check = |seen: &Observed, spec: &MachineSpec| {
            let judged = judge(seen, spec);
            let found = judged.checks.iter().find(|check| check.name == "side by side").expect("it is judged");
            (found.outcome.clone(), judged.evidence.join("\n"))
        };
        let common = "guests that go on from one state all have MAC address 52:54:00:00:00:01 and the address 10.0.0.2/24";
        let (outcome, evidence) = check(&seen, &bridged);
        assert!(matches!(outcome, GateOutcome::NotApplicable(why) if why.contains("one at a time")));
        assert!(evidence.contains(common), "{evidence}");
        bridged.review.side_by_side = Some(true);
        let (outcome, _) = check(&seen, &bridged);
        assert!(matches!(outcome, GateOutcome::Fail(why) if why.contains(common) && why.contains("disturb each other")));
        // Each VMM's own network holds one of them.
        let mut own = bridged.clone();
        own.networks = vec![network(NetworkKind::User, None, None)];
        assert_eq!(check(&seen, &own).0, GateOutcome::Pass);
        // A guest that took others when it went on.
        let took = |seen: &mut Observed, number: usize, mac: &str, ip: &str| {
            let card = &mut seen.copies[number].seen.cards.as_mut().expect("cards")[0];
            card.interface.mac = Some(mac.to_owned());
            card.interface.addresses[0].0 = ip.parse().expect("an address");
        };
        took(&mut seen, 1, "52:54:00:00:00:09", "10.0.0.2");
        assert!(matches!(check(&seen, &bridged).0, GateOutcome::Fail(why) if why.contains("all have the address 10.0.0.2/24:")));
        took(&mut seen, 1, "52:54:00:00:00:09", "10.0.0.9");
        assert_eq!(check(&seen, &bridged).0, GateOutcome::Pass);
        // Both took the same.
        took(&mut seen, 0, "52:54:00:00:00:09", "10.0.0.8");
        assert!(matches!(check(&seen, &bridged).0, GateOutcome::Fail(why) if why.contains("all have MAC address 52:54:00:00:00:09:")));
        // What differs as it is meant to is not held against what was before.
        took(&mut seen, 0, "52:54:00:00:00:08", "10.0.0.8");
        seen.ground.several = true;
        assert_eq!(judge(&seen, &bridged).outcome, GateOutcome::Pass);
        bridged.review.side_by_side = None;
        let told = format!("{:?}", judge(&seen, &bridged).outcome);
        assert!(told.contains("the guest has no interface with MAC address 52:54:00:00:00:01; it had one before"), "{told}");
        bridged.review.side_by_side = Some(true);
        seen.copies[1].seen.cards = Err("closed".to_owned());
        assert!(matches!(check(&seen, &bridged).0, GateOutcome::Unknown(_)));
    }

    #[test]
    fn what_the_copies_went_without_is_told() {
        let mut seen = restored(0, DRAWS, [Some("a"), Some("b")]);
        seen.saved.as_mut().expect("saved").without.push("the label of apparmor".to_owned());
        let evidence = judge(&seen, &spec()).evidence;
        assert!(evidence.contains(&"the restored guests ran without the label of apparmor".to_owned()), "{evidence:?}");
    }

    #[test]
    fn memory_that_is_not_as_it_was_written_fails() {
        let mut seen = restored(0, DRAWS, [Some("a"), Some("b")]);
        let memory = |wrong, changes| Some(Ok(Memory { wrong, changes }));
        seen.before.as_mut().expect("looked at").memory = memory(0, 10);
        seen.copies[0].seen.memory = memory(0, 12);
        seen.copies[1].seen.memory = memory(2, 9);
        let told = why(&seen);
        assert!(told.contains("2 pages of the memory of guest 2 are not as it wrote them"), "{told}");
        assert!(told.contains("the memory of guest 2 is older") && !told.contains("guest 1"), "{told}");
        seen.copies[1].seen.memory = memory(0, 10);
        assert_eq!(why(&seen), "Pass");
    }

    #[test]
    fn another_boot_and_a_clock_that_cannot_be_set_are_told() {
        let mut seen = restored(0, DRAWS, [Some("a"), Some("b")]);
        seen.copies[0].set = Ok(Clock { ahead: -3.0, told_in: 2.5 });
        assert_eq!(why(&seen), "Pass", "the way to it is slow");
        seen.copies[0].set = Ok(Clock { ahead: -30.0, told_in: 2.5 });
        assert!(why(&seen).contains("clock of guest 1 is -30.0 s wrong"));
        seen.copies[0].seen.boot_id = Ok("c".to_owned());
        assert!(why(&seen).contains("guest 1 has started anew"));
        seen.saved = Err(Undone::Failed("no room".to_owned()));
        assert_eq!(why(&seen), "Fail(\"it is not restored: no room\")");
    }
}

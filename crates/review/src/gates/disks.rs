//! `disks`: what the guest writes on a disk of its own is what it reads there afterwards, and what it discards reads as zeros.
//! That the host has its storage back is for `hot-plug` to see, whose disk is the host's own.
//!
//! Only disks that the specification gives free (`review.overwrite`) are written to, at their begin, middle and end, and only
//! while nothing of the guest uses them. A disk is read past the guest's cache: Linux forgets what it has cached of a disk when
//! its last user closes it.

use super::devices::{blocks, disks_of_guest};
use super::hot_plug::{discard, pattern};
use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{Guest, GuestError, Session};
use serde_json::{Value, json};
use vmwright_formats::base64;
use vmwright_model::MachineSpec;
use vmwright_model::machine::Discard;

/// Bytes at each place: in base64 less than the longest request that our own probe takes, 64 KiB.
const PART: usize = 32 << 10;

/// The smallest disk whose three places do not overlap, in bytes.
const LEAST: u64 = 4 * PART as u64;

/// Mapped devices and partitions that are looked through for those that use the disk.
const MAPPED: usize = 16;
const PARTITIONS: usize = 8;

/// What came of one disk.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tried {
    pub(crate) path: String,
    /// Place in the specification and name in the guest; or why it was not tried.
    pub(crate) disk: Result<(usize, String), String>,
    /// Each place, in bytes from the begin, and what the guest did there.
    pub(crate) places: Vec<(u64, Place)>,
    /// Whether the begin was discarded, and reads as zeros since, or why it could not be; outside of it why it was not tried.
    pub(crate) discarded: Result<Result<bool, String>, String>,
}

/// What came of one place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) written: Result<(), String>,
    /// Whether the guest read what it had written.
    pub(crate) same: Result<bool, String>,
}

/// What was seen.
pub(crate) struct Observed {
    pub(crate) agent: Result<(), String>,
    pub(crate) tried: Vec<Tried>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let agent = session.waited.agent.as_ref().map(|_| ()).map_err(Clone::clone);
    // Without an exercise nothing may be changed.
    let agent = agent.and_then(|()| {
        session.scope.exercise.map(|_| ()).ok_or_else(|| "nothing may be done with this VM here".to_owned())
    });
    let wanted = session.scope.spec.review.overwrite.iter().filter(|_| agent.is_ok());
    Observed { tried: wanted.map(|path| tried(session, path)).collect(), agent }
}

fn tried(session: &Session<'_>, path: &str) -> Tried {
    let untried = Err("the disk was not found".to_owned());
    let mut tried = Tried { path: path.to_owned(), disk: Err(String::new()), places: Vec::new(), discarded: untried };
    let found = found(session, path);
    if let Ok((_, name, size)) = &found {
        let (guest, device) = (session.scope.guest, format!("/dev/{name}"));
        let places = [0, size / 2, size - PART as u64].map(|at| at / 4096 * 4096);
        // All are written before one is read: a place that is another one's is seen.
        let written = places.map(|at| write(guest, &device, at, &bytes(at)));
        let same = places.map(|at| read(guest, &device, at).map(|text| text == base64::encode(&bytes(at))));
        let place = |(written, same)| Place { written, same };
        tried.places = places.into_iter().zip(written.into_iter().zip(same).map(place)).collect();
        let given = discard(guest, &device, (0, PART as u64), session.is_probe());
        let reads_zeros = |()| Ok(read(guest, &device, 0)? == base64::encode(&vec![0; PART]));
        tried.discarded = given.map(|done| done.and_then(reads_zeros));
    }
    tried.disk = found.map(|(index, name, _)| (index, name));
    tried
}

/// Bytes that are those of one place alone.
fn bytes(at: u64) -> Vec<u8> {
    let mut bytes = pattern(at + 3);
    bytes.truncate(PART);
    bytes
}

/// Place in the specification, name in the guest and size in bytes of the disk that may be overwritten.
pub(super) fn found(session: &Session<'_>, path: &str) -> Result<(usize, String, u64), String> {
    let disks = &session.scope.spec.disks;
    let index = disks.iter().position(|disk| disk.host_path().as_deref() == Some(path));
    let index = index.ok_or("the specification has no such disk")?;
    let disk = &disks[index];
    if disk.readonly || disk.shareable {
        return Err("it is read-only or shared with other machines: it is not written to".to_owned());
    }
    let block = blocks(session)?.into_iter().find(|block| block.file == path).ok_or("the VMM does not tell of it")?;
    if block.size < LEAST {
        return Err(format!("its {} bytes are too few to be tried", block.size));
    }
    let all = disks_of_guest(session)?;
    let serial = |name: &str| session.guest_file(&format!("/sys/block/{name}/serial"), 64).ok().map(|text| text.trim().to_owned());
    let fits = |name: &str| disk.serial.is_none() || serial(name) == disk.serial;
    let mut fitting = all.iter().filter(|one| one.size == Ok(block.size) && one.readonly == Ok(false) && fits(&one.name));
    let name = match (fitting.next(), fitting.next()) {
        (Some(one), None) => one.name.clone(),
        (None, _) => return Err(format!("the guest has no writable disk of its {} bytes", block.size)),
        (Some(_), Some(_)) => {
            return Err("which of the guest's disks it is cannot be told: several are of its size (`serial` would tell)".to_owned());
        }
    };
    match user(session, &name)? {
        Some(user) => Err(format!("the guest uses it: {}", quote::line(&user))),
        None => Ok((index, name, block.size)),
    }
}

/// What of the guest uses a disk or its partitions.
fn user(session: &Session<'_>, name: &str) -> Result<Option<String>, String> {
    let read = |path: &str| session.guest_file(path, 256 << 10);
    let device = format!("/dev/{name}");
    let mounts = read("/proc/mounts").map_err(|error| format!("/proc/mounts: {error}"))?;
    let swaps = read("/proc/swaps").unwrap_or_default();
    let arrays = read("/proc/mdstat").unwrap_or_default();
    let mut lines = mounts.lines().chain(swaps.lines()).filter(|line| line.starts_with(&device));
    if let Some(line) = lines.next().or_else(|| arrays.lines().find(|line| line.contains(&format!(" {name}")))) {
        return Ok(Some(line.to_owned()));
    }
    for number in 0..MAPPED {
        let there = |path: &str| match session.guest_file(path, 1) {
            Ok(_) => Ok(true),
            Err(GuestError::Refused(_)) => Ok(false),
            Err(error) => Err(format!("{path}: {error}")),
        };
        if !there(&format!("/sys/block/dm-{number}/size"))? {
            break;
        }
        let parts = (1..=PARTITIONS).map(|part| format!("{name}{part}")).chain([name.to_owned()]);
        for part in parts {
            if there(&format!("/sys/block/dm-{number}/slaves/{part}/size"))? {
                return Ok(Some(format!("dm-{number} lies on {part}")));
            }
        }
    }
    Ok(None)
}

/// Does something with a file of the guest that is open, and closes it.
fn opened<T>(
    guest: &dyn Guest,
    (path, mode, at): (&str, &str, u64),
    what: impl FnOnce(&Value, &dyn Fn(&str, Value) -> Result<Value, String>) -> Result<T, String>,
) -> Result<T, String> {
    let ask = |command: &str, arguments| guest.execute(command, arguments).map_err(|error| format!("{command}: {error}"));
    let handle = ask("guest-file-open", json!({ "path": path, "mode": mode }))?;
    let sought = ask("guest-file-seek", json!({ "handle": handle, "offset": at, "whence": 0 }));
    let done = sought.and_then(|_| what(&handle, &ask));
    let closed = ask("guest-file-close", json!({ "handle": handle }));
    // Behind a guest that was lost meanwhile the file is no longer open: what went wrong first is told.
    let done = done?;
    closed.map(|_| done)
}

fn write(guest: &dyn Guest, path: &str, at: u64, bytes: &[u8]) -> Result<(), String> {
    opened(guest, (path, "r+", at), |handle, ask| {
        let written = ask("guest-file-write", json!({ "handle": handle, "buf-b64": base64::encode(bytes) }))?;
        ask("guest-file-flush", json!({ "handle": handle }))?;
        match written.get("count").and_then(Value::as_u64) {
            Some(count) if count == bytes.len() as u64 => Ok(()),
            count => Err(format!("{count:?} of {} bytes were written", bytes.len())),
        }
    })
}

/// What stands there, in base64.
fn read(guest: &dyn Guest, path: &str, at: u64) -> Result<String, String> {
    opened(guest, (path, "r", at), |handle, ask| {
        let answer = ask("guest-file-read", json!({ "handle": handle, "count": PART }))?;
        answer.get("buf-b64").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| "guest-file-read: the answer has no bytes".to_owned())
    })
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    if let (Err(why), false) = (&seen.agent, spec.review.overwrite.is_empty()) {
        aspects.about("disk").unknown(quote::line(why));
    }
    let mut table = table("Written and read", &["disk", "in the guest", "written and read", "discarded"]);
    for tried in &seen.tried {
        let path = &tried.path;
        let (index, name) = match &tried.disk {
            Ok((index, name)) => (*index, name),
            Err(why) => {
                aspects.about("disk").unknown(format!("{path}: {}", quote::line(why)));
                continue;
            }
        };
        let mut good = 0;
        for (at, place) in &tried.places {
            aspects.about("write");
            match &place.written {
                Ok(()) => aspects.pass(),
                Err(why) => {
                    aspects.fail(format!("{path}: the guest cannot write at byte {at}: {}", quote::line(why)));
                    continue;
                }
            }
            aspects.about("read");
            match &place.same {
                Ok(same) => {
                    good += usize::from(*same);
                    aspects.expect(*same, || format!("{path}: at byte {at} the guest reads other bytes than it wrote"));
                }
                Err(why) => aspects.fail(format!("{path}: the guest cannot read at byte {at}: {}", quote::line(why))),
            }
        }
        let unmaps = spec.disks.get(index).is_some_and(|disk| disk.discard == Some(Discard::Unmap));
        aspects.about("discard");
        let given = match &tried.discarded {
            Ok(Ok(true)) => {
                aspects.pass();
                "reads as zeros"
            }
            Ok(Ok(false)) if unmaps => {
                aspects.fail(format!("{path}: what the guest discards stays there, the specification says that it is unmapped"));
                "stays"
            }
            Ok(Ok(false)) => {
                aspects.none(format!("{path}: what the guest discards stays there, and the specification does not say that it is unmapped"));
                "stays"
            }
            Ok(Err(why)) if unmaps => {
                aspects.fail(format!("{path}: the guest cannot discard: {}", quote::line(why)));
                "refused"
            }
            Ok(Err(why)) => {
                aspects.none(format!("{path}: the guest cannot discard, and the specification does not say that it can: {}", quote::line(why)));
                "refused"
            }
            Err(why) if unmaps => {
                aspects.unknown(format!("{path}: whether the guest can discard: {}", quote::line(why)));
                "not tried"
            }
            Err(why) => {
                aspects.none(format!("{path}: that the guest discards was not tried, nor does the specification ask for it: {}", quote::line(why)));
                "not tried"
            }
        };
        let told = format!("{good} of {} places of {} KiB", tried.places.len(), PART >> 10);
        table.rows.push([path.as_str(), name, &told, given].map(quote::line).to_vec());
    }
    let tables = if table.rows.is_empty() { Vec::new() } else { vec![table] };
    let otherwise = "the specification gives no disk free to be written to (`review.overwrite`)";
    Judged { tables, ..Judged::of(aspects, otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use vmwright_model::GateOutcome;
    use vmwright_model::machine::{Disk, DiskFormat};

    fn good() -> (Observed, MachineSpec) {
        let mut spec = spec();
        spec.disks = vec![Disk { discard: Some(Discard::Unmap), ..Disk::at("/a.raw", DiskFormat::Raw) }];
        spec.review.overwrite = vec!["/a.raw".to_owned()];
        let place = |at| (at, Place { written: Ok(()), same: Ok(true) });
        let tried = Tried {
            path: "/a.raw".to_owned(),
            disk: Ok((0, "vda".to_owned())),
            places: vec![place(0), place(4096), place(8192)],
            discarded: Ok(Ok(true)),
        };
        (Observed { agent: Ok(()), tried: vec![tried] }, spec)
    }

    fn outcome(change: impl FnOnce(&mut Tried, &mut MachineSpec)) -> GateOutcome {
        let (mut seen, mut spec) = good();
        change(&mut seen.tried[0], &mut spec);
        judge(&seen, &spec).outcome
    }

    #[track_caller]
    fn fails(change: impl FnOnce(&mut Tried, &mut MachineSpec), why: &str) {
        let outcome = outcome(change);
        assert!(matches!(&outcome, GateOutcome::Fail(told) if told.contains(why)), "{outcome:?}");
    }

    #[test]
    fn a_disk_that_keeps_what_is_written_passes() {
        let (seen, spec) = good();
        let judged = judge(&seen, &spec);
        assert_eq!(judged.outcome, GateOutcome::Pass);
        let names: Vec<&str> = judged.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["write", "read", "discard"]);
        assert_eq!(judged.tables[0].rows[0], ["/a.raw", "vda", "3 of 3 places of 32 KiB", "reads as zeros"]);
    }

    #[test]
    fn each_fault_has_its_words() {
        fails(|tried, _| tried.places[1].1.same = Ok(false), "at byte 4096 the guest reads other bytes than it wrote");
        fails(|tried, _| tried.places[2].1.same = Err("an I/O error".to_owned()), "cannot read at byte 8192: an I/O error");
        fails(|tried, _| tried.places[0].1.written = Err("No space left".to_owned()), "cannot write at byte 0: No space left");
        fails(|tried, _| tried.discarded = Ok(Ok(false)), "what the guest discards stays there");
        fails(|tried, _| tried.discarded = Ok(Err("not supported".to_owned())), "cannot discard: not supported");
    }

    #[test]
    fn what_is_not_demanded_and_what_is_not_tried_passes_nothing() {
        for discarded in [Ok(Ok(false)), Ok(Err("not supported".to_owned())), Err("it has no blkdiscard".to_owned())] {
            let (mut seen, mut spec) = good();
            spec.disks[0].discard = None;
            seen.tried[0].discarded = discarded;
            let judged = judge(&seen, &spec);
            assert_eq!((judged.outcome, judged.checks[2].outcome.word()), (GateOutcome::Pass, "not applicable"));
        }
        let untried = outcome(|tried, _| tried.discarded = Err("it has no blkdiscard".to_owned()));
        assert!(matches!(untried, GateOutcome::Unknown(why) if why.contains("it has no blkdiscard")));
        let used = outcome(|tried, _| {
            tried.disk = Err("the guest uses it: /dev/vda1 / ext4".to_owned());
            tried.places.clear();
        });
        assert!(matches!(used, GateOutcome::Unknown(why) if why == "/a.raw: the guest uses it: /dev/vda1 / ext4"));
        let (mut seen, mut spec) = good();
        seen.tried.clear();
        seen.agent = Err("it does not answer".to_owned());
        assert_eq!(judge(&seen, &spec).outcome.word(), "unknown");
        spec.review.overwrite.clear();
        assert_eq!(judge(&seen, &spec).outcome.word(), "not applicable");
    }

    #[test]
    fn each_place_has_bytes_of_its_own() {
        assert_ne!(bytes(0), bytes(4096));
        assert_eq!(bytes(0).len(), PART);
    }
}

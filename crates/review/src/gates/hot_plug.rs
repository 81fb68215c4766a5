//! `hot-plug`: a disk and a network card that are plugged into the running VM are there in its guest with their drivers, bytes
//! go from the host to the guest and back unchanged, what the guest discards is given back to the host, and both devices
//! go again.
//!
//! The disk is a throw-away one of a mebibyte, and the card leads nowhere: nothing of the VM's own is touched.

use super::{Judged, component, table, uevent};
use crate::aspects::Aspects;
use crate::interfaces;
use crate::quote;
use crate::scope::{Guest, Session, Undone, Unplugged};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_formats::base64;
use vmwright_model::MachineSpec;

/// Bytes of the disk.
const SIZE: usize = 1 << 20;

/// Bytes at its begin that the guest reads, and then writes.
const PART: usize = 32 << 10;

/// The second half of it is discarded.
const HALF: usize = SIZE / 2;

/// How long a guest may take to find a device.
const FINDS: Duration = Duration::from_secs(15);

/// What the guest saw while the devices were there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Name and driver of the disk; none where it did not come.
    pub(crate) disk: Result<Option<(String, String)>, String>,
    /// Name and driver of the card.
    pub(crate) card: Result<Option<(String, String)>, String>,
    /// Whether the guest read what the host wrote.
    pub(crate) read: Result<bool, String>,
    /// Whether it could write.
    pub(crate) written: Result<(), String>,
    /// Whether it could discard.
    pub(crate) discarded: Result<(), String>,
}

/// What was seen.
pub(crate) struct Observed {
    pub(crate) done: Result<Unplugged, Undone>,
    pub(crate) seen: Option<Seen>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let cannot = |why: &str| Observed { done: Err(Undone::Cannot(why.to_owned())), seen: None };
    let Some(exercise) = session.scope.exercise else { return cannot("nothing may be done with this VM here") };
    if let Err(why) = &session.waited.agent {
        return cannot(why);
    }
    let before = match disks(session.scope.guest) {
        Ok(before) => before,
        Err(why) => return cannot(&why),
    };
    let (mut seen, probe) = (None, session.is_probe());
    let done = exercise.plugged(&pattern(1), &mut |guest, mac| seen = Some(look(guest, mac, &before, probe)));
    Observed { done, seen }
}

/// Bytes that no other disk has by chance: a generator of Lehmer's, begun anew for each.
pub(super) fn pattern(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state = state.wrapping_mul(0xda94_2042_e4dd_58b5);
        (state >> 56) as u8
    };
    (0..SIZE).map(next).collect()
}

fn look(guest: &dyn Guest, mac: &str, before: &[String], probe: bool) -> Seen {
    let disk = found(|| {
        let new = disks(guest)?.into_iter().find(|name| !before.contains(name));
        Ok(new.map(|name| (driver(guest, &format!("/sys/block/{name}/device/uevent")), name)))
    });
    let card = found(|| {
        let own = interfaces::told(guest)?.into_iter().find(|one| one.mac.as_deref() == Some(mac));
        let own = own.and_then(|own| component(&own.name).map(str::to_owned));
        Ok(own.map(|name| (driver(guest, &format!("/sys/class/net/{name}/device/uevent")), name)))
    });
    let absent = || "the disk was not found".to_owned();
    let Ok(Some((_, name))) = &disk else {
        return Seen { disk: swapped(disk), card: swapped(card), read: Err(absent()), written: Err(absent()), discarded: Err(absent()) };
    };
    let path = format!("/dev/{name}");
    let read = guest.file_read(&path, PART).map(|bytes| bytes == pattern(1)[..PART]).map_err(|error| format!("{path}: {error}"));
    let written = write(guest, &path, &pattern(2)[..PART]);
    let discarded = discard(guest, &path, (HALF as u64, HALF as u64), probe).flatten();
    Seen { read, written, discarded, disk: swapped(disk), card: swapped(card) }
}

type Found = Result<Option<(String, String)>, String>;

/// Name before driver.
fn swapped(found: Found) -> Found {
    found.map(|found| found.map(|(driver, name)| (name, driver)))
}

/// Asks until something is there or [`FINDS`] is over.
fn found(ask: impl Fn() -> Found) -> Found {
    let began = Instant::now();
    loop {
        let answer = ask()?;
        if answer.is_some() || began.elapsed() >= FINDS {
            return Ok(answer);
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Names of the guest's disks.
fn disks(guest: &dyn Guest) -> Result<Vec<String>, String> {
    let answer = guest.execute("guest-get-disks", json!({})).map_err(|error| error.to_string())?;
    let list = answer.as_array().ok_or("guest-get-disks: the answer is no list")?;
    let name = |entry: &Value| {
        let whole = entry.get("partition") == Some(&Value::Bool(false));
        let name = component(entry.get("name")?.as_str()?.strip_prefix("/dev/")?)?;
        whole.then(|| name.to_owned())
    };
    Ok(list.iter().take(256).filter_map(name).collect())
}

fn driver(guest: &dyn Guest, path: &str) -> String {
    let text = guest.file_read(path, 4096).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    text.ok().and_then(|text| uevent(&text, "DRIVER").map(str::to_owned)).unwrap_or_else(|| "no driver".to_owned())
}

/// Writes at the begin of a disk. Linux has it on the disk when its last user closes it.
fn write(guest: &dyn Guest, path: &str, bytes: &[u8]) -> Result<(), String> {
    let ask = |command: &str, arguments| guest.execute(command, arguments).map_err(|error| format!("{command}: {error}"));
    let handle = ask("guest-file-open", json!({ "path": path, "mode": "w" }))?;
    let written = ask("guest-file-write", json!({ "handle": handle, "buf-b64": base64::encode(bytes) }));
    let flushed = ask("guest-file-flush", json!({ "handle": handle }));
    ask("guest-file-close", json!({ "handle": handle }))?;
    let count = written?.get("count").and_then(Value::as_u64);
    flushed?;
    if count == Some(bytes.len() as u64) { Ok(()) } else { Err(format!("{count:?} of {} bytes were written", bytes.len())) }
}

/// Discards bytes of a disk from an offset on: by our probe, or blkdiscard(8). Within it what that says; outside of it why it was
/// not tried.
pub(super) fn discard(guest: &dyn Guest, path: &str, (offset, length): (u64, u64), probe: bool) -> Result<Result<(), String>, String> {
    let (offset, length, limit) = (offset.to_string(), length.to_string(), Duration::from_secs(15));
    let ran = if probe {
        guest.run("/init", &["discard", path, &offset, &length], limit)
    } else {
        guest.run("/usr/sbin/blkdiscard", &["--force", "--offset", &offset, "--length", &length, path], limit)
    };
    let ran = ran.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&ran.errors).trim().to_owned();
    Ok(if ran.status == Some(0) { Ok(()) } else { Err(said) })
}

pub(crate) fn judge(seen: &Observed, _spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let (Ok(done), Some(there)) = (&seen.done, &seen.seen) else {
        match &seen.done {
            // A machine without a port was not made for it.
            Err(Undone::Cannot(why)) if why.contains("no free port") => aspects.about("plug").none(quote::line(why)),
            Err(Undone::Cannot(why)) => aspects.about("plug").unknown(quote::line(why)),
            Err(Undone::Failed(why)) => aspects.about("plug").fail(format!("it is not plugged: {}", quote::line(why))),
            Ok(_) => aspects.about("plug").unknown("the guest was not looked at"),
        }
        return Judged::of(aspects, "");
    };
    let mut table = table("Plugged", &["device", "in the guest", "driver", "unplugged"]);
    for (what, found, gone) in [("disk", &there.disk, &done.disk), ("network card", &there.card, &done.card)] {
        aspects.about(what);
        let (name, driver) = match found {
            Ok(Some((name, driver))) => {
                aspects.expect(driver != "no driver", || format!("no driver of the guest took the {what} {}", quote::line(name)));
                (name.as_str(), driver.as_str())
            }
            Ok(None) => {
                aspects.fail(format!("the guest does not find the {what} within {} s", FINDS.as_secs()));
                ("not found", "")
            }
            Err(why) => {
                aspects.unknown(format!("the {what} in the guest: {}", quote::line(why)));
                ("not known", "")
            }
        };
        aspects.about("unplug");
        let word = match gone {
            Ok(()) => {
                aspects.pass();
                "yes".to_owned()
            }
            Err(why) => {
                aspects.fail(format!("the {what} stays plugged until the guest lets go of it or ends: {}", quote::line(why)));
                quote::line(why)
            }
        };
        table.rows.push(vec![what.to_owned(), quote::line(name), quote::line(driver), word]);
    }
    bytes(there, done, &mut aspects);
    Judged { tables: vec![table], ..Judged::of(aspects, "") }
}

/// Whether what was written on one side is what was read on the other.
fn bytes(there: &Seen, done: &Unplugged, aspects: &mut Aspects) {
    if !matches!(there.disk, Ok(Some(_))) {
        return;
    }
    aspects.about("read");
    match &there.read {
        Ok(same) => aspects.expect(*same, || "the guest reads other bytes from the disk than the host wrote".to_owned()),
        Err(why) => aspects.unknown(quote::line(why)),
    }
    aspects.about("write");
    match &there.written {
        Ok(()) => aspects.expect(done.bytes.get(..PART) == Some(&pattern(2)[..PART]), || {
            "what the guest wrote is not what the host finds on the disk".to_owned()
        }),
        Err(why) => aspects.fail(format!("the guest cannot write on the disk: {}", quote::line(why))),
    }
    aspects.about("discard");
    let (before, after) = done.stored;
    let empty = done.bytes.get(HALF..).is_some_and(|half| half.iter().all(|byte| *byte == 0));
    match &there.discarded {
        Ok(()) if !empty => aspects.unknown("the guest discarded half of the disk, and its bytes are there still"),
        Ok(()) => aspects.expect(after + (HALF as u64) / 2 <= before, || {
            format!("what the guest discarded is not given back: the disk takes {after} bytes of the host after {before}")
        }),
        Err(why) => aspects.unknown(format!("the guest did not discard: {}", quote::line(why))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use vmwright_model::GateOutcome;

    fn plugged() -> Observed {
        let device = |name: &str, driver: &str| Ok(Some((name.to_owned(), driver.to_owned())));
        let mut bytes = pattern(1);
        bytes[..PART].copy_from_slice(&pattern(2)[..PART]);
        bytes[HALF..].fill(0);
        Observed {
            done: Ok(Unplugged { disk: Ok(()), card: Ok(()), bytes, stored: (SIZE as u64, HALF as u64) }),
            seen: Some(Seen {
                disk: device("vda", "virtio_blk"),
                card: device("eth1", "virtio_net"),
                read: Ok(true),
                written: Ok(()),
                discarded: Ok(()),
            }),
        }
    }

    #[track_caller]
    fn fails(change: impl FnOnce(&mut Seen, &mut Unplugged), why: &str) {
        let mut seen = plugged();
        change(seen.seen.as_mut().unwrap(), seen.done.as_mut().unwrap());
        let outcome = judge(&seen, &spec()).outcome;
        assert!(matches!(&outcome, GateOutcome::Fail(said) if said.contains(why)), "{outcome:?}");
    }

    #[test]
    fn what_comes_works_and_goes_passes() {
        let judged = judge(&plugged(), &spec());
        assert_eq!(judged.outcome, GateOutcome::Pass);
        let names: Vec<&str> = judged.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["disk", "unplug", "network card", "read", "write", "discard"]);
    }

    #[test]
    fn each_fault_has_its_words() {
        fails(|seen, _| seen.disk = Ok(None), "the guest does not find the disk within 15 s");
        fails(|seen, _| seen.card = Ok(Some(("eth1".to_owned(), "no driver".to_owned()))), "no driver of the guest took the network card eth1");
        fails(|_, done| done.disk = Err("15 s".to_owned()), "the disk stays plugged");
        fails(|seen, _| seen.read = Ok(false), "reads other bytes");
        fails(|_, done| done.bytes[7] ^= 1, "is not what the host finds");
        fails(|_, done| done.stored.1 = done.stored.0, "is not given back");
        let none = Observed { done: Err(Undone::Cannot("it has no free port".to_owned())), seen: None };
        assert_eq!(judge(&none, &spec()).outcome.word(), "not applicable");
        let other = Observed { done: Err(Undone::Cannot("no agent".to_owned())), seen: None };
        assert_eq!(judge(&other, &spec()).outcome.word(), "unknown");
    }
}

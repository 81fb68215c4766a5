//! What a review does with a VM of libvirt's beyond asking. Nothing of it is done with the domain itself, but for standing still
//! while its memory is written down and its disks are copied: copies go on in daemons of their own, which end with the review,
//! and a second guest is a domain that is never defined and ends with the review's connection.

use super::beside;
use super::channels::Channels;
use super::exercise::{ANSWERS, BOOTS, Exerciser, Follows, answers, told};
use super::standing::{Afterwards, Still};
use super::twin::single;
use crate::aside::private;
use crate::error::chain;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use vmwright_backend::libvirt::second::{INSIDE, Second};
use vmwright_backend::libvirt::{Connection, Copied, Libvirt};
use vmwright_backend::request::{Migrate, Place};
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Backend, State, user_of};
use vmwright_formats::machine_spec::write_spec;
use vmwright_review::{Guest, Leg, Moved, Saved, Undone, Vmm};

/// How long a daemon may take to start a VMM.
const STARTS: Duration = Duration::from_secs(180);

/// The names of the daemons, and of their folders.
const DAEMONS: [&str; 2] = ["one", "two"];

fn cannot(why: impl std::fmt::Display) -> Undone {
    Undone::Cannot(why.to_string())
}

/// A folder of the review, removed at its end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in nobody's way: the next of the same process removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What copies of a VM go on from, and a daemon for them. The order is that in which they end.
struct Copies {
    daemon: Second,
    /// User and group of the VM's VMM, and so of each copy's.
    who: (u32, u32),
    copied: Copied,
    /// The specification of the VM.
    text: String,
    /// Bytes of its memory in the file.
    bytes: u64,
    /// How long the VM stood still.
    still: Duration,
    place: Folder,
    _afterwards: Afterwards,
}

impl Copies {
    fn of(of: &Exerciser<'_>, connection: &Connection) -> Result<Self, Undone> {
        let (channels, machine) = (of.channels, of.channels.machine);
        let pid = channels.process().and_then(|vmm| i32::try_from(vmm.pid).ok());
        let pid = pid.ok_or_else(|| cannot("its VMM does not run"))?;
        let who = user_of(pid).map_err(|error| cannot(format!("whose its VMM is: {error}")))?;
        let libvirt = Libvirt::on(connection.clone());
        let copied = libvirt.copied(machine).map_err(|error| cannot(chain(&error)))?;
        let copied = copied.map_err(|why| cannot(format!("there can be no copy of it: {}", chain(&why))))?;
        for (number, disk) in copied.writable.iter().enumerate() {
            beside::small_enough(number, Path::new(&disk.path)).map_err(cannot)?;
        }
        let text = write_spec(&machine.spec).map_err(|error| cannot(chain(&error)))?;
        let place = Folder(private(channels.state, "copies").map_err(cannot)?);
        let afterwards = Afterwards::of(channels, of.vm, &place.0)?;
        let daemon = Second::begin(&place.0, DAEMONS[0], who).map_err(|error| cannot(chain(&error)))?;
        let began = Instant::now();
        channels.let_go();
        // Where it has no disks its memory is all, and libvirt stops it for that by itself.
        let still = match copied.writable.is_empty() && copied.variables.is_none() {
            true => None,
            false => Some(Still::stand(channels, &libvirt)?),
        };
        let state = place.0.join("state");
        libvirt.keep_memory(machine, &copied, &state).map_err(|error| Undone::Failed(chain(&error)))?;
        for (number, disk) in copied.writable.iter().enumerate() {
            let to = place.0.join(format!("disk{number}.qcow2"));
            beside::copy(Path::new(&disk.path), &disk.format, &to).map_err(cannot)?;
        }
        if let Some(variables) = &copied.variables {
            fs::copy(variables, place.0.join("nvram"))
                .map_err(|error| cannot(format!("{variables}: {error}")))?;
        }
        drop(still);
        let still = began.elapsed();
        let bytes =
            fs::metadata(&state).map_err(|error| cannot(format!("{}: {error}", state.display())))?.len();
        Ok(Self { daemon, who, copied, text, bytes, still, place, _afterwards: afterwards })
    }

    /// The next copy, which goes on at once; `number` tells its files from those of others.
    fn go_on(&self, number: usize) -> Result<Stored, Undone> {
        for disk in 0..self.copied.writable.len() {
            let overlay = self.place.0.join(format!("{number}-disk{disk}.qcow2"));
            let made = Command::new("qemu-img")
                .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &format!("disk{disk}.qcow2")])
                .arg(&overlay)
                .output()
                .map_err(|error| cannot(format!("qemu-img: {error}")))?;
            if !made.status.success() {
                return Err(cannot(format!("qemu-img: {}", String::from_utf8_lossy(&made.stderr).trim())));
            }
        }
        if self.copied.variables.is_some() {
            let to = self.place.0.join(format!("{number}-nvram"));
            fs::copy(self.place.0.join("nvram"), &to)
                .map_err(|error| cannot(format!("{}: {error}", to.display())))?;
        }
        let copy = self.machine(&self.daemon, &number.to_string())?;
        let (state, prefix) = (format!("{INSIDE}/state"), format!("{INSIDE}/{number}"));
        let libvirt = Libvirt::on(self.daemon.connection().clone());
        libvirt.go_on_as(&copy, &self.copied, &state, &prefix).map_err(|error| {
            let why = chain(&error);
            // What QEMU says where it does not take the state; everything else is about the daemon's surroundings.
            let refused =
                why.contains("load of migration failed") || why.contains("error while loading state");
            if refused { Undone::Failed(why) } else { cannot(format!("a copy of it does not start: {why}")) }
        })?;
        Ok(copy)
    }

    /// What the VM has and its copies are without.
    fn without(&self) -> Vec<String> {
        let told = |model: &String| {
            format!(
                "the VM's label of {model}, which could be taken from the VM itself: both have one UUID; what the label forbids was allowed"
            )
        };
        self.copied.labels.iter().map(told).collect()
    }

    /// A machine that stands for a copy on a daemon.
    fn machine(&self, daemon: &Second, name: &str) -> Result<Stored, Undone> {
        let place = self.place.0.join(format!("machine-{name}"));
        fs::create_dir_all(&place).map_err(|error| cannot(format!("{}: {error}", place.display())))?;
        let connection = daemon.connection().to_string();
        store::create_from_text(&place, Path::new("of the copy"), &self.text, &connection)
            .map_err(|error| cannot(chain(&error)))
    }
}

/// Whether the VM goes on as before.
fn goes_on(of: &Exerciser<'_>, connection: &Connection) -> Result<(), Undone> {
    let look = Libvirt::on(connection.clone()).look(of.channels.machine);
    let state = look.map_err(|error| Undone::Failed(chain(&error)))?.state;
    if state != State::Running {
        return Err(Undone::Failed(format!("it stood still, and does not go on: it is {state}")));
    }
    answers(of.channels, ANSWERS);
    Ok(())
}

pub(super) fn restored(
    of: &Exerciser<'_>,
    connection: &Connection,
    look: &mut dyn FnMut(&dyn Guest, &dyn Vmm) -> bool,
) -> Result<Saved, Undone> {
    let way = of.channels.way_of_copy()?;
    let copies = Copies::of(of, connection)?;
    for number in 0.. {
        let copy = copies.go_on(number)?;
        let channels = Channels::of(&copy).by(way.clone());
        answers(&channels, ANSWERS);
        let another = look(&channels, &channels);
        let ended = Libvirt::on(copies.daemon.connection().clone()).end_copy(&copy);
        ended.map_err(|error| cannot(chain(&error)))?;
        if !another {
            break;
        }
    }
    goes_on(of, connection)?;
    Ok(Saved { bytes: copies.bytes, stood_still: copies.still, without: copies.without() })
}

pub(super) fn there_and_back(
    of: &Exerciser<'_>,
    connection: &Connection,
    at: &mut dyn FnMut(&dyn Guest),
) -> Result<Moved, Undone> {
    let way = of.channels.way_of_copy()?;
    let copies = Copies::of(of, connection)?;
    let other =
        Second::begin(&copies.place.0, DAEMONS[1], copies.who).map_err(|error| cannot(chain(&error)))?;
    let here = copies.go_on(0)?;
    let there = copies.machine(&other, "there")?;
    {
        let channels = Channels::of(&here).by(way.clone());
        answers(&channels, ANSWERS);
        // It stood still until now, which is nothing of the move's.
        let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
        let told = channels.execute("guest-set-time", json!({ "time": now }));
        told.map_err(|error| cannot(format!("a copy of it cannot be told the time: {error}")))?;
        at(&channels);
    }
    let mut legs = vec![leg(&here, (&there, &other), of.stop)?];
    let channels = Channels::of(&there).by(way.clone());
    answers(&channels, ANSWERS);
    at(&channels);
    drop(channels);
    legs.push(leg(&there, (&here, &copies.daemon), of.stop)?);
    let channels = Channels::of(&here).by(way.clone());
    answers(&channels, ANSWERS);
    at(&channels);
    drop(channels);
    goes_on(of, connection)?;
    Ok(Moved { legs, copy: true, without: copies.without() })
}

/// Moves a copy from one daemon to another.
fn leg(from: &Stored, (to, daemon): (&Stored, &Second), stop: &Arc<AtomicBool>) -> Result<Leg, Undone> {
    let failed = |error| Undone::Failed(chain(&error));
    let source = super::exercise::libvirt_of(from).ok_or_else(|| cannot("its copy is nowhere"))?;
    let (_, domain) = source.client(from).map_err(failed)?;
    let what = Migrate::to(Place::Libvirt(format!("{}#unix://{INSIDE}/move", daemon.seen_from_another())));
    let mut follows = Follows { stop, moments: Vec::new() };
    source.move_copy(from, &what, &mut follows).map_err(failed)?;
    let there = Libvirt::on(daemon.connection().clone());
    there.stand_for(to, &domain).map_err(failed)?;
    let how = there.arrived(to).map_err(failed)?;
    if how.downtime_ms.is_none() || how.total_ms == 0 {
        return Err(cannot("a copy of it moved, and libvirt does not tell how long it stood still"));
    }
    Ok(told(how, follows.moments))
}

pub(super) fn second_guest(
    of: &Exerciser<'_>,
    connection: &Connection,
    look: &mut dyn FnMut(&dyn Guest, &vmwright_model::MachineSpec),
) -> Result<(), Undone> {
    let channels = of.channels;
    let mut spec = channels.machine.spec.clone();
    // Nobody looks at the second one's, and its address is taken.
    spec.displays.clear();
    if let Some(why) = single(&spec) {
        return Err(cannot(format!("it has no second VMM on this host: {why}")));
    }
    let way = channels.way_of_copy()?;
    let addresses = beside::addresses(&spec).map_err(cannot)?;
    let place = Folder(private(channels.state, "beside").map_err(cannot)?);
    let _afterwards = Afterwards::of(channels, of.vm, &place.0)?;
    let libvirt = Libvirt::on(connection.clone()).with_patience(STARTS);
    for network in &mut spec.networks {
        // Two VMMs cannot listen at one port of the host.
        network.forwards.clear();
    }
    let copied = spec.disks.iter().any(|disk| !disk.readonly);
    let changed = if copied {
        super::plug::reachable(channels).map_err(cannot)?;
        let still = Still::stand(channels, &libvirt)?;
        let changed = beside::changed(&mut spec, &place.0, &addresses);
        drop(still);
        goes_on(of, connection)?;
        changed
    } else {
        beside::changed(&mut spec, &place.0, &addresses)
    };
    changed.map_err(cannot)?;
    let text = write_spec(&spec).map_err(|error| cannot(chain(&error)))?;
    let made = store::create_from_text(&place.0, Path::new("of the second"), &text, &connection.to_string());
    let second = made.map_err(|error| cannot(chain(&error)))?;
    let starts = |why: String| cannot(format!("a second VM of it does not start: {why}"));
    let ends_with = libvirt.start_for_now(&second).map_err(|error| starts(chain(&error)))?;
    let guest = Channels::of(&second).by(way);
    answers(&guest, BOOTS);
    let up = guest.execute("guest-ping", json!({})).map_err(|error| starts(error.to_string()));
    if up.is_ok() {
        look(&guest, &second.spec);
    }
    // It ends with the connection in any case; this one waits for it.
    let _ = libvirt.end_copy(&second);
    drop(ends_with);
    up.map(drop)
}

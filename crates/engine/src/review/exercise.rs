//! What a review does with a VM beyond asking: it moves it to a second VMM and back, and lets copies go on from its state.

use super::beside;
use super::between;
use super::by_libvirt;
use super::by_microvm;
use super::channels::Channels;
use super::plug;
use super::twin::{Twin, single};
use super::unfinished::{Kind, Pending};
use super::way::Way;
use crate::backends::{self, Chosen};
use crate::error::chain;
use serde_json::json;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_backend::libvirt::{Connection, Libvirt};
use vmwright_backend::qemu::Qemu;
use vmwright_backend::request::{self, Channel, Migrate, Migrated, Place, Receive};
use vmwright_backend::store::Stored;
use vmwright_backend::{Answer, Backend as _, Operation, Request, State, Told, Unwatched, Watch, perform};
use vmwright_model::MachineSpec;
use vmwright_model::machine::DiskFormat;
use vmwright_review::{Exercise, Guest, Leg, Moment, Moved, Saved, Undone, Unplugged, Vmm};

/// How long a second VMM may take until it listens.
const LISTENS: Duration = Duration::from_secs(30);

/// How long an agent may take to answer in a guest that has just come somewhere.
pub(super) const ANSWERS: Duration = Duration::from_secs(20);

/// How long a second guest may take until its agent answers, by the slower accelerator.
pub(super) const BOOTS: Duration = Duration::from_secs(180);

/// The folder of the machine that a guest is moved to, and in it the socket that it moves over.
pub(super) const MOVED: &str = "moved";
pub(super) const SOCKET: &str = "migration";

/// Exercises one machine.
pub(super) struct Exerciser<'a> {
    pub(super) channels: &'a Channels<'a>,
    /// The VM's name, as the user said it.
    pub(super) vm: &'a str,
    /// Set when the user wants it to end.
    pub(super) stop: &'a Arc<AtomicBool>,
}

impl Exerciser<'_> {
    fn machine(&self) -> &Stored {
        self.channels.machine
    }

    /// Whether what runs it has the operation at all. What it does not have has not failed.
    fn able(&self, operation: Operation) -> Result<(), Undone> {
        let backend = backends::of(self.machine()).map_err(|error| Undone::Cannot(chain(&error)))?;
        backend.lacks(operation).map_or(Ok(()), |why| Err(Undone::Cannot(why.to_owned())))
    }

    /// Who runs it, where that is one with whose machines more can be done than to ask them: QEMU without anybody between, or
    /// the daemon of libvirt.
    fn run_by(&self, done: &str) -> Result<Option<Connection>, Undone> {
        match Chosen::of(self.machine()).map_err(|error| Undone::Cannot(chain(&error)))? {
            Chosen::Qemu => Ok(None),
            Chosen::Libvirt(connection) => Ok(Some(connection)),
            other => {
                let word = other.word();
                Err(Undone::Cannot(format!(
                    "a machine that {word} runs is {done} by its own means; that is not reviewed yet"
                )))
            }
        }
    }

    /// The machine, where it can have a twin on this host.
    fn ours(&self) -> Result<&Stored, Undone> {
        let machine = self.machine();
        match single(&machine.spec) {
            Some(why) => Err(Undone::Cannot(format!("it has no second VMM on this host: {why}"))),
            None => Ok(machine),
        }
    }
}

/// The daemon that runs a machine; none where it is none of libvirt's.
pub(super) fn libvirt_of(machine: &Stored) -> Option<Libvirt> {
    match Chosen::of(machine) {
        Ok(Chosen::Libvirt(connection)) => Some(Libvirt::on(connection)),
        _ => None,
    }
}

impl Exercise for Exerciser<'_> {
    fn there_and_back(&self, at: &mut dyn FnMut(&dyn Guest)) -> Result<Moved, Undone> {
        self.able(Operation::Migrate)?;
        if let Some(connection) = self.run_by("moved")? {
            return by_libvirt::there_and_back(self, &connection, at);
        }
        let here = self.ours()?;
        let way = self.channels.way_of_copy()?;
        let _pending = Pending::of(self, Kind::Moved)?;
        let mut twin = Twin::make(here, MOVED, |_, _| Ok(())).map_err(Undone::Cannot)?;
        let socket = twin.place().join(SOCKET);
        at(self.channels);
        self.channels.let_go();
        let there = leg(here, &twin.machine, &socket, self.stop).map_err(Undone::Failed)?;
        let channels = twin.channels().by(way);
        answers(&channels, ANSWERS);
        at(&channels);
        drop(channels);
        // Once more: a guest that stays elsewhere is worse than one that is late.
        let back = leg(&twin.machine, here, &socket, self.stop)
            .or_else(|_| leg(&twin.machine, here, &socket, self.stop));
        let back = match back {
            Ok(back) => back,
            Err(why) => {
                twin.keep();
                return Err(Undone::Failed(format!(
                    "it moved, and does not come back: {why}; the guest runs on in `{}` (`vmwright --state {} vm list`)",
                    twin.place().display(),
                    twin.place().display()
                )));
            }
        };
        self.channels.let_go();
        answers(self.channels, ANSWERS);
        at(self.channels);
        Ok(Moved { legs: vec![there, back], ..Moved::default() })
    }

    fn plugged(&self, bytes: &[u8], look: &mut dyn FnMut(&dyn Guest, &str)) -> Result<Unplugged, Undone> {
        self.able(Operation::Attach)?;
        let channels = self.channels;
        let vmm = channels.process().ok_or_else(|| Undone::Cannot("its VMM does not run".to_owned()))?;
        plug::plugged(self.machine(), vmm.pid, bytes, &mut |mac| look(channels, mac))
    }

    fn beside(&self, look: &mut dyn FnMut(&dyn Guest, &MachineSpec)) -> Result<(), Undone> {
        if let Some(connection) = self.run_by("given a second guest")? {
            return by_libvirt::second_guest(self, &connection, look);
        }
        let here = self.ours()?;
        let way = self.channels.way_of_copy()?;
        let addresses = beside::addresses(&here.spec).map_err(Undone::Cannot)?;
        let copied = here.spec.disks.iter().any(|disk| !disk.readonly);
        let _pending = Pending::of(self, Kind::Still)?;
        let twin = if copied {
            self.channels.let_go();
            perform(&Qemu::default(), here, Request::Pause, &mut Unwatched)
                .map_err(|error| Undone::Failed(chain(&error)))?;
            let going_on = GoesOn(here);
            let twin = beside::make(here, &addresses);
            drop(going_on);
            answers(self.channels, ANSWERS);
            twin
        } else {
            beside::make(here, &addresses)
        };
        let twin = twin.map_err(Undone::Cannot)?;
        let cannot = |why: String| Undone::Cannot(format!("a second VM of it does not start: {why}"));
        Qemu::default().start(&twin.machine).map_err(|error| cannot(chain(&error)))?;
        let channels = twin.channels().by(way);
        answers(&channels, BOOTS);
        channels.execute("guest-ping", json!({})).map_err(|error| cannot(error.to_string()))?;
        look(&channels, &twin.machine.spec);
        Ok(())
    }

    fn restored(&self, look: &mut dyn FnMut(&dyn Guest, &dyn Vmm) -> bool) -> Result<Saved, Undone> {
        let chosen = Chosen::of(self.machine()).map_err(|error| Undone::Cannot(chain(&error)))?;
        if let Some(vmm) = chosen.copies() {
            return by_microvm::restored(self, &*vmm, look);
        }
        if let Some(connection) = self.run_by("saved and restored")? {
            return by_libvirt::restored(self, &connection, look);
        }
        let here = self.ours()?;
        let way = self.channels.way_of_copy()?;
        let _pending = Pending::of(self, Kind::Still)?;
        let kept = Twin::make(here, "state", |_, _| Ok(())).map_err(Undone::Cannot)?;
        let state = kept.place().join("state");
        self.channels.let_go();
        let began = Instant::now();
        perform(&Qemu::default(), here, Request::Pause, &mut Unwatched)
            .map_err(|error| Undone::Failed(chain(&error)))?;
        let going_on = GoesOn(here);
        let saved = Qemu::default()
            .save(here, &state, &mut Unwatched)
            .map_err(|error| Undone::Failed(chain(&error)))?;
        while restored(here, &state, &way, look)? {}
        drop(going_on);
        let state = Qemu::default().look(here).map_err(|error| Undone::Failed(chain(&error)))?.state;
        if state != State::Running {
            return Err(Undone::Failed(format!("it was saved, and does not go on: it is {state}")));
        }
        answers(self.channels, ANSWERS);
        let bytes = saved.sent.unwrap_or_default();
        Ok(Saved { bytes, stood_still: began.elapsed(), without: Vec::new() })
    }

    fn shared(
        &self,
        directory: &str,
        bytes: &[u8],
        look: &mut dyn FnMut(&str, &str),
    ) -> Result<Option<Vec<u8>>, Undone> {
        between::shared(directory, bytes, look)
    }

    fn called(&self, bytes: &[u8], look: &mut dyn FnMut(u32)) -> Result<Option<Vec<u8>>, Undone> {
        between::called(self.machine(), bytes, look)
    }

    fn iperf3(&self, at: IpAddr, look: &mut dyn FnMut(u16)) -> Result<(), Undone> {
        between::iperf3(at, look)
    }
}

/// Lets a machine go on that was made to stand still, whatever happens in between.
struct GoesOn<'a>(&'a Stored);

impl Drop for GoesOn<'_> {
    fn drop(&mut self) {
        // A guest that stands still is seen by the next question.
        let _ = Qemu::default().go_on(self.0);
    }
}

/// One copy that goes on from the state, and ends. Gives whether there has to be another.
fn restored(
    here: &Stored,
    state: &Path,
    way: &Way,
    look: &mut dyn FnMut(&dyn Guest, &dyn Vmm) -> bool,
) -> Result<bool, Undone> {
    let copy = Twin::make(here, "copy", overlays).map_err(Undone::Cannot)?;
    let receive = Receive { from: Place::File(state.to_owned()), channel: Channel::default(), within: None };
    request::receive(&Qemu::default(), &copy.machine, &receive, &mut Unwatched)
        .map_err(|error| Undone::Failed(chain(&error)))?;
    apart(&copy.machine).map_err(Undone::Cannot)?;
    let channels = copy.channels().by(way.clone());
    answers(&channels, ANSWERS);
    Ok(look(&channels, &channels))
}

/// Unplugs the cables of a copy before its guest goes on: two guests of one address would disturb each other.
fn apart(copy: &Stored) -> Result<(), String> {
    let mut monitor = Qemu::default().monitor(copy).map_err(|error| chain(&error))?;
    let mut ask = |command: &str, arguments| {
        monitor.execute(command, arguments).map_err(|error| format!("{command}: {}", chain(&error)))
    };
    let cards = ask("query-rx-filter", None)?;
    let cards = cards.as_array().map(Vec::as_slice).unwrap_or_default();
    if cards.len() < copy.spec.networks.len() {
        return Err("it has a network card whose cable cannot be unplugged for a copy of it".to_owned());
    }
    for card in cards {
        ask("set_link", Some(json!({ "name": card["name"], "up": false })))?;
    }
    ask("cont", None).map(drop)
}

/// Throw-away disks over those of the machine, which nobody writes to meanwhile.
fn overlays(spec: &mut MachineSpec, place: &Path) -> Result<(), String> {
    for (number, disk) in spec.disks.iter_mut().enumerate().filter(|(_, disk)| !disk.readonly) {
        let format = match disk.format {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
            _ => return Err(format!("disk {number} is no image that an overlay can stand on")),
        };
        let path = disk.path.clone().ok_or_else(|| format!("disk {number} is no image under a path"))?;
        if spec.process.user.as_deref().is_some_and(|user| user != "root") {
            return Err("its VMM runs as another user, who cannot reach throw-away disks".to_owned());
        }
        let overlay = place.join(format!("disk{number}.qcow2"));
        let made = Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", format, "-b", &path])
            .arg(&overlay)
            .output()
            .map_err(|error| format!("qemu-img: {error}"))?;
        if !made.status.success() {
            return Err(format!("qemu-img: {}", String::from_utf8_lossy(&made.stderr).trim()));
        }
        disk.path = Some(overlay.display().to_string());
        disk.format = DiskFormat::Qcow2;
    }
    Ok(())
}

/// Waits until the agent answers; what asks next tells where it does not.
pub(super) fn answers(guest: &Channels<'_>, within: Duration) {
    let began = Instant::now();
    while guest.execute("guest-ping", json!({})).is_err() && began.elapsed() < within {
        thread::sleep(Duration::from_millis(100));
    }
}

/// Sends a guest to a VMM that is started for it.
pub(super) fn leg(from: &Stored, to: &Stored, socket: &Path, stop: &Arc<AtomicBool>) -> Result<Leg, String> {
    let given_up = AtomicBool::new(false);
    thread::scope(|scope| {
        let arrival = scope.spawn(|| {
            let receive =
                Receive { from: Place::Unix(socket.to_owned()), channel: Channel::default(), within: None };
            let mut waits = Follows { stop: &given_up, moments: Vec::new() };
            request::receive(&Qemu::default(), to, &receive, &mut waits).map_err(|error| chain(&error))
        });
        let began = Instant::now();
        while !socket.exists() && !arrival.is_finished() && began.elapsed() < LISTENS {
            thread::sleep(Duration::from_millis(20));
        }
        let mut follows = Follows { stop, moments: Vec::new() };
        let sent = if arrival.is_finished() {
            Err("the second VMM does not wait for it".to_owned())
        } else {
            let what = Migrate::to(Place::Unix(socket.to_owned()));
            perform(&Qemu::default(), from, Request::Migrate(what), &mut follows)
                .map_err(|error| chain(&error))
        };
        if sent.is_err() {
            given_up.store(true, Ordering::Relaxed);
        }
        let arrived = arrival.join().unwrap_or_else(|_| Err("the second VMM was lost".to_owned()));
        match (sent, arrived) {
            (Ok(Answer::Migrated(how)), Ok(_)) => Ok(told(how, follows.moments)),
            (Ok(_), Ok(_)) => Err("QEMU does not tell how it went".to_owned()),
            // What the source was refused is the cause; the target only waited in vain.
            (Err(why), Ok(_)) => Err(why),
            (Err(why), Err(_)) if !why.contains("does not wait") => Err(why),
            (_, Err(why)) => Err(why),
        }
    })
}

pub(super) fn told(how: Migrated, moments: Vec<Moment>) -> Leg {
    Leg {
        total: Duration::from_millis(how.total_ms),
        // QEMU tells all three, and libvirt what QEMU tells.
        downtime: Duration::from_millis(how.downtime_ms.unwrap_or_default()),
        sent: how.sent.unwrap_or_default(),
        rounds: how.rounds.unwrap_or_default(),
        moments,
    }
}

/// Keeps how a move goes.
pub(super) struct Follows<'a> {
    pub(super) stop: &'a AtomicBool,
    pub(super) moments: Vec<Moment>,
}

impl Watch for Follows<'_> {
    fn tell(&mut self, what: Told) {
        if let Told::Migration(how) = what {
            self.moments.push(Moment { remaining: how.remaining, dirty_rate: how.dirty_rate });
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

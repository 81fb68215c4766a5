//! The labs of a state directory: up, listed, reset, down.

use crate::nodes::Node;
use crate::template::{Emulator, Template, booted, ensure, with_words};
use crate::{Hardware, LabError, Part, image};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vmwright_backend::request::Place;
use vmwright_backend::request::{Channel, Receive};
use vmwright_backend::store::{self, StoreError, Stored};
use vmwright_backend::{
    Answer, Backend as _, Request, State, Stop, Told, Watch, forget_snapshots, overlay, perform, request,
};

/// Name of the file beside a lab's specification that says what it is.
const RECORD: &str = "lab.json";
/// How long a system may take to go down and come up again.
const RESTART: Duration = Duration::from_secs(600);
/// Between two tries at one that goes down.
const LOOK: Duration = Duration::from_millis(500);
/// How long the agent of a lab that was just restored may take for its first answer.
const FIRST: Duration = Duration::from_secs(60);

/// The labs below a directory.
#[derive(Debug, Clone)]
pub struct Labs {
    place: PathBuf,
}

/// A lab.
#[derive(Debug, Clone)]
pub struct Lab {
    machine: Stored,
    record: Record,
}

/// What a lab is, as it is kept with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    hardware: Hardware,
    template: PathBuf,
    igb: bool,
    qemu: String,
    /// Its place among its like; none of a lab alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Node>,
}

/// A lab in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// `running`, `gone`, ...; or why it cannot be told.
    pub state: String,
    /// Process id of its VMM.
    pub pid: Option<u32>,
    /// What it is made of; none where its record cannot be read.
    pub hardware: Option<Hardware>,
}

impl Labs {
    /// The labs of vmwright's state directory.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { place: state.join("lab") }
    }

    /// Brings a lab up: in seconds where one of its kind was up before.
    ///
    /// # Errors
    /// [`LabError`]; nothing of the lab is left then. An image or a template that was made meanwhile stays.
    pub fn up(
        &self,
        name: &str,
        hardware: &Hardware,
        mirror: Option<&str>,
        watch: &mut dyn Watch,
    ) -> Result<Lab, LabError> {
        self.bring(name, None, hardware, mirror, watch)
    }

    /// Makes the folder of the labs, and gives its whole path.
    pub(crate) fn make(&self) -> Result<PathBuf, LabError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.place)
            .map_err(LabError::file("make", &self.place))?;
        self.place.canonicalize().map_err(LabError::file("resolve", &self.place))
    }

    /// That no lab has this name.
    pub(crate) fn must_be_free(place: &Path, name: &str) -> Result<(), LabError> {
        match store::open(place, name) {
            Ok(_) => Err(LabError::Exists(name.to_owned())),
            Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Brings a lab up, alone or as one of several nodes.
    pub(crate) fn bring(
        &self,
        name: &str,
        node: Option<Node>,
        hardware: &Hardware,
        mirror: Option<&str>,
        watch: &mut dyn Watch,
    ) -> Result<Lab, LabError> {
        let place = self.make()?;
        Self::must_be_free(&place, name)?;
        let emulator = Emulator::ask()?;
        if !emulator.igb && hardware.has(Part::Sriov) {
            let qemu = &emulator.version;
            watch.tell(Told::Note(format!(
                "{qemu} has no igb, which came with 8.0: the lab has no SR-IOV NIC"
            )));
        }
        let template = {
            let _lock = self.lock(watch)?;
            let image = image::ensure(&place.join("images"), mirror, watch)?;
            ensure(&place.join("templates"), &image, hardware, &emulator, watch)?
        };
        let directory = place.join("machines").join(name);
        let own = Template::at(&directory);
        let spec = hardware.spec(name, &own.system, &own.data);
        let machine = store::create_from_text(&place, Path::new("the lab"), &spec, "qemu")?;
        let Emulator { version: qemu, igb } = emulator;
        let record = Record { hardware: hardware.clone(), template, igb, qemu, node };
        let lab = Lab { machine, record };
        let began = lab.write().and_then(|()| lab.begin(watch));
        if let Err(error) = began {
            // The first error is the one to tell.
            let _ = self.remove(&lab);
            return Err(error);
        }
        Ok(lab)
    }

    /// Opens a lab.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn open(&self, name: &str) -> Result<Lab, LabError> {
        let machine = store::open(&self.place, name).map_err(|error| match error {
            StoreError::NotFound(name) => LabError::NotFound(name),
            other => other.into(),
        })?;
        let path = machine.file(RECORD);
        let text = fs::read(&path).map_err(LabError::file("read", &path))?;
        let record = serde_json::from_slice(&text)
            .map_err(|error| LabError::file("read", &path)(std::io::Error::other(error)))?;
        Ok(Lab { machine, record })
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// [`LabError`] where the list itself cannot be read.
    pub fn list(&self) -> Result<Vec<Condition>, LabError> {
        let listed = store::list(&self.place)?;
        Ok(listed
            .into_iter()
            .map(|one| match self.open(&one.name) {
                Ok(lab) => lab.condition(),
                Err(error) => {
                    Condition { name: one.name, state: error.to_string(), pid: None, hardware: None }
                }
            })
            .collect())
    }

    /// Takes a lab down. Nothing of it is left: no process, no file, no socket.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn down(&self, name: &str) -> Result<(), LabError> {
        // What cannot be read as a lab can still be taken away.
        match self.open(name) {
            Ok(lab) => self.remove(&lab),
            Err(LabError::File { .. }) => store::delete(&self.place, name).map_err(LabError::from),
            Err(error) => Err(error),
        }
    }

    /// Removes images and templates that no lab uses, and gives the bytes that they took.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn prune(&self, watch: &mut dyn Watch) -> Result<u64, LabError> {
        if !self.place.is_dir() {
            return Ok(0);
        }
        let _lock = self.lock(watch)?;
        let used = !store::list(&self.place)?.is_empty();
        let mut freed = 0;
        for kind in ["templates", "images"] {
            // An image lies below templates, and those below labs: what one of them needs is not sorted out here.
            let place = self.place.join(kind);
            for entry in fs::read_dir(&place).into_iter().flatten().flatten().filter(|_| !used) {
                let path = entry.path();
                freed += bytes(&path);
                fs::remove_dir_all(&path).map_err(LabError::file("remove", &path))?;
            }
        }
        Ok(freed)
    }

    pub(crate) fn remove(&self, lab: &Lab) -> Result<(), LabError> {
        let qemu = lab.qemu();
        let state = qemu.look(&lab.machine)?.state;
        if state.alive() || state == State::Starting {
            qemu.stop(&lab.machine, Stop::Force)?;
        }
        if let Some(node) = &lab.record.node {
            node.disconnect()?;
        }
        store::delete(&self.place, &lab.machine.name).map_err(LabError::from)
    }

    /// Held while images and templates are made: two labs that come up at once make them once.
    fn lock(&self, watch: &mut dyn Watch) -> Result<File, LabError> {
        let path = self.place.join("lock");
        let open = File::options().create(true).append(true).open(&path);
        let file = open.map_err(LabError::file("open", &path))?;
        let mut told = false;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(LabError::file("lock", &path)(error.into()));
            }
            if watch.stopped() {
                return Err(LabError::Stopped);
            }
            if !std::mem::replace(&mut told, true) {
                watch.tell(Told::Note(
                    "another vmwright makes the image or the template; waiting for it".to_owned(),
                ));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(file)
    }
}

impl Lab {
    /// The machine that it is.
    #[must_use]
    pub fn machine(&self) -> &Stored {
        &self.machine
    }

    /// Where it stands.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let state = self.qemu().look(&self.machine);
        let running = self.machine.process().ok().flatten().and_then(|record| record.running);
        let alive = state.as_ref().is_ok_and(|condition| condition.state.alive());
        Condition {
            name: self.machine.name.clone(),
            state: match state {
                Ok(condition) => condition.state.to_string(),
                Err(error) => format!("unknown: {error}"),
            },
            pid: running.filter(|_| alive).and_then(|running| u32::try_from(running.process.pid).ok()),
            hardware: Some(self.record.hardware.clone()),
        }
    }

    /// Takes it back to its beginning. What was changed in it is lost.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn reset(&self, watch: &mut dyn Watch) -> Result<(), LabError> {
        let qemu = self.qemu();
        if qemu.look(&self.machine)?.state.alive() {
            qemu.stop(&self.machine, Stop::Force)?;
        }
        self.begin(watch)
    }

    /// Asks what can be asked of a machine.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn ask(&self, request: Request, watch: &mut dyn Watch) -> Result<Answer, LabError> {
        perform(&self.qemu(), &self.machine, request, watch).map_err(LabError::from)
    }

    /// Waits until it answers and has its NVMe disks, as after a restart.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn wait(&self, watch: &mut dyn Watch) -> Result<(), LabError> {
        let begin = Instant::now();
        outlived(|| {
            booted(&self.qemu(), &self.machine, watch)?;
            match self.has_nvme(watch) {
                Ok(false) if begin.elapsed() > RESTART => Err(LabError::Unstaged {
                    why: format!(
                        "it goes down again and again, also {} s behind the restart",
                        RESTART.as_secs()
                    ),
                    said: String::new(),
                }),
                there => there,
            }
        })
    }

    pub(crate) fn qemu(&self) -> vmwright_backend::qemu::Qemu {
        let words = self.record.hardware.words(self.record.igb);
        match &self.record.node {
            Some(node) => with_words(node.connected(words)).with_directory(node.wires.clone()),
            None => with_words(words),
        }
    }

    fn write(&self) -> Result<(), LabError> {
        let path = self.machine.file(RECORD);
        let text = serde_json::to_vec_pretty(&self.record).expect("a record of texts and numbers is JSON");
        fs::write(&path, text).map_err(LabError::file("write", &path))
    }

    /// Begins where its template ended.
    fn begin(&self, watch: &mut dyn Watch) -> Result<(), LabError> {
        let (own, kept) = (Template::at(&self.machine.directory()), Template::at(&self.record.template));
        for (disk, base) in [(&own.system, &kept.system), (&own.data, &kept.data)] {
            match fs::remove_file(disk) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(LabError::file("remove", disk)(error));
                }
                _ => overlay(base, "qcow2", disk).map_err(LabError::Image)?,
            }
        }
        // They were in the disks.
        forget_snapshots(&self.machine)
            .map_err(LabError::file("remove the snapshots of", self.machine.directory()))?;
        let qemu = self.qemu();
        let from = Receive { from: Place::File(kept.memory), channel: Channel::default(), within: None };
        request::receive(&qemu, &self.machine, &from, watch)?;
        self.set_clock()?;
        self.plug_empty(&self.record.hardware.nvme_ports(), watch)?;
        self.record.node.as_ref().map_or(Ok(()), |node| node.settle(self, watch))
    }

    pub(crate) fn hardware(&self) -> &Hardware {
        &self.record.hardware
    }

    /// Sets its clock: it stood still since what was restored was kept.
    ///
    /// # Errors
    /// [`LabError`] where its agent does not answer.
    pub fn set_clock(&self) -> Result<(), LabError> {
        let mut agent = self.qemu().agent(&self.machine, FIRST)?;
        // Where the hardware clock cannot be set too, the system's is.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let _ = agent.execute("guest-set-time", Some(json!({ "time": now })));
        Ok(())
    }
}

/// Asks until it is answered by a system that lives on: one that goes down to restart answers for a moment still, and then
/// not to the end.
fn outlived(mut ask: impl FnMut() -> Result<bool, LabError>) -> Result<(), LabError> {
    while !ask()? {
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// What a file or folder takes on disk.
fn bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(meta) = path.symlink_metadata() else { return 0 };
    let below = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| bytes(&entry.path()));
    meta.blocks() * 512 + if meta.is_dir() { below.sum() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_goes_down_is_asked_again_and_one_that_fails_is_not() {
        let of =
            |answers: &mut Vec<Result<bool, LabError>>| outlived(|| answers.pop().expect("no more asked"));
        let mut answers = vec![Ok(true), Ok(false), Ok(false)];
        assert!(of(&mut answers).is_ok() && answers.is_empty(), "{answers:?}");
        let mut answers = vec![Ok(true), Err(LabError::Stopped), Ok(false)];
        assert!(matches!(of(&mut answers), Err(LabError::Stopped)));
        assert_eq!(answers.len(), 1, "it is not asked behind an error");
    }
}

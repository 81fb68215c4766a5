//! The first boot of an image on some hardware, kept: what is on its disks and in its memory when it has become a working
//! host. Every lab begins there.

use crate::image::Image;
use crate::{Hardware, LabError};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vmwright_backend::qemu::Qemu;
use vmwright_backend::request::{Exec, Executed, Migrate, Place};
use vmwright_backend::store::{self, Stored};
use vmwright_backend::{Answer, Backend as _, Request, Stop, Told, Watch, chain, overlay, perform};

/// Makes a working host of a system that has booted for the first time.
const STAGE: &str = include_str!("../recipe/stage.sh");
/// How long a first boot may take until its agent answers. It takes 30 s under TCG on two quiet processors.
const BOOT: Duration = Duration::from_secs(600);
/// How long [`STAGE`] may take, in seconds.
const STAGING: u64 = 900;
/// Bytes of the second disk.
const DATA: &str = "2G";
/// The template's own machine, while it is made.
const NAME: &str = "template";

/// A kept first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// The system's disk, qcow2 over the image.
    pub(crate) system: PathBuf,
    /// The second disk, qcow2.
    pub(crate) data: PathBuf,
    /// Memory and devices.
    pub(crate) memory: PathBuf,
}

impl Template {
    pub(crate) fn at(place: &Path) -> Self {
        Self {
            system: place.join("system.qcow2"),
            data: place.join("data.qcow2"),
            memory: place.join("memory"),
        }
    }
}

/// The installed QEMU, as far as it decides what a lab is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Emulator {
    /// Its version, as it says.
    pub(crate) version: String,
    /// Whether it has the NIC with virtual functions.
    pub(crate) igb: bool,
}

impl Emulator {
    pub(crate) fn ask() -> Result<Self, LabError> {
        let program = Qemu::default().program()?;
        let ask = |words: &[&str]| {
            let output =
                Command::new(&program).args(words).output().map_err(LabError::file("run", &program))?;
            Ok::<_, LabError>(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let version = ask(&["--version"])?.lines().next().unwrap_or_default().to_owned();
        let igb = ask(&["-device", "help"])?.contains("\"igb\"");
        Ok(Self { version, igb })
    }

    /// QEMU for this hardware.
    pub(crate) fn qemu(&self, hardware: &Hardware) -> Qemu {
        with_words(hardware.words(self.igb))
    }
}

/// QEMU with a lab's words.
pub(crate) fn with_words(words: Vec<String>) -> Qemu {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Qemu::default().with_words(&words).with_patience(Duration::from_secs(60))
}

/// Digest of what a kept memory depends on: another QEMU may have other devices.
pub(crate) fn id(image: &Image, hardware: &Hardware, emulator: &Emulator) -> String {
    let spec = hardware.spec(NAME, Path::new("/system"), Path::new("/data"));
    let words = hardware.words(emulator.igb).join("\n");
    let mut digest = Sha256::new();
    for part in [image.id.as_str(), &spec, &words, &emulator.version, STAGE, DATA] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The template below `templates`: made where it is not there.
pub(crate) fn ensure(
    templates: &Path,
    image: &Image,
    hardware: &Hardware,
    emulator: &Emulator,
    watch: &mut dyn Watch,
) -> Result<PathBuf, LabError> {
    let place = templates.join(id(image, hardware, emulator));
    if Template::at(&place).memory.is_file() {
        return Ok(place);
    }
    let work = templates.join(format!(".new-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(LabError::file("make", &work))?;
    let made = make(&work, &place, image, hardware, emulator, watch);
    if made.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&place);
    }
    let _ = fs::remove_dir_all(&work);
    made.map(|()| place)
}

fn make(
    work: &Path,
    place: &Path,
    image: &Image,
    hardware: &Hardware,
    emulator: &Emulator,
    watch: &mut dyn Watch,
) -> Result<(), LabError> {
    // The disks name their backing files, so they are made where they stay.
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place).map_err(LabError::file("make", place))?;
    let kept = Template::at(place);
    overlay(&image.disk, "raw", &kept.system).map_err(LabError::Image)?;
    empty(&kept.data, DATA)?;
    let spec = hardware.spec(NAME, &kept.system, &kept.data);
    let machine = store::create_from_text(work, Path::new("the lab"), &spec, "qemu")?;
    let qemu = emulator.qemu(hardware);
    watch.tell(Told::Note("first boot of a lab of this kind: once, a minute or two".to_owned()));
    qemu.start(&machine)?;
    let staged = booted(&qemu, &machine, watch).and_then(|()| stage(&qemu, &machine, watch)).and_then(|()| {
        watch.tell(Told::Note("keeping what is in its memory".to_owned()));
        let mut to = Migrate::to(Place::File(kept.memory.clone()));
        // A file takes what the disk gives.
        to.bandwidth = 8 << 30;
        perform(&qemu, &machine, Request::Migrate(to), watch).map(drop).map_err(LabError::from)
    });
    if staged.is_err() {
        // It is thrown away.
        let _ = qemu.stop(&machine, Stop::Force);
    }
    staged
}

/// Makes an empty disk, also where one is.
pub(crate) fn empty(disk: &Path, size: &str) -> Result<(), LabError> {
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(disk).arg(size).output();
    let made = made.map_err(LabError::file("run", "qemu-img"))?;
    if made.status.success() {
        return Ok(());
    }
    Err(LabError::Image(String::from_utf8_lossy(&made.stderr).trim().to_owned()))
}

/// Waits until the agent of a lab answers.
pub(crate) fn booted(qemu: &Qemu, machine: &Stored, watch: &mut dyn Watch) -> Result<(), LabError> {
    let begin = Instant::now();
    while begin.elapsed() < BOOT {
        if watch.stopped() {
            return Err(LabError::Stopped);
        }
        if !qemu.look(machine)?.state.alive() {
            let why = "its virtual machine monitor has ended".to_owned();
            return Err(LabError::Unstaged { why, said: last_lines(machine) });
        }
        if qemu.agent(machine, Duration::from_secs(3)).is_ok() {
            watch.tell(Told::Note(format!("booted in {} s", begin.elapsed().as_secs())));
            return Ok(());
        }
    }
    let why = format!("its agent does not answer after {} s; its console said last", BOOT.as_secs());
    Err(LabError::Unstaged { why, said: last_lines(machine) })
}

fn stage(qemu: &Qemu, machine: &Stored, watch: &mut dyn Watch) -> Result<(), LabError> {
    watch.tell(Told::Note("setting up libvirt, LVM, Open vSwitch".to_owned()));
    let why = match execute(qemu, machine, STAGE, STAGING, watch) {
        Ok(done) if done.status == Some(0) => return Ok(()),
        Ok(done) => format!("setting it up ended with {:?}", done.status),
        Err(_) if watch.stopped() => return Err(LabError::Stopped),
        Err(error) => chain(&error),
    };
    Err(LabError::Unstaged { why, said: last_lines(machine) })
}

/// Runs a script in a lab.
pub(crate) fn execute(
    qemu: &Qemu,
    machine: &Stored,
    script: &str,
    limit: u64,
    watch: &mut dyn Watch,
) -> Result<Executed, LabError> {
    let what = Exec {
        program: "/bin/sh".to_owned(),
        arguments: vec!["-s".to_owned()],
        input: script.as_bytes().to_vec(),
        limit,
    };
    match perform(qemu, machine, Request::Exec(what), watch)? {
        Answer::Executed(done) => Ok(done),
        other => Err(LabError::Unstaged { why: format!("the agent gave {other:?}"), said: String::new() }),
    }
}

/// What the console said last.
fn last_lines(machine: &Stored) -> String {
    let text = fs::read(machine.file(store::SERIAL)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(15)..].join("\n");
    last.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect()
}

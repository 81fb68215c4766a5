//! From the word to start a machine until its guest's first program runs: by vmwright, by the same QEMU with the same
//! words and nobody around it, and by `virsh start` of the same machine as a domain; and many machines at once.
//!
//! QEMU translates here (TCG), so that every host can measure: most of the time is the guest's own, and a difference
//! is what the way to QEMU costs.

use super::{Bench, Site, measure};
use crate::daemon::with_daemon;
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const BENCH: Bench = Bench {
    name: "start",
    summary: "a machine's start until its guest's first program, beside bare QEMU and `virsh start`; 100 at once",
    run,
};

/// What the firmware says first: until then a guest has done nothing that takes long.
const FIRMWARE: &str = "SeaBIOS";
/// What the guest's first program says first.
pub(super) const INIT: &str = "vmwright-guest: init";
/// How long a guest may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// How many machines are started at once.
const MANY: usize = 100;

fn run(site: &Site) -> Result<()> {
    let (kernel, initrd) = guest()?;
    let place = site.dir.join("start");
    if place.exists() {
        fs::remove_dir_all(&place).context("cannot clear the bench's own folder")?;
    }
    fs::create_dir_all(&place).context("cannot make the bench's own folder")?;
    let machine = |name: &str, more: &str| -> Result<String> {
        let spec = place.join(format!("{name}.toml"));
        fs::write(&spec, translated(name, more)).context("cannot write a machine")?;
        Ok(spec.display().to_string())
    };
    let guest = booting(&kernel, &initrd);
    let ours = Ours { bin: site.bin.clone(), state: place.join("state") };
    ours.run(&["vm", "create", &machine("own", &guest)?])?;
    against_bare(site, &ours, &place)?;
    // A guest's memory is kept in a disk of QEMU's own format.
    let disk = place.join("kept.qcow2").display().to_string();
    Run::new(["qemu-img", "create", "-q", "-f", "qcow2", &disk, "64M"]).text()?;
    let kept = format!("{guest}[[disk]]\npath = '{disk}'\nformat = 'qcow2'\n");
    ours.run(&["vm", "create", &machine("kept", &kept)?])?;
    against_memory(site, &ours)?;
    // The folder is the daemon's alone.
    let daemon = place.join("libvirt");
    let spec = machine("domain", &guest)?;
    let told = with_daemon(&daemon, 0, |uri| {
        ours.run(&["vm", "create", &spec, "--backend", uri])?;
        against_virsh(site, &ours, uri)
    });
    if let Err(error) = told {
        println!("  not measured beside virsh: {error:#}");
    }
    let small = "memory.size = '32MiB'\nagent = false\n";
    for number in 0..MANY {
        ours.run(&["vm", "create", &machine(&format!("many{number}"), small)?])?;
    }
    many(&ours)
}

/// The kernel and the initramfs of the guests.
pub(super) fn guest() -> Result<(PathBuf, PathBuf)> {
    let boot = workspace::cache().join("boot");
    let (kernel, initrd) = (boot.join("vmlinuz"), boot.join("initrd"));
    ensure!(
        kernel.is_file() && initrd.is_file(),
        "no kernel and initramfs in {}; `cargo xtask demo` makes them",
        boot.display()
    );
    Ok((kernel, initrd))
}

/// A machine whose processor QEMU translates.
pub(super) fn translated(name: &str, more: &str) -> String {
    format!("name = '{name}'\naccelerator = 'tcg'\n{more}")
}

/// What a machine boots that starts our guest.
pub(super) fn booting(kernel: &Path, initrd: &Path) -> String {
    format!(
        "memory.size = '160MiB'\nboot.kernel = '{}'\nboot.initrd = '{}'\nboot.cmdline = 'console=ttyS0 no_timer_check panic=-1'\n",
        kernel.display(),
        initrd.display()
    )
}

/// The program with a state of its own.
pub(super) struct Ours {
    pub(super) bin: PathBuf,
    pub(super) state: PathBuf,
}

impl Ours {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.bin);
        command.arg("--state").arg(&self.state).args(words);
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> Result<()> {
        let output = self.command(words).stdin(Stdio::null()).output().context("cannot run vmwright")?;
        ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Starts a machine and looks at its guest's log meanwhile: milliseconds until the word to start has returned, and what
    /// `up` saw.
    pub(super) fn start<T>(
        &self,
        name: &str,
        up: impl FnOnce(&Path, Instant) -> Result<T>,
    ) -> Result<(f64, T)> {
        let log = self.file(name, "serial.log");
        // What an earlier guest has said is no word of this one's.
        if log.exists() {
            fs::write(&log, "").context("cannot clear a log")?;
        }
        let begin = Instant::now();
        let (returned, seen) = std::thread::scope(|scope| {
            let returned = scope.spawn(|| self.run(&["vm", "start", name]).map(|()| begin.elapsed()));
            let seen = up(&log, begin);
            (returned.join(), seen)
        });
        let returned = returned.map_err(|_| anyhow!("the thread that starts a machine panicked"))??;
        Ok((returned.as_secs_f64() * 1e3, seen?))
    }

    pub(super) fn file(&self, name: &str, file: &str) -> PathBuf {
        self.state.join("machines").join(name).join(file)
    }
}

/// Milliseconds until a guest's log has a word.
pub(super) fn until(log: &Path, begin: Instant, word: &str) -> Result<f64> {
    while !fs::read(log).is_ok_and(|text| String::from_utf8_lossy(&text).contains(word)) {
        if begin.elapsed() > PATIENCE {
            bail!("no `{word}` within {} s; see {}", PATIENCE.as_secs(), log.display());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

/// Milliseconds until a guest's log has the first word of its firmware, and until that of its first program.
fn until_up(log: &Path, begin: Instant) -> Result<(f64, f64)> {
    Ok((until(log, begin, FIRMWARE)?, until(log, begin, INIT)?))
}

/// Times of several starts: to the firmware's first word, and to the first program's.
#[derive(Default)]
struct Starts {
    firmware: Vec<f64>,
    init: Vec<f64>,
}

impl Starts {
    fn push(&mut self, (firmware, init): (f64, f64)) {
        self.firmware.push(firmware);
        self.init.push(init);
    }
}

fn against_bare(site: &Site, ours: &Ours, place: &Path) -> Result<()> {
    let (mut returned, mut own, mut bare) = (Vec::new(), Starts::default(), Starts::default());
    for round in 0..=site.rounds {
        let started = ours.start("own", until_up);
        ours.run(&["vm", "stop", "own", "--force"])?;
        let (done, up) = started?;
        let other = until_up_bare(&ours.file("own", "argv"), place)?;
        // Once each for the page cache.
        if round > 0 {
            returned.push(done);
            own.push(up);
            bare.push(other);
        }
    }
    println!("  {:44} {} ms", "`vm start` returns", measure::spread(&returned));
    pair("`vm start`", &own, "the same QEMU alone", &bare);
    Ok(())
}

/// A guest that comes back from its memory, beside one that boots.
fn against_memory(site: &Site, ours: &Ours) -> Result<()> {
    let log = ours.file("kept", "serial.log");
    let (mut back, mut cold) = (Vec::new(), Vec::new());
    for round in 0..=site.rounds {
        let begin = Instant::now();
        ours.run(&["vm", "start", "kept"])?;
        let up = until(&log, begin, INIT);
        let kept = up.and_then(|up| {
            if round == 0 {
                ours.run(&["vm", "snapshot", "kept", "up"])?;
            }
            let begin = Instant::now();
            ours.run(&["vm", "restore", "kept", "up"])?;
            Ok((up, begin.elapsed().as_secs_f64() * 1e3))
        });
        ours.run(&["vm", "stop", "kept", "--force"])?;
        let (up, restored) = kept?;
        if round > 0 {
            cold.push(up);
            back.push(restored);
        }
    }
    measure::pair(
        ("`vm restore` until the guest runs on", &back),
        ("`vm start` until the guest's init", &cold),
    );
    Ok(())
}

fn against_virsh(site: &Site, ours: &Ours, uri: &str) -> Result<()> {
    let (mut own, mut theirs) = (Starts::default(), Starts::default());
    let virsh = |word: &str| Run::new(["virsh", "-q", "-c", uri, word, "domain"]).text().map(drop);
    for round in 0..=site.rounds {
        let begin = Instant::now();
        ours.run(&["vm", "start", "own"])?;
        let up = until_up(&ours.file("own", "serial.log"), begin);
        ours.run(&["vm", "stop", "own", "--force"])?;
        let up = up?;
        let log = ours.file("domain", "serial.log");
        fs::write(&log, "").context("cannot clear a log")?;
        let begin = Instant::now();
        virsh("start")?;
        let other = until_up(&log, begin);
        virsh("destroy")?;
        let other = other?;
        if round > 0 {
            own.push(up);
            theirs.push(other);
        }
    }
    pair("`vm start`", &own, "`virsh start`", &theirs);
    Ok(())
}

fn pair(ours: &str, own: &Starts, theirs: &str, other: &Starts) {
    for (to, own, other) in [
        ("until the firmware speaks", &own.firmware, &other.firmware),
        ("until the guest's init", &own.init, &other.init),
    ] {
        measure::pair((&format!("{ours} {to}"), own), (&format!("{theirs} {to}"), other));
    }
}

/// QEMU with the words of a machine that vmwright has started, its open files by name instead.
fn until_up_bare(argv: &Path, place: &Path) -> Result<(f64, f64)> {
    let text = fs::read_to_string(argv).with_context(|| format!("cannot read {}", argv.display()))?;
    let log = place.join("bare.log");
    // Who was killed leaves its sockets.
    for number in 0..10 {
        let _ = fs::remove_file(place.join(format!("bare{number}.sock")));
    }
    fs::write(&log, "").context("cannot clear a log")?;
    let mut lines = text.lines();
    let mut command = Command::new(lines.next().context("no program")?);
    while let Some(word) = lines.next() {
        if word == "-add-fd" {
            lines.next();
            continue;
        }
        let word = word.replace("/dev/fdset/1", &log.display().to_string());
        command.arg(match word.split_once(",fd=") {
            Some((before, after)) => {
                let (number, rest) = after.split_once(',').unwrap_or((after, ""));
                let socket = place.join(format!("bare{number}.sock"));
                format!("{before},path={},{rest}", socket.display())
            }
            None => word,
        });
    }
    let begin = Instant::now();
    let mut child = command.stdin(Stdio::null()).spawn().context("cannot run QEMU")?;
    let up = until_up(&log, begin);
    end(&mut child)?;
    up
}

pub(super) fn end(child: &mut Child) -> Result<()> {
    child.kill().and_then(|()| child.wait()).context("cannot end it").map(drop)
}

/// Starts many machines at once, and counts what stays beside QEMU and the guests' memory.
fn many(ours: &Ours) -> Result<()> {
    let names: Vec<String> = (0..MANY).map(|number| format!("many{number}")).collect();
    let start = |word: &str, more: &[&str]| -> Result<(f64, usize)> {
        let begin = Instant::now();
        let mut children = Vec::new();
        for name in &names {
            let mut command = ours.command(&["vm", word, name]);
            command.args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            children.push(command.spawn().context("cannot run vmwright")?);
        }
        let mut good = 0;
        for mut child in children {
            good += usize::from(child.wait().context("cannot wait")?.success());
        }
        Ok((begin.elapsed().as_secs_f64() * 1e3, good))
    };
    let (all, good) = start("start", &[])?;
    let (mut processes, mut resident) = (0_u32, 0_u64);
    for entry in fs::read_dir("/proc").context("no /proc")?.flatten() {
        let exe = fs::read_link(entry.path().join("exe")).unwrap_or_default();
        if exe == ours.bin {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            (processes, resident) = (processes + 1, resident + kib.unwrap_or(0));
        }
    }
    let (down, _) = start("stop", &["--force"])?;
    let per = resident as f64 / MANY as f64 / 1024.0;
    println!("  {MANY} machines started at once: {good} run after {all:.0} ms; ended in {down:.0} ms");
    println!("  beside QEMU there are {processes} processes of vmwright: {per:.2} MiB a machine");
    ensure!(good == MANY, "not all of them run");
    Ok(())
}

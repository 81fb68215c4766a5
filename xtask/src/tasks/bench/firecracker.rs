//! A machine of Firecracker's from the word to start it until its guest speaks: by vmwright, and by the same program with the
//! same configuration and nobody around it; and its way back from a snapshot.
//!
//! The guest is that of the backend's tests: a few instructions that every KVM runs, so that the VMM's own time is seen.

use super::start::{self, Ours};
use super::{Bench, Site, measure};
use crate::install;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

#[path = "../../../../crates/backend/tests/contract/guest.rs"]
#[allow(dead_code, reason = "the tests boot more than this one")]
mod guest;

pub(super) const BENCH: Bench = Bench {
    name: "firecracker",
    summary: "a Firecracker machine's start beside its bare program, and its way back from a snapshot",
    run,
};

/// What is to be held: so much longer may it take than the program alone.
const BAR: f64 = 1.15;
const MACHINE: &str = "tiny";

fn run(site: &Site) -> Result<()> {
    let Some(program) = install::find("firecracker") else {
        println!("  SKIPPED: no `firecracker` in PATH");
        return Ok(());
    };
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        println!("  SKIPPED: /dev/kvm: {error}");
        return Ok(());
    }
    let place = site.dir.join("firecracker");
    if place.exists() {
        fs::remove_dir_all(&place).context("cannot clear the bench's own folder")?;
    }
    fs::create_dir_all(&place).context("cannot make the bench's own folder")?;
    let spec = place.join("tiny.toml");
    let lines = guest::lines(&place, &guest::keyboard(false));
    let text = format!("name = '{MACHINE}'\nmemory.size = '32MiB'\nagent = false\n{lines}");
    fs::write(&spec, text).context("cannot write a machine")?;
    let ours = Ours { bin: site.bin.clone(), state: place.join("state") };
    ours.run(&["vm", "create", &spec.display().to_string(), "--backend", "firecracker"])?;
    against_bare(site, &ours, &program, &place)?;
    against_memory(site, &ours)
}

fn against_bare(site: &Site, ours: &Ours, program: &Path, place: &Path) -> Result<()> {
    let (mut returned, mut own, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=site.rounds {
        let started = ours.start(MACHINE, |log, begin| start::until(log, begin, guest::READY));
        ours.run(&["vm", "stop", MACHINE, "--force"])?;
        let (done, up) = started?;
        let other = alone(program, &ours.file(MACHINE, "vmm.json"), &place.join("bare.log"))?;
        // Once each for the page cache.
        if round > 0 {
            returned.push(done);
            own.push(up);
            bare.push(other);
        }
    }
    println!("  {:44} {} ms", "`vm start` returns", measure::spread(&returned));
    measure::pair(
        ("`vm start` until the guest speaks", &own),
        ("Firecracker alone until the guest speaks", &bare),
    );
    println!("  {:44} {BAR}", "bar of that ratio");
    Ok(())
}

/// Milliseconds until the guest of a bare Firecracker speaks. What it tells of itself goes elsewhere, as it does for ours: on
/// one stream it would tear the guest's words.
fn alone(program: &Path, config: &Path, log: &Path) -> Result<f64> {
    let output = File::create(log).context("cannot make a log")?;
    let own = log.with_extension("vmm");
    File::create(&own).context("cannot make a log")?;
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(["--no-api", "--level", "Info", "--log-path"])
        .arg(&own)
        .arg("--config-file")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run Firecracker")?;
    let up = start::until(log, begin, guest::READY);
    start::end(&mut child)?;
    up
}

/// A guest that comes back from its memory, beside one that boots.
fn against_memory(site: &Site, ours: &Ours) -> Result<()> {
    let log = ours.file(MACHINE, "serial.log");
    let (mut back, mut cold) = (Vec::new(), Vec::new());
    for round in 0..=site.rounds {
        let begin = Instant::now();
        ours.run(&["vm", "start", MACHINE])?;
        let up = start::until(&log, begin, guest::READY);
        let kept = up.and_then(|up| {
            if round == 0 {
                ours.run(&["vm", "snapshot", MACHINE, "up"])?;
            }
            let begin = Instant::now();
            ours.run(&["vm", "restore", MACHINE, "up"])?;
            Ok((up, begin.elapsed().as_secs_f64() * 1e3))
        });
        ours.run(&["vm", "stop", MACHINE, "--force"])?;
        match kept {
            Ok((up, restored)) if round > 0 => {
                cold.push(up);
                back.push(restored);
            }
            Ok(_) => {}
            Err(error) => {
                println!("  not measured back from its memory: {error:#}");
                return Ok(());
            }
        }
    }
    measure::pair(
        ("`vm restore` until the guest runs on", &back),
        ("`vm start` until the guest speaks", &cold),
    );
    Ok(())
}

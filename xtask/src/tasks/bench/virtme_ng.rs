//! From the word to start a guest until its first program speaks: by vmwright, and by virtme-ng of the same kernel.
//!
//! QEMU translates for both (TCG). virtme-ng shows the host's own files to its guest, for which it loads drivers first; what
//! vmwright starts has them in its initramfs.

use super::start::{self, INIT, Ours};
use super::{Bench, Site, measure};
use crate::install;
use crate::kernel::{self, Kernel};
use crate::run::Run;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const BENCH: Bench = Bench {
    name: "virtme-ng",
    summary: "a machine's start until its guest's first program, beside virtme-ng",
    run,
};

/// How virtme-ng's first program in the guest begins to speak. Its name alone stands in the kernel's command line too.
const THEIRS: &str = "virtme-ng-init: ";
/// Each takes seconds.
const ROUNDS: usize = 5;

fn run(site: &Site) -> Result<()> {
    let Some(program) = install::find("vng") else {
        println!("  SKIPPED: no `vng` in PATH");
        return Ok(());
    };
    let kernel = kernel::ensure()?;
    let (image, initrd) = start::guest()?;
    let place = site.dir.join("virtme-ng");
    if place.exists() {
        fs::remove_dir_all(&place).context("cannot clear the bench's own folder")?;
    }
    fs::create_dir_all(&place).context("cannot make the bench's own folder")?;
    let spec = place.join("own.toml");
    fs::write(&spec, start::translated("own", &start::booting(&image, &initrd)))
        .context("cannot write a machine")?;
    let ours = Ours { bin: site.bin.clone(), state: place.join("state") };
    ours.run(&["vm", "create", &spec.display().to_string()])?;
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=site.rounds.min(ROUNDS) {
        let other = match beside(&program, &kernel, &place) {
            Ok(other) => other,
            Err(error) => {
                println!("  not measured: {error:#}");
                return Ok(());
            }
        };
        let started = ours.start("own", |log, begin| start::until(log, begin, INIT));
        ours.run(&["vm", "stop", "own", "--force"])?;
        let (_, up) = started?;
        // Once each for the page cache.
        if round > 0 {
            own.push(up);
            theirs.push(other);
        }
    }
    measure::pair(
        ("`vm start` until the guest's init", &own),
        ("`vng --run` until the guest's init", &theirs),
    );
    Ok(())
}

/// Milliseconds until the first program of virtme-ng's guest speaks.
fn beside(program: &Path, kernel: &Kernel, place: &Path) -> Result<f64> {
    // It finds a kernel's drivers by this list.
    if !kernel.modules.join("modules.dep").exists() {
        let root = kernel.modules.ancestors().nth(3).context("a kernel's drivers lie below no root")?;
        let release = kernel.modules.file_name().context("a kernel's drivers have no release")?;
        Run::new(["depmod", "-b"]).args([root.as_os_str(), release]).text()?;
    }
    let log = place.join("vng.log");
    let output = File::create(&log).context("cannot make a log")?;
    let begin = Instant::now();
    let mut child = Command::new(program)
        .arg("--run")
        .arg(&kernel.image)
        .args([
            "--disable-kvm",
            "--force-initramfs",
            "--memory",
            "160M",
            "--cpus",
            "1",
            "--verbose",
            "--exec",
            "true",
        ])
        .stdin(Stdio::null())
        .stdout(output.try_clone().context("cannot give a log twice")?)
        .stderr(output)
        .spawn()
        .context("cannot run virtme-ng")?;
    let spoken = || fs::read(&log).is_ok_and(|text| String::from_utf8_lossy(&text).contains(THEIRS));
    while !spoken() {
        if let Some(status) = child.try_wait().context("cannot wait for virtme-ng")? {
            let said = fs::read(&log).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            bail!("virtme-ng ended with {status}, and at last said `{last}`");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let up = begin.elapsed().as_secs_f64() * 1e3;
    child.wait().context("cannot wait for virtme-ng")?;
    Ok(up)
}

//! A thousand captures of 1 MB in one folder: how many a second a core, and whether the memory stays flat.
//!
//! They are what `vmwright capture` writes of this host, with a kernel log that makes them 1 MB; so many of them have a log of
//! their own as [`HOSTS`] says. What else a fleet's hosts have of their own (addresses, serial numbers) is the same in all.

use super::measure::{self, Figures};
use super::{Bench, Site};
use crate::progress::Step;
use crate::run::Run;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const BENCH: Bench =
    Bench { name: "captures", summary: "1,000 captures of 1 MB in one folder, beside 100 of them", run };

/// Bytes of a capture, unpacked.
const SIZE: usize = 1_000_000;

/// Captures with a kernel log of their own.
const HOSTS: usize = 100;

/// Rounds; each takes seconds.
const ROUNDS: usize = 3;

fn run(site: &Site) -> Result<()> {
    let step = Step::begin(format!("captures of {HOSTS} hosts"));
    let captures = (0..HOSTS).map(|host| captured(site, host, &step)).collect::<Result<Vec<_>>>()?;
    step.done();
    let mut figures = [(100_u16, Figures::default()), (1_000, Figures::default())];
    for (count, _) in &figures {
        let folder = site.dir.join(format!("captures-{count}"));
        fs::create_dir_all(&folder)?;
        for number in 0..usize::from(*count) {
            let path = folder.join(format!("host-{number:04}.tar.gz"));
            let _ = fs::remove_file(&path);
            fs::hard_link(&captures[number % HOSTS], path)?;
        }
    }
    for _ in 0..ROUNDS {
        for (count, figures) in &mut figures {
            let folder = site.dir.join(format!("captures-{count}")).display().to_string();
            measure::once(&site.vmwright(&["analyze", "--from", &folder, "--format", "jsonl"]), figures)?;
        }
    }
    for (count, figures) in &figures {
        let (wall, cpu) = (measure::middle(&figures.wall) / 1e3, measure::middle(&figures.cpu) / 1e3);
        println!(
            "  {count:5} captures: {:.0} a second, {:.0} a second of processor time, {:.2} processors busy, peak {:.0} MiB",
            f64::from(*count) / wall,
            f64::from(*count) / cpu,
            cpu / wall,
            figures.peak as f64 / 1024.0
        );
    }
    Ok(())
}

/// A capture of this host, with a kernel log that makes it 1 MB. Made once for each build of the program.
///
/// # Errors
/// The program makes none, or `tar` cannot pack it.
pub(super) fn capture(site: &Site) -> Result<PathBuf> {
    let step = Step::begin("a capture of this host".to_owned());
    let packed = captured(site, 0, &step)?;
    step.done();
    Ok(packed)
}

/// The same; each `host` has a log of its own.
fn captured(site: &Site, host: usize, step: &Step) -> Result<PathBuf> {
    let packed = site.dir.join(format!("capture-{host}.tar.gz"));
    let newer = |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    if newer(&packed) > newer(&site.bin) {
        return Ok(packed);
    }
    let (raw, open) = (site.dir.join("raw.tar.gz"), site.dir.join("open"));
    if host == 0 {
        let _ = (fs::remove_file(&raw), fs::remove_dir_all(&open));
        fs::create_dir_all(&open)?;
        let made = raw.display().to_string();
        // What this user may not read is missing in it, which is no trouble here.
        measure::once(&site.vmwright(&["capture", "-o", &made]), &mut Figures::default())?;
        Run::new(["tar", "-xzf", &made, "--strip-components=1", "-C"]).args([&open]).quiet(step)?;
        fs::rename(open.join(LOG), site.dir.join("dmesg"))?;
    }
    let mut log = fs::read_to_string(site.dir.join("dmesg"))?;
    let _ = fs::remove_file(open.join(LOG));
    let size = texts(&open)?;
    let mut number = host as u64;
    while log.len() + size < SIZE {
        number += 1;
        let port = number % 32;
        let _ = writeln!(
            log,
            "[{number:>5}.{:06}] br0: port {port}(vnet{port}) entered disabled state",
            number * 7 % 999_983
        );
    }
    fs::write(open.join(LOG), &log)?;
    let index = open.join("vmwright.json");
    fs::write(&index, with_size(&fs::read_to_string(&index)?, "dmesg", log.len())?)?;
    // The index comes first, as vmwright writes it.
    Run::new(["tar", "--sort=name", "--transform=s,^,host/,", "-czf"])
        .args([&packed])
        .args(["-C"])
        .args([&open])
        .args(["vmwright.json", "--exclude=./vmwright.json", "."])
        .quiet(step)?;
    packed.canonicalize().context("the capture")
}

/// Where a capture has the kernel's log.
const LOG: &str = "sos_commands/kernel/dmesg";

/// A capture's index, in which a source has another size.
fn with_size(index: &str, source: &str, bytes: usize) -> Result<String> {
    let mut index: serde_json::Value = serde_json::from_str(index)?;
    let sources = index["sources"].as_array_mut().context("an index names its sources")?;
    let found = sources.iter_mut().find(|one| one["source"] == source);
    found.with_context(|| format!("the index names `{source}`"))?["bytes"] = bytes.into();
    Ok(serde_json::to_string_pretty(&index)?)
}

/// Bytes of the files under `folder`. What the folders themselves take is no text that anybody reads, and in a capture
/// of many small files it is a third of what `du` counts.
fn texts(folder: &Path) -> Result<usize> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        sum += match meta.file_type() {
            kind if kind.is_dir() => texts(&entry.path())?,
            kind if kind.is_file() => meta.len() as usize,
            _ => 0,
        };
    }
    Ok(sum)
}

//! `vmwright review` on disks that may be overwritten: one that keeps what is written, one that somebody else writes to, and
//! those that are not to be written to.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;
#[path = "common/web.rs"]
mod web;

use common::Site;
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use web::{fails, gone};

const MIB: u64 = 1 << 20;

/// Starts `web` with a disk of 8 MiB, of which the specification says this beside its path.
fn started(site: &Site, parts: &support::Parts, disk: &Path, more: &str) {
    let disk = format!("[[disk]]\npath = '{}'\nformat = 'raw'\n{more}", disk.display());
    web::started(site, parts, "", &disk);
}

fn disks(site: &Site) -> Value {
    let done = site.call(&["review", "web", "--gates", "boot,disks", "--format", "json"]);
    done.json()["review"]["gates"][1].clone()
}

#[test]
fn a_disk_that_may_be_overwritten_keeps_what_is_written_or_fails() {
    let test = "a_disk_that_may_be_overwritten_keeps_what_is_written_or_fails";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let disk = site.path("free.raw");
    let filled = |path: &Path| fs::write(path, vec![7; 8 * MIB as usize]).unwrap();
    filled(&disk);
    let free = format!("discard = 'unmap'\n[review]\noverwrite = ['{}']\n", disk.display());
    started(&site, parts, &disk, &free);
    let good = disks(&site);
    assert_eq!(good["verdict"], "pass", "{good:#}");
    assert_eq!(good["tables"][0]["rows"][0][2], "3 of 3 places of 32 KiB", "{good:#}");
    // The host finds what the guest wrote in the middle, and what nobody wrote beside it; the begin was given back.
    let bytes = fs::read(&disk).unwrap();
    let at = |place: u64| bytes[usize::try_from(place).unwrap()];
    assert!(bytes[4 << 20..][..32768].iter().any(|byte| *byte != 7));
    assert_eq!((at(0), at(2 * MIB), at(6 * MIB)), (0, 7, 7));

    // Somebody else writes to the same image all the time.
    let over = AtomicBool::new(false);
    let bad = thread::scope(|scope| {
        scope.spawn(|| {
            let other = File::options().write(true).open(&disk).unwrap();
            while !over.load(Ordering::Relaxed) {
                other.write_all_at(&[9; 4096], 4 * MIB).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        });
        let bad = disks(&site);
        over.store(true, Ordering::Relaxed);
        bad
    });
    fails(&bad, "at byte 4194304 the guest reads other bytes than it wrote");
    gone(&site);
}

#[test]
fn a_disk_that_may_not_be_overwritten_or_is_not_known_is_left_alone() {
    let test = "a_disk_that_may_not_be_overwritten_or_is_not_known_is_left_alone";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let (disk, twin) = (site.path("own.raw"), site.path("twin.raw"));
    for path in [&disk, &twin] {
        fs::write(path, vec![7; 8 * MIB as usize]).unwrap();
    }
    started(&site, parts, &disk, "");
    assert_eq!(disks(&site)["verdict"], "not-applicable");
    gone(&site);
    // Two of one size, and nothing that tells them apart.
    let more = format!(
        "[[disk]]\npath = '{}'\nformat = 'raw'\n[review]\noverwrite = ['{}', '/nonexistent.raw']\n",
        twin.display(),
        twin.display()
    );
    started(&site, parts, &disk, &more);
    let gate = disks(&site);
    let why = gate["why"].as_str().unwrap();
    assert!(gate["verdict"] == "unknown" && why.contains("several are of its size"), "{gate:#}");
    assert!(why.contains("/nonexistent.raw: the specification has no such disk"), "{gate:#}");
    for path in [&disk, &twin] {
        assert!(fs::read(path).unwrap().iter().all(|byte| *byte == 7), "{} was written to", path.display());
    }
    gone(&site);
}

#[test]
fn writes_to_a_free_disk_are_measured_and_a_disk_that_is_held_back_is_noticed() {
    let test = "writes_to_a_free_disk_are_measured_and_a_disk_that_is_held_back_is_noticed";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let disk = site.path("free.raw");
    fs::write(&disk, vec![7; 8 * MIB as usize]).unwrap();
    let measured = |words: &[&str]| {
        let all = ["review", "web", "--gates", "performance", "--format", "json"];
        site.call(&[&all[..], words].concat()).json()["review"]["gates"][0].clone()
    };
    let has = |gate: &Value, name: &str| {
        gate["measurements"].as_array().unwrap().iter().any(|one| one["name"] == name)
    };
    // One that is not free is read alone.
    started(&site, parts, &disk, "");
    let kept = measured(&[]);
    assert!(has(&kept, "disk reads") && !has(&kept, "disk writes"), "{kept:#}");
    assert!(fs::read(&disk).unwrap().iter().all(|byte| *byte == 7));
    gone(&site);

    // What even a busy machine writes, and what neither limit lets through: a mebibyte a second, and 20 writes a second.
    let demands = |mib_s: u32, us: u32| {
        let free = format!("[review]\noverwrite = ['{}']\n", disk.display());
        format!("{free}disk_write_mib_s = {mib_s}\ndisk_write_us = {us}\n")
    };
    started(&site, parts, &disk, &demands(1, 1_000_000));
    let before = measured(&[]);
    assert_eq!(before["verdict"], "pass", "{before:#}");
    assert!(has(&before, "disk writes") && has(&before, "disk write latency, 99th percentile"), "{before:#}");
    assert!(fs::read(&disk).unwrap().contains(&0xa5));
    gone(&site);

    let limits = "limits = { write_bytes = 1048576, write_iops = 20 }\n";
    started(&site, parts, &disk, &format!("{limits}{}", demands(4, 45_000)));
    let held = measured(&["--baseline", "last"]);
    for (name, demanded) in
        [("disk writes", "at least 4"), ("disk write latency, 99th percentile", "at most 45000")]
    {
        fails(&held, &format!("{name}: the median lies between"));
        fails(&held, &format!("the specification demands {demanded}"));
    }
    fails(&held, "disk writes: -");
    gone(&site);
}

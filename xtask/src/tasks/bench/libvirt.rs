//! Machines by way of libvirt, beside virsh on the same daemon: one of the bench's own, in a mount namespace of its
//! own, with 500 domains.

use super::{Bench, Site, measure};
use crate::daemon::with_daemon;
use crate::run::Run;
use anyhow::{Context as _, Result};
use std::fs;

pub(super) const BENCH: Bench = Bench {
    name: "libvirt",
    summary: "500 domains listed, one started and ended, beside `virsh` on the same daemon",
    run,
};

fn run(site: &Site) -> Result<()> {
    let place = site.dir.join("libvirt");
    with_daemon(&place, 500, |uri| compare(site, &place, uri))
}

/// A state of the bench's own that knows the daemon by one machine on it, `bench`: the other benches list no daemon. Gives the
/// beginning of a call that uses it.
pub(super) fn known(site: &Site, place: &std::path::Path, uri: &str) -> Result<Vec<String>> {
    let (disk, spec) = (place.join("disk.raw"), place.join("bench.toml"));
    fs::write(&disk, [0; 4096]).context("cannot write the bench's disk")?;
    let text = format!(
        "name = 'bench'\naccelerator = 'tcg'\nmemory.size = '32MiB'\n[[disk]]\npath = '{}'\nformat = 'raw'\n",
        disk.display()
    );
    fs::write(&spec, text).context("cannot write the bench's machine")?;
    let state = place.join("state").display().to_string();
    let begin = vec![site.bin.display().to_string(), "--state".to_owned(), state];
    Run::new(&begin).args(["vm", "create", &spec.display().to_string(), "--backend", uri]).text()?;
    Ok(begin)
}

fn compare(site: &Site, place: &std::path::Path, uri: &str) -> Result<()> {
    let begin = known(site, place, uri)?;
    let vmwright = |words: &[&str]| -> Vec<String> {
        begin.iter().cloned().chain(words.iter().map(|word| (*word).to_owned())).collect()
    };
    let virsh = |words: &[&str]| -> Vec<String> {
        ["virsh", "-c", uri].iter().chain(words).map(|word| (*word).to_owned()).collect()
    };
    measure::compare(
        site.rounds,
        ("vmwright vm list", &vmwright(&["vm", "list"])),
        ("virsh list --all", &virsh(&["list", "--all"])),
    )?;
    // A start and an end in one shell: a machine can be started once only. One that fails ends the measuring.
    let both = |one: Vec<String>, other: Vec<String>| -> Vec<String> {
        let quoted =
            |words: Vec<String>| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        vec![
            "sh".to_owned(),
            "-c".to_owned(),
            format!("{} && {} || kill -KILL $$", quoted(one), quoted(other)),
        ]
    };
    measure::compare(
        site.rounds,
        (
            "vmwright vm start, vm stop --force",
            &both(vmwright(&["vm", "start", "bench"]), vmwright(&["vm", "stop", "bench", "--force"])),
        ),
        ("virsh start, virsh destroy", &both(virsh(&["start", "bench"]), virsh(&["destroy", "bench"]))),
    )
}

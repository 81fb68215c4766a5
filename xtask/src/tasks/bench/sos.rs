//! A sos report, unpacking included, beside insights-core with a few of its parsers.

use super::{Bench, Site, measure};
use crate::install::{self, Wanted};
use crate::progress::Step;
use crate::run::Run;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const BENCH: Bench =
    Bench { name: "sos", summary: "a sos report of this host, beside `insights run` with six parsers", run };

/// What is asked of sos.
const PLUGINS: &str =
    "kvm,libvirt,processor,memory,kernel,pci,networking,filesys,block,lvm2,devices,hardware";

/// The peer, from PyPI, into an environment of its own.
const INSIGHTS: &str = "insights-core==3.8.*";

/// What is asked of the peer.
const PARSERS: &str = "insights.parsers.cpuinfo,insights.parsers.meminfo,insights.parsers.uname,\
                       insights.parsers.lsmod,insights.parsers.lspci,insights.parsers.df";

fn run(site: &Site) -> Result<()> {
    install::ensure(&[
        Wanted { program: "sos", package: "sosreport" },
        Wanted { program: "python3", package: "python3-venv" },
    ])?;
    let archive = archive(&site.dir.join("sos"))?.display().to_string();
    let insights = insights(&site.dir.join("insights"))?.display().to_string();
    let ours = site.vmwright(&["analyze", "--from", &archive, "--format", "json"]);
    let theirs = [&insights, "run", "-p", PARSERS, &archive].map(str::to_owned);
    measure::compare(site.rounds, ("vmwright analyze", &ours), ("insights run", &theirs))
}

/// A report of this host, made once.
fn archive(dir: &Path) -> Result<PathBuf> {
    let found = || {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.into_iter().find(|path| path.to_string_lossy().ends_with(".tar.xz"))
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    fs::create_dir_all(dir)?;
    let step = Step::begin("sos report".to_owned());
    let dir = dir.display().to_string();
    let words = ["sos", "report", "--batch", "-z", "xz", "-o", PLUGINS, "--tmp-dir", &dir];
    Run::new(words).quiet(&step)?;
    step.done();
    found().context("sos made no archive")
}

/// The peer's program, installed once.
fn insights(dir: &Path) -> Result<PathBuf> {
    let program = dir.join("bin/insights");
    if !program.is_file() {
        let step = Step::begin(format!("installing {INSIGHTS}"));
        Run::new(["python3", "-m", "venv"]).args([dir]).quiet(&step)?;
        Run::new([dir.join("bin/pip")]).args(["install", "--quiet", INSIGHTS]).quiet(&step)?;
        step.done();
    }
    Ok(program)
}

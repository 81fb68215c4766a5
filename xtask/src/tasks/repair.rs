//! `cargo xtask repair`: real faults in a lab, named and repaired by vmwright as a user would have it done.
//!
//! `proofs/NAME.sh` is the other way round: a script that shows in the lab what vmwright can do there.
//!
//! `faults/AREA/NAME` holds a fault as data: `fault.toml` with what the user says, the cause, and what its repair may
//! change; `break.sh`, which breaks a healthy lab; `works.sh`, which ends well where it works again. Each begins in the
//! same snapshot. What a repair changed is told by `faults/state.sh`, before and after.

mod bench;
mod fault;
mod lab;
mod proof;
mod report;
mod state;

use super::Task;
use crate::progress::Step;
use crate::run::Run;
use crate::{install, workspace};
use anyhow::{Context as _, Result, bail, ensure};
use bench::Bench;
use fault::Fault;
use proof::Proof;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const TASK: Task = Task {
    name: "repair",
    usage: "[--only AREA|NAME | --prove NAME] [--vmwright FILE] [--lab NAME] [--keep]",
    summary: "breaks a lab, lets vmwright name and repair it, and tells how often it did",
    run,
};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// Areas, names or `area/name`; all where empty.
    only: Vec<String>,
    /// Names of proofs, instead of faults: `proofs/NAME.sh`.
    prove: Vec<String>,
    /// The program that brings the lab up and runs in it; a release build where absent.
    vmwright: Option<PathBuf>,
    /// The lab's name; one of this name that is up goes down.
    lab: String,
    /// Whether the lab stays up afterwards, for a look.
    keep: bool,
}

fn run(args: &[String]) -> Result<ExitCode> {
    let wanted = Wanted::read(args)?;
    let faults = fault::all(&workspace::root().join("faults"))?;
    let chosen: Vec<&Fault> = faults.iter().filter(|fault| fault.is_one_of(&wanted.only)).collect();
    ensure!(!chosen.is_empty(), "no fault is called {}", wanted.only.join(", "));
    for (program, package) in [("mmdebstrap", "mmdebstrap"), ("qemu-system-x86_64", "qemu-system-x86")] {
        ensure!(install::find(program).is_some(), "the lab needs `{program}`: `apt install {package}`");
    }
    let program = match wanted.vmwright {
        Some(path) => path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?,
        None => release()?,
    };
    let proofs = wanted.prove.iter().map(|name| Proof::open(name)).collect::<Result<Vec<_>>>()?;
    if !proofs.is_empty() {
        let mut all = true;
        for proof in &proofs {
            // Each has labs of its own: what one leaves is nothing to the next.
            all &= Bench::set(&program, &wanted.lab, proof.nodes, wanted.keep)?.prove(proof)?;
        }
        return Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    // Faults of one lab first, then those of several nodes.
    let mut results = Vec::new();
    for nodes in chosen.iter().map(|fault| fault.nodes).collect::<BTreeSet<_>>() {
        let bench = Bench::set(&program, &wanted.lab, nodes, wanted.keep)?;
        bench.ready()?;
        // What the bench itself stumbles over is told of its fault, and the others are tried all the same.
        let here = chosen.iter().filter(|fault| fault.nodes == nodes);
        results.extend(here.map(|fault| bench.try_one(fault)));
    }
    let text = report::text(&results);
    print!("\n{text}");
    let kept = workspace::cache().join(format!("{}.txt", wanted.lab));
    std::fs::write(&kept, &text).with_context(|| format!("cannot write {}", kept.display()))?;
    println!("kept as {}", kept.display());
    Ok(if results.iter().all(|result| result.good()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Wanted {
    fn read(args: &[String]) -> Result<Self> {
        let mut wanted = Self {
            only: Vec::new(),
            prove: Vec::new(),
            vmwright: None,
            lab: "repair".to_owned(),
            keep: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--only" => wanted.only.extend(value()?.split(',').map(str::to_owned)),
                "--prove" => wanted.prove.extend(value()?.split(',').map(str::to_owned)),
                "--vmwright" => wanted.vmwright = Some(value()?.into()),
                "--lab" => wanted.lab = value()?.clone(),
                "--keep" => wanted.keep = true,
                other => bail!("unexpected argument `{other}`"),
            }
        }
        Ok(wanted)
    }
}

/// The program as it is shipped: under TCG an unoptimised one would take minutes for an analysis.
fn release() -> Result<PathBuf> {
    let step = Step::begin("building vmwright as it is shipped: once, some minutes");
    let root = workspace::root();
    let cargo = workspace::cargo();
    Run::new([cargo.as_str(), "build", "--package", "vmwright-cli"])
        .args(["--release"])
        .dir(&root)
        .quiet(&step)?;
    step.done();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Ok(root.join(target).join("release/vmwright"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed() {
        let read =
            |words: &[&str]| Wanted::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let wanted = read(&["--only", "kvm,vfio/group-not-viable", "--keep"]).unwrap();
        assert_eq!((wanted.only.len(), wanted.keep, wanted.vmwright), (2, true, None));
        assert_eq!(wanted.lab, "repair");
        assert!(read(&["--only"]).is_err() && read(&["kvm"]).is_err());
    }

    #[test]
    fn every_fault_of_the_project_can_be_read() {
        let faults = fault::all(&workspace::root().join("faults")).unwrap();
        assert!(faults.len() >= 12, "{}", faults.len());
    }
}

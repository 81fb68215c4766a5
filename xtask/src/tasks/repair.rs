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
use crate::{install, program, workspace};
use anyhow::{Context as _, Result, bail, ensure};
use bench::Bench;
use fault::Fault;
use proof::Proof;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const TASK: Task = Task {
    name: "repair",
    usage: "[--only AREA|NAME | --ci | --prove NAME] [--vmwright FILE] [--lab NAME] [--keep]",
    summary: "breaks a lab, lets vmwright name and repair it, and tells how often it did",
    run,
};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// Areas, names or `area/name`; all where empty.
    only: Vec<String>,
    /// Those that CI runs.
    ci: bool,
    /// Names of proofs, instead of faults: `proofs/NAME.sh`.
    prove: Vec<String>,
    /// The program that brings the lab up and runs in it; a release build where absent.
    vmwright: Option<PathBuf>,
    /// The lab's name; one of this name that is up goes down.
    lab: String,
    /// Whether the lab stays up afterwards, for a look.
    keep: bool,
}

/// The choice of CI, with the program that its tests have built: a build of its own would choose other features of the
/// libraries, and take a minute.
///
/// # Errors
/// When one of them is not named or not repaired, or the lab does not come up.
pub(crate) fn check() -> Result<()> {
    let built = workspace::target().join("debug/vmwright");
    let wanted = Wanted { ci: true, vmwright: Some(built), ..Wanted::read(&[])? };
    ensure!(tried(wanted)?, "see the faults above");
    Ok(())
}

fn run(args: &[String]) -> Result<ExitCode> {
    let good = tried(Wanted::read(args)?)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether all went well.
fn tried(wanted: Wanted) -> Result<bool> {
    let faults = fault::all(&workspace::root().join("faults"))?;
    let mut chosen: Vec<&Fault> =
        faults.iter().filter(|fault| fault.is_one_of(&wanted.only) && (fault.ci || !wanted.ci)).collect();
    ensure!(!chosen.is_empty(), "no fault is called {}", wanted.only.join(", "));
    chosen.retain(|fault| match fault.programs.iter().find(|program| install::find(program).is_none()) {
        Some(program) => {
            println!("SKIPPED {}: no `{program}` in PATH", fault.name);
            false
        }
        None => true,
    });
    for (program, package) in [("mmdebstrap", "mmdebstrap"), ("qemu-system-x86_64", "qemu-system-x86")] {
        ensure!(install::find(program).is_some(), "the lab needs `{program}`: `apt install {package}`");
    }
    let program = match wanted.vmwright {
        Some(path) => path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?,
        // Under TCG an unoptimised one would take minutes for an analysis.
        None => program::shipped()?,
    };
    let proofs = wanted.prove.iter().map(|name| Proof::open(name)).collect::<Result<Vec<_>>>()?;
    if !proofs.is_empty() {
        let mut all = true;
        for proof in &proofs {
            // Each has labs of its own: what one leaves is nothing to the next.
            all &= Bench::set(&program, &wanted.lab, proof.nodes, wanted.keep)?.prove(proof)?;
        }
        return Ok(all);
    }
    // Faults of one lab first, then those of several nodes.
    let mut results = Vec::new();
    for nodes in chosen.iter().map(|fault| fault.nodes).collect::<BTreeSet<_>>() {
        let here = || chosen.iter().filter(|fault| fault.nodes == nodes);
        let bench = Bench::set(&program, &wanted.lab, nodes, wanted.keep)?;
        bench.ready(here().flat_map(|fault| &fault.programs).collect())?;
        // What the bench itself stumbles over is told of its fault, and the others are tried all the same.
        results.extend(here().map(|fault| bench.try_one(fault)));
    }
    let text = report::text(&results);
    print!("\n{text}");
    let kept = workspace::cache().join(format!("{}.txt", wanted.lab));
    std::fs::write(&kept, &text).with_context(|| format!("cannot write {}", kept.display()))?;
    println!("kept as {}", kept.display());
    Ok(results.iter().all(|result| result.good()))
}

impl Wanted {
    fn read(args: &[String]) -> Result<Self> {
        let mut wanted = Self {
            only: Vec::new(),
            ci: false,
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
                "--ci" => wanted.ci = true,
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
        let ci = faults.iter().filter(|fault| fault.ci);
        let areas: BTreeSet<_> =
            ci.filter_map(|fault| fault.name.split_once('/')).map(|(area, _)| area).collect();
        assert!(areas.len() >= 10, "CI runs faults of {areas:?} alone");
    }
}

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
use bench::{Bench, Tried};
use fault::Fault;
use proof::Proof;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, thread};

pub(crate) const TASK: Task = Task {
    name: "repair",
    usage: "[--only AREA|NAME | --ci | --prove NAME] [--vmwright FILE] [--lab NAME] [--at-once N] [--keep]",
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
    /// How many labs are up at once, each with another fault.
    at_once: usize,
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
    // Each has two processors, and 3 GiB of memory: on two processors, two at once took twice the time.
    let at_once = thread::available_parallelism().map_or(1, |count| (count.get() / 2).clamp(1, 4));
    let wanted = Wanted { ci: true, vmwright: Some(built), at_once, ..Wanted::read(&[])? };
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
    let program = match &wanted.vmwright {
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
        let here: Vec<&Fault> = chosen.iter().copied().filter(|fault| fault.nodes == nodes).collect();
        results.extend(try_all(&here, nodes, &program, &wanted)?);
    }
    let text = report::text(&results);
    print!("\n{text}");
    let kept = workspace::cache().join(format!("{}.txt", wanted.lab));
    std::fs::write(&kept, &text).with_context(|| format!("cannot write {}", kept.display()))?;
    println!("kept as {}", kept.display());
    Ok(results.iter().all(|result| result.good()))
}

/// Tries faults, in as many labs at once as are wanted. What the bench itself stumbles over is told of its fault, and the
/// others are tried all the same.
fn try_all(faults: &[&Fault], nodes: Option<u32>, program: &Path, wanted: &Wanted) -> Result<Vec<Tried>> {
    let next = AtomicUsize::new(0);
    let lab = |name: String| {
        let bench = Bench::set(program, &name, nodes, wanted.keep)?;
        bench.ready(faults.iter().flat_map(|fault| &fault.programs).collect())?;
        let take = || faults.get(next.fetch_add(1, Ordering::Relaxed));
        Ok(iter::from_fn(take).map(|fault| bench.try_one(fault)).collect::<Vec<_>>())
    };
    let mut results = thread::scope(|scope| {
        let names = (1..=wanted.at_once.clamp(1, faults.len())).map(|number| match number {
            1 => wanted.lab.clone(),
            _ => format!("{}{number}", wanted.lab),
        });
        let labs: Vec<_> = names.map(|name| scope.spawn(|| lab(name))).collect();
        labs.into_iter().map(|lab| lab.join().expect("a bench does not panic")).collect::<Result<Vec<_>>>()
    })?
    .concat();
    results.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(results)
}

impl Wanted {
    fn read(args: &[String]) -> Result<Self> {
        let mut wanted = Self {
            only: Vec::new(),
            ci: false,
            prove: Vec::new(),
            vmwright: None,
            lab: "repair".to_owned(),
            at_once: 1,
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
                "--at-once" => {
                    let value = value()?;
                    wanted.at_once =
                        value.parse().with_context(|| format!("`{value}` is no number of labs"))?;
                }
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
        assert_eq!(read(&["--at-once", "2"]).unwrap().at_once, 2);
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

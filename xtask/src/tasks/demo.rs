//! The main job, told on this machine with nothing faked: a VM that does not start for several reasons at once is
//! analysed, repaired as approved, reviewed, remembered, and everything is given back as it was.

mod setup;
mod stage;

use super::Task;
use crate::progress::Step;
use crate::run::Run;
use crate::{guest, install, kernel, workspace};
use anyhow::{Result, bail, ensure};
use stage::Stage;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const TASK: Task = Task {
    name: "demo",
    usage: "",
    summary: "Tell the main job on this machine: analyse, plan, approve, repair, review, undo",
    run,
};

/// Exit statuses of vmwright, as its help names them.
const CLEAN: i32 = 0;
const FINDINGS: i32 = 1;
const REFUSED: i32 = 4;

/// What the user of the story says.
const COMPLAINT: &str = "web does not start any more since I moved its disk: it says something about a lock";

fn run(args: &[String]) -> Result<ExitCode> {
    if let Some(arg) = args.first() {
        bail!("unexpected argument `{arg}`");
    }
    demo(build).map(|()| ExitCode::SUCCESS)
}

/// The whole story, by the programs in the folder that `build` gives. Fails where vmwright does not do what it says.
///
/// # Errors
/// What went otherwise, or cannot be had on this machine.
pub(crate) fn demo(build: fn() -> Result<PathBuf>) -> Result<()> {
    install::ensure(install::FOR_VMS)?;
    let kernel = kernel::ensure()?;
    let probe = guest::ensure()?;
    let programs = build()?;
    Run::new([programs.join("vmwright-initramfs"), probe, setup::boot_files()])
        .env("VMWRIGHT_TEST_KERNEL", &kernel.image)
        .env("VMWRIGHT_TEST_MODULES", &kernel.modules)
        .show()?;
    let began = Instant::now();
    let mut stage = Stage::set(programs.join("vmwright"))?;
    setup::machines(&mut stage)?;
    tell(&mut stage)?;
    let report = stage.clear()?;
    println!(
        "\nThe story took {:.0} s. Nothing is left but {}.",
        began.elapsed().as_secs_f64(),
        stage.place.display()
    );
    println!("The review's report: {}", report.display());
    Ok(())
}

/// Builds the program and what packs the guest's kernel and initramfs, and no more. Gives their folder.
fn build() -> Result<PathBuf> {
    let step = Step::begin("building vmwright");
    let cargo = workspace::cargo();
    Run::new([cargo.as_str(), "build", "--package", "vmwright-cli", "--package", "vmwright-guest", "--bins"])
        .dir(workspace::root())
        .quiet(&step)?;
    step.done();
    Ok(workspace::target().join("debug"))
}

fn tell(stage: &mut Stage) -> Result<()> {
    stage.chapter("Why? Every cause, each with its proof");
    let text = stage.show(&["analyze", "--vm", "web", COMPLAINT], FINDINGS)?;
    for cause in &stage.causes {
        ensure!(text.contains(cause), "the analysis does not name {cause}");
    }

    stage.chapter("A plan, and nothing happens without an approval");
    stage.show(&["plan", "--vm", "web"], CLEAN)?;
    let first = stage.plan()?;
    stage.show(&["preview", &first[..12]], CLEAN)?;
    stage.show(&["apply", &first[..12]], REFUSED)?;

    stage.chapter("Approved, but somebody else changes the host in the middle: stop, undo, back to analysis");
    stage.approve(&first)?;
    drifting(stage, |stage| stage.show(&["apply", &first[..12]], REFUSED).map(drop))?;

    stage.chapter("A new plan for the host as it is now; only its own approval serves");
    stage.show(&["plan", "--vm", "web"], CLEAN)?;
    let second = stage.plan()?;
    ensure!(first != second, "the host has changed, so the plan must");
    stage.lend_approval(&first, &second)?;
    stage.show(&["apply", &second[..12]], REFUSED)?;
    let edited = stage.edited_plan(&second)?;
    stage.show(&["apply", &edited], REFUSED)?;
    stage.approve(&second)?;
    let before = stage.digest()?;
    stage.apply(&second)?;

    stage.chapter("Review: prove on the running VM that it works");
    stage.review("web")?;

    stage.chapter("What was learned");
    let found = stage.show(&["journal", "search", "write lock"], CLEAN)?;
    ensure!(found.contains("evidence:"), "the journal's entry is not tied to its evidence");
    stage.show(&["journal", "verify"], CLEAN)?;

    stage.chapter("And all of it taken back");
    stage.undo()?;
    ensure!(stage.digest()? == before, "the host is not as it was before the run");
    Ok(())
}

/// Calls `apply` while somebody else changes the mode of what is barred: after the first step has begun, and
/// before the step that would change that mode.
fn drifting(stage: &mut Stage, apply: impl FnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    let done = AtomicBool::new(false);
    let barred = setup::barred(install::is_root()?);
    let path = stage.place.join(barred.path);
    let runs = stage.state().join("runs");
    let drifted = thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if fs::read_dir(&runs).into_iter().flatten().flatten().any(|run| begun(&run.path())) {
                    return fs::set_permissions(&path, fs::Permissions::from_mode(barred.drifted)).is_ok();
                }
                thread::sleep(Duration::from_millis(5));
            }
            false
        });
        let applied = apply(stage);
        done.store(true, Ordering::Relaxed);
        let drifted = other.join().expect("the other administrator does not panic");
        applied.map(|()| drifted)
    })?;
    ensure!(drifted, "nobody changed anything: the run never began its first step");
    Ok(())
}

/// Whether a run's log announces its first step.
fn begun(log: &std::path::Path) -> bool {
    fs::read_to_string(log).is_ok_and(|text| text.contains("\"event\":\"intent\""))
}

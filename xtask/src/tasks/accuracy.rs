//! `cargo xtask accuracy DIR...`: how well `vmwright analyze` names root causes, by exact match against labelled
//! cases.
//!
//! A case is a folder with `case.toml` (`cause`, and `accept`: ids that are as right), `symptom.txt` and
//! `evidence/`. The program sees a copy of the last two and must print a JSON object with `causes`, best first.
//!
//! Without a folder the rules' own cases are measured, by the test that keeps their figures up to date.

mod case;
mod report;

use super::Task;
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const TASK: Task = Task {
    name: "accuracy",
    usage: "[DIR...] [--bin PATH] [--show]",
    summary: "measures `vmwright analyze` on labelled cases (also --json FILE, --jobs N), or the rules on their own",
    run,
};

struct Options {
    dirs: Vec<PathBuf>,
    bin: Option<PathBuf>,
    json: Option<PathBuf>,
    show: bool,
    jobs: usize,
}

/// Where the figures of the rules' own cases are kept.
const KEPT: &str = "crates/rules/ACCURACY.md";

/// Measures the rules on their own cases, keeps the figures and prints them.
fn own() -> Result<ExitCode> {
    let words = ["cargo", "test", "-q", "-p", "vmwright-rules", "--test", "accuracy"];
    Run::new(words).env("VMWRIGHT_KEEP_ACCURACY", "1").dir(workspace::root()).text()?;
    let kept = workspace::root().join(KEPT);
    print!("{}", std::fs::read_to_string(&kept).with_context(|| format!("cannot read {}", kept.display()))?);
    Ok(ExitCode::SUCCESS)
}

fn run(args: &[String]) -> Result<ExitCode> {
    if args.is_empty() {
        return own();
    }
    let options = options(args)?;
    let bin = match options.bin {
        Some(bin) => bin,
        None => newest_build(&workspace::root())?,
    };
    let bin = bin.canonicalize().with_context(|| format!("cannot find the program {}", bin.display()))?;
    let mut folders = Vec::new();
    for dir in &options.dirs {
        find_cases(dir, &mut folders)?;
    }
    folders.sort();
    if folders.is_empty() {
        bail!(
            "no case.toml below {}",
            options.dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    eprintln!("==> {} cases with {}", folders.len(), bin.display());
    let rows = measure(&bin, &folders, options.jobs)?;
    if let Some(path) = options.json {
        std::fs::write(&path, report::json(&rows))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    print!("{}", report::text(&rows, options.show));
    Ok(ExitCode::SUCCESS)
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options { dirs: Vec::new(), bin: None, json: None, show: false, jobs: 2 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--bin" => options.bin = Some(value()?.into()),
            "--json" => options.json = Some(value()?.into()),
            "--jobs" => {
                let jobs = value()?.parse().ok().filter(|jobs| (1..=64).contains(jobs));
                options.jobs = jobs.context("`--jobs` needs a number from 1 to 64")?;
            }
            "--show" => options.show = true,
            other if other.starts_with('-') => bail!("unexpected argument `{other}`"),
            dir => options.dirs.push(dir.into()),
        }
    }
    if options.dirs.is_empty() {
        bail!("usage: cargo xtask accuracy DIR... [--bin PATH] [--json FILE] [--show] [--jobs N]");
    }
    Ok(options)
}

/// The program as it was built last, optimised or not.
fn newest_build(root: &Path) -> Result<PathBuf> {
    let built = ["target/release/vmwright", "target/debug/vmwright"].map(|path| root.join(path));
    built
        .into_iter()
        .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .context("vmwright is not built; run `cargo build` first, or name a program with --bin")
}

/// Folders below `dir` that hold a `case.toml`, whatever their depth.
fn find_cases(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
        let kind = entry.file_type().with_context(|| format!("cannot read {}", entry.path().display()))?;
        if kind.is_dir() {
            find_cases(&entry.path(), found)?;
        } else if entry.file_name() == "case.toml" {
            found.push(dir.to_owned());
        }
    }
    Ok(())
}

/// Runs all cases, `jobs` at a time; the rows come in the order of the folders.
fn measure(bin: &Path, folders: &[PathBuf], jobs: usize) -> Result<Vec<case::Row>> {
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, Result<case::Row>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(folders.len()) {
            scope.spawn(|| {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(folder) = folders.get(at)
                {
                    let row = case::run(bin, folder);
                    rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests;

//! `cargo xtask fuzz`: drives the entry points of `crates/hostile` with libFuzzer.
//!
//! The engine is libFuzzer, through cargo-fuzz: it works with the stable compiler (without sanitizers, which safe
//! code needs least), and it minimises and merges corpora. One program holds all targets, so that a new one is
//! neither a line here nor another program to link.

use super::Task;
use crate::progress::Step;
use crate::run::Run;
use crate::{install, workspace};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

pub(crate) const TASK: Task = Task {
    name: "fuzz",
    usage: "[TARGET...] [--seconds N] [--keep]",
    summary: "looks for input that breaks a parser, 60 s for each target; --keep adds what it learned to the tree",
    run,
};

/// How long one input may take, in seconds.
const SLOW: &str = "-timeout=20";

/// Largest input, in bytes: beyond it an input shows nothing that a smaller one does not, and takes its time.
const LONGEST: &str = "-max_len=8192";

/// Largest input that `--keep` adds to the tree, in bytes.
const KEPT: u64 = 1024;

/// Most inputs of one target in the tree.
const MOST: usize = 24;

#[derive(Debug, PartialEq, Eq)]
struct Options {
    targets: Vec<String>,
    seconds: u64,
    keep: bool,
}

fn run(args: &[String]) -> Result<ExitCode> {
    let hostile = workspace::root().join("crates/hostile");
    let known = targets(&hostile)?;
    let options = parse(args, &known)?;
    let program = build()?;
    let work = workspace::root().join("target/fuzz");
    let mut broken = Vec::new();
    for target in &options.targets {
        let place = Place::of(&work, &hostile, target)?;
        let step = Step::begin(format!("{target}: {} s", options.seconds));
        match place.fuzz(&program, target, options.seconds)? {
            Found::Nothing(figures) => step.still(&figures),
            Found::Crash(said) => {
                println!("{said}");
                broken.push(target.clone());
            }
        }
        if options.keep {
            place.keep(&program, target)?;
        }
        step.done();
    }
    if broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "broken: {}. The inputs are in {}; mend the parser, and keep each input as a test beside it or in \
         crates/hostile/corpus/TARGET",
        broken.join(", "),
        work.join("crashes").display()
    )
}

/// The names of the modules in the folder of targets.
fn targets(hostile: &Path) -> Result<Vec<String>> {
    let folder = hostile.join("src/targets");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn parse(args: &[String], known: &[String]) -> Result<Options> {
    let mut options = Options { targets: Vec::new(), seconds: 60, keep: false };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let seconds = words.next().and_then(|word| word.parse().ok()).filter(|seconds| *seconds > 0);
                options.seconds = seconds.context("--seconds needs a number of seconds")?;
            }
            "--keep" => options.keep = true,
            name if known.iter().any(|known| known == name) => options.targets.push(name.to_owned()),
            other => bail!("no target `{other}`; there are: {}", known.join(", ")),
        }
    }
    if options.targets.is_empty() {
        options.targets = known.to_vec();
    }
    Ok(options)
}

/// Builds the program that holds all targets, and cargo-fuzz before it where it is not there.
fn build() -> Result<PathBuf> {
    install::ensure(install::FOR_FUZZING)?;
    let root = workspace::root();
    let tools = root.join("target/tools");
    let own = tools.join("bin/cargo-fuzz");
    let engine = install::find("cargo-fuzz").unwrap_or_else(|| own.clone());
    if !engine.exists() {
        let step = Step::begin("building cargo-fuzz");
        Run::new([workspace::cargo().as_str(), "install", "cargo-fuzz", "--locked", "--root"])
            .args([&tools])
            .quiet(&step)?;
        step.done();
    }
    let step = Step::begin("building the targets");
    let target = root.join("target/fuzz/build");
    let asked = ["fuzz", "build", "any", "--sanitizer", "none", "--fuzz-dir", "fuzz", "--target-dir"];
    Run::new([&engine]).args(asked).args([&target]).dir(&root).show()?;
    step.done();
    let built = std::fs::read_dir(&target).with_context(|| format!("cannot read {}", target.display()))?;
    let built = built.flatten().map(|entry| entry.path().join("release/any")).find(|path| path.is_file());
    built.with_context(|| format!("no program below {}", target.display()))
}

/// Where a target's inputs lie.
struct Place {
    /// Inputs of the last runs on this machine; the engine adds to them.
    grown: PathBuf,
    seeds: PathBuf,
    kept: PathBuf,
    crashes: PathBuf,
}

/// How a run ended.
enum Found {
    Nothing(String),
    Crash(String),
}

impl Place {
    fn of(work: &Path, hostile: &Path, target: &str) -> Result<Self> {
        let below = |name: &str| work.join(name).join(target);
        let place = Self {
            grown: below("corpus"),
            seeds: below("seeds"),
            kept: hostile.join("corpus").join(target),
            crashes: below("crashes"),
        };
        for folder in [&place.grown, &place.seeds, &place.kept, &place.crashes] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(place)
    }

    fn command(&self, program: &Path, target: &str) -> Command {
        let mut command = Command::new(program);
        command.env("VMWRIGHT_FUZZ_TARGET", target).env("VMWRIGHT_FUZZ_SEEDS", &self.seeds);
        command.env("RUST_BACKTRACE", "1").stdin(Stdio::null());
        command.args([SLOW, LONGEST]).arg(format!("-artifact_prefix={}/", self.crashes.display()));
        command
    }

    fn fuzz(&self, program: &Path, target: &str, seconds: u64) -> Result<Found> {
        let mut command = self.command(program, target);
        command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
        command.args([&self.grown, &self.seeds, &self.kept]);
        let done = command.output().with_context(|| format!("cannot start {}", program.display()))?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.success() {
            return Ok(Found::Nothing(figures(&said)));
        }
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
        Ok(Found::Crash(lines[lines.len().saturating_sub(60)..].join("\n")))
    }

    /// Adds to the tree the small inputs that reach something which nothing there reaches yet.
    fn keep(&self, program: &Path, target: &str) -> Result<()> {
        let step = Step::begin(format!("{target}: keeping what reaches most"));
        let mut command = self.command(program, target);
        command.arg("-set_cover_merge=1").args([&self.kept, &self.seeds, &self.grown]);
        let done = command.output().with_context(|| format!("cannot start {}", program.display()))?;
        if !done.status.success() {
            bail!("the corpora of {target} cannot be merged: {}", String::from_utf8_lossy(&done.stderr));
        }
        // Of those that are worth it the smallest: they say most for what they take.
        let mut inputs: Vec<(u64, PathBuf)> = std::fs::read_dir(&self.kept)?
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.len(), entry.path())))
            .collect();
        inputs.sort();
        let extra = inputs.iter().enumerate().filter(|(at, (size, _))| *at >= MOST || *size > KEPT);
        for (_, (_, path)) in extra {
            std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        step.done();
        Ok(())
    }
}

/// What the engine says of a run that found nothing.
fn figures(said: &str) -> String {
    let stat = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        line.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    let covered = said.lines().rev().find_map(|line| line.split(" cov: ").nth(1)?.split(' ').next());
    format!(
        "{} inputs tried, {} a second; {} points of the code reached; the slowest input took {:?}",
        stat("number_of_executed_units"),
        stat("average_exec_per_sec"),
        covered.unwrap_or("0"),
        Duration::from_secs(stat("slowest_unit_time_sec")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn targets_are_the_modules_of_their_folder() {
        let known = targets(&workspace::root().join("crates/hostile")).unwrap();
        assert!(known.contains(&"view".to_owned()) && known.contains(&"redact".to_owned()), "{known:?}");
        let options = parse(&words("redact --seconds 5"), &known).unwrap();
        assert_eq!(options, Options { targets: words("redact"), seconds: 5, keep: false });
        assert_eq!(parse(&words("--keep"), &known).unwrap().targets, known);
        let error = parse(&words("nothing"), &known).unwrap_err().to_string();
        assert!(error.contains("`nothing`") && error.contains("redact"), "{error}");
        assert!(
            parse(&words("--seconds x"), &known).is_err() && parse(&words("--seconds 0"), &known).is_err()
        );
    }

    #[test]
    fn the_engines_figures_are_found() {
        let said = "#12\tNEW    cov: 345 ft: 6\n#99\tDONE   cov: 400 ft: 7 corp: 1/1b\n\
                    stat::number_of_executed_units: 1234\nstat::average_exec_per_sec:     56\nstat::slowest_unit_time_sec:    1\n";
        let told = figures(said);
        assert!(
            told.starts_with("1234 inputs tried, 56 a second; 400 points") && told.ends_with("1s"),
            "{told}"
        );
    }
}

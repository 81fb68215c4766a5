//! `cargo xtask bench [NAME...]`: how fast the program is, beside others that do a like job on the same input.
//!
//! Two calls that are compared run by turns, A B A B, so that a machine that is busy is so for both; what is printed
//! are the least, the middle and the greatest of the rounds, and how the middles relate. Nothing here is an assertion:
//! times depend on the machine, which is printed too.

mod captures;
mod firecracker;
mod journal;
mod libvirt;
mod live;
mod mcp;
mod measure;
mod one;
mod plan;
mod review;
mod rules;
mod scan;
mod sos;
mod start;
mod virtme_ng;

use super::Task;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const TASK: Task = Task {
    name: "bench",
    usage: "[NAME...] [--bin PATH]",
    summary: "measures speed beside other programs (also --rounds N, --list)",
    run,
};

/// Something that is measured.
struct Bench {
    /// What is typed.
    name: &'static str,
    /// One line.
    summary: &'static str,
    run: fn(&Site) -> Result<()>,
}

/// All benches, as they run where none is named.
const BENCHES: &[Bench] = &[
    live::BENCH,
    one::BENCH,
    rules::BENCH,
    plan::BENCH,
    sos::BENCH,
    captures::BENCH,
    scan::BENCH,
    libvirt::BENCH,
    start::BENCH,
    virtme_ng::BENCH,
    firecracker::BENCH,
    review::BENCH,
    journal::BENCH,
    mcp::BENCH,
];

/// What a bench has.
struct Site {
    /// The program that is measured.
    bin: PathBuf,
    /// A folder below `target` for what it makes; kept, so that the next run need not make it again.
    dir: PathBuf,
    rounds: usize,
}

impl Site {
    /// A call of the program, with a state of its own.
    fn vmwright(&self, words: &[&str]) -> Vec<String> {
        let state = self.dir.join("state").display().to_string();
        let call = [self.bin.display().to_string(), "--state".to_owned(), state];
        call.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect()
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let root = workspace::root();
    let (mut names, mut bin, mut rounds) = (Vec::new(), root.join("target/release/vmwright"), 15);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bin" => bin = args.next().context("`--bin` needs a path")?.into(),
            "--rounds" => {
                let number = args.next().and_then(|text| text.parse().ok()).filter(|rounds| *rounds > 0);
                rounds = number.context("`--rounds` needs a number from 1 on")?;
            }
            "--list" => {
                BENCHES.iter().for_each(|bench| println!("{:10} {}", bench.name, bench.summary));
                return Ok(ExitCode::SUCCESS);
            }
            name if BENCHES.iter().any(|bench| bench.name == name) => names.push(name),
            other => bail!("no bench `{other}`; --list shows them"),
        }
    }
    let bin = bin.canonicalize().with_context(|| {
        format!("no program at {}; run `cargo build --release` first, or name one with --bin", bin.display())
    })?;
    let dir = root.join("target/bench");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    println!("{}", measure::machine(&bin)?);
    let site = Site { bin, dir, rounds };
    for bench in BENCHES.iter().filter(|bench| names.is_empty() || names.contains(&bench.name)) {
        println!("\n{}: {}", bench.name, bench.summary);
        (bench.run)(&site).with_context(|| format!("bench {}", bench.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

//! How long a quick review of a guest that runs takes; and whether REVIEW's gate on performance keeps still over a machine that
//! stays as it is, and speaks up over one that lost a tenth: a real guest, reviewed again and again, each time against the review
//! before; then its disk is held back.
//!
//! QEMU translates here (TCG), so that every host can measure. That the gate was wrong is a figure of this host in this
//! hour, as every other figure here: a host that is busy by turns does change what its guests get.

use super::{Bench, Site, measure};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

pub(super) const BENCH: Bench = Bench {
    name: "review",
    summary: "a quick review; false alarms of the performance gate on an unchanged machine, and a tenth that is missed",
    run,
};

/// Reviews of the unchanged machine, each against the one before.
const REPEATS: usize = 20;
/// Reviews of the machine with a slower disk, each against the last of the unchanged.
const SLOWED: usize = 5;
/// What the disk is held to, and a tenth less. QEMU lets a tenth of a second's bytes through at once: more than what is read
/// in one measurement would never be held.
const WHOLE: &str = "10240KiB";
const TENTH_LESS: &str = "9216KiB";
/// The figure that tells the disk's speed.
const READS: &str = "disk reads";
const MACHINE: &str = "steady";

fn run(site: &Site) -> Result<()> {
    let (kernel, initrd) = super::start::guest()?;
    let place = site.dir.join("review");
    if place.exists() {
        fs::remove_dir_all(&place).context("cannot clear the bench's own folder")?;
    }
    fs::create_dir_all(&place).context("cannot make the bench's own folder")?;
    let disk = place.join("disk.raw");
    let image = fs::File::create(&disk).and_then(|file| file.set_len(64 << 20));
    image.context("cannot make the machine's disk")?;
    let spec = place.join("steady.toml");
    let text = format!(
        "name = '{MACHINE}'\naccelerator = 'tcg'\nmemory.size = '192MiB'\nboot.kernel = '{}'\nboot.initrd = '{}'\n\
         boot.cmdline = 'console=ttyS0 no_timer_check panic=-1'\n[[disk]]\npath = '{}'\nformat = 'raw'\n",
        kernel.display(),
        initrd.display(),
        disk.display()
    );
    fs::write(&spec, text).context("cannot write a machine")?;
    let ours = Ours { bin: &site.bin, state: place.join("state").display().to_string() };
    ours.vm(&["create", &spec.display().to_string()])?;
    ours.vm(&["start", MACHINE])?;
    let told = measured(&ours, site.rounds);
    ours.vm(&["stop", MACHINE, "--force"])?;
    told
}

fn measured(ours: &Ours<'_>, rounds: usize) -> Result<()> {
    // The first fills caches, and is compared with nothing.
    ours.review(&[])?;
    println!("  {:44} {} ms", "quick, of the running guest", measure::spread(&ours.quick(rounds)?));
    let (mut alarms, mut undecided, mut compared) = (0, 0, 0);
    for _ in 0..REPEATS {
        let last = ours.review(&["--baseline", "last"])?;
        compared += last.compared;
        alarms += usize::from(last.worse.is_some());
        undecided += usize::from(last.undecided);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        if let Some(why) = &last.worse {
            println!("  false alarm at a load of {load}: {why}");
        }
    }
    println!(
        "  {:44} {alarms} of {REPEATS} reviews ({compared} figures compared)",
        "unchanged, and called slower"
    );
    println!("  {:44} {undecided} of {REPEATS} reviews", "unchanged, and not told for the busy host");
    // A tenth of a disk that is held to less than a busy host gives: nothing but the limit is measured.
    ours.vm(&["limit", MACHINE, "--disk", "0", "--bytes", WHOLE])?;
    let whole = ours.review(&[])?;
    ours.vm(&["limit", MACHINE, "--disk", "0", "--bytes", TENTH_LESS])?;
    let (mut noticed, mut undecided) = (0, 0);
    for _ in 0..SLOWED {
        let slowed = ours.review(&["--baseline", &whole.name])?;
        let seen = slowed.worse.as_deref().is_some_and(|why| why.contains(READS));
        if !seen {
            println!("  not noticed: {}", slowed.told);
        }
        noticed += usize::from(seen);
        undecided += usize::from(!seen && slowed.undecided);
    }
    let what = format!("disk held to {TENTH_LESS} after {WHOLE}, and noticed");
    println!("  {what:44} {noticed} of {SLOWED} reviews, {undecided} not told for the busy host");
    Ok(())
}

/// What one review said.
struct Reviewed {
    /// Under which name it is kept.
    name: String,
    /// Why the gate failed; none where it did not.
    worse: Option<String>,
    /// Whether something could be the host's doing as well.
    undecided: bool,
    /// Figures that were compared with the earlier ones.
    compared: usize,
    /// What it said of the disk.
    told: String,
}

/// The program with a state of its own.
struct Ours<'a> {
    bin: &'a Path,
    state: String,
}

impl Ours<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.bin);
        command.args(["--state", &self.state, "--format", "json"]).args(words).stdin(Stdio::null());
        command
    }

    fn vm(&self, words: &[&str]) -> Result<()> {
        let output = self.command(&[&["vm"], words].concat()).output().context("cannot run vmwright")?;
        ensure!(output.status.success(), "vm {words:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// How long quick reviews take, in milliseconds. What they say is up to the host.
    fn quick(&self, rounds: usize) -> Result<Vec<f64>> {
        let one = |_| {
            let began = Instant::now();
            let output =
                self.command(&["review", MACHINE, "--quick"]).output().context("cannot run vmwright")?;
            let answer: Value =
                serde_json::from_slice(&output.stdout).context("a quick review is no JSON")?;
            ensure!(answer["review"]["depth"] == "quick", "another answer than a quick review: {answer}");
            Ok(1000.0 * began.elapsed().as_secs_f64())
        };
        (0..rounds).map(one).collect()
    }

    /// A review of the performance alone.
    fn review(&self, words: &[&str]) -> Result<Reviewed> {
        let words = [&["review", MACHINE, "--gates", "performance"], words].concat();
        let output = self.command(&words).output().context("cannot run vmwright")?;
        let answer: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
        reviewed(&answer).with_context(|| format!("{words:?}: another answer than a review: {answer}"))
    }
}

/// What a review's JSON says of the gate.
fn reviewed(answer: &Value) -> Option<Reviewed> {
    let gate = answer["review"]["gates"].as_array()?.first()?;
    let why = gate["why"].as_str().unwrap_or_default().to_owned();
    let rows = gate["tables"][0]["rows"].as_array()?;
    let last = |row: &Value| row.as_array()?.last()?.as_str().map(str::to_owned);
    Some(Reviewed {
        name: Path::new(answer["html"].as_str()?).with_extension("json").display().to_string(),
        worse: (gate["verdict"] == "fail").then_some(why),
        undecided: gate["verdict"] == "unknown",
        compared: rows.iter().filter_map(last).filter(|cell| cell.contains('%')).count(),
        told: rows.iter().find(|row| row[0] == READS).map(ToString::to_string).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_review_is_read_for_what_was_compared_and_what_was_worse() {
        let answer = |verdict: &str| {
            json!({ "html": "/s/reviews/steady-1.html", "review": { "gates": [{
                "name": "performance", "verdict": verdict, "why": "disk reads: -10 %",
                "tables": [{ "rows": [["memory", "1", "1", "nothing", "not measured then"], ["disk reads", "90.5", "", "", "-10 % (-11 to -9)"]] }],
            }] } })
        };
        let slower = reviewed(&answer("fail")).unwrap();
        assert_eq!(slower.compared, 1);
        assert_eq!(
            (slower.name.as_str(), slower.worse.as_deref()),
            ("/s/reviews/steady-1.json", Some("disk reads: -10 %"))
        );
        assert_eq!(reviewed(&answer("pass")).unwrap().worse, None);
        assert!(reviewed(&answer("unknown")).unwrap().undecided && !slower.undecided);
        assert!(reviewed(&json!({ "review": {} })).is_none());
    }
}

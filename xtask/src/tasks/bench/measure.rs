//! Running programs by turns, and what they took.

use crate::run::Run;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What several runs of one program took.
#[derive(Default)]
pub(super) struct Figures {
    /// Milliseconds from start to end.
    pub(super) wall: Vec<f64>,
    /// Milliseconds of processors, of the program and all that it waited for.
    pub(super) cpu: Vec<f64>,
    /// Most memory that one of its processes had, in KiB.
    pub(super) peak: i64,
}

impl Figures {
    fn line(&self) -> String {
        let mib = self.peak as f64 / 1024.0;
        format!("wall {} ms   cpu {} ms   peak {mib:.0} MiB", spread(&self.wall), spread(&self.cpu))
    }
}

/// Least, middle and greatest.
pub(super) fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(0.0, f64::max);
    format!("{least:.1}/{:.1}/{greatest:.1}", middle(values))
}

pub(super) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Prints milliseconds of two things by their names, and how their middles relate.
pub(super) fn pair(ours: (&str, &[f64]), theirs: (&str, &[f64])) {
    for (name, values) in [ours, theirs] {
        println!("  {name:44} {} ms", spread(values));
    }
    let ratio = middle(ours.1) / middle(theirs.1).max(0.001);
    println!("  {:44} {ratio:.3} (of {} rounds, min/median/max)", "ratio of the medians", ours.1.len());
}

/// Runs two programs by turns and prints what both took and how they relate.
///
/// # Errors
/// One cannot be started.
pub(super) fn compare(rounds: usize, ours: (&str, &[String]), theirs: (&str, &[String])) -> Result<()> {
    let (mut a, mut b) = (Figures::default(), Figures::default());
    // Once each for the page cache.
    for round in 0..=rounds {
        for (call, figures) in [(ours.1, &mut a), (theirs.1, &mut b)] {
            let mut first = Figures::default();
            once(call, if round == 0 { &mut first } else { figures })?;
        }
    }
    println!("  {:24} {}", ours.0, a.line());
    println!("  {:24} {}", theirs.0, b.line());
    let ratio = |a: &[f64], b: &[f64]| middle(a) / middle(b).max(0.001);
    let (wall, cpu) = (ratio(&a.wall, &b.wall), ratio(&a.cpu, &b.cpu));
    println!(
        "  {:24} wall {wall:.2}, cpu {cpu:.2} (of {rounds} rounds, min/median/max)",
        "ratio of the medians"
    );
    Ok(())
}

/// Runs a program once. Its output and its exit status are of no interest.
///
/// # Errors
/// It cannot be started, or a signal ended it.
pub(super) fn once(call: &[String], figures: &mut Figures) -> Result<()> {
    let (program, words) = call.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    let pid = libc::pid_t::try_from(child.id()).context("a process id")?;
    // SAFETY: both are live local values; the child is ours and nobody else waits for it.
    if unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) } != pid {
        bail!("cannot wait for {program}");
    }
    let wall = begin.elapsed();
    if libc::WIFSIGNALED(status) {
        bail!("{program} was ended by signal {}", libc::WTERMSIG(status));
    }
    // SAFETY: all zeroes are a value of it, and `wait4` filled it in.
    let usage = unsafe { usage.assume_init() };
    let millis = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    figures.wall.push(wall.as_secs_f64() * 1e3);
    figures.cpu.push(millis(usage.ru_utime) + millis(usage.ru_stime));
    figures.peak = figures.peak.max(usage.ru_maxrss);
    Ok(())
}

/// The machine and the program, in one line.
///
/// # Errors
/// The program cannot be asked for its version.
pub(super) fn machine(bin: &Path) -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let version = Run::new([bin.as_os_str(), "--version".as_ref()]).text()?;
    let load = load.split(' ').next().unwrap_or("?");
    Ok(format!("{} on {count} x {model}, Linux {}, load {load}", version.trim(), kernel.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_not_moved_by_one_slow_round() {
        assert_eq!(middle(&[3.0, 900.0, 1.0]), 3.0);
        assert_eq!(spread(&[3.0, 900.0, 1.0]), "1.0/3.0/900.0");
    }

    #[test]
    fn a_run_is_measured_and_one_that_a_signal_ended_is_none() {
        let call = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut figures = Figures::default();
        once(&call(&["sh", "-c", "sleep 0.05; exit 3"]), &mut figures).unwrap();
        assert!(figures.wall[0] >= 50.0 && figures.peak > 0, "{:?} {}", figures.wall, figures.peak);
        assert!(once(&call(&["sh", "-c", "kill -9 $$"]), &mut figures).is_err());
        assert!(once(&call(&["no-such-program-anywhere"]), &mut figures).is_err());
    }
}

//! Figures of a disk by fio(1), where a guest that is not our probe has it installed: as many jobs as runs, one after the
//! other. A disk is written to only where the specification gives it free.

use super::RUNS;
use crate::scope::{GuestError, Session};
use serde_json::Value;
use std::time::Duration;

/// Where distributions put it.
const PROGRAM: &str = "/usr/bin/fio";

/// How long all of its jobs may take together: it starts slowly under TCG.
const LIMIT: Duration = Duration::from_secs(120);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// MiB/s that are read in one piece, past the guest's cache.
    Reads,
    /// Microseconds until a read of 4 KiB is done, the 99th percentile.
    ReadLatency,
    /// MiB/s that are written in the same way.
    Writes,
    /// Microseconds until a write of 4 KiB is done, the 99th percentile.
    WriteLatency,
}

impl What {
    fn writes(self) -> bool {
        matches!(self, Self::Writes | Self::WriteLatency)
    }
}

pub(super) fn figures(session: &Session<'_>, what: What, disk: &str) -> Result<Vec<f64>, String> {
    let words = words(what, disk);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = session.scope.guest.run(PROGRAM, &words, LIMIT).map_err(|error| match error {
        GuestError::Refused(_) => format!("this guest is not vmwright's own probe, and has no {PROGRAM}"),
        silent @ GuestError::Silent(_) => silent.to_string(),
    })?;
    if ran.status != Some(0) {
        let said = String::from_utf8_lossy(&ran.errors);
        return Err(format!("fio: {}", said.lines().next().unwrap_or("it failed without a word")));
    }
    read(what, &String::from_utf8_lossy(&ran.output))
}

/// Its command line (fio(1)): `--readonly` keeps it from writing whatever else is said, where it is to read.
fn words(what: What, disk: &str) -> Vec<String> {
    let mut words: Vec<String> =
        ["--output-format=json", "--direct=1", "--ioengine=psync", "--thread"].map(str::to_owned).to_vec();
    if !what.writes() {
        words.insert(0, "--readonly".to_owned());
    }
    words.push(format!("--filename={disk}"));
    words.extend(match what {
        What::Reads => ["--rw=read", "--bs=1M", "--number_ios=8"].map(str::to_owned).to_vec(),
        What::ReadLatency => ["--rw=randread", "--bs=4k", "--number_ios=50"].map(str::to_owned).to_vec(),
        // Zeros might be left out on the way.
        What::Writes => ["--rw=write", "--bs=1M", "--number_ios=8", "--refill_buffers"].map(str::to_owned).to_vec(),
        What::WriteLatency => ["--rw=randwrite", "--bs=4k", "--number_ios=50", "--refill_buffers"].map(str::to_owned).to_vec(),
    });
    for run in 0..RUNS {
        words.push(format!("--name=run{run}"));
        words.push("--stonewall".to_owned());
    }
    words
}

/// A figure of each job of its answer. Untrusted.
fn read(what: What, answer: &str) -> Result<Vec<f64>, String> {
    // What it warns of stands before the answer.
    let json = answer.find('{').map_or("", |at| &answer[at..]);
    let answer: Value = serde_json::from_str(json).map_err(|_| "fio's answer is no JSON".to_owned())?;
    let jobs = answer.get("jobs").and_then(Value::as_array).ok_or("fio's answer has no jobs")?;
    let figure = |job: &Value| {
        if job.get("error").and_then(Value::as_i64) != Some(0) {
            let word = if what.writes() { "write to" } else { "read" };
            return Err(format!("fio could not {word} the disk"));
        }
        let side = job.get(if what.writes() { "write" } else { "read" });
        let figure = match what {
            What::Reads | What::Writes => side.and_then(|side| Some(side.get("bw_bytes")?.as_f64()? / f64::from(1 << 20))),
            What::ReadLatency | What::WriteLatency => {
                side.and_then(|side| Some(side.get("clat_ns")?.get("percentile")?.get("99.000000")?.as_f64()? / 1e3))
            }
        };
        figure.filter(|figure| figure.is_finite() && *figure > 0.0).ok_or_else(|| "fio's answer has another form".to_owned())
    };
    jobs.iter().take(RUNS).map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_only_reads_what_is_not_free_and_has_a_job_for_each_run() {
        for (what, reads) in [(What::Reads, true), (What::ReadLatency, true), (What::Writes, false), (What::WriteLatency, false)] {
            let words = words(what, "/dev/vda");
            assert_eq!(words.iter().any(|word| word == "--readonly"), reads);
            assert_eq!(words.iter().any(|word| word.starts_with("--rw=") && word.ends_with("write")), !reads);
        }
        let words = words(What::ReadLatency, "/dev/vda");
        assert!(words.contains(&"--filename=/dev/vda".to_owned()) && words.contains(&"--bs=4k".to_owned()));
        assert_eq!(words.iter().filter(|word| word.starts_with("--name=")).count(), RUNS);
    }

    #[test]
    fn figures_of_its_jobs() {
        let job = |bytes: u64, nanoseconds: u64| {
            json!({ "error": 0, "read": { "bw_bytes": bytes, "clat_ns": { "percentile": { "99.000000": nanoseconds } } } })
        };
        let answer = format!("fio: a warning\n{}", json!({ "jobs": [job(2 << 20, 1500), job(3 << 20, 2500)] }));
        assert_eq!(read(What::Reads, &answer), Ok(vec![2.0, 3.0]));
        assert_eq!(read(What::ReadLatency, &answer), Ok(vec![1.5, 2.5]));
        assert!(read(What::Reads, "nothing").is_err() && read(What::Reads, "{}").is_err());
        let writes = json!({ "jobs": [{ "error": 0, "read": { "bw_bytes": 1 }, "write": { "bw_bytes": 5 << 20 } }] }).to_string();
        assert_eq!(read(What::Writes, &writes), Ok(vec![5.0]));
        let failed = json!({ "jobs": [{ "error": 5, "read": {} }] }).to_string();
        assert_eq!(read(What::Reads, &failed), Err("fio could not read the disk".to_owned()));
        assert!(read(What::Reads, &json!({ "jobs": [job(0, 0)] }).to_string()).is_err());
    }
}

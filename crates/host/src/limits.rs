//! How much is read, and how long it may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use vmwright_model::Missing;

/// Bounds of one run of the collector. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is read from a live host, logs aside.
    pub file: u64,
    /// Largest log that is read from a live host: names below `/var/log` and names that end in `.log`.
    pub log: u64,
    /// Largest file that is read from a folder or an archive of records.
    pub record: u64,
    /// Most files that are kept from a folder or an archive of records.
    pub records: usize,
    /// How many directories deep a folder of records is read; 1 is the folder alone.
    pub depth: usize,
    /// Most members that are looked at in an archive.
    pub members: usize,
    /// Most bytes that an archive may unpack to.
    pub unpacked: u64,
    /// Most files that one pattern may match.
    pub matches: usize,
    /// How long one file, pattern or probe may take; a dead network file system does not answer at all.
    pub read_time: Duration,
    /// How long one command may take.
    pub command_time: Duration,
    /// How long a daemon may take to answer: a healthy one needs milliseconds, and seconds where libvirt has to look at its
    /// emulators first on a busy host.
    pub asking_time: Duration,
    /// Most bytes that one command may say.
    pub command: u64,
    /// How long the whole run may take.
    pub total_time: Duration,
    /// Most bytes that the whole run may keep.
    pub total: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            file: 4 * MIB,
            log: 64 * MIB,
            record: 64 * MIB,
            records: 4096,
            depth: 8,
            members: 262_144,
            unpacked: 1024 * MIB,
            matches: 4096,
            read_time: Duration::from_secs(10),
            command_time: Duration::from_secs(10),
            asking_time: Duration::from_secs(10),
            command: 8 * MIB,
            total_time: Duration::from_secs(60),
            total: 512 * MIB,
        }
    }
}

impl Limits {
    /// The bound for a file of a live host by its name.
    pub(crate) fn of_live_file(&self, path: &str) -> u64 {
        if path.starts_with("/var/log/") || path.ends_with(".log") { self.log } else { self.file }
    }
}

/// What is left of the whole run, for all threads that read in it.
#[derive(Clone)]
pub(crate) struct Budget {
    ends: Instant,
    total_time: Duration,
    bytes: Arc<AtomicU64>,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bytes = Arc::new(AtomicU64::new(limits.total));
        Self { ends: Instant::now() + limits.total_time, total_time: limits.total_time, bytes }
    }

    /// The time that the next reading may take; `Err` where the run is over.
    pub(crate) fn time(&self, wanted: Duration) -> Result<Duration, Missing> {
        let left = self.ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Missing::TimedOut(millis(self.total_time)));
        }
        Ok(wanted.min(left))
    }

    /// The most bytes that the next reading may give.
    pub(crate) fn bytes(&self, wanted: u64) -> u64 {
        wanted.min(self.bytes.load(Ordering::Relaxed))
    }

    /// Takes bytes that were read from what is left.
    pub(crate) fn spend(&self, bytes: usize) {
        let less = |left: u64| Some(left.saturating_sub(bytes as u64));
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// A duration as [`Missing::TimedOut`] counts it.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

//! Rules on all processors at once. They are pure and know nothing of each other, so that the same is said as one by
//! one.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use vmwright_model::Verdict;
use vmwright_rules::{Entry, Reading, ranking};

/// How many processors are used at most: all rules together take some milliseconds, and a thread is not free.
const MOST: usize = 8;

/// Makes ready on another thread, while the host is read on this one, what rules look for. To be called once
/// the process is locked. Where there can be no such thread, whoever needs it first makes it.
pub(crate) fn prepare() {
    let _ = thread::Builder::new().name("prepare".to_owned()).spawn(vmwright_rules::prepare);
}

/// What each of these rules says of a reading, in their order. To be called once the process is locked: its threads are
/// then locked too.
pub(crate) fn at_once(entries: &[&'static Entry], reading: &Reading<'_>) -> Vec<Vec<Verdict>> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST).min(entries.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut said = Vec::new();
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            said.push((entry.id, ranking::judge(entry, reading)));
        }
        said
    };
    let mut said = thread::scope(|scope| {
        // Where there can be no more threads, those that there are do all.
        let begin = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..workers).filter_map(begin).collect();
        let mut said = work();
        for other in others {
            said.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        said
    });
    // The catalogue is in the order of the ids, and so are those that were chosen of it.
    said.sort_by_key(|(id, _)| *id);
    said.into_iter().map(|(_, verdicts)| verdicts).collect()
}

#[cfg(test)]
mod tests {
    use super::at_once;
    use vmwright_model::{Kind, Record, Snapshot};
    use vmwright_rules::{CATALOGUE, Entry, Reading, ranking};

    #[test]
    fn at_once_each_rule_says_what_it_says_alone() {
        let log = "qemu: Failed to get \"write\" lock\nvfio 0000:06:00.0: group 7 is not viable\n";
        let records = vec![
            Record::new("a.log", Kind::TEXT, log),
            Record::new("proc/cmdline", Kind::TEXT, "root=/dev/vda1 intel_iommu=on\n"),
        ];
        let snapshot = Snapshot { records, ..Snapshot::default() };
        let alone = Reading::new(&snapshot, "the guest does not start");
        let entries: Vec<&'static Entry> = CATALOGUE.iter().filter(|entry| entry.area() != "vmm").collect();
        let expect: Vec<_> = entries.iter().map(|entry| ranking::judge(entry, &alone)).collect();
        assert!(expect.iter().flatten().count() > 0);
        for _ in 0..20 {
            let reading = Reading::new(&snapshot, "the guest does not start");
            assert_eq!(at_once(&entries, &reading), expect);
        }
        assert!(at_once(&[], &alone).is_empty());
    }
}

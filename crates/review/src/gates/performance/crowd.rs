//! Whether the VM had its processors while it was measured: how long its threads wanted to run on this host and waited for
//! others. What such a wait explains is no change of the VM, and another hour may show another figure.
//!
//! A VM that its own control group holds back waits too, and that is the VM's own affair: it is not counted.

use crate::scope::Session;
use crate::statistics::NEGLIGIBLE;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most threads of a VMM that are counted.
const THREADS: usize = 4096;
/// What the conversation with the agent takes around a measurement: the VM may well have nothing to do meanwhile.
const AROUND: Duration = Duration::from_secs(2);

/// Nanoseconds by thread: those that it ran, and those that it waited (`Documentation/scheduler/sched-stats.rst` of Linux).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Looked {
    threads: BTreeMap<String, (u64, u64)>,
    /// How often its control groups held it back.
    held: u64,
}

/// What is known now; none where the VMM has ended or the kernel does not count.
pub(super) fn look(session: &Session<'_>) -> Option<Looked> {
    let pid = session.scope.vmm.process()?.pid;
    let folder = format!("/proc/{pid}/task");
    let names = session.scope.host.names(&folder).ok()?;
    let one = |thread: String| {
        let text = session.host_file(&format!("{folder}/{thread}/schedstat")).ok()?;
        let mut figures = text.split_ascii_whitespace().map(|figure| figure.parse().ok());
        Some((thread, (figures.next()??, figures.next()??)))
    };
    let threads = names.into_iter().take(THREADS).filter_map(one).collect();
    Some(Looked { threads, held: held(session, pid) })
}

/// How often the control groups of a process have held it back for its limit of processor time (`nr_throttled` of `cpu.stat`).
fn held(session: &Session<'_>, pid: u32) -> u64 {
    let groups = session.host_file(&format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mut sum = 0;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            some if some.split(',').any(|one| one == "cpu") => "/sys/fs/cgroup/cpu",
            _ => continue,
        };
        // A limit of a group holds for all below it.
        let mut group = path.trim_end_matches('/');
        loop {
            let text = session.host_file(&format!("{root}{group}/cpu.stat")).unwrap_or_default();
            let count = text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse::<u64>().ok());
            sum += count.unwrap_or(0);
            let Some((above, _)) = group.rsplit_once('/') else { break };
            group = above;
        }
    }
    sum
}

/// The part of the time between two looks that the VM's threads wanted to run, and others did; none where that is next to
/// nothing, is not known, or is the VM's own limit. A VM that stood idle, for its disk say, did not wait for processors:
/// `took` are the seconds that what was measured took at least.
pub(super) fn between(before: &Looked, after: &Looked, took: f64, elapsed: Duration) -> Option<f64> {
    if after.held > before.held {
        return None;
    }
    let (mut ran, mut waited) = (0, 0);
    for (thread, (now_ran, now_waited)) in &after.threads {
        let (then_ran, then_waited) = before.threads.get(thread).copied().unwrap_or_default();
        ran += now_ran.saturating_sub(then_ran);
        waited += now_waited.saturating_sub(then_waited);
    }
    let waited = waited as f64 / 1e9;
    let wanted = (ran as f64 / 1e9 + waited).max(took).max(elapsed.saturating_sub(AROUND).as_secs_f64());
    let part = waited / wanted.max(1e-9);
    (part > NEGLIGIBLE).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(threads: &[(&str, u64, u64)], held: u64) -> Looked {
        Looked { threads: threads.iter().map(|(name, ran, waited)| ((*name).to_owned(), (*ran, *waited))).collect(), held }
    }

    #[test]
    fn waiting_for_others_is_told_and_a_limit_of_its_own_is_not() {
        let short = Duration::from_millis(1500);
        let ms = |ran: u64, waited: u64| (ran * 1_000_000, waited * 1_000_000);
        let told = |before: &Looked, after: &Looked| between(before, after, 0.1, short).map(|part| (part * 100.0).round());
        let at = |threads: &[(&str, (u64, u64))], held| looked(&threads.iter().map(|(name, (ran, waited))| (*name, *ran, *waited)).collect::<Vec<_>>(), held);
        let before = at(&[("7", ms(1000, 100)), ("8", ms(50, 0))], 3);
        // 600 ms ran and 400 waited since, of them 100 and 100 in a thread that is new.
        let after = at(&[("7", ms(1500, 400)), ("9", ms(100, 100))], 3);
        assert_eq!(told(&before, &after), Some(40.0));
        assert_eq!(told(&before, &Looked { held: 4, ..after.clone() }), None);
        assert_eq!(told(&before, &at(&[("7", ms(2000, 101))], 3)), None);
        assert_eq!(told(&before, &before), None);
        // A thread that has its number from another.
        assert_eq!(told(&before, &at(&[("7", ms(10, 10))], 3)), None);
        // Twenty seconds in which it mostly had nothing to do.
        assert_eq!(between(&before, &after, 0.1, Duration::from_secs(20)), None);
        // It waited for its disk: the reads took longer than all that it ran.
        assert_eq!(between(&before, &after, 10.0, short), None);
    }
}

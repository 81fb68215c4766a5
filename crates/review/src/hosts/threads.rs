//! Whether guests run on threads of one core at the same time, where each can tell by the core's caches and units what the
//! other does. They do not where cores have one thread, where they are pinned to different cores, or where the kernel keeps them
//! apart by cookies (core scheduling; Documentation/admin-guide/hw-vuln/core-scheduling.rst).

use super::HostScope;
use crate::aspects::Aspects;
use std::collections::BTreeSet;
use vmwright_model::Missing;

/// The most threads of a VMM that are looked at.
const MOST: usize = 4096;

/// Where the virtual processors of one VMM may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cores {
    /// A cookie, and a core by its first processor: one of its threads may run there under that cookie.
    pub(super) places: BTreeSet<(u64, u32)>,
    /// Why that is not known of all of its threads.
    pub(super) dark: Option<String>,
}

impl Cores {
    /// Whether cookies keep it apart.
    pub(super) fn word(&self) -> String {
        match &self.dark {
            Some(why) => format!("not known: {why}"),
            None if self.places.iter().any(|(cookie, _)| *cookie == 0) => "no cookie".to_owned(),
            None => "a cookie of its own or its group's".to_owned(),
        }
    }
}

/// Where the threads of a VMM's virtual processors may run; of all of its threads where none is named as one.
pub(super) fn of(scope: &HostScope<'_>, pid: u32) -> Cores {
    let mut cores = Cores::default();
    let threads = match scope.host.names(&format!("/proc/{pid}/task")) {
        Ok(threads) => threads,
        Err(why) => return Cores { dark: Some(why.to_string()), ..cores },
    };
    let threads: Vec<(u32, String)> = threads
        .iter()
        .take(MOST)
        .filter_map(|number| {
            let status = scope.file(&format!("/proc/{pid}/task/{number}/status")).ok()?;
            Some((number.parse().ok()?, status))
        })
        .collect();
    let virtual_ones: Vec<&(u32, String)> =
        threads.iter().filter(|(_, status)| field(status, "Name").is_some_and(is_processor)).collect();
    let all = if virtual_ones.is_empty() { threads.iter().collect() } else { virtual_ones };
    for (thread, status) in all {
        let cookie = match scope.host.core_cookie(*thread) {
            Ok(cookie) => cookie,
            // It has ended meanwhile.
            Err(Missing::Absent) => continue,
            Err(why) => {
                cores.dark = Some(why.to_string());
                continue;
            }
        };
        for processor in list(field(status, "Cpus_allowed_list").unwrap_or_default()) {
            cores.places.insert((cookie, core(scope, processor)));
        }
    }
    cores
}

/// Threads that are virtual processors, as QEMU, Firecracker and Cloud Hypervisor name them.
pub(crate) fn is_processor(name: &str) -> bool {
    // One thread of QEMU's may be all of them, where it translates.
    name.starts_with("CPU ")
        || name.starts_with("ALL CPUs/")
        || name.starts_with("fc_vcpu")
        || name.starts_with("vcpu")
}

pub(crate) fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The core of a processor, by its first one.
fn core(scope: &HostScope<'_>, processor: u32) -> u32 {
    let path = format!("/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list");
    let siblings = scope.file(&path).map(|text| list(text.trim())).unwrap_or_default();
    siblings.into_iter().min().unwrap_or(processor)
}

/// `0-2,8` as the numbers that it names.
pub(crate) fn list(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<u32>().ok()?, to.parse::<u32>().ok()?);
        // The kernel has 8192 processors at most.
        Some(from..=to.min(from.saturating_add(8191)))
    };
    text.split(',').filter_map(|part| range(part.trim())).flatten().collect()
}

/// Two VMs that may run on one core at a time under the same cookie are not kept apart.
pub(super) fn judge(smt: Result<&str, &Missing>, vmms: &[(String, &Cores)], aspects: &mut Aspects) {
    match smt {
        Ok("1") => {}
        Ok(_) | Err(Missing::Absent) => return aspects.pass(),
        Err(why) => return aspects.unknown(format!("whether processors share cores: {why}")),
    }
    if vmms.len() < 2 {
        return aspects.none("processors share cores (SMT is on), and fewer than two VMs run");
    }
    let mut together = None;
    for (index, (one, of_one)) in vmms.iter().enumerate() {
        for (other, of_other) in &vmms[index + 1..] {
            if of_one.places.intersection(&of_other.places).next().is_some() && together.is_none() {
                together = Some((one, other));
            }
        }
    }
    match (together, vmms.iter().find_map(|(name, cores)| Some((name, cores.dark.as_ref()?)))) {
        (Some((one, other)), _) => aspects.fail(format!(
            "{one} and {other} may run on two threads of one core at a time: SMT is on, they are neither pinned apart nor \
             told apart by core scheduling"
        )),
        (None, Some((name, why))) => aspects.unknown(format!("where the threads of {name} may run: {why}")),
        (None, None) => aspects.pass(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        assert_eq!(list("0-2,8"), [0, 1, 2, 8]);
        assert_eq!(list(""), Vec::<u32>::new());
        assert_eq!(list("x,3"), [3]);
        assert_eq!(list("0-4294967295").len(), 8192);
    }

    #[test]
    fn guests_on_one_core_are_told_apart_by_pins_or_cookies() {
        let cores = |places: &[(u64, u32)]| Cores { places: places.iter().copied().collect(), dark: None };
        let word = |smt: Result<&str, &Missing>, one: &Cores, other: &Cores| {
            let mut aspects = Aspects::default();
            judge(smt, &[("a".to_owned(), one), ("b".to_owned(), other)], &mut aspects);
            aspects.conclude("").0.word()
        };
        let free = cores(&[(0, 0), (0, 1)]);
        assert_eq!(word(Ok("1"), &free, &free), "fail");
        assert_eq!(word(Ok("0"), &free, &free), "pass");
        assert_eq!(word(Ok("1"), &cores(&[(0, 0)]), &cores(&[(0, 1)])), "pass");
        assert_eq!(word(Ok("1"), &cores(&[(7, 0)]), &cores(&[(9, 0)])), "pass");
        assert_eq!(word(Ok("1"), &cores(&[(7, 0)]), &cores(&[(7, 0)])), "fail");
        let dark = Cores { dark: Some("permission denied".to_owned()), ..Cores::default() };
        assert_eq!(word(Ok("1"), &dark, &free), "unknown");
        assert_eq!(word(Err(&Missing::Denied), &free, &free), "unknown");
        let mut alone = Aspects::default();
        judge(Ok("1"), &[("a".to_owned(), &free)], &mut alone);
        assert_eq!(alone.conclude("").0.word(), "not applicable");
    }
}

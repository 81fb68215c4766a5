//! `utilisation`: what the VM was given against what it uses, and whether the host can give it.
//!
//! Figures alone are no failure: how full a guest should be is its owner's choice. What fails are promises that the host
//! cannot keep: more virtual processors than it has processors, memory that the guest has not touched yet and the host no
//! longer has, memory that a balloon holds back from the guest, and huge pages that are ordinary ones.

mod pages;

use super::{Judged, measurement, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{GuestError, Session};
use pages::Pages;
use vmwright_formats::machine_spec::parse_size;
use vmwright_formats::{MemInfo, View};
use vmwright_model::{MachineSpec, Measurement};

/// A processor's times are in the first line of `/proc/stat`; each processor adds one of some 80 bytes.
const STAT: usize = 4096;

/// Bytes of `/proc/meminfo` that are looked at; it has some 1,500.
const MEMINFO: usize = 8192;

/// What was seen.
pub(crate) struct Observed {
    pub(crate) guest: Result<Guest, String>,
    /// Bytes that the VMM has in the host's memory, huge pages among them.
    pub(crate) resident: Result<u64, String>,
    /// Bytes that the host could give now without swapping (`MemAvailable` of proc_meminfo(5)).
    pub(crate) available: Result<u64, String>,
    /// Processors of the host that run.
    pub(crate) processors: Result<u32, String>,
    /// Bytes that the balloon leaves to the guest; none where there is no balloon.
    pub(crate) left: Option<u64>,
    /// What pages the VMM has.
    pub(crate) pages: Result<Pages, String>,
}

/// The guest's own view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Guest {
    /// Bytes of memory that its kernel has.
    pub(crate) total: u64,
    /// Bytes of them that are free or could be.
    pub(crate) available: u64,
    pub(crate) times: Times,
}

/// How its processors' time since boot was spent, in ticks (proc_stat(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) busy: u64,
    /// Wanted, and spent by the host on something else.
    pub(crate) stolen: u64,
    pub(crate) all: u64,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let of_host = |path: &str| session.host_file(path).map_err(|why| format!("{path}: {why}"));
    let of_vmm = |name: &str| {
        let process = session.scope.vmm.process().ok_or("the VMM does not run")?;
        let path = format!("/proc/{}/{name}", process.pid);
        Ok::<_, String>((of_host(&path)?, path))
    };
    let resident = || {
        let (text, path) = of_vmm("status")?;
        resident(&text).ok_or_else(|| format!("{path} has no VmRSS"))
    };
    let pages = || {
        let (text, path) = of_vmm("smaps")?;
        Pages::read(&text).ok_or_else(|| format!("{path} has no end"))
    };
    let available = || {
        let (info, _) = MemInfo::read(&of_host("/proc/meminfo")?);
        info.bytes("MemAvailable").map(|found| found.value).ok_or_else(|| "/proc/meminfo has no MemAvailable".to_owned())
    };
    let balloon = session.scope.vmm.query("query-balloon").ok();
    Observed {
        guest: guest(session),
        resident: resident(),
        available: available(),
        processors: of_host("/proc/stat").map(|text| processors(&text)),
        left: balloon.and_then(|told| told.get("actual")?.as_u64()),
        pages: pages(),
    }
}

fn guest(session: &Session<'_>) -> Result<Guest, String> {
    let file = |path: &str, most| {
        session.guest_file(path, most).map_err(|error| match error {
            GuestError::Silent(_) => error.to_string(),
            GuestError::Refused(_) => format!("{path}: {error}"),
        })
    };
    let (info, _) = MemInfo::read(&file("/proc/meminfo", MEMINFO)?);
    let bytes = |key: &str| {
        info.bytes(key).map(|found| found.value).ok_or_else(|| format!("/proc/meminfo of the guest has no {key}"))
    };
    let times = times(&file("/proc/stat", STAT)?).ok_or("/proc/stat of the guest has no line `cpu`")?;
    Ok(Guest { total: bytes("MemTotal")?, available: bytes("MemAvailable")?, times })
}

/// Bytes of a process in memory, by its `/proc/PID/status`: huge pages are counted apart (proc_pid_status(5)).
pub(crate) fn resident(status: &str) -> Option<u64> {
    let kib = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Some((kib("VmRSS:")? + kib("HugetlbPages:").unwrap_or(0)) * 1024)
}

/// How many processors run: each has a line `cpuN`.
pub(crate) fn processors(stat: &str) -> u32 {
    let of_one = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
    u32::try_from(stat.lines().filter(of_one).count()).unwrap_or(u32::MAX)
}

/// `cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST GUEST_NICE`; the last two are counted in the first two.
fn times(stat: &str) -> Option<Times> {
    let words = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = words.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let [user, nice, system, idle, wait, hard, soft, stolen] = ticks[..] else { return None };
    let busy = [user, nice, system, hard, soft].into_iter().fold(0, u64::saturating_add);
    let all = [busy, idle, wait, stolen].into_iter().fold(0, u64::saturating_add);
    Some(Times { busy, stolen, all })
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let given = parse_size(&spec.memory.size).unwrap_or(0);
    match &seen.processors {
        Ok(processors) => aspects.about("processors").expect(spec.cpu.count <= *processors, || {
            format!("it has {} virtual processors, and the host {processors}: they cannot all run at once", spec.cpu.count)
        }),
        Err(why) => aspects.about("processors").unknown(why.clone()),
    }
    host_memory(seen, spec, given, aspects.about("host memory"));
    aspects.about("balloon");
    match seen.left {
        Some(left) if left < given => aspects.fail(format!(
            "a balloon holds {} MiB of {} MiB back from the guest", mib(given - left), mib(given)
        )),
        Some(_) => aspects.pass(),
        None => aspects.none("it has no balloon"),
    }
    pages::judge(&seen.pages, spec, given, aspects.about("huge pages"));
    if let Err(why) = &seen.guest {
        aspects.about("guest").unknown(quote::line(why));
    }
    let mut table = table("Given and used", &["what", "given", "used", "share"]);
    if let Ok(guest) = &seen.guest {
        let used = guest.total.saturating_sub(guest.available);
        table.rows.push(row("memory, as the guest sees it", guest.total, used));
        let Times { busy, all, .. } = guest.times;
        let processors = f64::from(spec.cpu.count);
        let share = ratio(busy, all);
        table.rows.push(vec![
            "processors, since the guest's boot".to_owned(),
            spec.cpu.count.to_string(),
            format!("{:.2}", processors * share),
            percent(share),
        ]);
    }
    if let Ok(resident) = &seen.resident {
        table.rows.push(row("memory, on the host", given, *resident));
    }
    Judged { measurements: figures(seen, given), tables: vec![table], ..Judged::of(aspects, "") }
}

/// Whether the host has what the guest was promised and did not touch so far.
fn host_memory(seen: &Observed, spec: &MachineSpec, given: u64, aspects: &mut Aspects) {
    if spec.memory.hugepages {
        return aspects.none("its memory comes from huge pages, which are set aside when it starts");
    }
    match (&seen.resident, &seen.available) {
        (Ok(resident), Ok(available)) => {
            let promised = seen.left.map_or(given, |left| left.min(given));
            let open = promised.saturating_sub(*resident);
            aspects.expect(open <= *available, || {
                format!(
                    "the guest was promised {} MiB that it has not touched yet, and the host has {} MiB left",
                    mib(open), mib(*available)
                )
            });
        }
        (Err(why), _) | (_, Err(why)) => aspects.unknown(why.clone()),
    }
}

fn figures(seen: &Observed, given: u64) -> Vec<Measurement> {
    let bytes = |name: &str, bytes: u64| measurement(name, bytes as f64, "bytes");
    let mut figures = vec![bytes("memory given", given)];
    figures.extend(seen.resident.as_ref().ok().map(|resident| bytes("memory on the host", *resident)));
    figures.extend(seen.available.as_ref().ok().map(|available| bytes("memory that the host could give", *available)));
    figures.extend(seen.pages.iter().flat_map(Pages::figures));
    if let Ok(guest) = &seen.guest {
        figures.push(bytes("memory used by the guest", guest.total.saturating_sub(guest.available)));
        figures.push(measurement("processors busy", 100.0 * ratio(guest.times.busy, guest.times.all), "%"));
        figures.push(measurement("processor time stolen", 100.0 * ratio(guest.times.stolen, guest.times.all), "%"));
    }
    figures
}

fn row(what: &str, given: u64, used: u64) -> Vec<String> {
    vec![what.to_owned(), format!("{} MiB", mib(given)), format!("{} MiB", mib(used)), percent(ratio(used, given))]
}

pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

pub(crate) fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use vmwright_model::GateOutcome;

    const MIB: u64 = 1 << 20;

    /// A guest of 256 MiB on a host with two processors and much memory.
    fn seen() -> Observed {
        let times = Times { busy: 25, stolen: 5, all: 100 };
        Observed {
            guest: Ok(Guest { total: 230 * MIB, available: 130 * MIB, times }),
            resident: Ok(100 * MIB),
            available: Ok(4096 * MIB),
            processors: Ok(2),
            left: None,
            pages: Ok(Pages::default()),
        }
    }

    fn machine(count: u32) -> MachineSpec {
        let mut spec = spec();
        spec.cpu.count = count;
        spec.memory.size = "256MiB".to_owned();
        spec
    }

    #[track_caller]
    fn fails(seen: &Observed, spec: &MachineSpec, why: &str) {
        let judged = judge(seen, spec);
        assert!(matches!(&judged.outcome, GateOutcome::Fail(said) if said == why), "{:?}", judged.outcome);
    }

    #[test]
    fn what_the_host_can_give_passes_with_its_figures() {
        let judged = judge(&seen(), &machine(2));
        assert_eq!(judged.outcome, GateOutcome::Pass);
        assert_eq!(judged.tables[0].rows[0][1..], ["230 MiB", "100 MiB", "43 %"]);
        assert_eq!(judged.tables[0].rows[1][1..], ["2", "0.50", "25 %"]);
        assert_eq!(judged.tables[0].rows[2][1..], ["256 MiB", "100 MiB", "39 %"]);
        let stolen = judged.measurements.iter().find(|figure| figure.name == "processor time stolen").unwrap();
        assert_eq!((stolen.value, stolen.unit.as_str()), (5.0, "%"));
    }

    #[test]
    fn promises_that_cannot_be_kept_fail() {
        fails(&seen(), &machine(3), "it has 3 virtual processors, and the host 2: they cannot all run at once");
        let short = Observed { available: Ok(155 * MIB), ..seen() };
        fails(
            &short,
            &machine(1),
            "the guest was promised 156 MiB that it has not touched yet, and the host has 155 MiB left",
        );
        let held = Observed { left: Some(200 * MIB), available: Ok(100 * MIB), ..seen() };
        fails(&held, &machine(1), "a balloon holds 56 MiB of 256 MiB back from the guest");
        let mut huge = machine(1);
        huge.memory.hugepages = true;
        let why = "0 MiB of the VMM are in huge pages, the specification says all of the guest's 256 MiB";
        fails(&short, &huge, why);
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let silent = Observed { guest: Err("the guest's agent does not answer: no".to_owned()), ..seen() };
        assert_eq!(judge(&silent, &machine(1)).outcome.word(), "unknown");
        let ended = Observed { resident: Err("the VMM does not run".to_owned()), ..seen() };
        assert_eq!(judge(&ended, &machine(1)).outcome, GateOutcome::Unknown("the VMM does not run".to_owned()));
    }

    #[test]
    fn files_of_procfs() {
        let stat = "cpu  10 2 3 80 1 1 1 2 5 0\ncpu0 1 2 3 4\ncpu11 1 2 3 4\nintr 4\n";
        assert_eq!(processors(stat), 2);
        assert_eq!(times(stat), Some(Times { busy: 17, stolen: 2, all: 100 }));
        assert_eq!(times("cpu  1 2 x\n"), None);
        let status = "Name:\tqemu\nVmRSS:\t  1024 kB\nHugetlbPages:\t   2048 kB\n";
        assert_eq!(resident(status), Some(3 * MIB));
        assert_eq!(resident("State: Z\n"), None);
    }
}

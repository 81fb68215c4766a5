//! `performance`: what the specification demands of the running VM, measured in the guest, several times each.
//!
//! The median decides, and only where the interval that it lies in with 99 % confidence lies on one side of what is
//! demanded. Where an earlier review is given, its figures are compared with these: a change for the worse counts where it
//! is neither chance nor negligible, is there once more when it is measured again, and is more than the VM's waiting for
//! the host's processors explains. The processor is measured against the host's own, and is slower only where it is so by
//! itself too. In guests that are not our probe fio(1) measures the disk, where it is installed.

mod crowd;
mod exits;
mod fio;
mod interrupts;

use super::{Judged, measurement, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::Session;
use crate::statistics::{NEGLIGIBLE, Shift, interval, median, shift};
use serde_json::Value;
use std::time::{Duration, Instant};
use vmwright_model::{GateOutcome, MachineSpec, Measurement, Review, Table};

/// Runs of each measurement. Twelve give an interval from the second to the eleventh figure, and tell a tenth.
const RUNS: usize = 12;

/// How long one measurement may take in all.
const LIMIT: Duration = Duration::from_secs(60);

/// How long is waited before each time that what looks worse is measured again, in seconds: a host that is itself a VM was
/// seen to be slower for some seconds, and then as fast as before.
const AGAIN: [u64; 3] = [1, 3, 6];

/// Under which name a review keeps the host's own figure, beside the processor's.
const HOST: &str = "processor of the host";

/// Name of this gate, under which an earlier review keeps its figures.
pub(crate) const NAME: &str = "performance";

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// One thing that is measured.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// Words for our probe; it answers with a figure for each run.
    words: &'static [&'static str],
    /// Seconds that a run of this figure took at least.
    took: fn(f64) -> f64,
    /// What the specification demands.
    demands: fn(&MachineSpec) -> Option<u32>,
}

impl Kind {
    /// Whether its figures are parts of what the host itself does.
    fn is_part(&self) -> bool {
        self.words[0] == "spin"
    }

    /// Whether a change is one for the worse, and more than chance.
    fn is_worse(&self, change: &Shift) -> bool {
        match self.better {
            Better::More => change.is_less(),
            Better::Less => change.is_more(),
        }
    }
}

/// What stands for a disk among the words: the first that the guest sees, and the first that may be overwritten.
const FIRST: &str = "DISK";
const FREE: &str = "FREE DISK";

/// What is measured, in this order.
static KINDS: [Kind; 8] = [
    Kind {
        name: "processor",
        unit: "% of the host's",
        better: Better::More,
        words: &["spin", "12", "100"],
        took: |_| 0.1,
        demands: |spec| spec.review.cpu_percent,
    },
    Kind {
        name: "memory",
        unit: "MiB/s",
        better: Better::More,
        words: &["copy", "12", "16"],
        took: |figure| 16.0 / figure,
        demands: |spec| spec.review.memory_mib_s,
    },
    Kind {
        name: "disk reads",
        unit: "MiB/s",
        better: Better::More,
        words: &["read", "12", "1048576", FIRST],
        took: |figure| 1.0 / figure,
        demands: |spec| spec.review.disk_read_mib_s,
    },
    Kind {
        name: "disk latency, 99th percentile",
        unit: "us",
        better: Better::Less,
        words: &["seek", "12", "50", FIRST],
        took: |figure| figure / 1e6,
        demands: |spec| spec.review.disk_read_us,
    },
    Kind {
        name: "disk writes",
        unit: "MiB/s",
        better: Better::More,
        words: &["overwrite", "12", "1048576", FREE],
        took: |figure| 1.0 / figure,
        demands: |spec| spec.review.disk_write_mib_s,
    },
    Kind {
        name: "disk write latency, 99th percentile",
        unit: "us",
        better: Better::Less,
        words: &["scatter", "12", "50", FREE],
        took: |figure| figure / 1e6,
        demands: |spec| spec.review.disk_write_us,
    },
    Kind {
        name: "late wake-ups, 99th percentile",
        unit: "us",
        better: Better::Less,
        words: &["wake", "12", "100", "1000"],
        took: |_| 0.1,
        demands: |spec| spec.review.jitter_us,
    },
    Kind {
        name: "stolen time",
        unit: "%",
        better: Better::Less,
        words: &["steal", "12", "100"],
        took: |_| 0.1,
        demands: |spec| spec.review.steal_percent,
    },
];

/// What came of one.
pub(crate) struct Series {
    pub(crate) kind: &'static Kind,
    pub(crate) now: Run,
    pub(crate) before: Earlier,
}

/// What one measurement gave.
pub(crate) struct Run {
    pub(crate) figures: Result<Vec<f64>, String>,
    /// The host's own figure, where the guest's are parts of it.
    pub(crate) host: Option<f64>,
    /// The part of the time that the VM waited for the host's processors meanwhile; none where it had them.
    pub(crate) crowded: Option<f64>,
}

/// What an earlier review measured.
#[derive(Default)]
pub(crate) struct Earlier {
    /// Empty where it measured nothing.
    pub(crate) figures: Vec<f64>,
    pub(crate) host: Option<f64>,
}

impl Earlier {
    fn of(review: &Review, kind: &Kind) -> Self {
        let gate = review.gates.iter().find(|gate| gate.name == NAME);
        let named = |name| gate?.measurements.iter().find(|one| one.name == name);
        Self {
            figures: named(kind.name).map(|one| one.samples.clone()).unwrap_or_default(),
            host: named(HOST).filter(|_| kind.is_part()).map(|one| one.value),
        }
    }

    /// How figures differ from these. A part of the host's own is smaller too where the host was slow then, and what the
    /// guest did by itself is less where the host is slow now: only what is worse both ways is.
    fn change(&self, kind: &Kind, now: &[f64], host: Option<f64>) -> Option<Shift> {
        let change = shift(&self.figures, now)?;
        let Some((then, now_host)) = self.host.zip(host).filter(|_| kind.is_worse(&change)) else { return Some(change) };
        let times = |figures: &[f64], host: f64| figures.iter().map(|figure| figure * host).collect::<Vec<_>>();
        let alone = shift(&times(&self.figures, then), &times(now, now_host));
        Some(alone.filter(|alone| !kind.is_worse(alone)).unwrap_or(change))
    }
}

/// What was seen.
pub(crate) struct Observed {
    pub(crate) series: Vec<Series>,
    /// The earlier review; none where none was given.
    pub(crate) baseline: Option<String>,
    /// Why the guest left its processors meanwhile, where KVM's counters can be read.
    pub(crate) exits: Option<Table>,
    /// What ran beside the VM's processors: a table, and a sentence for each that ran where one is pinned.
    pub(crate) beside: Option<(Table, Vec<String>)>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let baseline = session.scope.baseline;
    let disks = Disks { first: disk(session), free: free(session) };
    let (began, before, looked) = (Instant::now(), exits::counted(session), interrupts::look(session));
    let one = |kind: &'static Kind| {
        let before = baseline.map(|review| Earlier::of(review, kind)).unwrap_or_default();
        let now = confirmed(kind, &before, || once(session, kind, &disks), std::thread::sleep);
        Series { kind, now, before }
    };
    // Where nothing may be overwritten, that it was not measured is no news, unless it is demanded.
    let spec = session.scope.spec;
    let may_be = !spec.review.overwrite.is_empty();
    let is_asked = |kind: &&'static Kind| may_be || !kind.words.contains(&FREE) || (kind.demands)(spec).is_some();
    let series = KINDS.iter().filter(is_asked).map(one).collect();
    let exits = before.and_then(|before| exits::between(&before, &exits::counted(session)?, began.elapsed().as_secs_f64()));
    let beside = looked.and_then(|before| Some(interrupts::between(&before, &interrupts::look(session)?)));
    Observed { series, exits, beside, baseline: baseline.map(|review| review.began.clone()) }
}

/// The disks that are measured, as the guest names them; or why there is none.
struct Disks {
    first: Result<String, String>,
    free: Result<String, String>,
}

/// Measures one thing once.
fn once(session: &Session<'_>, kind: &Kind, disks: &Disks) -> Run {
    let (looked, from) = (crowd::look(session), Instant::now());
    // Half of the host's runs come before the guest's: what the host does otherwise for a while is in both.
    let spins = |runs| if kind.is_part() { session.scope.host.spin(runs, 100) } else { Vec::new() };
    let mut host = spins(RUNS / 2);
    let mut figures = figures(session, kind, disks);
    host.extend(spins(RUNS - RUNS / 2));
    let host = median(&host).filter(|figure| *figure > 0.0);
    let took = figures.iter().flatten().map(|figure| (kind.took)(*figure)).sum();
    let crowded = looked.and_then(|looked| crowd::between(&looked, &crowd::look(session)?, took, from.elapsed()));
    if kind.is_part() {
        figures = figures.and_then(|figures| {
            let host = host.ok_or("the host's own figure was not measured")?;
            Ok(figures.iter().map(|figure| figure * 100.0 / host).collect())
        });
    }
    Run { figures, host, crowded }
}

/// One measurement; and others where it looks worse than before, until one does not: what lasts is there each time.
fn confirmed(kind: &Kind, before: &Earlier, mut measure: impl FnMut() -> Run, wait: impl Fn(Duration)) -> Run {
    let is_worse = |run: &Run| {
        let figures = run.figures.as_deref().unwrap_or_default();
        before.change(kind, figures, run.host).is_some_and(|change| kind.is_worse(&change))
    };
    let mut run = measure();
    for seconds in AGAIN {
        if !is_worse(&run) {
            break;
        }
        wait(Duration::from_secs(seconds));
        run = measure();
    }
    run
}

/// The first disk that the guest sees.
fn disk(session: &Session<'_>) -> Result<String, String> {
    let answer = session.ask("guest-get-disks")?;
    let whole = |entry: &&Value| entry.get("partition") == Some(&Value::Bool(false));
    let first = answer.as_array().and_then(|all| all.iter().find(whole)).and_then(|one| one.get("name")?.as_str());
    first.map(str::to_owned).ok_or_else(|| "the guest has no disk".to_owned())
}

/// The first disk that may be overwritten, and that nothing of the guest uses.
fn free(session: &Session<'_>) -> Result<String, String> {
    let path = session.scope.spec.review.overwrite.first();
    let path = path.ok_or("the specification gives no disk free to be written to (`review.overwrite`)")?;
    // Without an exercise nothing may be changed.
    session.scope.exercise.ok_or("nothing may be done with this VM here")?;
    session.up()?;
    super::disks::found(session, path).map(|(_, name, _)| format!("/dev/{name}")).map_err(|why| format!("{path}: {why}"))
}

fn figures(session: &Session<'_>, kind: &Kind, disks: &Disks) -> Result<Vec<f64>, String> {
    let (mut words, mut disk) = (Vec::new(), "");
    for word in kind.words {
        words.push(match *word {
            FIRST | FREE => {
                disk = if *word == FIRST { &disks.first } else { &disks.free }.as_deref().map_err(Clone::clone)?;
                disk
            }
            other => other,
        });
    }
    let by_fio = match kind.words[0] {
        "read" => Some(fio::What::Reads),
        "seek" => Some(fio::What::ReadLatency),
        "overwrite" => Some(fio::What::Writes),
        "scatter" => Some(fio::What::WriteLatency),
        _ => None,
    };
    if let Some(what) = by_fio
        && !session.is_probe()
    {
        return fio::figures(session, what, disk);
    }
    session.probe(&words, LIMIT)
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Figures", &["what", "median", "lies between (99 %)", "demanded", "against the earlier review"]);
    let mut measurements = Vec::new();
    for series in &seen.series {
        let kind = series.kind;
        aspects.about(kind.name);
        let wanted = (kind.demands)(spec).map(f64::from);
        let figures = match &series.now.figures {
            Ok(figures) => figures,
            Err(why) => {
                if wanted.is_some() {
                    aspects.unknown(format!("{}: {}", kind.name, quote::line(why)));
                }
                table.rows.push(vec![kind.name.to_owned(), format!("not measured: {}", quote::line(why))]);
                continue;
            }
        };
        let (middle, bounds) = (median(figures), interval(figures));
        if let Some(wanted) = wanted {
            demand(kind, figures.len(), bounds, wanted, &mut aspects);
        }
        let change = compare(series, seen.baseline.as_deref(), figures, &mut aspects);
        let text = |figure: f64| format!("{figure:.1} {}", kind.unit);
        table.rows.push(vec![
            kind.name.to_owned(),
            middle.map_or_else(|| "none".to_owned(), text),
            bounds.map_or_else(|| "not known".to_owned(), |(low, high)| format!("{low:.1} and {high:.1}")),
            match (wanted, kind.better) {
                (None, _) => "nothing".to_owned(),
                (Some(wanted), Better::More) => format!("at least {wanted}"),
                (Some(wanted), Better::Less) => format!("at most {wanted}"),
            },
            change,
        ]);
        if let Some(value) = middle {
            let (name, unit) = (kind.name.to_owned(), kind.unit.to_owned());
            measurements.push(Measurement { name, value, unit, samples: figures.clone(), interval: bounds });
            measurements.extend(series.now.host.map(|host| measurement(HOST, host, "rounds/s")));
        }
    }
    let otherwise = "the specification demands nothing of its performance, and there is no earlier review to compare with";
    let judged = Judged::of(aspects, otherwise);
    // It explains a failure, and is none by itself.
    let beside = seen.beside.as_ref().filter(|_| matches!(judged.outcome, GateOutcome::Fail(_)));
    let evidence = beside.map(|(_, said)| said.iter().map(|line| quote::line(line)).collect()).unwrap_or_default();
    let tables = std::iter::once(table).chain(seen.exits.clone()).chain(beside.map(|(table, _)| table.clone())).collect();
    Judged { measurements, evidence, tables, ..judged }
}

/// Whether the interval lies on the right side.
fn demand(kind: &Kind, runs: usize, bounds: Option<(f64, f64)>, wanted: f64, aspects: &mut Aspects) {
    let Some((low, high)) = bounds else {
        return aspects.unknown(format!("{}: {runs} runs are too few to tell", kind.name));
    };
    let (good, bad, word) = match kind.better {
        Better::More => (low >= wanted, high < wanted, "at least"),
        Better::Less => (high <= wanted, low > wanted, "at most"),
    };
    let told = format!(
        "{}: the median lies between {low:.1} and {high:.1} {}, the specification demands {word} {wanted}",
        kind.name, kind.unit
    );
    match (good, bad) {
        (true, _) => aspects.pass(),
        (_, true) => aspects.fail(told),
        _ => aspects.unknown(format!("{told}: {runs} runs do not decide")),
    }
}

/// What changed since an earlier review, in words.
fn compare(series: &Series, baseline: Option<&str>, figures: &[f64], aspects: &mut Aspects) -> String {
    let Some(baseline) = baseline else { return "none given".to_owned() };
    let kind = series.kind;
    if series.before.figures.is_empty() {
        return "not measured then".to_owned();
    }
    // That nothing was stolen can be compared with nothing.
    let Some(change) = series.before.change(kind, figures, series.now.host) else { return "cannot be compared".to_owned() };
    let percent = |part: f64| format!("{:+.0} %", part * 100.0);
    let told = format!("{} ({} to {})", percent(change.by), percent(change.low), percent(change.high));
    // A wait takes its part of what is done in a time. Of the longest times it may be the whole.
    let worse = kind.is_worse(&change);
    let explains = |part: f64| match kind.better {
        Better::More => change.high >= -(part + NEGLIGIBLE),
        Better::Less => true,
    };
    let against = || format!("{}: {told} against the review of {}", kind.name, quote::line(baseline));
    match series.now.crowded.filter(|part| worse && explains(*part)) {
        Some(part) => aspects.unknown(format!(
            "{}, but for {:.0} % of its time the VM waited for a processor of this busy host: that may be all",
            against(),
            part * 100.0
        )),
        None => aspects.expect(!worse, against),
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;

    fn run(figures: Result<Vec<f64>, String>) -> Run {
        Run { figures, host: None, crowded: None }
    }

    fn earlier(figures: Vec<f64>) -> Earlier {
        Earlier { figures, host: None }
    }

    fn seen_of(kind: &'static Kind, figures: Result<Vec<f64>, String>, before: Vec<f64>) -> Observed {
        let baseline = (!before.is_empty()).then(|| "2026-01-01T00:00:00Z".to_owned());
        let series = vec![Series { kind, now: run(figures), before: earlier(before) }];
        Observed { series, baseline, exits: None, beside: None }
    }

    fn seen(figures: Result<Vec<f64>, String>, before: Vec<f64>) -> Observed {
        seen_of(&KINDS[1], figures, before)
    }

    fn around(middle: f64) -> Vec<f64> {
        (0..12).map(|run| middle + f64::from(run) - 5.5).collect()
    }

    fn word(seen: &Observed, demanded: Option<u32>) -> &'static str {
        let mut spec = spec();
        spec.review.memory_mib_s = demanded;
        judge(seen, &spec).outcome.word()
    }

    #[test]
    fn only_an_interval_on_one_side_decides() {
        let seen = |middle| seen(Ok(around(middle)), Vec::new());
        assert_eq!(word(&seen(1000.0), Some(900)), "pass");
        assert_eq!(word(&seen(1000.0), Some(1100)), "fail");
        assert_eq!(word(&seen(1000.0), Some(1000)), "unknown");
        assert_eq!(word(&seen(1000.0), None), "not applicable");
    }

    #[test]
    fn what_was_not_measured_passes_no_demand() {
        assert_eq!(word(&seen(Err("no probe".to_owned()), Vec::new()), Some(1)), "unknown");
        assert_eq!(word(&seen(Ok(vec![1000.0; 5]), Vec::new()), Some(1)), "unknown");
    }

    #[test]
    fn a_tenth_less_than_before_fails_and_the_same_passes() {
        assert_eq!(word(&seen(Ok(around(1000.0)), around(1003.0)), None), "pass");
        let slower = seen(Ok(around(900.0)), around(1000.0));
        assert_eq!(word(&slower, None), "fail");
        let GateOutcome::Fail(why) = judge(&slower, &spec()).outcome else { panic!("it fails") };
        assert!(why.contains("memory: -10 %") && why.contains("against the review of 2026-01-01"), "{why}");
        // Less of what should be little is no fault.
        let better = seen_of(&KINDS[6], Ok(around(900.0)), around(1000.0));
        assert_eq!(judge(&better, &spec()).outcome, GateOutcome::Pass);
    }

    #[test]
    fn what_looks_worse_is_measured_again_until_it_does_no_more() {
        let median_of = |answers: &[f64]| {
            let (waited, mut answers) = (std::cell::Cell::new(0), answers.iter());
            let measure = || run(Ok(around(*answers.next().unwrap())));
            let wait = |time: Duration| waited.set(waited.get() + time.as_secs());
            let last = confirmed(&KINDS[1], &earlier(around(1000.0)), measure, wait);
            (median(&last.figures.unwrap()), waited.get(), answers.len())
        };
        assert_eq!(median_of(&[700.0, 700.0, 1000.0]), (Some(1000.0), 4, 0), "it did not last");
        assert_eq!(median_of(&[700.0, 710.0, 720.0, 730.0]), (Some(730.0), 10, 0), "it lasts");
        assert_eq!(median_of(&[1000.0, 700.0]), (Some(1000.0), 0, 1), "there is nothing to look at again");
    }

    #[test]
    fn a_processor_is_slower_where_it_is_so_by_itself_too() {
        // What the guest does, and what the host does: then, and now.
        let is_worse = |(then, host_then): (f64, f64), (now, host): (f64, f64)| {
            let parts = |guest: f64, host: f64| around(100.0 * guest).iter().map(|figure| figure / host).collect::<Vec<_>>();
            let before = Earlier { figures: parts(then, host_then), host: Some(host_then) };
            KINDS[0].is_worse(&before.change(&KINDS[0], &parts(now, host), Some(host)).unwrap())
        };
        assert!(!is_worse((100.0, 80.0), (100.0, 100.0)), "the host was slow then");
        assert!(!is_worse((100.0, 100.0), (80.0, 80.0)), "the host is slow now");
        assert!(is_worse((100.0, 100.0), (80.0, 100.0)), "the guest is slow now");
        assert!(is_worse((100.0, 80.0), (80.0, 100.0)));
    }

    #[test]
    fn what_a_busy_host_explains_is_not_the_vm() {
        let slower = |figure: f64, part: Option<f64>| {
            let mut seen = seen(Ok(around(figure)), around(1000.0));
            seen.series[0].now.crowded = part;
            word(&seen, None)
        };
        assert_eq!(slower(700.0, Some(0.3)), "unknown");
        assert_eq!(slower(700.0, None), "fail");
        assert_eq!(slower(500.0, Some(0.3)), "fail", "more than the wait explains");
        assert_eq!(slower(1000.0, Some(0.3)), "pass");
        // One wait makes the longest time.
        let mut late = seen_of(&KINDS[6], Ok(around(9000.0)), around(1000.0));
        late.series[0].now.crowded = Some(0.1);
        assert_eq!(judge(&late, &spec()).outcome.word(), "unknown");
        late.series[0].now.crowded = None;
        assert_eq!(judge(&late, &spec()).outcome.word(), "fail");
    }
}

//! How fast a journal of so many entries is: `journal_speed FOLDER ENTRIES [FILES]`. With `FILES` the entries are written there
//! too, as private-journal's files, with what is asked. Prints the middle and the 99th percentile of a
//! search and of an append, of an fsync of the same file system alone, and the size of the file. An append waits for several
//! of those; its time on the processor is what it takes besides them. On a busy machine the time on the processor is also
//! the fairer figure of a search, all of whose pages are in memory.

use anyhow::Context as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use vmwright_journal::{Journal, markdown};
use vmwright_model::{Entry, EntryState};

/// Words of titles and texts, from those that all entries use to those that few do.
const WORDS: &[&str] = &[
    "vm",
    "does",
    "not",
    "start",
    "disk",
    "image",
    "lock",
    "bridge",
    "network",
    "slow",
    "boot",
    "kernel",
    "panic",
    "vfio",
    "group",
    "viable",
    "migration",
    "cpu",
    "model",
    "memory",
    "huge",
    "pages",
    "numa",
    "pinning",
    "interrupt",
    "timeout",
    "snapshot",
    "restore",
    "clock",
    "drift",
    "firmware",
    "tpm",
    "secure",
    "agent",
    "silent",
    "console",
    "libvirt",
    "daemon",
];

/// What is looked for: everyday words, telling ones, signs, and words that nothing has.
const QUESTIONS: &[&str] = &[
    "the vm does not start",
    "disk image lock",
    "host 4711 reports w777 after migration",
    "vfio group not viable 0000:2a:00.0",
    "storage/rule-17",
    "0x1f2e stop code",
    "w12345 w54321",
    "nothing has these zzzz words",
    "kernel panic after restore of a snapshot with huge pages",
    "10de:0042 resets",
];

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: journal_speed FOLDER ENTRIES [FILES]";
    let folder = args.next().context(usage)?;
    let count: u64 = args.next().context(usage)?.parse()?;
    if let Some(files) = args.next() {
        as_files(Path::new(&files), count)?;
    }
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{count}.db"));
    let mut journal = Journal::open(&path)?;
    let mut made = journal.head()?.map_or(0, |(id, _)| u64::try_from(id.0).unwrap_or(0));
    while made < count {
        let some: Vec<Entry> = (made..count.min(made + 10_000)).map(entry).collect();
        made += u64::try_from(some.len())?;
        journal.append_all(&some)?;
    }
    let (mut searches, mut searched) = (Vec::new(), Vec::new());
    for round in 0..40 {
        for question in QUESTIONS {
            let question =
                if round % 2 == 0 { (*question).to_owned() } else { format!("{question} w{}", round * 37) };
            let (begun, worked) = (Instant::now(), on_processor()?);
            journal.search(&question, 10)?;
            searches.push(begun.elapsed());
            searched.push(on_processor()?.saturating_sub(worked));
        }
    }
    let (mut appends, mut appended, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    let mut beside = File::create(folder.join("beside"))?;
    for number in 0..300 {
        let one = entry(count + number);
        let (begun, worked) = (Instant::now(), on_processor()?);
        journal.append(&one)?;
        appends.push(begun.elapsed());
        appended.push(on_processor()?.saturating_sub(worked));
        beside.write_all(&[0; 4096])?;
        let begun = Instant::now();
        beside.sync_all()?;
        syncs.push(begun.elapsed());
    }
    let bytes = std::fs::metadata(&path)?.len();
    for (what, times) in [
        ("search", &mut searches),
        ("search, on the processor", &mut searched),
        ("append", &mut appends),
        ("append, on the processor", &mut appended),
        ("fsync", &mut syncs),
    ] {
        times.sort();
        println!("{what:24} p50 {:.3} p99 {:.3} ms", at(times, 50), at(times, 99));
    }
    println!("file {} MiB, {} bytes an entry", bytes >> 20, bytes / count.max(1));
    Ok(())
}

/// The entries as files, and the questions, a line each.
fn as_files(folder: &Path, count: u64) -> anyhow::Result<()> {
    let day = folder.join("2026-01-01");
    std::fs::create_dir_all(&day)?;
    for number in 0..count {
        let text = markdown::write(&entry(number), 0);
        std::fs::write(day.join(format!("00-00-00-{number:06}.md")), text)?;
    }
    Ok(std::fs::write(folder.join("questions"), QUESTIONS.join("\n"))?)
}

/// How long this thread has been on a processor.
fn on_processor() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1000.0
}

/// The entry of a number: a few everyday words, some that fewer use, a rule, a PCI address, a code.
fn entry(number: u64) -> Entry {
    // A generator that is the same everywhere (splitmix64).
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = |below: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    };
    let mut words = |some: u64| -> String {
        (0..some)
            .map(|_| {
                let far = next(WORDS.len() as u64 + 8);
                let word = WORDS.get(usize::try_from(far.min(next(64))).unwrap_or(0));
                word.map_or_else(|| format!("w{}", next(100_000)), |word| (*word).to_owned())
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (title, body) = (words(8), words(60));
    Entry {
        title: format!("{title} on host {}", number % 5000),
        body: format!(
            "{body}\npci 0000:{:02x}:00.0 [10de:{:04x}] code 0x{:x}\n",
            number % 256,
            number % 9000,
            number % 50_000
        ),
        operation: "analyze".to_owned(),
        host_id: format!("{:032x}", number % 5000),
        rules: vec![format!("storage/rule-{}", number % 260)],
        evidence: Vec::new(),
        state: if number.is_multiple_of(3) { EntryState::Verified } else { EntryState::Pending },
        written: "2026-01-01T00:00:00Z".to_owned(),
        project: None,
    }
}

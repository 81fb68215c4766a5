//! What came of something asked of a machine.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::{Came, MigrationProgress, Statistics, Told};

/// Text for people. What a program in a guest said is shown as it is where it goes into a file or a pipe, and made
/// harmless for a terminal.
pub(crate) fn text(came: &Came, terminal: bool) -> String {
    match came {
        Came::Done { vm, state } => format!("{vm} is {state}\n"),
        Came::Executed { output, .. } if terminal => output.lines().map(|line| shown(line) + "\n").collect(),
        Came::Executed { output, .. } => output.clone(),
        Came::Copied { bytes, to } => format!("{} in {}\n", size(*bytes), shown(to)),
        Came::Snapshots { names } if names.is_empty() => "no snapshots\n".to_owned(),
        Came::Snapshots { names } => names.iter().map(|name| format!("{name}\n")).collect(),
        Came::Attached { device } => format!("{device} is attached\n"),
        Came::Cloned { vm, disks } => {
            let disks: String = disks.iter().map(|disk| format!("  {}\n", shown(disk))).collect();
            format!("{vm} is made; its disks hold what differs from those of its origin:\n{disks}")
        }
        Came::Resized { to } if *to < 8192 => format!("virtual CPUs: {to}\n"),
        Came::Resized { to } => format!("{}\n", size(*to)),
        Came::Metadata { data } => {
            format!("{}\n", format!("{data:#}").lines().map(shown).collect::<Vec<_>>().join("\n"))
        }
        Came::Migrated(how) => {
            let sent = how.sent.map(|sent| format!(" {} in", size(sent))).unwrap_or_default();
            let rounds = how.rounds.map(|rounds| format!(" and {rounds} rounds")).unwrap_or_default();
            let still = match how.downtime_ms {
                Some(still) => format!("it stood still for {still} ms"),
                None => "its VMM does not tell for how long it stood still".to_owned(),
            };
            let seconds = how.total_ms as f64 / 1000.0;
            format!("the guest is at its target:{sent} {seconds:.1} s{rounds}; {still}\n")
        }
        Came::Received { vm, state, accelerator } => format!("{vm} is here: {state}, {accelerator}\n"),
        Came::Traced { events } if events.is_empty() => "no event came\n".to_owned(),
        Came::Traced { events } => {
            let mut events = events.clone();
            events.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            events.iter().map(|(name, count)| format!("{count:>10}  {}\n", shown(name))).collect()
        }
        Came::Statistics(counts) => statistics(counts),
    }
}

/// A table of counts.
pub(crate) fn statistics(counts: &Statistics) -> String {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let mut out = format!(
        "process   {:>12.2} s of processor time, {} in memory{}\n",
        seconds(counts.process_ns),
        size(counts.resident),
        counts.balloon.map(|bytes| format!(", balloon at {}", size(bytes))).unwrap_or_default()
    );
    for cpu in &counts.cpus {
        let _ = writeln!(
            out,
            "cpu {:<5} {:>12.2} s ran, {:.2} s stolen (thread {})",
            cpu.cpu,
            seconds(cpu.ran_ns),
            seconds(cpu.waited_ns),
            cpu.thread
        );
    }
    for disk in &counts.disks {
        let each = |ns: u64, count: u64| if count == 0 { 0.0 } else { ns as f64 / count as f64 / 1e6 };
        let _ = writeln!(
            out,
            "disk {:<4} {:>12} read in {} ({:.2} ms each), {} written in {} ({:.2} ms each), {} flushes, {} failed",
            shown(&disk.name),
            size(disk.read),
            disk.reads,
            each(disk.read_ns, disk.reads),
            size(disk.written),
            disk.writes,
            each(disk.write_ns, disk.writes),
            disk.flushes,
            disk.failed
        );
    }
    for net in &counts.networks {
        let _ = writeln!(
            out,
            "net {:<5} {:>12} received in {}, {} sent in {}, {} dropped",
            shown(&net.name),
            size(net.received),
            net.packets_received,
            size(net.sent),
            net.packets_sent,
            net.dropped
        );
    }
    for (name, count) in counts.kvm.iter().filter(|(_, count)| *count > 0) {
        let _ = writeln!(out, "kvm       {count:>12} {}", shown(name));
    }
    out
}

/// One line about what is told on the way.
pub(crate) fn told(told: &Told) -> String {
    match told {
        Told::Note(note) => shown(note),
        Told::Copied { done, of: Some(of) } => format!("{} of {}", size(*done), size(*of)),
        Told::Copied { done, of: None } => size(*done),
        Told::Traced { event, text } => format!("{} {}", shown(event), shown(text)),
        Told::Migration(how) => migration(how),
    }
}

/// How far a migration is.
pub(crate) fn migration(how: &MigrationProgress) -> String {
    let mut line = format!("{}: {} left of {}", shown(&how.status), size(how.remaining), size(how.total));
    if how.throughput > 0 {
        let _ = write!(line, ", {}/s", size(how.throughput));
    }
    if how.dirty_rate > 0 {
        let _ = write!(line, ", guest writes {}/s", size(how.dirty_rate));
    }
    if let Some(ms) = how.expected_downtime {
        let _ = write!(line, ", would stand still {ms} ms");
    }
    if how.throttle > 0 {
        let _ = write!(line, ", slowed down by {} %", how.throttle);
    }
    line
}

/// Bytes for people, in powers of 1024.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }

    #[test]
    fn a_guest_cannot_move_the_cursor() {
        let came = Came::Executed {
            status: Some(0),
            signal: None,
            output: "a\x1b[2Jb\n".to_owned(),
            errors: String::new(),
            cut: false,
        };
        assert!(!text(&came, true).contains('\x1b') && text(&came, false).contains('\x1b'));
    }
}

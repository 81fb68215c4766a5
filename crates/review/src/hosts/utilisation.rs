//! `utilisation` of a host: what its VMs were promised together against what it has.
//!
//! How full a host should be is its owner's choice. What fails are promises that it cannot keep: memory that guests have not
//! touched yet and the host no longer has, and guests whose memory it has already swapped out.

use super::HostScope;
use super::vmms::{Vmm, Vmms, value};
use crate::aspects::Aspects;
use crate::gates::utilisation::{mib, percent, processors, ratio, resident};
use crate::gates::{Judged, measurement, table};
use crate::quote;
use vmwright_formats::{MemInfo, View};
use vmwright_model::Missing;

/// What was seen.
pub(super) struct Observed {
    pub(super) vmms: Result<Vec<Use>, Missing>,
    /// Bytes of the host's memory, and of it what it could give now without swapping.
    pub(super) memory: Result<(u64, u64), String>,
    /// Processors that run.
    pub(super) processors: Result<u32, Missing>,
    /// By resource: the share of the last 300 s in which something waited for it, in percent; and everything did.
    pub(super) pressure: Vec<(&'static str, Option<(f64, f64)>)>,
}

/// What one VM was given and uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Use {
    pub(super) name: String,
    /// Bytes that its command line gives it; none where that does not tell.
    pub(super) given: Option<u64>,
    /// Its virtual processors.
    pub(super) processors: Option<u32>,
    /// Bytes that it has in the host's memory.
    pub(super) resident: Option<u64>,
    /// Bytes of it that lie in swap.
    pub(super) swapped: u64,
}

pub(super) fn observe(scope: &HostScope<'_>, vmms: &Vmms) -> Observed {
    let memory =
        scope.file("/proc/meminfo").map_err(|why| format!("/proc/meminfo: {why}")).and_then(|text| {
            let (info, _) = MemInfo::read(&text);
            let bytes = |key: &str| info.bytes(key).map(|found| found.value);
            bytes("MemTotal")
                .zip(bytes("MemAvailable"))
                .ok_or_else(|| "/proc/meminfo has no MemAvailable".to_owned())
        });
    let pressure = |name: &'static str| {
        (name, scope.file(&format!("/proc/pressure/{name}")).ok().and_then(|text| pressure(&text)))
    };
    Observed {
        vmms: vmms
            .as_ref()
            .map(|vmms| vmms.iter().map(|vmm| one(scope, vmm)).collect())
            .map_err(Clone::clone),
        memory,
        processors: scope.file("/proc/stat").map(|text| processors(&text)),
        pressure: ["cpu", "memory", "io"].map(pressure).to_vec(),
    }
}

fn one(scope: &HostScope<'_>, vmm: &Vmm) -> Use {
    let status = scope.file(&format!("/proc/{}/status", vmm.pid)).unwrap_or_default();
    let swapped = status.lines().find_map(|line| {
        line.strip_prefix("VmSwap:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    Use {
        name: vmm.label(),
        given: given(&vmm.words),
        processors: count(&vmm.words),
        resident: resident(&status),
        swapped: swapped.unwrap_or(0).saturating_mul(1024),
    }
}

/// Bytes by QEMU's `-m 512`, `-m 2G`, `-m size=1048576k,slots=4` (MiB without a letter; qemu(1)), or Cloud Hypervisor's
/// `--memory size=512M` (bytes without a letter).
fn given(words: &[String]) -> Option<u64> {
    let size = |text: &str, unit: u64| {
        let text =
            text.split(',').find_map(|part| part.strip_prefix("size=")).or_else(|| text.split(',').next())?;
        let (digits, factor) = match text.char_indices().next_back()? {
            (at, letter) if !letter.is_ascii_digit() => {
                let power = "KMGT".find(letter.to_ascii_uppercase())? as u32 + 1;
                (&text[..at], 1024_u64.pow(power))
            }
            _ => (text, unit),
        };
        digits.parse::<u64>().ok()?.checked_mul(factor)
    };
    value(words, "-m")
        .and_then(|text| size(text, 1 << 20))
        .or_else(|| value(words, "--memory").and_then(|text| size(text, 1)))
}

/// Virtual processors by QEMU's `-smp 2,sockets=1` or `-smp cpus=2`, or Cloud Hypervisor's `--cpus boot=2`; QEMU without it has
/// one.
fn count(words: &[String]) -> Option<u32> {
    let number = |text: &str| {
        let parts = || text.split(',');
        let named =
            parts().find_map(|part| part.strip_prefix("cpus=").or_else(|| part.strip_prefix("boot=")));
        named.or_else(|| parts().next()).and_then(|text| text.parse().ok())
    };
    match value(words, "-smp").or_else(|| value(words, "--cpus")) {
        Some(text) => number(text),
        None => words.first().is_some_and(|program| program.contains("qemu")).then_some(1),
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=1.25 total=9` and the line `full` (Documentation/accounting/psi.rst).
fn pressure(text: &str) -> Option<(f64, f64)> {
    let of = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        line.split_whitespace()
            .find_map(|word| word.strip_prefix("avg300="))
            .and_then(|word| word.parse().ok())
    };
    Some((of("some ")?, of("full ").unwrap_or(0.0)))
}

pub(super) fn judge(seen: &Observed) -> Judged {
    let mut aspects = Aspects::default();
    let mut tables = Vec::new();
    let mut figures = Vec::new();
    match (&seen.vmms, &seen.memory) {
        (Ok(vmms), Ok((total, available))) => {
            promised(vmms, *available, aspects.about("host memory"));
            tables.push(used(vmms));
            tables.push(together(vmms, *total, *available, seen.processors.as_ref().ok().copied()));
            let bytes = |name: &str, bytes: u64| measurement(name, bytes as f64, "bytes");
            figures.push(bytes("memory of the host", *total));
            figures.push(bytes("memory that it could give", *available));
            figures.push(bytes("memory given to VMs", vmms.iter().filter_map(|vmm| vmm.given).sum()));
            figures.push(measurement("VMs", vmms.len() as f64, "count"));
        }
        (Err(why), _) => aspects.about("host memory").unknown(format!("which VMMs run: /proc: {why}")),
        (_, Err(why)) => aspects.about("host memory").unknown(why.clone()),
    }
    aspects.about("swap");
    for vmm in seen.vmms.as_deref().unwrap_or_default() {
        aspects.expect(vmm.swapped == 0, || {
            format!(
                "the host has swapped {} MiB of {} out: its guest waits for a disk where it expects memory",
                mib(vmm.swapped),
                quote::line(&vmm.name)
            )
        });
    }
    for (name, pressure) in &seen.pressure {
        if let Some((some, full)) = pressure {
            figures.push(measurement(format!("waited for {name}, last 5 min"), *some, "%"));
            if *full > 0.0 {
                figures.push(measurement(format!("all waited for {name}, last 5 min"), *full, "%"));
            }
        }
    }
    tables.retain(|table| !table.rows.is_empty());
    Judged { measurements: figures, tables, ..Judged::of(aspects, "") }
}

/// Whether the host has what its guests were promised and did not touch so far.
fn promised(vmms: &[Use], available: u64, aspects: &mut Aspects) {
    let dark: Vec<&str> = vmms
        .iter()
        .filter(|vmm| vmm.given.is_none() || vmm.resident.is_none())
        .map(|vmm| vmm.name.as_str())
        .collect();
    let open: u64 = vmms.iter().filter_map(|vmm| Some(vmm.given?.saturating_sub(vmm.resident?))).sum();
    if open > available {
        aspects.fail(format!(
            "its guests were promised {} MiB that they have not touched yet, and the host has {} MiB left",
            mib(open),
            mib(available)
        ));
    } else if let Some(first) = dark.first() {
        aspects.unknown(format!(
            "how much memory {} of {} VMs were given: the command line of {} does not tell",
            dark.len(),
            vmms.len(),
            quote::line(first)
        ));
    } else if vmms.is_empty() {
        aspects.none("no VM runs");
    } else {
        aspects.pass();
    }
}

fn used(vmms: &[Use]) -> vmwright_model::Table {
    let mut table =
        table("VMs", &["vm", "processors", "memory given", "in the host's memory", "swapped out"]);
    let told = |bytes: Option<u64>| {
        bytes.map_or_else(|| "not told".to_owned(), |bytes| format!("{} MiB", mib(bytes)))
    };
    for vmm in vmms {
        let processors = vmm.processors.map_or_else(|| "not told".to_owned(), |count| count.to_string());
        table.rows.push(vec![
            quote::line(&vmm.name),
            processors,
            told(vmm.given),
            told(vmm.resident),
            told(Some(vmm.swapped)),
        ]);
    }
    table
}

/// All VMs against the host.
fn together(vmms: &[Use], total: u64, available: u64, processors: Option<u32>) -> vmwright_model::Table {
    let mut table = table("Given and there", &["what", "given to VMs", "of the host", "share"]);
    let given: u64 = vmms.iter().filter_map(|vmm| vmm.given).sum();
    table.rows.push(vec![
        "memory".to_owned(),
        format!("{} MiB", mib(given)),
        format!("{} MiB, {} MiB of it free or could be", mib(total), mib(available)),
        percent(ratio(given, total)),
    ]);
    if let Some(processors) = processors {
        let given: u64 = vmms.iter().filter_map(|vmm| vmm.processors).map(u64::from).sum();
        table.rows.push(vec![
            "processors".to_owned(),
            given.to_string(),
            processors.to_string(),
            percent(ratio(given, u64::from(processors))),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::GateOutcome;

    const MIB: u64 = 1 << 20;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_a_command_line_gives() {
        for (text, bytes) in [
            ("qemu -m 512", Some(512 * MIB)),
            ("qemu -m 2G", Some(2048 * MIB)),
            ("qemu -m size=1048576k,slots=4,maxmem=4G", Some(1024 * MIB)),
            ("cloud-hypervisor --memory size=256M,shared=on", Some(256 * MIB)),
            ("firecracker --api-sock s", None),
            ("qemu -m x", None),
            ("qemu -m ä", None),
        ] {
            assert_eq!(given(&words(text)), bytes, "{text}");
        }
        for (text, processors) in [
            ("/usr/bin/qemu-system-x86_64 -smp 4,sockets=2", Some(4)),
            ("/usr/bin/qemu-system-x86_64 -smp sockets=2,cpus=8", Some(8)),
            ("/usr/bin/qemu-system-x86_64", Some(1)),
            ("cloud-hypervisor --cpus boot=2,max=4", Some(2)),
            ("firecracker", None),
        ] {
            assert_eq!(count(&words(text)), processors, "{text}");
        }
    }

    #[test]
    fn promises_of_all_count_together() {
        let vm = |name: &str, swapped| Use {
            name: name.to_owned(),
            given: Some(1024 * MIB),
            processors: Some(2),
            resident: Some(24 * MIB),
            swapped,
        };
        let seen = |vmms: Vec<Use>, available| Observed {
            vmms: Ok(vmms),
            memory: Ok((4096 * MIB, available)),
            processors: Ok(2),
            pressure: vec![("cpu", pressure("some avg10=9.00 avg60=8.00 avg300=7.50 total=1\n"))],
        };
        let good = judge(&seen(vec![vm("a", 0), vm("b", 0)], 2000 * MIB));
        assert_eq!(good.outcome, GateOutcome::Pass);
        assert_eq!(good.tables[1].rows[1][1..], ["4", "2", "200 %"]);
        assert!(good.measurements.iter().any(|figure| figure.value == 7.5));
        let short = judge(&seen(vec![vm("a", 0), vm("b", 0)], 1999 * MIB));
        assert!(
            matches!(&short.outcome, GateOutcome::Fail(why) if why.contains("promised 2000 MiB")),
            "{:?}",
            short.outcome
        );
        let swapped = judge(&seen(vec![vm("a", 3 * MIB)], 2000 * MIB));
        assert!(
            matches!(&swapped.outcome, GateOutcome::Fail(why) if why.contains("swapped 3 MiB of a out")),
            "{:?}",
            swapped.outcome
        );
        assert_eq!(judge(&seen(Vec::new(), 0)).outcome.word(), "not applicable");
        let dark = Use { given: None, ..vm("fc", 0) };
        assert_eq!(judge(&seen(vec![dark], 2000 * MIB)).outcome.word(), "unknown");
    }
}

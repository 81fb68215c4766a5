//! Threads per core, as asked for and as shown.

use crate::prelude::*;
use vmwright_formats::DomainXml;

/// The line in which lscpu shows one thread per core, in a text that is the guest's.
pub(crate) fn one_thread(cx: &Context<'_>) -> Option<Evidence> {
    cx.texts_with("Thread(s) per core:")
        .filter(|text| is_guest(text))
        .find_map(|text| {
            let (number, _) = count(text, "Thread(s) per core:").filter(|(_, count)| *count == 1)?;
            text.quote(number)
        })
        .or_else(|| as_many(cx))
}

/// The line in which Windows (`wmic cpu get ...`) counts no more logical processors than cores, of which there are some.
fn as_many(cx: &Context<'_>) -> Option<Evidence> {
    cx.lines_with("NumberOfLogicalProcessors").find_map(|(text, number, line)| {
        let two = line.split_whitespace().eq(["NumberOfCores", "NumberOfLogicalProcessors"]);
        let counts: Vec<u32> =
            text.line(number + 1)?.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        (two && counts.len() == 2 && counts[0] == counts[1] && counts[0] > 1)
            .then(|| text.quote(number + 1))?
    })
}

/// The line in which lscpu shows three sockets or more, each of one core, in a text that is the guest's.
pub(crate) fn socket_each(cx: &Context<'_>) -> Option<Evidence> {
    cx.texts_with("Socket(s):").filter(|text| is_guest(text)).find_map(|text| {
        count(text, "Core(s) per socket:").filter(|(_, cores)| *cores == 1)?;
        let (number, _) = count(text, "Socket(s):").filter(|(_, sockets)| *sockets > 2)?;
        text.quote(number)
    })
}

fn is_guest(text: &Text<'_>) -> bool {
    text.source.contains("guest") || text.holds(["Hypervisor vendor:", "Virtualization type:"])
}

/// The number behind a key of lscpu.
fn count(text: &Text<'_>, key: &str) -> Option<(u32, u64)> {
    let of = |line: &str| line.trim_start().strip_prefix(key)?.trim().parse::<u64>().ok();
    text.lines_with(key).find_map(|(number, line)| Some((number, of(line)?)))
}

/// Threads per core that a definition asks for, more than one: domain XML, `-smp`, or a KubeVirt manifest.
pub(crate) fn threads_asked(cx: &Context<'_>) -> Option<(u64, Option<Evidence>)> {
    for xml in cx.all::<DomainXml>() {
        let topologies = xml.domains.iter().filter_map(|domain| domain.cpu.as_ref()?.topology.as_ref());
        for topology in topologies {
            if let Some(threads) = topology.threads.filter(|threads| *threads > 1) {
                return Some((threads, xml.quote(topology.line)));
            }
        }
    }
    cx.lines_with(["threads:", "threads="]).find_map(|(text, number, line)| {
        let manifest = line.trim_start().strip_prefix("threads:");
        let smp = || line.split_once("-smp").and_then(|(_, smp)| Some(smp.split_once("threads=")?.1));
        let digits = manifest.map(str::trim).or_else(smp)?;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let threads = digits[..end].parse::<u64>().ok().filter(|threads| *threads > 1)?;
        Some((threads, text.quote(number)))
    })
}

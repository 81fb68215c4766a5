//! Threads per core, as asked for and as shown.

use crate::prelude::*;
use vmwright_formats::DomainXml;
use vmwright_formats::lines::lines;

/// The line in which lscpu shows one thread per core, in a text that is the guest's.
pub(crate) fn one_thread(cx: &Context<'_>) -> Option<Evidence> {
    cx.texts().iter().find_map(|text| {
        let guest = text.source.contains("guest")
            || ["Hypervisor vendor:", "Virtualization type:"].iter().any(|key| text.text.contains(key));
        let one = |line: &str| {
            line.trim_start().strip_prefix("Thread(s) per core:").is_some_and(|count| count.trim() == "1")
        };
        let (number, _) = lines(&text.text).find(|(_, line)| guest && one(line))?;
        text.quote(number)
    })
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
    cx.texts().iter().find_map(|text| {
        lines(&text.text).find_map(|(number, line)| {
            let manifest = line.trim_start().strip_prefix("threads:");
            let smp = || line.split_once("-smp").and_then(|(_, smp)| Some(smp.split_once("threads=")?.1));
            let digits = manifest.map(str::trim).or_else(smp)?;
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let threads = digits[..end].parse::<u64>().ok().filter(|threads| *threads > 1)?;
            Some((threads, text.quote(number)))
        })
    })
}

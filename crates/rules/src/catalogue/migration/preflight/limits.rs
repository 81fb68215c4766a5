//! Whether the target has room for the VM: memory, huge pages, processors.

use super::super::machine_mismatch::pair::{Guest, each, untold};
use crate::catalogue::memory::hugepages_not_reserved::pools::{Pool, pools};
use crate::prelude::*;
use vmwright_formats::{CpuInfo, MemInfo};

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let Some(info) = target.one::<MemInfo>() else {
        return vec![untold("the target's memory is not known", "/proc/meminfo")];
    };
    each(cx, |guest, draft| {
        let Some(wanted) = guest.domain().memory.as_ref() else {
            return Verdict::Unknown {
                why: "the VM's memory is not known".to_owned(),
                source: "virsh dumpxml NAME on the source".to_owned(),
            };
        };
        let draft = match guest.domain().memory_backing.hugepages {
            Some(_) => match huge(guest, wanted, &info, target, draft) {
                Ok(draft) => draft,
                Err(source) => return untold("the target's free huge pages are not known", &source),
            },
            None => plain(guest, wanted, &info, draft),
        };
        processors(guest, target, draft).verdict()
    })
}

fn plain<'d>(
    guest: &Guest<'_>,
    wanted: &Spanned<u64>,
    info: &Seen<'_, MemInfo>,
    draft: Draft<'d>,
) -> Draft<'d> {
    let Some(free) = info.bytes("MemAvailable") else { return draft };
    // What is locked cannot be swapped out; neither can what a device reads by itself.
    let locked =
        guest.domain().memory_backing.locked.is_some() || !guest.domain().devices.hostdevs.is_empty();
    let swap = info.bytes("SwapFree").map_or(0, |swap| swap.value);
    let room = free.value.saturating_add(if locked { 0 } else { swap });
    if wanted.value <= free.value {
        return draft;
    }
    draft
        .level(if wanted.value > room { Level::Error } else { Level::Warn })
        .because(Strength::Proof, info.quote(free.line), "what the target has left")
        .because(Strength::Support, guest.quote(wanted.line), "what the VM has")
        .title(format!(
            "{} has {} MiB of memory, and the target has {} MiB left",
            guest.name(),
            wanted.value >> 20,
            free.value >> 20
        ))
}

/// Memory in huge pages; the source that would tell, where the target's are not known.
fn huge<'d>(
    guest: &Guest<'_>,
    wanted: &Spanned<u64>,
    info: &Seen<'_, MemInfo>,
    target: &Reading<'_>,
    draft: Draft<'d>,
) -> Result<Draft<'d>, String> {
    let backing = &guest.domain().memory_backing;
    let usual = info.bytes("Hugepagesize").map(|size| size.value);
    let page = backing.pages.first().map(|(size, _)| size.value).or(usual).filter(|page| *page > 0);
    let Some(page) = page else {
        return Err("/proc/meminfo".to_owned());
    };
    let pools = pools(target);
    let of_page = || pools.iter().filter(|pool| pool.page == page);
    let free = |pool: &Pool| pool.free.clone();
    let nodes: Vec<_> = of_page().filter(|pool| pool.node.is_some()).filter_map(free).collect();
    let node_sum = nodes.first().map(|(_, quote)| (nodes.iter().map(|(free, _)| free).sum(), quote.clone()));
    let Some((free, quote)) = of_page().filter(|pool| pool.node.is_none()).find_map(free).or(node_sum) else {
        return Err(format!("/sys/kernel/mm/hugepages/hugepages-{}kB/free_hugepages", page >> 10));
    };
    let needed = wanted.value.div_ceil(page);
    if free >= needed {
        return Ok(draft);
    }
    let asked = backing.hugepages.and_then(|line| guest.quote(line));
    Ok(draft
        .because(Strength::Proof, quote, "the target's free huge pages")
        .because(Strength::Support, asked, "the VM's memory lies in huge pages")
        .title(format!(
            "{} needs {needed} huge pages of {} KiB, and the target has {free} free",
            guest.name(),
            page >> 10
        )))
}

fn processors<'d>(guest: &Guest<'_>, target: &Reading<'_>, draft: Draft<'d>) -> Draft<'d> {
    let Some(cpus) = target.one::<CpuInfo>().filter(|cpus| cpus.count > 0) else { return draft };
    let count = guest.domain().vcpu.as_ref().and_then(|vcpu| vcpu.current.as_ref().or(vcpu.count.as_ref()));
    match count.filter(|count| count.value > cpus.count as u64) {
        Some(count) if !draft.any() => draft
            .level(Level::Warn)
            .because(Strength::Strong, guest.quote(count.line), "the VM's processors")
            .title(format!(
                "{} has {} processors, and the target has {}",
                guest.name(),
                count.value,
                cpus.count
            )),
        _ => draft,
    }
}

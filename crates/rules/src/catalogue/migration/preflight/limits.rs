//! Whether the target has room for the VM: memory, huge pages, processors.

use super::super::machine_mismatch::pair::{Guest, each, untold};
use crate::catalogue::memory::hugepages_not_reserved::pools::{Pool, pools};
use crate::prelude::*;
use vmwright_formats::{CpuInfo, Free, MemInfo};

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let info = target.one::<MemInfo>();
    let room =
        info.as_ref().and_then(of_kernel).or_else(|| target.one::<Free>().and_then(|seen| of_free(&seen)));
    each(cx, |guest, draft| {
        let Some(wanted) = guest.domain().memory.as_ref() else {
            return Verdict::Unknown {
                why: "the VM's memory is not known".to_owned(),
                source: "virsh dumpxml NAME on the source".to_owned(),
            };
        };
        let draft = match guest.domain().memory_backing.hugepages {
            Some(_) => match huge(guest, wanted, info.as_ref(), target, draft) {
                Ok(draft) => draft,
                Err(source) => return untold("the target's free huge pages are not known", &source),
            },
            None => match &room {
                Some(room) => plain(guest, wanted, room, draft),
                None => return untold("the target's memory is not known", "/proc/meminfo"),
            },
        };
        processors(guest, target, draft).verdict()
    })
}

/// What a host has left, in bytes.
pub(crate) struct Room {
    pub memory: u64,
    pub swap: u64,
    /// The line that tells of its memory.
    pub quote: Option<Evidence>,
}

fn of_kernel(info: &Seen<'_, MemInfo>) -> Option<Room> {
    let left = info.bytes("MemAvailable")?;
    let swap = info.bytes("SwapFree").map_or(0, |swap| swap.value);
    Some(Room { memory: left.value, swap, quote: info.quote(left.line) })
}

/// The same where somebody asked `free`, which tells of no more than its own units.
pub(crate) fn of_free(seen: &Seen<'_, Free>) -> Option<Room> {
    let row = seen.memory?;
    let memory = seen.bytes(row.available.unwrap_or(row.free))?;
    let swap = seen.swap.and_then(|swap| seen.bytes(swap.free)).unwrap_or(0);
    Some(Room { memory, swap, quote: seen.quote(row.line) })
}

fn plain<'d>(guest: &Guest<'_>, wanted: &Spanned<u64>, left: &Room, draft: Draft<'d>) -> Draft<'d> {
    // What is locked cannot be swapped out; neither can what a device reads by itself.
    let locked =
        guest.domain().memory_backing.locked.is_some() || !guest.domain().devices.hostdevs.is_empty();
    let room = left.memory.saturating_add(if locked { 0 } else { left.swap });
    if wanted.value <= left.memory {
        return draft;
    }
    draft
        .level(if wanted.value > room { Level::Error } else { Level::Warn })
        .because(Strength::Proof, left.quote.clone(), "what the target has left")
        .because(Strength::Support, guest.quote(wanted.line), "what the VM has")
        .title(format!(
            "{} has {} MiB of memory, and the target has {} MiB left",
            guest.name(),
            wanted.value >> 20,
            left.memory >> 20
        ))
}

/// Memory in huge pages; the source that would tell, where the target's are not known.
fn huge<'d>(
    guest: &Guest<'_>,
    wanted: &Spanned<u64>,
    info: Option<&Seen<'_, MemInfo>>,
    target: &Reading<'_>,
    draft: Draft<'d>,
) -> Result<Draft<'d>, String> {
    let backing = &guest.domain().memory_backing;
    let usual = info.and_then(|info| info.bytes("Hugepagesize")).map(|size| size.value);
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

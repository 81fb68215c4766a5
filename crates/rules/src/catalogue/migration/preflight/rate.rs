//! Whether the link carries more than the guest writes, where somebody measured it.

use super::super::machine_mismatch::pair::untold;
use crate::prelude::*;

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let Some((rate, quote)) = dirtied(cx) else {
        return vec![Verdict::Unknown {
            why: "how fast the guest writes to its memory was not measured".to_owned(),
            source: "virsh domdirtyrate-calc NAME, then virsh domstats NAME --dirtyrate".to_owned(),
        }];
    };
    let (Some(ours), Some(theirs)) = (link(cx), link(target)) else {
        return vec![untold("how fast the link is is not known", "/sys/class/net/*/speed")];
    };
    let mut draft = cx.blank().looked().level(Level::Warn);
    let (speed, told) = if ours.0 <= theirs.0 { ours } else { theirs };
    // Links are sold in decimal bits, memory is measured in binary bytes.
    let carried = (speed * 1_000_000 / 8) >> 20;
    if rate >= carried {
        draft = draft
            .because(Strength::Strong, quote, "how fast the guest writes to its memory")
            .because(Strength::Support, told, "the fastest link of this host, in Mbit/s")
            .title(format!("the guest dirties {rate} MiB/s, and the link carries {carried} MiB/s"));
    }
    vec![draft.verdict()]
}

/// Dirty memory in MiB/s as somebody measured it: QMP `query-dirty-rate`, `virsh domstats --dirtyrate`.
fn dirtied(cx: &Context<'_>) -> Option<(u64, Option<Evidence>)> {
    let keys = ["\"dirty-rate\":", "dirtyrate.megabytes_per_second="];
    cx.lines_with(keys).find_map(|(text, number, line)| {
        let rest = keys.iter().find_map(|key| line.split_once(key))?.1.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        Some((rest[..end].parse().ok()?, text.quote(number)))
    })
}

/// The fastest link of a host in Mbit/s. One that is down says -1.
fn link(host: &Reading<'_>) -> Option<(u64, Option<Evidence>)> {
    let of_card = |source: &str| source.contains("sys/class/net/") && source.ends_with("/speed");
    let speeds = host.texts_named(of_card);
    speeds
        .filter_map(|text| Some((text.line(1)?.trim().parse().ok()?, text.quote(1))))
        .max_by_key(|(speed, _)| *speed)
}

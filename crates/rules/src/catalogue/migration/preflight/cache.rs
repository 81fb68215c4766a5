//! Whether a host's page cache can hold what the target does not see.

use super::super::machine_mismatch::pair::{each, programs};
use crate::prelude::*;

/// The first QEMU that drops its cache of an image when it hands it over (`drop-cache` of `file`, QEMU
/// `block/file-posix.c`); libvirt asks for no cache mode then.
const DROPS_CACHE: [u32; 2] = [2, 12];

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let dropped =
        |host: &Reading<'_>| programs(host).qemu.is_none_or(|(version, _)| version.at_least(&DROPS_CACHE));
    let safe = dropped(cx) && dropped(target);
    each(cx, |guest, mut draft| {
        let disks = guest.domain().devices.disks.iter();
        for disk in disks.filter(|disk| !disk.readonly && !disk.shareable && disk.protocol.is_none()) {
            let Some(mode) = &disk.cache else { continue };
            let held = ["writeback", "writethrough"].contains(&mode.value.as_str()) && !safe;
            if held || mode.value == "unsafe" {
                draft = draft
                    .level(if held { Level::Error } else { Level::Warn })
                    .because(Strength::Proof, guest.quote(mode.line), "the host's page cache holds the disk")
                    .title(format!(
                        "a disk of {} has cache='{}', which loses data in a move",
                        guest.name(),
                        mode.value
                    ));
            }
        }
        draft.verdict()
    })
}

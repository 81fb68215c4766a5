//! Devices of the VM that stay where they are.

use super::super::machine_mismatch::pair::each;
use crate::catalogue::snapshot::blocked_by_device::blockers;
use crate::prelude::*;

pub(crate) fn judge(cx: &Context<'_>, _: &Reading<'_>) -> Vec<Verdict> {
    each(cx, |guest, mut draft| {
        for line in blockers(guest.domain()) {
            draft = draft.because(Strength::Proof, guest.quote(line), "a device of a kind that cannot move");
        }
        let title = format!("{} has a device that cannot move with it", guest.name());
        draft.title(title).verdict()
    })
}

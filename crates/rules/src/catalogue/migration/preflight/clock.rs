//! Whether the guest's time goes on as it was.

use super::super::machine_mismatch::pair::untold;
use super::super::same_host::preflight::whole;
use crate::prelude::*;

const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Lines by which tools say that a clock is not kept: `timedatectl`, `chronyc tracking`.
const ADRIFT: [&str; 3] =
    ["System clock synchronized: no", "NTP synchronized: no", "Leap status     : Not synchronised"];

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let mut draft = cx.blank().looked().about(Subject::host()).level(Level::Warn);
    for (host, which) in [(target, "the target"), (&**cx, "the source")] {
        for text in host.texts_with(ADRIFT) {
            let adrift = text.lines().take(200).find(|(_, line)| ADRIFT.contains(&line.trim()));
            if let Some((number, _)) = adrift {
                draft = draft
                    .because(Strength::Strong, text.quote(number), "this host's clock is not kept")
                    .title(format!(
                        "the clock of {which} is not synchronised, so that the guest's time jumps"
                    ));
            }
        }
    }
    match (whole(cx, SOURCE), whole(target, SOURCE)) {
        (Some((our, quote)), Some((their, told))) if our == "tsc" && their != "tsc" => {
            draft = draft
                .because(Strength::Strong, told, "the target's clock source")
                .because(Strength::Support, quote, "the source's")
                .title(format!(
                    "the source's time is its TSC, and the target does not trust its own ({their})"
                ));
        }
        (Some(_), Some(_)) => {}
        _ if draft.any() => {}
        _ => return vec![untold("the target's clock source is not known", SOURCE)],
    }
    vec![draft.verdict()]
}

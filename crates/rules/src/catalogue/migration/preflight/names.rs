//! Whether the target calls itself by a name under which the source finds it.

use super::super::machine_mismatch::pair::untold;
use super::super::same_host::preflight::whole;
use crate::prelude::*;

const NAME: &str = "/proc/sys/kernel/hostname";

pub(crate) fn judge(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let Some((name, told)) = whole(target, NAME).or_else(|| whole(target, "/etc/hostname")) else {
        return vec![untold("the target's host name is not known", NAME)];
    };
    let mut draft = cx.blank().looked().about(Subject::host());
    if name.starts_with("localhost") {
        draft = draft
            .because(Strength::Proof, told, "the target's own name")
            .title("the target calls itself localhost, which is the source to the source");
    } else if let Some((our, quote)) = whole(cx, NAME).or_else(|| whole(cx, "/etc/hostname"))
        && our.eq_ignore_ascii_case(&name)
    {
        draft = draft
            .because(Strength::Proof, told, "the target's own name")
            .because(Strength::Support, quote, "the source's own name, the same")
            .title(format!("both hosts are called {name}"));
    } else if let Found::Text(hosts) = cx.file("/etc/hosts") {
        // The installers of Debian and Ubuntu give a host's own name to a loopback address; here it is another's.
        let wrong = hosts.lines().find(|(_, line)| {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let loopback =
                words.next().is_some_and(|address| address.starts_with("127.") || address == "::1");
            loopback && words.any(|word| word == name || word.split('.').next() == Some(name.as_str()))
        });
        if let Some((number, _)) = wrong {
            draft = draft
                .because(
                    Strength::Proof,
                    hosts.quote(number),
                    "the target's name stands for a loopback address here",
                )
                .because(Strength::Support, told, "the target's own name")
                .title(format!("{name}, the target's name, is a loopback address on the source"));
        }
    }
    vec![draft.verdict()]
}

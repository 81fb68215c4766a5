//! Wireless cards where a cable is needed.

use crate::prelude::*;

/// A line that makes a wireless card a port of a bridge or the source of a macvtap. An access point takes frames of
/// the station's own MAC alone, so that no guest behind the card is heard.
pub(crate) fn bridged(cx: &Context<'_>) -> Option<Evidence> {
    let joins = |line: &str| {
        let words =
            ["bridge", "addif", "master br", "br0", "macvtap", "macvlan", "<source dev=", "interfaces: ["];
        words.iter().any(|word| line.contains(word))
    };
    let mut lines = cx.lines_with(WIRELESS).filter(|(_, _, line)| joins(line));
    lines.find_map(|(text, number, line)| {
        let named = line.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_wireless);
        if named { text.quote(number) } else { None }
    })
}

/// How the names of wireless cards begin.
const WIRELESS: [&str; 5] = ["wlan", "wlp", "wlo", "wls", "wlx"];

/// Whether the kernel or systemd gives a wireless card this name: `wlan0`, `wlp3s0`, `wlx00c0ca000001`.
fn is_wireless(word: &str) -> bool {
    let rest = WIRELESS.iter().find_map(|start| word.strip_prefix(start));
    rest.is_some_and(|rest| rest.len() <= 12 && rest.starts_with(|letter: char| letter.is_ascii_hexdigit()))
}

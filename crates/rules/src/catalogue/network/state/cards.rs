//! What a guest's network configuration is for, against the cards that the guest has.

use crate::prelude::*;

/// How a configuration names the card that was called eth0.
const OLD_NAME: [&str; 7] = [
    "iface eth0",
    "auto eth0",
    "allow-hotplug eth0",
    "eth0:",
    "Name=eth0",
    "networking.interfaces.eth0",
    "DEVICE=eth0",
];

/// What the kernel calls a card that was eth0, with its line, and a line of a configuration that is still for eth0.
pub(crate) fn renamed(cx: &Context<'_>) -> Option<(String, Option<Evidence>, Option<Evidence>)> {
    let (name, quote) = cx.hits(": renamed from eth0").iter().find_map(|hit| {
        let quote = cx.evidence(hit)?;
        let name = quote.quote.split(": renamed from").next()?.split_whitespace().last()?.to_owned();
        Some((name, quote))
    })?;
    cx.texts_with(OLD_NAME).find_map(|text| {
        let (number, _) = text.lines_with(OLD_NAME).find(|(_, line)| {
            let line = line.trim().trim_start_matches("- ");
            OLD_NAME.iter().any(|start| line.starts_with(start))
        })?;
        Some((name.clone(), Some(quote.clone()), text.quote(number)))
    })
}

/// A card that a guest's network configuration is for, and a card of another name that is seen where the first is not.
pub(crate) fn other_name(cx: &Context<'_>) -> Option<(String, String, Option<Evidence>, Option<Evidence>)> {
    let mut configured: Vec<(String, Option<Evidence>)> = Vec::new();
    let mut seen: Vec<(String, Option<Evidence>)> = Vec::new();
    for text in cx.texts_with(CARDS) {
        for (number, line) in text.lines_with(CARDS).take_while(|(number, _)| *number <= 5000) {
            let trimmed = line.trim().trim_start_matches("- ");
            let is_configuration = [
                "networking.interfaces.",
                "iface ",
                "auto ",
                "allow-hotplug ",
                "Name=",
                "DEVICE=",
                "set-name:",
            ]
            .iter()
            .any(|start| trimmed.starts_with(start))
                || trimmed.strip_suffix(':').is_some_and(is_card);
            for word in
                line.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| is_card(word))
            {
                let list = if is_configuration { &mut configured } else { &mut seen };
                if list.len() < 64 && list.iter().all(|known| known.0 != word) {
                    list.push((word.to_owned(), text.quote(number)));
                }
            }
        }
    }
    let (wanted, quote) =
        configured.into_iter().find(|(name, _)| seen.iter().all(|other| other.0 != *name))?;
    let (name, other) = seen.into_iter().next()?;
    Some((wanted, name, quote, other))
}

/// How the names of cards begin.
const CARDS: [&str; 4] = ["eth", "ens", "enp", "eno"];

/// Whether a word is a name that the kernel or systemd gives an Ethernet card.
fn is_card(word: &str) -> bool {
    let rest = CARDS.iter().find_map(|start| word.strip_prefix(start));
    rest.is_some_and(|rest| rest.len() < 10 && rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// A MAC that a guest's network configuration matches, where a listing of its cards lacks it.
pub(crate) fn other_mac(cx: &Context<'_>) -> Option<(String, Option<Evidence>)> {
    let mac = |word: &str| {
        let word = word.trim_matches(['"', '\'', ' ', ',']).to_ascii_lowercase();
        (word.len() == 17 && word.matches(':').count() == 5).then_some(word)
    };
    let (mut wanted, mut seen) = (Vec::new(), Vec::new());
    let keys = ["macaddress:", "HWADDR=", "MACAddress=", "hwaddress ether "];
    let lines = ["macaddress:", "HWADDR=", "MACAddress=", "hwaddress ether ", "link/ether "];
    for text in cx.texts_with(lines) {
        for (number, line) in text.lines_with(lines).take_while(|(number, _)| *number <= 5000) {
            let line = line.trim().trim_start_matches("- ");
            if let Some(found) = keys.iter().find_map(|key| mac(line.strip_prefix(key)?)) {
                wanted.push((found, text.quote(number)));
            } else if let Some(found) = line.strip_prefix("link/ether ").and_then(|rest| mac(rest.get(..17)?))
            {
                seen.push(found);
            }
        }
    }
    wanted.into_iter().find(|(mac, _)| !seen.is_empty() && !seen.contains(mac))
}

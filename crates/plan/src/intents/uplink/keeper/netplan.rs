//! netplan's own file, in which the bridge gets what the card had (netplan's `doc/netplan-yaml.md`).
//!
//! A file beside it could not do so: netplan joins files, and what one gives a card no other takes away. Lines are moved
//! as they stand, with their comments; a file that is not written a key a line is left to a person.

use super::super::{Network, Wanted};
use crate::canonical::sha256;
use crate::header;
use vmwright_formats::links::Link;
use vmwright_model::Action;

const FOLDER: &str = "/etc/netplan/";

/// Where cloud-init is told to leave the network alone, as its own remark in the file says.
pub(in super::super) const CLOUD: &str = "/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg";
const CLOUD_OFF: &str = "network: {config: disabled}\n";

/// Keys of a card that are of the hardware, and stay with it; all others are of the network that it is in.
const HARDWARE: [&str; 16] = [
    "match",
    "set-name",
    "macaddress",
    "mtu",
    "wakeonlan",
    "emit-lldp",
    "renderer",
    "receive-checksum-offload",
    "transmit-checksum-offload",
    "tcp-segmentation-offload",
    "tcp6-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
    "large-receive-offload",
    "virtual-function-count",
    "embedded-switch-mode",
];

/// The steps that have netplan make the bridge at boot; or why there are none.
pub(super) fn keep(network: &Network<'_>, bridge: &str, card: &Link) -> Result<Vec<Wanted>, String> {
    let name = card.name.as_str();
    let files = network.texts.iter().filter(|(path, _)| path.starts_with(FOLDER));
    let of_card: Vec<(&str, &str, Card<'_>)> =
        files.clone().filter_map(|(path, text)| Some((*path, *text, Card::find(text, name)?))).collect();
    let by_hand = || {
        format!(
            "below `bridges:` write `{bridge}:` with `interfaces: [{name}]` and all that stands below `{name}:`, and there `{name}: {{dhcp4: false, dhcp6: false}}`"
        )
    };
    let [(path, text, found)] = &of_card[..] else {
        let why = match of_card.len() {
            0 => format!("no file below {FOLDER} names {name} a key a line"),
            _ => format!("several files below {FOLDER} name {name}"),
        };
        return Err(format!("netplan sets {name} up, and {why}: {}", by_hand()));
    };
    let others = files.flat_map(|(other, text)| text.lines().enumerate().map(move |line| (*other, line)));
    for (other, (at, line)) in others {
        let inside = other == *path && (found.line..found.end).contains(&at);
        if !inside && words(line).any(|word| word == name || word == bridge) {
            let line = line.trim();
            return Err(format!("{other} line {}: a person has to say what becomes of `{line}`", at + 1));
        }
    }
    let mac = card.get("address").map(|mac| mac.value);
    let made = found.with_bridge(text, bridge, mac).map_err(|why| format!("{path}: {why}; {}", by_hand()))?;
    let from_sha256 = sha256(text.as_bytes());
    let why = format!("netplan makes {bridge} at boot, with what {name} had");
    let mut steps = vec![(Action::FileWrite { path: (*path).to_owned(), from_sha256, text: made }, why)];
    if text.contains("cloud-init") {
        match network.texts.get(CLOUD) {
            None => {
                let text = header::with(CLOUD_OFF);
                let off = Action::FileCreate { path: CLOUD.to_owned(), text, mode: 0o644 };
                steps.push((off, "cloud-init does not write netplan's file anew".to_owned()));
            }
            Some(text) if text.contains("disabled") => {}
            Some(_) => return Err(format!("{CLOUD} does not keep cloud-init from writing {path} anew")),
        }
    }
    Ok(steps)
}

/// Words of a line before its comment, as far as names of interfaces go.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let before = if line.trim_start().starts_with('#') { "" } else { line };
    before.split(|letter: char| !letter.is_ascii_alphanumeric() && !"._-@".contains(letter))
}

/// A card in a file that has a key a line. Lines are counted from 0.
#[derive(Debug)]
struct Card<'t> {
    lines: Vec<&'t str>,
    /// The line of its key below `ethernets`.
    line: usize,
    /// Behind the last line of it.
    end: usize,
    /// How far `ethernets` is indented, and the card's key.
    indents: (usize, usize),
}

impl<'t> Card<'t> {
    /// The card, by its key or the name that is given to it.
    fn find(text: &'t str, name: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let top = lines.iter().position(|line| key(line) == Some("network") && indent(line) == 0)?;
        let section = below(&lines, top).find(|at| key(lines[*at]) == Some("ethernets"))?;
        let of = |line: usize| Self {
            line,
            end: end(&lines, line),
            indents: (indent(lines[section]), indent(lines[line])),
            lines: lines.clone(),
        };
        let mut cards = below(&lines, section).map(of);
        cards.find(|card| {
            let renamed = below(&card.lines, card.line).any(|at| {
                let line = card.lines[at].trim();
                line.strip_prefix("set-name:").is_some_and(|set| set.trim().trim_matches(['"', '\'']) == name)
            });
            renamed || key(card.lines[card.line]) == Some(name)
        })
    }

    /// The text in which the bridge has what the card had.
    fn with_bridge(&self, text: &str, bridge: &str, mac: Option<&str>) -> Result<String, String> {
        let Self { lines, line, end: last, indents: (section, own) } = self;
        if text.contains('\t') || lines.iter().any(|line| matches!(line.trim(), "---" | "...")) {
            return Err("it has tabs, or several documents".to_owned());
        }
        let plain = |at: usize| lines[at].trim_end().ends_with(':');
        if !plain(*line) {
            return Err(format!("line {}: the card does not stand a key a line", line + 1));
        }
        let keys: Vec<usize> = below(lines, *line).collect();
        let Some(first) = keys.first() else {
            return Err(format!("line {}: the card has nothing", line + 1));
        };
        let id = key(lines[*line]).unwrap_or_default();
        let (mut stays, mut goes): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        // What stands before a key is a comment on it.
        let mut from = line + 1;
        for at in &keys {
            let Some(name) = key(lines[*at]) else {
                return Err(format!("line {}: `{}` is no key with a value", at + 1, lines[*at].trim()));
            };
            let next = end(lines, *at);
            let part = if HARDWARE.contains(&name) { &mut stays } else { &mut goes };
            part.extend(&lines[from..next]);
            from = next;
        }
        let key_at = " ".repeat(*own);
        let value_at = " ".repeat(indent(lines[*first]));
        let mut made: Vec<String> = lines[..=*line].iter().map(|line| (*line).to_owned()).collect();
        made.extend(stays.iter().map(|line| (*line).to_owned()));
        made.push(format!("{value_at}dhcp4: false\n{value_at}dhcp6: false"));
        let mut bridged = vec![format!("{key_at}{bridge}:"), format!("{value_at}interfaces: [{id}]")];
        bridged.extend(mac.map(|mac| format!("{value_at}macaddress: \"{mac}\"")));
        bridged.push(format!("{value_at}parameters: {{stp: false, forward-delay: 0}}"));
        bridged.extend(goes.iter().map(|line| (*line).to_owned()));
        let mut rest = lines[*last..].iter();
        // The cards behind this one come before the next section.
        let ends = lines[*last..].iter().position(|line| !line.trim().is_empty() && indent(line) <= *section);
        made.extend(rest.by_ref().take(ends.unwrap_or(lines.len() - last)).map(|line| (*line).to_owned()));
        let has = lines.iter().position(|line| key(line) == Some("bridges") && indent(line) == *section);
        match has {
            None => {
                made.push(format!("{}bridges:", " ".repeat(*section)));
                made.append(&mut bridged);
                made.extend(rest.map(|line| (*line).to_owned()));
            }
            Some(at) if at >= *last && plain(at) => {
                for line in rest {
                    made.push((*line).to_owned());
                    if key(line) == Some("bridges") && indent(line) == *section {
                        made.append(&mut bridged);
                    }
                }
            }
            Some(at) => return Err(format!("line {}: its bridges stand before its cards", at + 1)),
        }
        Ok(made.join("\n") + "\n")
    }
}

/// The key of a line that has one.
fn key(line: &str) -> Option<&str> {
    let line = line.trim();
    let (key, rest) = line.split_once(':')?;
    let good = (rest.is_empty() || rest.starts_with(' ')) && !line.starts_with(['#', '-', '{', '[']);
    good.then(|| key.trim_matches(['"', '\'']))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a line says something.
fn says(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// Behind the last line below a key; comments and empty lines behind that are of what follows.
fn end(lines: &[&str], key: usize) -> usize {
    // A list may stand as far to the left as its key.
    let stops = |line: &&str| {
        let (far, own) = (indent(line), indent(lines[key]));
        says(line) && (far < own || far == own && !line.trim().starts_with('-'))
    };
    let stop = lines[key + 1..].iter().position(stops).map_or(lines.len(), |at| key + 1 + at);
    (key + 1..stop).rev().find(|at| says(lines[*at])).map_or(key + 1, |at| at + 1)
}

/// The lines of the keys right below a key.
fn below<'l>(lines: &'l [&str], key: usize) -> impl Iterator<Item = usize> + use<'l> {
    let range = key + 1..end(lines, key);
    let first = range.clone().find(|at| says(lines[*at])).map_or(0, |at| indent(lines[at]));
    range.filter(move |at| {
        says(lines[*at]) && indent(lines[*at]) == first && !lines[*at].trim().starts_with('-')
    })
}

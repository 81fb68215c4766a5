//! NetworkManager's keyfiles (nm-settings-keyfile(5)): the bridge has what the card's own profile had, another profile
//! makes the card its port, and the card's own one waits.

use super::super::{Network, Wanted};
use crate::canonical::sha256;
use crate::header;
use vmwright_formats::links::Link;
use vmwright_model::Action;

pub(super) const FOLDER: &str = "/etc/NetworkManager/system-connections/";

/// Sections that go to the bridge as they stand.
const OF_THE_NETWORK: [&str; 4] = ["ipv4", "ipv6", "proxy", "user"];

/// The profile that a card has by what NetworkManager itself says of it (`/run/NetworkManager/devices`, by number).
pub(super) fn profile<'n>(network: &Network<'n>, number: &str) -> Option<&'n str> {
    let state = network.texts.get(format!("/run/NetworkManager/devices/{number}").as_str())?;
    state.lines().find_map(|line| line.strip_prefix("connection-uuid="))
}

/// The keyfile of a profile: its path and its text.
pub(super) fn keyfile<'n>(network: &Network<'n>, uuid: &str) -> Option<(&'n str, &'n str)> {
    let own = |(path, text): &(&&'n str, &&'n str)| {
        path.starts_with(FOLDER) && value(text, "connection", "uuid") == Some(uuid)
    };
    network.texts.iter().find(own).map(|(path, text)| (*path, *text))
}

/// The steps that have NetworkManager make the bridge at boot; or why there are none.
pub(super) fn keep(
    (path, text): (&str, &str),
    host_id: &str,
    bridge: &str,
    card: &Link,
) -> Result<Vec<Wanted>, String> {
    let name = card.name.as_str();
    let kind = value(text, "connection", "type").unwrap_or_default();
    if !matches!(kind, "ethernet" | "802-3-ethernet") {
        return Err(format!("{path} is a profile of type `{kind}`, which a person has to divide"));
    }
    if let Some(key) = ["master", "controller", "slave-type", "port-type"]
        .into_iter()
        .find(|key| value(text, "connection", key).is_some())
    {
        return Err(format!("{path} has `{key}=` already: {name} is a port of something"));
    }
    if let Some(section) = sections(text).find(|section| matches!(*section, "802-1x" | "macsec" | "dcb")) {
        return Err(format!(
            "{path} has [{section}], which a person has to divide between {name} and {bridge}"
        ));
    }
    let mut own = String::new();
    for section in OF_THE_NETWORK {
        own.push_str(&whole(text, section));
    }
    let zone = value(text, "connection", "zone").map(|zone| format!("zone={zone}\n")).unwrap_or_default();
    let mac = card.get("address").map(|mac| mac.value);
    let mac = mac.map(|mac| format!("\n[ethernet]\ncloned-mac-address={mac}\n")).unwrap_or_default();
    let uuid = uuid(&format!("{host_id}/{bridge}"));
    let made = format!(
        "[connection]\nid={bridge}\nuuid={uuid}\ntype=bridge\ninterface-name={bridge}\nautoconnect-slaves=1\n{zone}{mac}\n[bridge]\nstp=false\n{own}"
    );
    let port = format!(
        "[connection]\nid={bridge}-{name}\nuuid={}\ntype=ethernet\ninterface-name={name}\nmaster={uuid}\nslave-type=bridge\n{}\n[bridge-port]\n",
        self::uuid(&format!("{host_id}/{bridge}/{name}")),
        whole(text, "ethernet")
    );
    let waits = without_autoconnect(text).ok_or_else(|| format!("{path} has no [connection]"))?;
    let create = |file: String, text: &str, why: String| {
        let path = format!("{FOLDER}vmwright-{file}.nmconnection");
        (Action::FileCreate { path, text: header::with(text), mode: 0o600 }, why)
    };
    let mut steps = vec![
        create(
            bridge.to_owned(),
            &made,
            format!("NetworkManager makes {bridge} at boot, as {path} has {name}"),
        ),
        create(format!("{bridge}-{name}"), &port, format!("it makes {name} a port of {bridge}")),
    ];
    if waits != text {
        let from_sha256 = sha256(text.as_bytes());
        let why = format!("the profile that {name} had waits until somebody asks for it");
        steps.push((Action::FileWrite { path: path.to_owned(), from_sha256, text: waits }, why));
    }
    Ok(steps)
}

/// The name of a section that a line begins.
fn section(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

fn sections(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(section)
}

/// The lines of a section, without its head.
fn lines_of<'t>(text: &'t str, wanted: &str) -> impl Iterator<Item = &'t str> {
    let inside = |line: &&str| section(line).is_none();
    let start = text.lines().position(|line| section(line) == Some(wanted));
    text.lines().skip(start.map_or(usize::MAX, |at| at + 1)).take_while(inside)
}

fn value<'t>(text: &'t str, section: &str, wanted: &str) -> Option<&'t str> {
    lines_of(text, section).find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == wanted).then(|| value.trim())
    })
}

/// A section as it stands, behind an empty line; nothing where there is none.
fn whole(text: &str, wanted: &str) -> String {
    if !sections(text).any(|section| section == wanted) {
        return String::new();
    }
    let lines: Vec<&str> = lines_of(text, wanted).collect();
    format!("\n[{wanted}]\n{}\n", lines.join("\n").trim_end())
}

/// The text with a profile that is not activated by itself.
fn without_autoconnect(text: &str) -> Option<String> {
    let (mut made, mut inside, mut seen) = (String::new(), false, false);
    for line in text.lines() {
        let own =
            line.trim_start().starts_with("autoconnect=") || line.trim_start().starts_with("autoconnect =");
        if inside && own {
            continue;
        }
        made.push_str(line);
        made.push('\n');
        if let Some(name) = section(line) {
            inside = name == "connection";
            if inside {
                made.push_str("autoconnect=false\n");
                seen = true;
            }
        }
    }
    seen.then_some(made)
}

/// A UUID that the same names give again (RFC 9562, version 8: of the maker's own digest).
fn uuid(of: &str) -> String {
    let hash = sha256(of.as_bytes());
    format!("{}-{}-8{}-8{}-{}", &hash[..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..32])
}

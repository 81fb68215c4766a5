//! What shows that a firewall for IP, most often Docker's, drops what bridges carry.

use crate::catalogue::network::firewall_blocks_dhcp::filters::bridge_accepted;
use crate::prelude::*;
use vmwright_formats::Links;

/// A policy that drops what bridges carry, and a bridge that is hurt: frames on it pass iptables now.
pub(super) fn dropped(cx: &Context<'_>) -> Option<(Evidence, Evidence)> {
    match cx.file("/proc/sys/net/bridge/bridge-nf-call-iptables") {
        Found::Text(text) if text.as_str().trim() == "1" => {}
        _ => return None,
    }
    if bridge_accepted(cx).is_some() {
        return None;
    }
    let saves = cx.texts_named(|source| source.starts_with("iptables-") && source.ends_with("-save"));
    let policy = saves
        .filter_map(|text| text.lines_with(":FORWARD DROP").next().and_then(|(number, _)| text.quote(number)))
        .next()?;
    let links = cx.one::<Links>()?;
    let theirs = |name: &str| {
        ["virbr", "docker", "br-", "ovs", "lxcbr", "cni"].iter().any(|begin| name.starts_with(begin))
    };
    let port = links.links.iter().find_map(|link| {
        let master = link.get("master")?;
        let bridge = links.of(master.value)?;
        (bridge.is_bridge() && !theirs(&bridge.name)).then(|| links.quote(master.line))?
    })?;
    Some((policy, port))
}

/// Whether a complaint says that the network was lost when Docker came, which names the reason whatever was pasted.
pub(super) fn began_with_docker(complaint: &str) -> bool {
    let text = complaint.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    text.contains("docker")
        && any(&["install", "since", "after", "as soon as", "when docker"])
        && any(&[
            "no longer",
            "no network",
            "lose",
            "lost",
            "cannot reach",
            "n't reach",
            "no internet",
            "unreachable",
        ])
        && any(&["vm", "guest", "virtual machine"])
}

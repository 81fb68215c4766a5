//! # The host does not forward or masquerade the guests' packets
//!
//! ## What it is
//! A guest on a routed or NAT network reaches its host but nothing beyond: the host's kernel forwards no packets
//! (`net.ipv4.ip_forward=0`), or sends them out with the guest's private address, to which nobody answers.
//!
//! Heard as: guests reach the host and each other and nothing beyond; NAT or route out of another interface, VPN.
//!
//! Known by: guest reaches host but not internet; net.ipv4.ip_forward=0; missing masquerade or NAT rule; default route;
//! packets not forwarded; sysctl reset; only local subnet reachable; no internet; sysctl lost at reboot; NAT table
//! empty; upstream gateway unknown; ping to 8.8.8.8 fails.
//!
//! ## Why it happens
//! Forwarding is off by default and was switched on by hand until the last reboot; a hardening profile or
//! `sysctl.d` file switches it off after libvirt has switched it on; hand-made taps (Firecracker, Cloud Hypervisor,
//! scripts) have no MASQUERADE rule, or one that names the wrong outgoing interface (`eth0` where the host has
//! `enp1s0` or `wlan0`); FORWARD has policy DROP without an accept for the tap; the libvirt network has no `<forward>`
//! and is isolated by definition; the zone of the uplink does not masquerade.
//!
//! ## Confirm
//! `sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding`; `iptables -t nat -S POSTROUTING` or
//! `nft list table ip nat`; `ip route get 1.1.1.1` names the outgoing interface.
//!
//! ## Refute
//! The value is 1 and `tcpdump -ni <uplink>` shows the guest's packets leave with the host's address.
//!
//! ## Fix
//! `net.ipv4.ip_forward = 1` in `/etc/sysctl.d/`, and one masquerade rule for the guests' subnet on the real uplink, or
//! use a libvirt network with `<forward mode='nat'/>`, which does both.
//!
//! ## References
//! Linux `Documentation/networking/ip-sysctl.rst`; libvirt formatnetwork.html "Connectivity",
//! `src/network/bridge_driver.c` (`networkEnableIPForwarding`); Firecracker `docs/network-setup.md`.

use crate::prelude::*;
use crate::settle::sysctl;
use vmwright_formats::{FirecrackerConfig, IpAddr, Sysctl};

#[path = "messages/ip_forwarding_off.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["network"],
    needs: &[
        Need::File("/proc/sys/net/ipv4/ip_forward"),
        Need::Glob("/etc/sysctl.d/*.conf"),
        Need::Glob("/etc/libvirt/qemu/networks/*.xml"),
        Need::Probe(Probe::Libvirt),
        Need::Probe(Probe::Interfaces),
    ],
    signs: messages::SIGNS,
    words: &[
        "no internet",
        "cannot reach the internet",
        "reaches the host",
        "ping the host",
        "gateway",
        "masquerade",
        "internet",
        "outside",
        "default route",
        "uplink",
        "beyond",
    ],
    tells: "/proc/sys/net/ipv4/ip_forward",
    remedy: "switch net.ipv4.ip_forward on for good and masquerade the guests' subnet on the real uplink",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if let Found::Text(text) = cx.file("/proc/sys/net/ipv4/ip_forward") {
        draft = match text.as_str().trim() {
            "0" => draft.because(Strength::Support, text.quote(1), "the kernel forwards no packets"),
            _ => draft.looked().despite(Strength::Strong, text.quote(1), "the kernel forwards"),
        };
    }
    // libvirt switches it on with each of its networks that route or masquerade.
    if let (Found::Text(text), Some(network)) = (cx.file("/proc/sys/net/ipv4/ip_forward"), routed(cx))
        && text.as_str().trim() == "0"
    {
        draft = draft
            .because(Strength::Strong, Some(network), "an active virtual network forwards")
            .remedy("let the kernel forward, now and after the next boot")
            .actions(sysctl(cx, "net/ipv4/ip_forward", "1"));
    }
    for seen in cx.all::<Sysctl>() {
        if let Some(found) = seen.number("net.ipv4.ip_forward").filter(|found| found.value == 0) {
            draft = draft.because(Strength::Hint, seen.quote(found.line), "the kernel forwards no packets");
        }
    }
    // A terminal: the command, and its answer on the next line.
    for (text, number, line) in cx.lines_with(["/net/ipv4/ip_forward", "-n net.ipv4.ip_forward"]) {
        if line.trim_end().ends_with("ip_forward")
            && text.line(number + 1).is_some_and(|line| line.trim() == "0")
        {
            let why = "the next line says 0: the kernel forwards no packets";
            return vec![draft.because(Strength::Strong, text.quote(number), why).verdict()];
        }
    }
    if cx.texts_with("POSTROUTING").next().is_some() {
        draft = draft.looked();
    }
    if let Some(quote) = not_masqueraded(cx) {
        draft = draft.because(Strength::Support, Some(quote), "no rule rewrites the guests' addresses");
    }
    // A rule that masquerades on an interface which the host does not have never matches.
    let listings = cx.all::<IpAddr>();
    let known = |name: &str| listings.iter().any(|seen| seen.get(name).is_some());
    let complete = listings.iter().any(|seen| seen.links.len() > 1);
    for (text, number, line) in cx.lines_with("MASQUERADE").filter(|_| complete) {
        let Some((_, after)) = line.split_once("-o ") else { continue };
        let Some(name) = after.split_whitespace().next() else { continue };
        if !name.contains(['+', '!']) && !known(name) {
            let title = format!("masquerading is set for {name}, which the host does not have");
            return vec![
                draft
                    .because(Strength::Strong, text.quote(number), "no such interface is listed")
                    .title(title)
                    .verdict(),
            ];
        }
    }
    vec![draft.verdict()]
}

/// A virtual network of libvirt that leads out of the host, and whose bridge is there. A daemon that does not answer has
/// left it there, and its definition lies below `/etc`.
fn routed(cx: &Context<'_>) -> Option<Evidence> {
    let interfaces = cx.texts_named(|source| source == "interfaces").next()?;
    let defines = |source: &str| {
        source.starts_with("virsh -r net-dumpxml ")
            || source.strip_prefix("/etc/libvirt/qemu/networks/").is_some_and(|name| name.ends_with(".xml"))
    };
    cx.texts_named(defines).find_map(|text| {
        let (_, bridge) = text.lines_with("<bridge name='").next()?;
        let name = bridge.split_once("name='")?.1.split('\'').next()?;
        interfaces.lines().find(|(_, line)| line.split(' ').next() == Some(name))?;
        let leads = |line: &str| ["'nat'", "'route'"].iter().any(|mode| line.contains(mode));
        let (number, _) = text.lines_with("<forward ").find(|(_, line)| leads(line))?;
        text.quote(number)
    })
}

/// A listing of the NAT table without any rewriting of sources, a zone or virtual network without it, or a host that
/// forwards nothing by policy, where the guests miss the world outside. Docker's policy is network/bridge-netfilter-drop.
fn not_masqueraded(cx: &Context<'_>) -> Option<Evidence> {
    let outside = cx.asked(&["internet", "outside", "gateway", "uplink"]);
    // What comes from a microVM's tap is routed and not bridged, unless somebody says otherwise.
    let routed = !cx.all::<FirecrackerConfig>().is_empty() && !cx.said("bridge");
    if !(outside || routed && cx.asked(&["beyond"])) || cx.stands("DOCKER") && !routed {
        return None;
    }
    cx.texts_with(["POSTROUTING", "postrouting", "FORWARD", "<network", "masquerade: no"]).find_map(|text| {
        let isolated = text.holds("<network") && !text.holds("<forward");
        let rewrites = text.holds(["MASQUERADE", "SNAT", "masquerade", "snat "]);
        let (number, _) = text.lines().take(20_000).find(|(_, line)| {
            let nat = line.starts_with("-P POSTROUTING")
                || line.starts_with("Chain POSTROUTING")
                || line.contains("hook postrouting");
            let policy =
                line.starts_with("-P FORWARD DROP") || line.starts_with("Chain FORWARD (policy DROP");
            let definition = isolated && line.contains("<network");
            nat && !rewrites || policy || definition || line.trim() == "masquerade: no"
        })?;
        text.quote(number)
    })
}

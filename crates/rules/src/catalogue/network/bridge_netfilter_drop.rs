//! # br_netfilter sends bridged frames through iptables, and a FORWARD policy drops them
//!
//! ## What it is
//! With the module `br_netfilter` and `net.bridge.bridge-nf-call-iptables=1`, frames that only cross a bridge also
//! pass the IP firewall's FORWARD chain. A policy of DROP there cuts guests off from their own LAN, while the host
//! itself keeps working.
//!
//! Heard as: since Docker or Kubernetes was installed bridged VMs cannot be reached or get no answer; on the
//! bridge their frames are filtered.
//!
//! Known by: guests on a bridge cannot reach each other once Docker is installed; bridge-nf-call-iptables=1; FORWARD
//! policy DROP; ARP works, ping and TCP do not.
//!
//! ## Why it happens
//! Docker loads br_netfilter and sets the policy of FORWARD to DROP (of ip6tables too, since its IPv6 support);
//! Kubernetes, LXD and ufw do likewise. A VM on a bridge of the LAN was fine until Docker was installed, started
//! or updated, or the host was rebooted and Docker came up after the bridge.
//!
//! ## Confirm
//! `sysctl net.bridge` says 1; `iptables -S FORWARD` begins with `-P FORWARD DROP` and has no rule for the bridge;
//! `iptables -vnL FORWARD` counts while the guest sends. ARP still passes, DHCP and TCP do not.
//!
//! ## Refute
//! `net.bridge.bridge-nf-call-iptables = 0`, the module is not loaded, or the policy is ACCEPT and no rule matches.
//!
//! ## Fix
//! Accept the bridge in Docker's own chain (`iptables -I DOCKER-USER -i <bridge> -o <bridge> -j ACCEPT`, and for
//! ip6tables), or set the three `bridge-nf-call-*` to 0 where no container needs them; make it lasting.
//!
//! ## References
//! Linux `net/bridge/br_netfilter_hooks.c`, `Documentation/networking/bridge.rst`; libvirt wiki "Net.bridge.bridge-nf-call
//! and sysctl.conf"; Docker manual "Packet filtering and firewalls" (Docker on a router).

use super::firewall_blocks_dhcp::filters::bridge_accepted;
use crate::prelude::*;
use crate::settle::sysctl;
use docker::{began_with_docker, dropped};
use vmwright_formats::{DomainXml, QemuArgs, Sysctl};

#[path = "state/docker.rs"]
mod docker;

pub const RULE: Rule = Rule {
    tags: &["network", "firewall"],
    rank: Rank::Specific,
    needs: &[Need::File("/proc/sys/net/bridge/bridge-nf-call-iptables"), Need::Probe(Probe::Links)],
    signs: &[
        Sign::support("Chain FORWARD (policy DROP").and(&["DOCKER"]),
        Sign::support("-P FORWARD DROP").and(&["DOCKER"]),
        Sign::support(":FORWARD DROP").and(&["DOCKER"]),
        Sign::support("hook forward priority filter; policy drop").and(&["DOCKER"]),
        Sign::support("hook forward priority 0; policy drop").and(&["DOCKER"]),
        Sign::support("Chain FORWARD (policy DROP").and(&["bridge-nf-call"]).unless(&["DOCKER"]),
        Sign::support("-P FORWARD DROP").and(&["bridge-nf-call"]).unless(&["DOCKER"]),
        Sign::hint("Chain FORWARD (policy DROP"),
        Sign::hint("-P FORWARD DROP"),
        Sign::support("bridge-nf-call-iptables = 1"),
        Sign::support("bridge-nf-call-iptables=1"),
        Sign::support("bridge-nf-call-iptables:1"),
        Sign::support("bridge-nf-call-ip6tables = 1"),
        Sign::support("bridge-nf-call-ip6tables=1"),
        Sign::hint("Bridge firewalling registered"),
        Sign::hint("br_netfilter "),
        Sign::strong("[FORWARD*DROP]*PHYSIN={port}"),
        Sign::strong("[UFW BLOCK] IN={bridge} OUT={other} PHYSIN="),
        Sign::support("PHYSIN={port} PHYSOUT="),
        Sign::strong("bridge-nf-call-iptables = 0").against(),
        Sign::hint("failed to bind DHCP server socket").against(),
        Sign::support("bridge-nf-call-iptables = 1")
            .said(&["docker", "kubernetes", "ping", "reach"])
            .or_near(),
        Sign::support("Chain FORWARD (policy DROP").said(&["docker", "kubernetes", "bridge"]).or_near(),
    ],
    words: &[
        "docker",
        "on br0",
        "bridged",
        "bridge network",
        "since installing",
        "ip6tables",
        "br_netfilter",
        "bridge",
    ],
    explains: &["network/guest-address-missing", "network/ip-forwarding-off"],
    tells: "iptables -S FORWARD",
    remedy: "accept the bridge's frames in FORWARD (DOCKER-USER) or set bridge-nf-call-iptables to 0",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if let Found::Text(text) = cx.file("/proc/sys/net/bridge/bridge-nf-call-iptables") {
        draft = match text.as_str().trim() {
            "1" => draft.because(Strength::Support, text.quote(1), "bridged frames pass iptables"),
            _ => {
                draft.looked().despite(Strength::Strong, text.quote(1), "bridged frames do not pass iptables")
            }
        };
    }
    for seen in cx.all::<Sysctl>() {
        if let Some(found) =
            seen.number("net.bridge.bridge-nf-call-iptables").filter(|found| found.value == 0)
        {
            draft = draft.looked().despite(
                Strength::Strong,
                seen.quote(found.line),
                "bridged frames do not pass iptables",
            );
        }
    }
    let accepted = bridge_accepted(cx);
    if accepted.is_some() {
        draft = draft.looked().despite(Strength::Strong, accepted, "frames may cross this bridge");
    }
    // Bridges that stop with Docker need no message: that it is there is said, and stands in the notes.
    if cx.said("docker") && cx.said("bridge") && !draft.any() {
        let note = cx.texts_of(&["text", "environment"]).find_map(|text| {
            let (number, _) = text.lines_with(["docker", "Docker", "DOCKER"]).next()?;
            text.quote(number)
        });
        draft = draft.because(Strength::Support, note, "Docker filters what the host's bridges carry");
    }
    if !draft.any() && began_with_docker(cx.complaint()) {
        draft.add(Strength::Support, false, None, "the complaint says that it began with Docker");
    }
    let docker =
        ["docker", "-P FORWARD DROP", "Chain FORWARD (policy DROP"].iter().any(|word| cx.stands(word));
    if docker && !draft.has(Strength::Proof) {
        // A VM on a bridge of the LAN is what this can hurt; on a NAT network libvirt makes its own rules.
        let bridged = cx.all::<DomainXml>().iter().find_map(|seen| {
            let all = seen.domains.iter().flat_map(|domain| &domain.devices.interfaces);
            let is =
                |text: &Option<Spanned<String>>| text.as_ref().is_some_and(|text| text.value == "bridge");
            let found = all.into_iter().find(|one| is(&one.interface_type))?;
            seen.quote(found.line)
        });
        let direct = || {
            cx.all::<QemuArgs>().iter().find_map(|seen| {
                let mut nets = seen.options("netdev").chain(seen.options("nic"));
                let found = nets.find(|one| {
                    one.value
                        .as_deref()
                        .is_some_and(|value| value.starts_with("bridge") || value.starts_with("tap"))
                })?;
                seen.quote(found.value_line)
            })
        };
        draft = draft.because(Strength::Hint, bridged.or_else(direct), "the VM sits on a bridge");
    }
    if let Some((policy, port)) = dropped(cx).filter(|_| !draft.has(Strength::Proof)) {
        draft = draft.because(Strength::Strong, Some(policy), "what is not accepted is dropped").because(
            Strength::Support,
            Some(port),
            "a bridge that is neither Docker's nor libvirt's has ports",
        );
    }
    if draft.any() {
        draft = draft
            .remedy("let frames that only cross a bridge pass by the firewall for IP")
            .actions(sysctl(cx, "net/bridge/bridge-nf-call-iptables", "0"));
    }
    vec![draft.verdict()]
}

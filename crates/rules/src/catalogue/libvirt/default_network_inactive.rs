//! # The virtual network is not started or not defined
//!
//! ## What it is
//! A VM's interface of type `network` needs that libvirt network to be defined and active: only then do its
//! bridge (`virbr0` for `default`), its dnsmasq and its firewall rules exist.
//!
//! Heard as: the network default is not active or not found; after a reboot or reinstallation.
//!
//! Known by: network 'default' is not active; no network with matching name default; net-start, net-autostart; virbr0
//! missing behind reboot; guest with NAT cannot start after boot; virsh net-list --all shows inactive, autostart no;
//! network vagrant-libvirt; define it anew.
//!
//! ## Why it happens
//! The network is not marked for autostart and the host was rebooted; its start failed (another dnsmasq on port
//! 53, a subnet that is in use, no dnsmasq, no firewall tool); it was removed or never defined because the
//! package `libvirt-daemon-config-network` is missing; or virtnetworkd does not run.
//!
//! ## Confirm
//! `virsh net-list --all`: the state is "inactive", or the name is missing. `ip -br link show type bridge`
//! shows no `virbr0`. `virsh net-info default` shows autostart.
//!
//! ## Refute
//! `virsh net-list` shows the network as active with the same connection URI that the VM uses.
//!
//! ## Fix
//! `virsh net-start NAME` and `virsh net-autostart NAME`; define it again from
//! `/usr/share/libvirt/networks/default.xml` where it is gone. If the start fails, the error names the reason
//! to mend first.
//!
//! ## References
//! libvirt `docs/formatnetwork.rst`, wiki "Virtual network 'default' has not been started";
//! `src/network/bridge_driver.c`, `networkAllocatePort()`.

use crate::prelude::*;
use vmwright_model::plan::ServiceState;

pub const RULE: Rule = Rule {
    tags: &["libvirt", "network"],
    needs: &[Need::Probe(Probe::Interfaces)],
    signs: &[
        Sign::proof("network '{network}' is not active"),
        Sign::proof("network is not active").and(&["libvirt"]),
        Sign::strong("network \"{network}\" is not active"),
        Sign::strong("Network not found: no network with matching name '{network}'"),
        Sign::support("no network with matching name '{network}'"),
        Sign::strong("Network not found: no network with matching uuid"),
        Sign::strong("Cannot get interface MTU on 'virbr{number}': No such device"),
        Sign::strong("failed to get mtu of bridge `virbr{number}': No such device"),
        Sign::strong("failed to get bridge * 'virbr0'"),
        Sign::strong("Unable to add bridge virbr{number} port {port}: No such device"),
        // Fresh from its package it is inactive, and no fault where no domain uses it.
        Sign::support(" default * inactive "),
        Sign::hint(" inactive * yes").and(&["Autostart"]),
        Sign::strong("Virtual network '*' has not been started"),
        Sign::strong("Virtual Network '*' is not active"),
        Sign::strong("virtual network is inactive"),
        Sign::strong("Could not find a viable libvirt NAT bridge"),
        Sign::support("Network {network} is not running"),
        Sign::support("Failed to start network default"),
        Sign::support("Failed to start network {network}"),
        Sign::support("Network {network} is not available"),
        Sign::support("failed to get network '{network}'"),
        Sign::hint("network state driver is not active"),
        Sign::strong("network-based listen isn't possible, network driver isn't present"),
        Sign::strong("has no associated interface or bridge"),
        Sign::strong("doesn't have an IP address").and(&["network '"]),
        Sign::strong("is not available. Specify available network"),
        Sign::strong("Error while activating network"),
    ],
    words: &["virbr0", "net-start", "network 'default'", "default network", "after reboot"],
    tells: "virsh net-list --all",
    remedy: "start the network and mark it for autostart (virsh net-start, net-autostart); define it if it is gone",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let named = RULE.signs.iter().find_map(|sign| cx.hits(sign.text).first()?.get("network"));
    let mut draft = cx.draft();
    if let Some(name) = named.map(|name| name.trim_matches(['\'', '"', '.', ':'])) {
        draft = draft.title(format!("the virtual network {name} is not started or not defined"));
    }
    let Some(all) = listed(cx) else { return vec![draft.verdict()] };
    let active: Vec<&str> = all.iter().filter(|one| one.active).map(|one| one.name).collect();
    let mut started = Vec::new();
    for (text, number, line) in cx.lines_with("<source network=") {
        let rest = line.trim().strip_prefix("<source network=").unwrap_or("");
        let Some(name) = rest.split(['\'', '"']).nth(1).filter(|name| !active.contains(name)) else {
            continue;
        };
        let quote = text.quote(number);
        draft = draft
            .because(Strength::Strong, quote, "the list of networks does not show it as active")
            .title(format!("the virtual network {name} is not started or not defined"));
        if let Some(defined) = all.iter().find(|one| one.name == name) {
            draft = draft
                .title(format!("the virtual network {name} is not started"))
                .remedy(format!("start {name}, and have it started with libvirt"));
            if !started.contains(&name) {
                started.push(name);
                draft = draft.action(Action::VirtualNetwork {
                    network: name.to_owned(),
                    from: ServiceState { active: false, enabled: defined.autostart },
                    to: ServiceState { active: true, enabled: true },
                });
            }
        }
    }
    vec![draft.looked().verdict()]
}

/// A virtual network in a list.
struct Listed<'r> {
    name: &'r str,
    active: bool,
    autostart: bool,
}

/// The networks of `virsh net-list`; `None` where no such list was read.
fn listed<'r>(cx: &'r Context<'_>) -> Option<Vec<Listed<'r>>> {
    let heads = |line: &str| line.split_whitespace().eq(["Name", "State", "Autostart", "Persistent"]);
    let (text, heading, _) = cx.lines_with("Autostart").find(|(_, _, line)| heads(line))?;
    let rows = text.lines().skip_while(move |(number, _)| *number <= heading);
    let networks = rows.filter_map(|(_, row)| {
        let mut words = row.split_whitespace();
        let (name, state, autostart) = (words.next()?, words.next()?, words.next()?);
        Some(Listed { name, active: state == "active", autostart: autostart == "yes" })
    });
    Some(networks.collect())
}

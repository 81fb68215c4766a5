//! # Two interfaces share a MAC address
//!
//! ## What it is
//! Within one network each interface needs a MAC of its own. With two the same, bridges learn the address now on one
//! port, now on the other: connections stall and come back, and DHCP gives both guests one lease.
//!
//! Heard as: two VMs lose their connection in turns; copies with the same MAC.
//!
//! Known by: two VMs with one MAC; received packet with own address as source address; connection flaps; clone copied
//! the address; ARP flip-flop; intermittent loss when both VMs run; switch logs flapping; same hardware address; copied
//! definition.
//!
//! ## Why it happens
//! QEMU gives every card without `mac=` the address 52:54:00:12:34:56 (and counts up within one VM only), so that two
//! VMs started by hand collide. A copied domain XML, a cloned disk with a MAC written in it, a template of Vagrant or
//! Terraform with a fixed address, a bridge that took the MAC of its port, a guest restored twice from a snapshot.
//!
//! ## Confirm
//! `for vm in $(virsh -r list --name); do virsh -r domiflist $vm; done | sort -k5`; `bridge fdb show | sort | uniq -c`;
//! `dmesg | grep "own address"`.
//!
//! ## Refute
//! Each MAC stands on one port only, in `bridge fdb show` over some minutes, and in one domain.
//!
//! ## Fix
//! Give each card its own MAC (`52:54:00:` and three free bytes); remove `<mac>` from copies so that libvirt makes a new one.
//! In clones clear machine-id and saved network configuration too.
//!
//! ## References
//! QEMU `net/net.c` (`qemu_macaddr_default_if_unset`); Linux `net/bridge/br_fdb.c` ("own address as source address");
//! libvirt formatdomain "Network interfaces"; virt-clone(1); dnsmasq(8) `dhcp-host`.

#[path = "state/machines.rs"]
mod machines;

use crate::prelude::*;
use machines::{defined, listed, started};
use std::collections::HashMap;

pub const RULE: Rule = Rule {
    tags: &["network"],
    signs: &[
        Sign::strong("with own address as source address"),
        Sign::proof("The MAC address '{mac}' is in use by another virtual machine"),
        Sign::proof("MAC address {mac} is in use by another virtual machine"),
        Sign::strong("duplicate MAC address"),
        Sign::strong("MAC address conflict"),
        Sign::strong("MAC address * already in use"),
        Sign::strong("MAC address * is already used"),
        Sign::strong("MAC {mac} * already * in use"),
        Sign::strong("multiple devices matching MAC address {mac} found"),
        Sign::support("not using configured address {ip} because it is leased to {mac}"),
        Sign::support("duplicate address * detected!"),
        Sign::support("moving from port * to port *").and(&["mac address"]),
        Sign::support("duplicate IP address {ip}").and(&["mac address"]),
        Sign::strong("duplicate name or IP address"),
        Sign::strong("because it is leased to"),
    ],
    words: &[
        "same mac",
        "duplicate mac",
        "mac address",
        "clone",
        "copy of",
        "at a time",
        "lose packets",
        "intermittent",
        "same ip",
        "identical mac",
        "in turn",
        "takes turns",
    ],
    tells: "virsh -r domiflist VM",
    remedy: "give each interface a MAC address of its own",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // MAC -> the VM that has it, and where. The same VM twice (its XML and its command line) is no conflict.
    let mut known: HashMap<String, (String, Option<Evidence>)> = HashMap::new();
    let mut clash = None;
    let mut note = |mac: &str, vm: String, quote: Option<Evidence>| {
        let mac = mac.to_ascii_lowercase();
        match known.get(&mac) {
            Some((other, first)) if *other != vm => {
                clash.get_or_insert((mac, first.clone(), quote));
            }
            Some(_) => {}
            None => drop(known.insert(mac, (vm, quote))),
        }
    };
    defined(cx, &mut note);
    started(cx, &mut note);
    // Kubernetes objects: one object may be listed twice, so that it needs a complaint that fits.
    if cx.asked(RULE.words) {
        for (text, number, line) in cx.lines_with("macAddress:") {
            if let Some(mac) = line.trim().trim_start_matches("- ").strip_prefix("macAddress:") {
                note(
                    mac.trim().trim_matches(['"', '\'']),
                    format!("{}:{number}", text.source),
                    text.quote(number),
                );
            }
        }
    }
    let copies = ["same mac", "duplicate mac", "identical mac", "clone", "same ip", "at a time", "in turn"];
    if cx.asked(&copies) {
        for text in cx.texts_of(&["text", "environment"]) {
            listed(text, &mut note);
        }
    }
    if let Some((mac, first, second)) = clash {
        draft = draft
            .because(Strength::Support, first, "one interface has this MAC")
            .because(Strength::Strong, second, "another has the same")
            .title(format!("two interfaces have the MAC address {mac}"));
    }
    vec![draft.verdict()]
}

//! # The tap device is in use by another VM
//!
//! ## What it is
//! A tap has one reader for each queue. A second VMM that attaches to a tap without the multi-queue flag gets
//! EBUSY from `TUNSETIFF`; the same for a macvtap's `/dev/tapN`, and for a lower device that already has another
//! master (a bridge, bond or Open vSwitch port cannot carry a macvtap as well).
//!
//! Heard as: the second VM with the same tap does not start.
//!
//! Known by: could not configure /dev/net/tun (tap0): Device or resource busy; tap used twice; TUNSETIFF EBUSY; other
//! QEMU or Firecracker still holds it.
//!
//! ## Why it happens
//! Two VMs were given one tap name (copied configuration, a template without a counter, a fixed `tap0`); the
//! earlier VMM still runs, perhaps as an orphan of a crashed manager; a snapshot was restored twice; a VPN or a
//! test script holds the device. Single queue against multi queue gives "Invalid argument" instead.
//!
//! ## Confirm
//! `grep -l "iff:.*<tap>" /proc/[0-9]*/fdinfo/*` names the process; `ps -eo pid,args | grep ifname=` shows who was
//! given the name; `ip -br link show <tap>`: with a reader its state is UP and not DOWN/NO-CARRIER.
//!
//! ## Refute
//! No process has the tap open, and starting one VM alone gives the same error.
//!
//! ## Fix
//! Give each VM its own tap; end the left-over process; use `multi_queue` only for several queues of one VM.
//!
//! ## References
//! Linux `drivers/net/tun.c` (`tun_attach`: EBUSY), `drivers/net/macvtap.c`, `net/core/dev.c`
//! (`netdev_rx_handler_register`: EBUSY); QEMU `net/tap-linux.c`; Firecracker `docs/network-setup.md`.

use crate::prelude::*;
use std::collections::HashMap;
use vmwright_formats::QemuArgs;

pub const RULE: Rule = Rule {
    tags: &["network", "boot"],
    signs: &[
        Sign::proof("could not configure /dev/net/tun ({tap}): Device or resource busy"),
        Sign::proof("could not configure /dev/net/tun: Device or resource busy"),
        Sign::proof("Unable to create tap device {tap}: Device or resource busy"),
        Sign::proof("cannot open macvtap tap device {tap}: Device or resource busy"),
        // So says iproute2 where a tap of this name is there already, in use or not.
        Sign::support("TUNSETIFF): Device or resource busy"),
        Sign::proof("TUNSETIFF*Device or resource busy").unless(&["TUNSETIFF): Device or resource busy"]),
        Sign::proof("TUNSETIFF*EBUSY"),
        Sign::proof("Error while creating ifreq structure: Resource busy"),
        Sign::proof("Error while creating ifreq structure: Device or resource busy"),
        Sign::proof("Open tap device failed*Resource busy"),
        Sign::proof("Open tap device failed*resource busy (os error 16)"),
        Sign::strong("Open tap device failed").and(&["resource busy (os error 16)"]),
        Sign::strong("Open tap device failed").and(&["Os \\{ code: 16"]),
        // Firecracker up to 1.0 and Cloud Hypervisor up to 35 print the error's structure.
        Sign::proof("TapOpen(*code: 16,"),
        Sign::proof("OpenTap(*code: 16,"),
        Sign::strong("Unable to configure tap interface").and(&["resource busy (os error 16)"]),
        Sign::strong("failed to open tap*resource busy"),
        Sign::support("error creating macvtap interface {tap}*: Device or resource busy")
            .unless(&["open vswitch", "openvswitch"]),
        Sign::support("error creating macvlan interface {tap}*: Device or resource busy"),
        Sign::support("tap*is already in use"),
        Sign::support("tap*already used by another VM"),
        Sign::hint("tap*resource busy"),
        Sign::strong("no unused {n} names available"),
    ],
    words: &["second vm", "another vm", "busy network device", "same tap", "already running", "busy"],
    tells: "grep -l iff: /proc/[0-9]*/fdinfo/*",
    remedy: "give each VM its own tap, or end the process that still holds this one",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // Two command lines with one tap name can never run together.
    let mut first: HashMap<String, Option<Evidence>> = HashMap::new();
    'all: for seen in cx.all::<QemuArgs>() {
        for command in &seen.commands {
            for option in
                command.options.iter().filter(|one| ["netdev", "nic", "net"].contains(&one.name.as_str()))
            {
                let opts = option.opts();
                let Some(tap) = opts.get("ifname") else { continue };
                let quote = seen.quote(option.value_line);
                match first.get(tap) {
                    Some(other) if *other != quote => {
                        draft = draft
                            .because(Strength::Support, other.clone(), "one VM is given this tap")
                            .because(Strength::Support, quote, "another VM is given the same tap")
                            .title(format!("two VMs are given the tap {tap}"))
                            .about(Subject::new(SubjectKind::Interface, tap));
                        break 'all;
                    }
                    Some(_) => {}
                    None => drop(first.insert(tap.to_owned(), quote)),
                }
            }
        }
    }
    let named = cx.hits("could not configure /dev/net/tun ({tap}): Device or resource busy");
    if let Some(tap) = named.first().and_then(|hit| hit.get("tap")) {
        draft = draft
            .about(Subject::new(SubjectKind::Interface, tap))
            .title(format!("tap {tap} is in use by another VM"));
    }
    vec![draft.verdict()]
}

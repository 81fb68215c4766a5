//! # An id, name, port or socket is already taken by another device or VM
//!
//! ## What it is
//! Something that must be unique is used twice: a device or chardev id in one command line, a domain's name or UUID, a
//! display or forwarded port, a PID file, the VMM's API socket.
//!
//! Heard as: the name, uuid, MAC, port or socket is taken by another VM; a copy cannot be defined; same system
//! UUID.
//!
//! Known by: Duplicate ID for device; address already in use (VNC port); domain already exists with uuid; bus slot
//! already in use; socket in use by another process; Failed to find an available port.
//!
//! ## Why it happens
//! A definition was copied without a new name or UUID; an earlier VM still runs, or left its socket or state behind; two
//! VMs forward the same host port; a wrapper adds a device with an id that is there already.
//!
//! ## Confirm
//! `virsh -r list --all`; `ss -ltnxp` for ports and sockets; `ps -ef | grep qemu`; look for the id in the command line.
//!
//! ## Refute
//! The name is found once, and no process holds the port or socket. A PCI slot is `machine/hotplug-port-shared`, a vsock
//! CID `vsock/cid-or-socket-conflict`, an image `storage/image-locked`.
//!
//! ## Fix
//! Give the second one a name, id or port of its own; end the first or remove what it left, if it is gone.
//!
//! ## References
//! QEMU `util/qemu-option.c` ("Duplicate ID"), `system/qdev-monitor.c`, `util/qemu-sockets.c`; libvirt
//! `src/conf/virdomainobjlist.c` ("already exists with uuid"); Firecracker `src/firecracker/src/main.rs` (API socket).

use crate::prelude::*;
use std::collections::BTreeMap;
use vmwright_formats::{DomainXml, QemuArgs};

#[path = "messages/id_in_use.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["machine"],
    needs: &[Need::Probe(Probe::Vmms)],
    signs: messages::SIGNS,
    words: &[
        "already exists",
        "already in use",
        "duplicate",
        "second vm",
        "same name",
        "same port",
        "second firecracker",
    ],
    tells: "ss -ltnxp",
    remedy: "give the second one a name, id, port or socket of its own, or end the VM that holds it",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for args in cx.all::<QemuArgs>() {
        for command in &args.commands {
            let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
            for option in command.options.iter().take(4096) {
                // `-device` and `-object` have their own spaces of ids; drives and block nodes repeat them.
                let space = match option.name.as_str() {
                    "device" | "object" | "chardev" | "netdev" => option.name.clone(),
                    _ => continue,
                };
                let Some(id) = option.opts().get("id").map(str::to_owned) else { continue };
                let Some(before) = seen.insert((space, id.clone()), option.value_line) else { continue };
                draft = draft
                    .because(
                        Strength::Strong,
                        args.quote(option.value_line),
                        "the id stands here a second time",
                    )
                    .because(Strength::Support, args.quote(before), "it was given here first")
                    .title(format!("the id `{id}` is given twice"));
                return vec![draft.verdict()];
            }
        }
    }
    let mut uuids: BTreeMap<String, (String, Option<Evidence>)> = BTreeMap::new();
    for xml in cx.of_every_vm::<DomainXml>() {
        for domain in &xml.domains {
            let (Some(uuid), Some(name)) = (&domain.uuid, &domain.name) else { continue };
            let mine = (name.value.clone(), xml.quote(uuid.line));
            let Some((other, quote)) = uuids.insert(uuid.value.clone(), mine.clone()) else { continue };
            if other != name.value {
                draft = draft
                    .because(Strength::Strong, mine.1, "two domains of different names have this UUID")
                    .because(Strength::Support, quote, "the other one");
            }
        }
    }
    vec![draft.verdict()]
}

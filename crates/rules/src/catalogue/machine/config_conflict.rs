//! # Two parts of the VM's configuration contradict each other
//!
//! ## What it is
//! Each setting is known, but two of them cannot stand together: a CPU topology that does not multiply to the vCPUs, an
//! IDE disk on q35, NUMA cells whose memory is not the VM's, a device on a bus that the machine type has not.
//!
//! Heard as: two options of the configuration exclude each other; refused since one was added.
//!
//! Known by: cannot combine; mutually exclusive, conflicting, already specified; two settings exclude each other; is
//! not compatible with; unsupported combination in configuration.
//!
//! ## Why it happens
//! One place was edited and not the other; a definition was carried over to another machine type; a wrapper adds options
//! of its own to those given by hand.
//!
//! ## Confirm
//! The message names both. `virsh -r dumpxml VM` (vcpu against topology, controllers against machine); for QEMU read
//! `-smp`, `-machine`, `-numa`, `-device` side by side.
//!
//! ## Refute
//! The value is refused alone as well: then it is unknown here (`machine/device-model-unsupported`) or invalid
//! (`machine/invalid-xml`).
//!
//! ## Fix
//! Bring the two into agreement; the message or the two quoted lines say which.
//!
//! ## References
//! QEMU `hw/core/machine-smp.c`, `hw/core/numa.c`, `system/vl.c`, `system/qdev-monitor.c`; libvirt
//! `src/qemu/qemu_validate.c`, `src/conf/domain_validate.c`, `src/conf/domain_addr.c`.

#[path = "state/contradictions.rs"]
mod state;

use crate::prelude::*;
use state::{of_arguments, of_domains};

#[path = "messages/config_conflict.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["machine", "boot"],
    signs: messages::SIGNS,
    words: &["topology", "i440fx", "conflict", "contradict", "unsupported configuration"],
    tells: "virsh -r dumpxml VM",
    remedy: "bring the two settings into agreement",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    vec![of_arguments(cx, of_domains(cx, cx.draft())).verdict()]
}

//! # The vsock context id or its UNIX socket is taken or left over
//!
//! ## What it is
//! Each VM with a vsock has a context id (CID) that is unique on its host, and Firecracker, Cloud Hypervisor and crosvm listen on
//! a UNIX socket in its place. A second VM with the same CID, or a socket file left behind, is refused.
//!
//! Heard as: the second guest with vsock does not start; same CID or leftover socket.
//!
//! Known by: unable to set guest cid: Address already in use; vsock.sock exists; duplicate cid 3; stale socket file;
//! second VM with same context id.
//!
//! ## Why it happens
//! A fixed `guest-cid=3` in scripts, Vagrant boxes and copied domains; the earlier VMM still runs; CIDs 0 to 2 are
//! reserved; a VMM that was killed does not remove its socket file and the next one cannot bind; a snapshot is restored
//! twice with the `uds_path` saved in it.
//!
//! ## Confirm
//! `ps -eo pid,args | grep -o 'guest-cid=[0-9]*' | sort | uniq -d`; `ls -l <uds_path>` and `ss -xlp | grep <uds_path>`:
//! a file without a listener is left over.
//!
//! ## Refute
//! No other process has the CID (`fuser /dev/vhost-vsock`), and the path does not exist before the start.
//!
//! ## Fix
//! Give each VM a CID of its own (`<cid auto='yes'/>` in libvirt); remove a left-over socket before the start, and give each
//! microVM a directory of its own.
//!
//! ## References
//! vsock(7); Linux `drivers/vhost/vsock.c` (`vhost_vsock_set_cid`: EADDRINUSE); QEMU `hw/virtio/vhost-vsock.c`; libvirt
//! `src/util/virvsock.c`; Firecracker `docs/vsock.md`.

use crate::prelude::*;
use std::collections::HashMap;
use vmwright_formats::{DomainXml, QemuArgs};

pub const RULE: Rule = Rule {
    tags: &["vsock", "boot"],
    needs: &[Need::Probe(Probe::Vmms)],
    signs: &[
        Sign::proof("vhost-vsock: unable to set guest cid: Address already in use"),
        Sign::strong("vhost-vsock: unable to set guest cid"),
        Sign::proof("failed to set guest cid: Address already in use"),
        Sign::strong("failed to set guest cid"),
        Sign::strong("failed to acquire guest cid"),
        Sign::proof("guest-cid property must be greater than 2"),
        Sign::proof("guest-cid property must be a 32-bit number"),
        Sign::strong("Error binding to the host-side Unix socket"),
        Sign::proof("Error binding to the host-side Unix socket: Address in use"),
        Sign::proof("Error binding to the host-side Unix socket: Address already in use"),
        Sign::strong("CreateVsockBackend(UnixBind"),
        Sign::strong("VsockUnixBackend*AddrInUse"),
        Sign::strong("VsockUnixBackend*Address*in use"),
        Sign::strong("vsock*Address already in use"),
        Sign::strong("vsock*Address in use (os error 98)"),
        Sign::strong("vsock*AddrInUse"),
        Sign::support("vsock*address already in use").and(&["os error 98"]),
        Sign::strong("Unable to find an unused vsock"),
        Sign::strong("cid {cid} is already in use"),
        Sign::strong("VHOST_VSOCK_SET_GUEST_CID*Address already in use"),
        Sign::strong("VHOST_VSOCK_SET_GUEST_CID*EADDRINUSE"),
        Sign::strong("guest CIDs must be"),
        Sign::support("Failed getting vsock ID"),
        Sign::support("VsockDevice(*Address already in use"),
    ],
    words: &["vsock", "guest-cid", "guest cid", "already in use", "second vm", "restart"],
    tells: "fuser -v /dev/vhost-vsock",
    remedy: "give each VM its own context id, and remove a socket that no process listens on",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let mut found: Vec<(String, String, Option<Evidence>)> = Vec::new();
    for seen in cx.of_every_vm::<DomainXml>() {
        for domain in &seen.domains {
            let vm =
                domain.name.as_ref().map_or_else(|| seen.text.source.to_owned(), |name| name.value.clone());
            for vsock in domain.devices.others.iter().filter(|other| other.element == "vsock") {
                if let Some(cid) = &vsock.detail {
                    found.push((cid.value.clone(), vm.clone(), seen.quote(cid.line)));
                }
            }
        }
    }
    for seen in cx.all::<QemuArgs>() {
        for (at, command) in seen.commands.iter().enumerate() {
            for option in command.options.iter().filter(|one| one.name == "device") {
                if let Some(cid) = option.opts().get("guest-cid") {
                    // One VM may be seen as its XML and as its command line: only commands are told apart.
                    found.push((
                        cid.to_owned(),
                        format!("command {at} of {}", seen.text.source),
                        seen.quote(option.value_line),
                    ));
                }
            }
        }
    }
    let mut first: HashMap<&str, (&str, bool, &Option<Evidence>)> = HashMap::new();
    for (cid, vm, quote) in &found {
        let command = vm.starts_with("command ");
        match first.get(cid.as_str()) {
            Some((other, kind, before)) if other != vm && *kind == command => {
                draft = draft
                    .because(Strength::Support, (*before).clone(), "one VM has this context id")
                    .because(Strength::Strong, quote.clone(), "another has the same")
                    .title(format!("two VMs have the vsock context id {cid}"));
                break;
            }
            Some(_) => {}
            None => drop(first.insert(cid, (vm, command, quote))),
        }
    }
    if let Some((_, _, quote)) = found.iter().find(|(cid, _, _)| matches!(cid.as_str(), "0" | "1" | "2")) {
        draft = draft.because(Strength::Strong, quote.clone(), "context ids up to 2 are reserved");
    }
    vec![draft.verdict()]
}

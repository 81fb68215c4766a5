//! # QEMU's monitor does not answer, or another job holds the domain's lock
//!
//! ## What it is
//! All questions to a running VM go through one QMP monitor, and libvirt (like Proxmox) lets one job at a time
//! change a domain. If QEMU's main loop stands still, or a long job does not end, everything else waits and then
//! times out: 30 s for libvirt's state change lock, a few seconds in Proxmox.
//!
//! Heard as: virsh hangs or times out for one domain; cannot acquire state change lock.
//!
//! Known by: Timed out during operation: cannot acquire state change lock (held by monitor); virsh hangs for one
//! domain; QMP no answer; qemu in D state; virsh list slow; every command for one VM blocks; QEMU process does not
//! react to shutdown or destroy; job abort; stuck I/O; remoteDispatchDomain; dumpxml works, dominfo not.
//!
//! ## Why it happens
//! A restore, save, migration, snapshot, backup or block job is still at work; a guest agent call waits for a
//! guest that hangs; QEMU waits in the kernel for storage that is gone (state D); or the process was stopped.
//!
//! ## Confirm
//! `virsh domjobinfo NAME`, `virsh domstate NAME --reason`; the lock message names the API call that holds it.
//! `ps -o pid,stat,wchan:32,cmd -C qemu-system-x86_64`; `cat /proc/<pid>/stack` shows where a D state waits.
//!
//! ## Refute
//! `virsh qemu-monitor-command NAME --hmp 'info status'` answers at once, and no job is active.
//!
//! ## Fix
//! Wait for or abort the job that is named (`virsh domjobabort NAME`; in Proxmox end the backup before
//! `qm unlock`). Mend the storage under a QEMU in state D. Restart the VM when its main loop never returns.
//! Restarting libvirtd alone drops the lock and not its reason.
//!
//! ## References
//! libvirt `src/conf/virdomainjob.c`, `virDomainObjBeginJobInternal()`; `src/qemu/qemu_monitor.c`;
//! QEMU `docs/interop/qmp-spec.rst`; Proxmox `PVE/QMPClient.pm`.

use crate::prelude::*;

/// What people say of commands that do not come back.
const HANGS: &[&str] =
    &["just hang", "will hang", "it hangs", "hangs for", "hang for", "never returns", "does not return"];

pub const RULE: Rule = Rule {
    tags: &["libvirt", "qmp"],
    signs: &[
        Sign::proof("cannot acquire state change lock (held by monitor={monitor}"),
        Sign::strong("cannot acquire state change lock (held by agent={agent})"),
        Sign::strong("cannot acquire state change lock"),
        Sign::strong("Failed to acquire the domain lock"),
        Sign::support("QEMU is not responding"),
        Sign::support("vm not responding"),
        Sign::strong("Cannot start job (*) for domain"),
        Sign::strong("Cannot start job (*) in API * for domain"),
        Sign::strong("monitor socket did not show up"),
        Sign::strong("failed to connect to monitor socket").unless(&["monitor socket: No such process"]),
        Sign::strong("QEMU monitor reply exceeds buffer size"),
        Sign::strong("Timed out during operation: cannot acquire"),
        Sign::strong("Timed out during operation: timed out waiting for"),
        Sign::strong("qmp command '*' failed - got timeout"),
        Sign::strong("qmp command failed - *got timeout"),
        Sign::strong("unable to connect to VM {vmid} qmp socket - timeout"),
        Sign::support("unable to connect to VM {vmid} qmp socket"),
        Sign::strong("can't lock file '/var/lock/qemu-server/*' - got timeout"),
        Sign::strong("VM is locked ({job})"),
        Sign::hint("another migration job is already running for domain"),
        Sign::support("another backup job is already running"),
        Sign::strong("QMP command * timed out"),
        Sign::strong("monitor command timed out"),
        Sign::strong("timed out waiting for QMP"),
        Sign::support("domain is already being started"),
        Sign::strong("Domain is already active and being restored"),
        Sign::hint("Unable to read from monitor: Connection reset by peer"),
        Sign::hint("End of file from qemu monitor"),
        Sign::hint("blocked for more than * seconds").and(&["qemu-"]),
        Sign::support("Client hit max requests limit"),
        Sign::strong("unable to connect to VM {id} qmp socket - timeout"),
        Sign::strong("command '{cmd}' failed - got timeout"),
        Sign::strong("VM quit/powerdown failed - got timeout"),
        Sign::strong("unable to lookup current command for"),
        Sign::strong("QEMU monitor was closed"),
        Sign::strong("Unable to write to monitor"),
        Sign::strong("Unable to read from monitor"),
        Sign::strong("Invalid file descriptor while waiting for monitor"),
        Sign::strong("Error while processing monitor IO"),
        Sign::strong("async job is owned by thread"),
        Sign::strong("connection closed due to keepalive timeout"),
        Sign::strong("Unable to wait on monitor condition"),
        Sign::strong("pr helper socked did not show up"),
        Sign::strong("timed out waiting to open tray"),
        Sign::strong("Monitor is unresponsive"),
        Sign::strong("QEMU monitor connect error"),
        Sign::strong("Monitor is disconnected"),
        Sign::strong("Timed out during operation: cannot acquire state change lock"),
        // The daemon itself stands still.
        Sign::strong("virsh list").said(HANGS),
        Sign::strong("virsh hangs"),
        Sign::strong("libvirtd hangs"),
        Sign::strong("libvirtd is hung"),
    ],
    words: &["virsh hangs", "does not respond", "hangs", "locked", "timeout", "restor"],
    explains: &["migration/already-running"],
    tells: "virsh domjobinfo NAME; virsh domstate NAME --reason",
    remedy: "find the job that holds the lock, let it end or abort it; restart the VM if QEMU never answers",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let hits = cx.hits("cannot acquire state change lock (held by monitor={monitor}");
    let holder = hits.first().and_then(|hit| hit.get("monitor"));
    vec![
        match holder.map(|name| name.trim_end_matches(')')) {
            Some(holder) => cx.draft().title(format!("the call {holder} holds the domain's lock")),
            None => cx.draft(),
        }
        .verdict(),
    ]
}

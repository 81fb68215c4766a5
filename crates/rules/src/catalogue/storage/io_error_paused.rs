//! # The VM paused on an I/O error of the underlying storage
//!
//! ## What it is
//! A request of the guest failed on the host with EIO (or a like error), and the disk's error policy is `stop`:
//! QEMU paused the VM so that the guest never sees the error. It stays paused until somebody resumes it.
//!
//! Heard as: a VM pauses again and again by itself; errors of the storage below.
//!
//! Known by: VM paused with io-error; Buffer I/O error, blk_update_request; SAN path lost, bad sectors; virsh
//! domblkerror; NFS server away; resume works afterwards; guest stands still, state paused, reason I/O error; disk or
//! array failing; iSCSI, multipath all paths down; EIO; rerror, werror.
//!
//! ## Why it happens
//! A disk, path, RAID, iSCSI session or network file system failed or timed out; all paths of a multipath
//! device were down; the storage refuses one kind of request (UNMAP, WRITE SAME, discard during a rebuild);
//! an image is damaged or truncated. Lack of space has its own rule (storage/host-full).
//!
//! ## Confirm
//! `virsh domstate VM --reason` says "paused (I/O error)"; `virsh domblkerror VM` names the disk; QMP
//! `query-block` has `"io-status": "failed"`; the host's `dmesg` around that time names the device.
//!
//! ## Refute
//! `domblkerror` says "no space": free space instead. State "paused (user)" or "paused (watchdog)" is no error.
//!
//! ## Fix
//! Repair the path or the device, check that the image can be read (`dd`, `qemu-img check`), then
//! `virsh resume VM`: the failed requests are repeated. With multipath `queue_if_no_path`, and with
//! `error_policy='report'` where the guest has its own redundancy.
//!
//! ## References
//! QEMU `block/block-backend.c`, `blk_error_action()`; `qapi/block-core.json` (BLOCK_IO_ERROR, `werror`);
//! libvirt domain XML `error_policy`; Linux `block/blk-core.c` ("I/O error, dev"); multipath.conf(5).

use crate::prelude::*;
use vmwright_formats::QmpAnswer;
use vmwright_formats::qmp_answer::vm_of;

/// Lack of space pauses with the same event.
const FULL: &[&str] = &[
    "No space left on device",
    "nospace*true",
    "\"nospace\": true",
    "\"io-status\": \"nospace\"",
    "no Storage space",
    "{disk}: no space",
    "out-of-data-space",
];

pub const RULE: Rule = Rule {
    tags: &["storage"],
    needs: &[Need::Command(&["dmesg"]), Need::Probe(Probe::Qmp)],
    signs: &[
        Sign::proof("paused (I/O error)").unless(FULL),
        Sign::support("paused (I/O error)"),
        Sign::strong("BLOCK_IO_ERROR").unless(FULL),
        Sign::support("BLOCK_IO_ERROR"),
        Sign::strong("block I/O error in device '{device}'").unless(FULL),
        Sign::strong("I/O error, dev {device}, sector").and(&["paus"]).kinds(&["kernel_log", "text"]),
        Sign::strong("critical target error, dev {device}, sector").and(&["paus"]),
        Sign::strong("IOError(5)"),
        Sign::strong("status: io-error"),
        Sign::strong("\"status\": \"io-error\"").unless(FULL),
        Sign::strong("\"status\":\"io-error\"").unless(FULL),
        Sign::strong("io-status*failed"),
        Sign::strong("reason IOError"),
        Sign::strong("PausedIOError"),
        Sign::strong("VMI was paused, low-level IO error detected").unless(FULL),
        Sign::strong("paused due to IO error"),
        Sign::strong("IO error detected"),
        Sign::strong("has been paused due to storage I/O problem"),
        Sign::strong("has been paused due to unknown storage error"),
        Sign::strong("abnormal vm stop device {device} error eother"),
        Sign::strong("abnormal vm stop device {device} error eio"),
        Sign::support("I/O error, dev {device}, sector").kinds(&["kernel_log", "text"]),
        Sign::support("blk_update_request: I/O error, dev {device}")
            .unless(&["blk_update_request: I/O error, dev fd0", "blk_update_request: I/O error, dev vda"]),
        Sign::support("blk_update_request: critical target error, dev"),
        Sign::support("critical target error, dev"),
        Sign::support("critical medium error, dev"),
        Sign::support("Unrecovered read error"),
        Sign::support("rejecting I/O to offline device"),
        Sign::support("session recovery timed out after"),
        Sign::support("detected conn error ("),
        Sign::support("multipath: Failing path"),
        Sign::support("Buffer I/O error on dev"),
        Sign::support("error: reading from*Input/output error"),
        Sign::hint("Input/output error"),
        Sign::support("lost page write due to I/O error"),
        Sign::support("rbd request failed"),
        Sign::strong("iSCSI: NOP timeout. Reconnecting"),
        Sign::strong("iSCSI Busy/TaskSetFull/TimeOut"),
        Sign::strong("iSCSI CheckCondition"),
        Sign::strong("iSCSI GET_LBA_STATUS failed"),
        Sign::strong("iSCSI READ10/16 failed"),
        Sign::strong("iSCSI WRITE10/16 failed"),
        Sign::strong("iSCSI SYNCHRONIZECACHE10 failed"),
        Sign::strong("has been paused due to storage I/O"),
        Sign::support("end_request: I/O error"),
        Sign::support("log I/O error -5"),
        Sign::support("Detected aborted journal"),
        Sign::strong("error while reading at byte {n}: Input/output error"),
        Sign::strong("error while reading block status at offset"),
    ],
    words: &["i/o error", "io error", "io-error", "paused", "pauses", "storage went away", "resume"],
    tells: "virsh domblkerror VM",
    remedy: "repair the device or path that failed, then resume the VM: the failed requests are repeated",
    escalation: Some(Agent::DebugSpecialist),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let answers = cx.all::<QmpAnswer>();
    let disks = |vm: Option<&str>, wanted: &str| -> Vec<(String, Option<Evidence>)> {
        let mine = answers.iter().filter(|seen| vm_of(seen.text.source) == vm);
        let all = mine.flat_map(|seen| seen.disks.iter().map(move |disk| (seen, disk)));
        all.filter_map(|(seen, disk)| {
            let status = disk.io_status.as_ref().filter(|status| status.value == wanted)?;
            Some((disk.name.clone(), seen.quote(status.line)))
        })
        .collect()
    };
    let mut found = Vec::new();
    let mut draft = cx.draft();
    for seen in &answers {
        let Some(state) = &seen.run_state else { continue };
        draft = draft.looked();
        let vm = vm_of(seen.text.source);
        if state.value != "io-error" || !disks(vm, "nospace").is_empty() {
            continue;
        }
        let mut one = cx.draft().because(Strength::Proof, seen.quote(state.line), "QEMU says so now");
        let failed = disks(vm, "failed");
        for (_, quote) in &failed {
            one = one.because(Strength::Proof, quote.clone(), "this disk's request failed");
        }
        if let Some(vm) = vm {
            let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
            let of = if names.is_empty() { "a disk".to_owned() } else { names.join(", ") };
            one = one.about(Subject::new(SubjectKind::Vm, vm));
            one = one.title(format!("VM {vm} is paused since a request of {of} failed on the host"));
        }
        found.push(one.verdict());
    }
    if found.is_empty() { vec![draft.verdict()] } else { found }
}

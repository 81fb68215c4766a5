//! # A block job is not ready to pivot, or another one is running
//!
//! ## What it is
//! Block copy, commit, pull and backup are jobs on a disk. A copy or an active commit must first reach the
//! state "ready" before it can be pivoted or completed, and a disk has room for one job; snapshot deletion and
//! migration are jobs too.
//!
//! Heard as: commit or pivot fails and the VM stays on its overlay; job not ready.
//!
//! Known by: block copy still active; cannot pivot: not ready for pivot yet; commit or mirror stuck; another block job
//! is running; backup leaves a job; disk has active block job; abort with pivot fails; commit of active layer; mirror
//! at 99 %; job still running, conflict with backup; query-block-jobs; standby; auto-finalize.
//!
//! ## Why it happens
//! The pivot was called too early (the guest writes faster than the job copies, or an event was missed), an
//! earlier backup or copy was left running after its tool died, two tools (backup and snapshot) meet, or a
//! finished job was not dismissed.
//!
//! ## Confirm
//! `virsh blockjob NAME DISK --info` for each disk, `virsh domjobinfo NAME`, `virsh dumpxml NAME | grep -A3
//! '<mirror'` (`ready='yes'`); QMP `query-block-jobs` and `query-jobs`.
//!
//! ## Refute
//! No job on any disk, no `<mirror>`: the chain or its metadata is what does not fit.
//!
//! ## Fix
//! Wait for "ready" and pivot then (`virsh blockjob NAME DISK --pivot`; `blockcommit --active --pivot --wait`
//! does both), or end the job in the way with `--abort`. Let one tool at a time work on a disk.
//!
//! ## References
//! libvirt `src/qemu/qemu_block.c` (qemuBlockPivot), `src/qemu/qemu_domain.c` (qemuDomainDiskBlockJobIsActive);
//! QEMU `block/mirror.c` (mirror_complete), `job.c` (job_apply_verb), `docs/interop/live-block-operations.rst`.

use crate::prelude::*;
use vmwright_formats::qmp_answer::{QmpAnswer, vm_of};

pub const RULE: Rule = Rule {
    tags: &["snapshot", "storage"],
    rank: Rank::Specific,
    needs: &[Need::Probe(Probe::Qmp)],
    signs: &[
        Sign::proof("not ready for pivot yet"),
        Sign::proof("The active block job '{job}' cannot be completed"),
        Sign::proof("The active block job for device '{device}' cannot be completed"),
        Sign::proof("already in active block job"),
        Sign::proof("block device is in use by block job"),
        Sign::strong("cannot accept command verb 'complete'"),
        Sign::strong("cannot accept command verb"),
        Sign::strong("failed while pivoting"),
        Sign::strong("is still being ended"),
        Sign::strong("has a blockjob assigned"),
        Sign::strong("when there is another active block job"),
        Sign::strong("domain has active block job"),
        Sign::strong("another block job is active"),
        Sign::strong("is already involved in an active block job"),
        Sign::strong("The block job for device '{device}' is currently paused"),
        Sign::strong("disk '{disk}' already in active block copy job"),
        Sign::strong("block copy still active: "),
        Sign::strong("only one backup job is supported"),
        Sign::strong("there's already a * backup job"),
        Sign::support("Block device {device} is in use"),
        Sign::support("Need a root block node"),
        Sign::support("Failed to get \"write\" lock").and(&["block-commit"]),
        Sign::support("job-complete' failed"),
        Sign::strong("block job (mirror) error"),
        Sign::support("mirroring of '*' cancelled"),
        Sign::support("block-job-complete"),
        Sign::support("virsh blockcommit").and(&["pivot"]),
        Sign::strong("block commit failed while deleting disk '{disk}' snapshot"),
        Sign::strong("finishing block job failed while deleting disk"),
        // Proxmox, BlockJob.pm.
        Sign::strong("block job ('{job}') timed out"),
        Sign::strong("block job cannot be completed"),
        Sign::strong("mirroring error: "),
        Sign::strong("is currently in use by another operation and cannot be used"),
        Sign::support("Device has active dirty bitmaps"),
        Sign::support("export '{id}' still in use"),
        Sign::strong("VM is locked (backup)"),
        Sign::strong("VM is locked (snapshot"),
        Sign::strong("has been cancelled").and(&["block job"]),
        Sign::strong("cannot suspend to disk during backup"),
        Sign::support("block job ({id}) error:"),
        Sign::strong("left-over backup job still running inside QEMU"),
        Sign::strong("Cannot change frozen '"),
        Sign::strong("Cannot freeze '{x}' link to"),
        Sign::strong("Source and target cannot be the same"),
        Sign::strong("Can no longer replace"),
        Sign::strong("cannot perform block operations while checkpoint exists"),
        Sign::strong("can't change media while a block job is running on the device"),
        Sign::strong("block jobs are not supported on"),
        Sign::strong("can't cancel job '{j}' with invalid data"),
        Sign::strong("job type '{t}' does not support pivot"),
        Sign::strong("blockdev-create job was cancelled"),
        Sign::strong("no domain backup job present"),
        Sign::strong("active commit requested but '{d}' is not active"),
        Sign::strong("active layer requires active flag"),
        Sign::strong("domain is not transient").and(&["block"]),
        Sign::strong("unable to verify existence of block copy target"),
        Sign::strong("cannot replace image with a mirror image of different size"),
        Sign::strong("has a writer on it").and(&["backing-file"]),
        Sign::strong("is associated with a BlockBackend and could be in use"),
    ],
    words: &[
        "blockcommit",
        "block commit",
        "pivot",
        "block job",
        "blockcopy",
        "backup",
        "snapshot delete",
        "mirror",
    ],
    explains: &["snapshot/chain-inconsistent"],
    tells: "virsh blockjob NAME DISK --info; virsh domjobinfo NAME",
    remedy: "wait until the job is ready and pivot then, or abort the job that is in the way",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::None,
    check,
    ..Rule::NEW
};

/// A job that stands still: its copy failed, or somebody paused it. One that runs is no fault.
fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<QmpAnswer>() {
        for job in &seen.jobs {
            let failed = job.io_status.as_ref().filter(|status| status.value != "ok");
            let paused = job.status.as_ref().filter(|status| status.value == "paused");
            let Some(still) = failed.or(paused) else { continue };
            draft = draft.because(Strength::Strong, seen.quote(still.line), "this job stands still");
            if let Some(vm) = vm_of(seen.text.source) {
                draft = draft.about(Subject::new(SubjectKind::Vm, vm)).title(format!(
                    "the {} job {} of VM {vm} stands still: {}",
                    job.kind, job.id, still.value
                ));
            }
        }
        if seen.run_state.is_some() {
            draft = draft.looked();
        }
    }
    vec![draft.verdict()]
}

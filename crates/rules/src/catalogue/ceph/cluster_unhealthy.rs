//! # The cluster blocks I/O: full, no quorum, or inactive placement groups
//!
//! ## What it is
//! Ceph stops writes when an OSD or a pool is full, and stops all I/O to placement groups that have fewer replicas
//! than `min_size`. librbd waits and gives no error: the VM's disk hangs, its kernel reports hung tasks, its
//! start hangs.
//!
//! Heard as: all guests hang in I/O at once; slow ops, full OSDs, HEALTH_ERR; nothing crashed.
//!
//! Known by: VM disk writes hang, guest hung tasks; slow ops, OSDs down, nearfull or full OSD, HEALTH_ERR, PGs
//! undersized or down; all VMs froze at once.
//!
//! ## Why it happens
//! OSDs above `full_ratio` (95 %), pool quotas, several OSDs or a host down at once, a network split, OSDs that
//! flap or are slow, `noup`/`pause` flags left from maintenance, monitors without majority.
//!
//! ## Confirm
//! `ceph -s` and `ceph health detail` on a node with an admin key; `ceph osd df`, `ceph pg dump_stuck inactive`,
//! `ceph osd dump | grep flags`.
//!
//! ## Refute
//! HEALTH_OK, or only warnings that block nothing (too many PGs, clock skew below its limit): then look at this
//! client's network, key and locks.
//!
//! ## Fix
//! Bring the OSDs or monitors back; when full, add OSDs or delete data (raise the full ratio by a little only to
//! be able to delete); unset the flags. Blocked requests then go on by themselves, and paused VMs are resumed.
//!
//! ## References
//! Ceph "Health checks" (OSD_FULL, PG_AVAILABILITY, SLOW_OPS), "Troubleshooting PGs"; Linux
//! `net/ceph/osd_client.c` ("cluster is full (osdmap FULL)"); Ceph `src/osdc/Objecter.cc`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["storage"],
    needs: &[Need::Command(&["dmesg"])],
    signs: &[
        Sign::strong("HEALTH_ERR"),
        Sign::strong("cluster is full (osdmap FULL)"),
        Sign::strong("is full or reached quota"),
        Sign::strong("full osd(s)").unless(&["nearfull osd(s)"]),
        Sign::strong("OSD_FULL"),
        Sign::strong("POOL_FULL"),
        Sign::strong("pool(s) full"),
        Sign::strong("Reduced data availability"),
        Sign::strong("PG_AVAILABILITY"),
        Sign::strong("pgs inactive"),
        Sign::strong("pg inactive"),
        Sign::strong("pgs down"),
        Sign::strong("undersized+degraded+peered"),
        Sign::strong("stuck inactive"),
        Sign::strong("slow requests are blocked"),
        Sign::strong("requests are blocked >"),
        Sign::strong("slow ops, oldest one blocked for"),
        Sign::strong("SLOW_OPS"),
        Sign::support("osds down"),
        Sign::support("osd down"),
        Sign::support("OSD_DOWN"),
        Sign::strong("MON_DOWN"),
        Sign::strong("out of quorum"),
        Sign::support("mon is not in quorum"),
        Sign::strong("pauserd,pausewr"),
        Sign::strong("objects unfound"),
        Sign::support("HEALTH_WARN"),
        Sign::support("backfillfull"),
        Sign::strong("tid {tid} on {osd} timeout"),
        Sign::support("libceph: osd{osd} *socket closed"),
        Sign::strong("rbd request failed: cmd {cmd}*(No space left on device)"),
        // `ceph -s`.
        Sign::strong("% pgs not active"),
        Sign::strong("% pgs unknown"),
        Sign::strong("mons down"),
        Sign::strong("no active mgr"),
        Sign::strong("stuck peering"),
        Sign::strong("stuck stale"),
        Sign::support("OSD_NEARFULL"),
        Sign::support("POOL_NEARFULL"),
        Sign::support("OSD_HOST_DOWN"),
        Sign::support("PG_DAMAGED"),
        Sign::support("OSD_SCRUB_ERRORS"),
        Sign::support("read_partial_message {address} data crc"),
        Sign::support("libceph: osd{n} down"),
        Sign::strong("paused modify"),
        Sign::strong("pool '{pool}' is full"),
        Sign::strong("objecter*FULL"),
        Sign::strong("pgs stuck"),
        Sign::strong("pg stuck"),
        Sign::support("are low on available space"),
        Sign::support("is low on available space"),
        Sign::strong("(OSD_FULL)"),
        Sign::strong("(POOL_FULL)"),
        Sign::strong("(PG_AVAILABILITY)"),
        Sign::strong("(SLOW_OPS)"),
        Sign::strong("[WRN] PG_AVAILABILITY"),
        Sign::strong("[ERR] OSD_FULL"),
        Sign::strong("[ERR] POOL_FULL"),
        Sign::strong("[WRN] SLOW_OPS"),
        Sign::support("[WRN] OSD_DOWN"),
        Sign::support("[WRN] PG_DEGRADED"),
        Sign::support("[WRN] OSD_NEARFULL"),
        Sign::support("[WRN] OSD_BACKFILLFULL"),
        Sign::support("[WRN] MON_DOWN"),
        Sign::strong("rbd: rbd{n}: * result -28"),
        Sign::support("rbd: rbd{n}: * result -110"),
        Sign::strong("rados: ret=-28, No space left on device"),
    ],
    words: &["ceph", "osd", "cluster is full", "health", "hangs", "placement group", "nearfull"],
    explains: &["storage/io-error-paused", "storage/host-full"],
    tells: "ceph health detail",
    remedy: "bring the OSDs, placement groups or quorum back, or make space; blocked requests then go on",
    escalation: Some(Agent::SystemsArchitect),
    rank: Rank::Specific,
    ..Rule::NEW
};

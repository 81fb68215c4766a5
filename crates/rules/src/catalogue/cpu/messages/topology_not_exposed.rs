//! The messages of the rule beside: sockets, cores, threads or caches shown to the guest do not match what it needs.

use super::FEWER;
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("AMD CPU doesn't support hyperthreading"),
    Sign::strong("try enabling topoext"),
    Sign::strong("is not on the same node! [node:"),
    Sign::strong("sched: CPU #{n}'s * is not on the same node"),
    Sign::support("APIC id mismatch"),
    Sign::support("APIC ID mismatch"),
    Sign::strong("CPU topology*not exposed"),
    Sign::support("only sees 2 sockets"),
    Sign::support("Windows only sees"),
    Sign::support("Windows sees only"),
    Sign::support("only shows 1 core"),
    Sign::support("only sees 1 core"),
    Sign::support("sees only one core"),
    Sign::support("misbehave").and(&["should be in the same NUMA"]),
    Sign::strong("<vcpu").unless(&["<topology"]).said(FEWER),
    Sign::strong("sockets:").said(FEWER),
    Sign::strong("-smp ").said(FEWER),
    Sign::support("threads=*1").and(&["Thread(s) per core:*2"]).said(&[
        "slow",
        "behind",
        "performance",
        "benchmark",
        "hyper",
        "smt",
        "threads",
        "cache",
    ]),
    Sign::strong("dies not supported by this machine's CPU topology"),
    Sign::strong("clusters not supported by this machine's CPU topology"),
    Sign::strong("Deprecated CPU topology (considered invalid)"),
    Sign::strong("All CPU(s) up to maxcpus should be described in NUMA config"),
    Sign::strong("property thread-id: {n} doesn't match set apic-id"),
    Sign::strong("property core-id: {n} doesn't match set apic-id"),
    Sign::strong("property socket-id: {n} doesn't match set apic-id"),
    Sign::strong("Instance uses a CPU pinning profile which doesn't match hardware layout"),
];

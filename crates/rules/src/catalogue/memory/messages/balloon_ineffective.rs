//! The messages of the rule beside: the balloon does not bring memory back.

use super::KEPT;
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof(
        "Unable to change memory of active domain without the balloon device and guest OS balloon driver",
    ),
    Sign::proof("No balloon device has been activated"),
    Sign::strong("No memory balloon device configured, can not set the collection period"),
    Sign::strong("guest hasn't updated any stats yet"),
    Sign::strong("Using KVM without synchronous MMU, balloon unavailable"),
    Sign::strong("Balloon used with backing page size > 4kiB"),
    Sign::strong("Out of puff! Can't get {n} pages"),
    Sign::support("info balloon reply was missing balloon data"),
    Sign::support("Cannot determine balloon device path"),
    Sign::support("Unable to change balloon collection period"),
    Sign::support("not found on memory balloon driver"),
    Sign::strong("virtio_balloon: probe of {device} failed"),
    Sign::support("virtio_balloon").and(&["not found"]),
    // QEMU's `info balloon`: figures of the guest stand behind `max_mem` where its driver reports any.
    Sign::strong("balloon: actual={now} max_mem={most} last_update=").unless(&["max_mem={most} total_mem="]),
    Sign::strong("Couldn't MADV_WILLNEED on balloon deflate"),
    // Firecracker.
    Sign::strong("No balloon device found"),
    Sign::support("<currentMemory").unless(&["freePageReporting"]).said(&KEPT).or_near(),
    Sign::support("<memballoon").unless(&["freePageReporting"]).said(&KEPT).or_near(),
    Sign::strong("unable to set balloon driver collection period"),
    Sign::strong("cannot set memory higher than max memory"),
    Sign::strong("cannot resize the maximum memory on an active domain"),
    // Windows has no driver for the balloon device (transitional, modern).
    Sign::strong("VEN_1AF4&DEV_1002").and(&["Error"]),
    Sign::strong("VEN_1AF4&DEV_1045").and(&["Error"]),
    Sign::strong("VEN_1AF4&DEV_1002").said(&["balloon"]),
    Sign::strong("VEN_1AF4&DEV_1045").said(&["balloon"]),
];

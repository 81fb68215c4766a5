//! Nothing of a specification is passed over: each of its keys, wherever the reader takes it, changes what is written in
//! each of the formats, or is told of.

mod walk;

use vmwright_convert::{cloud_hypervisor, firecracker, kubevirt, libvirt, qemu};
use walk::{AROUND, Anyway, none_is_passed_over};

/// Keys that may say what is so in any case, with a word of the item where it is.
const ANYWAY: [Anyway; 8] = [
    ("serial.server", "\"to\":\"unix\"", "a socket that has no path is made, and listens"),
    ("console.server", "\"to\":\"unix\"", "a socket that has no path is made, and listens"),
    ("parallel.server", "\"to\":\"unix\"", "a socket that has no path is made, and listens"),
    ("channel.server", "\"to\":\"unix\"", "a socket that has no path is made, and listens"),
    ("controller.index", "\"kind\":\"ide\"", "a board has one IDE controller, number 0"),
    ("disk.readonly", "\"device\":\"cdrom\"", "no drive writes optical disks"),
    ("video.primary", "\"model\"", "the first card is the first"),
    ("lifecycle.on_poweroff", "destroy", "QEMU ends of itself"),
];

/// Keys that are not tried: QEMU has no line for a volume of a pool, one node has no other, and its memory is the
/// machine's.
const UNTRIED: [&str; 4] = ["disk.volume.name", "disk.volume.pool", "numa.distance.to", "numa.memory"];

/// The same where a volume of a pool can be written.
const ALONE: [&str; 2] = ["numa.distance.to", "numa.memory"];

#[test]
fn every_key_is_written_for_qemu_or_told_of() {
    none_is_passed_over(AROUND, |spec| qemu::text(spec).ok(), &ANYWAY, &UNTRIED);
}

#[test]
fn every_key_is_written_for_libvirt_or_told_of() {
    none_is_passed_over(AROUND, |spec| Some(libvirt::write(spec)), &ANYWAY, &ALONE);
}

#[test]
fn every_key_is_written_for_firecracker_or_told_of() {
    none_is_passed_over(AROUND, |spec| Some(firecracker::write(spec)), &ANYWAY, &ALONE);
}

#[test]
fn every_key_is_written_for_cloud_hypervisor_or_told_of() {
    none_is_passed_over(AROUND, |spec| Some(cloud_hypervisor::write(spec)), &ANYWAY, &ALONE);
    none_is_passed_over(AROUND, |spec| Some(cloud_hypervisor::args::write(spec)), &ANYWAY, &ALONE);
}

#[test]
fn every_key_is_written_for_kubevirt_or_told_of() {
    none_is_passed_over(AROUND, |spec| Some(kubevirt::write(spec)), &ANYWAY, &ALONE);
}

//! Words of disks.

use super::{Crossing, Element, VIRTIO, Word, get, storage, switch, take_if, word};
use crate::libvirt;

const DISK: [Word; 12] = [
    switch("driver@ioeventfd", "ioeventfd"),
    switch("driver@event_idx", "event_idx"),
    word("geometry@cyls", "cyls"),
    word("geometry@heads", "heads"),
    word("geometry@secs", "secs"),
    word("geometry@trans", "bios-chs-trans"),
    word("vendor", "vendor"),
    word("product", "product"),
    switch("target@removable", "removable"),
    word("target@rotation_rate", "rotation_rate"),
    word("acpi@index", "acpi-index"),
    word("blockio@discard_granularity", "discard_granularity"),
];

/// A disk whose bytes lie where the specification has no word for: all else of it is read as of another, and QEMU's
/// own words say where they lie.
pub(super) fn whole(crossing: &mut Crossing, element: &mut Element<'_>) -> bool {
    let at = crossing.spec.disks.len();
    let item = format!("disk.{at}");
    let Some(protocol) = storage::protocol(crossing, element.node, &format!("disk{at}")) else {
        return false;
    };
    let Some(disk) = libvirt::disk_elsewhere(element.node) else { return false };
    crossing.spec.disks.push(disk);
    crossing.properties(&format!("{item}.file"), protocol);
    let mut known = Element { node: &mut *element.node, item, at, known: true };
    cross(crossing, &mut known);
    true
}

pub(super) fn cross(crossing: &mut Crossing, element: &mut Element<'_>) {
    let item = element.item.clone();
    crossing.words(element.node, &item, &VIRTIO);
    crossing.words(element.node, &item, &DISK);
    if let Some(model) = take_if(element.node, "@model", |model| model.ends_with("transitional")) {
        let legacy = if model.ends_with("non-transitional") { "on" } else { "off" };
        crossing.property(&item, "disable-legacy", legacy);
        crossing.property(&item, "disable-modern", "off");
    }
    if get(element.node, "source/reconnect@enabled").as_deref() == Some("yes") {
        super::take(element.node, "source/reconnect@enabled");
        if let Some(seconds) = super::take(element.node, "source/reconnect@timeout") {
            crossing.property(&format!("{item}.chardev"), "reconnect", seconds);
        }
    }
    // The specification's own words have no `0x` and no blanks.
    if crossing.spec.disks.get(element.at).is_some_and(|disk| disk.wwn.is_none())
        && let Some(wwn) = take_if(element.node, "wwn", |wwn| wwn.starts_with("0x"))
    {
        crossing.property(&item, "wwn", wwn);
    }
    if crossing.spec.disks.get(element.at).is_some_and(|disk| disk.serial.is_none())
        && let Some(serial) = super::take(element.node, "serial")
    {
        crossing.property(&item, "serial", serial);
    }
    storage::cross(crossing, element);
}

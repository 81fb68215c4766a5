//! The messages of the rule beside: the machine type is unknown to this QEMU, or was removed from it.

use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("unsupported machine type"),
    Sign::proof("does not support machine type '{machine}'"),
    Sign::strong("Use -machine help to list supported machines"),
    Sign::strong("could not find capabilities for*machinetype="),
    Sign::strong("could not get preferred machine for").unless(&["type=kvm"]),
    Sign::proof("is too old to run machine type"),
    Sign::strong("Unknown machine type"),
    // terraform-provider-libvirt, getHostCapabilities' caller: the host's list has no such name.
    Sign::strong("Cannot find machine type {machine} for"),
    Sign::strong("cannot find machine type {machine} for"),
    Sign::strong("invalid machine type"),
    Sign::strong("machine type * is not supported"),
    Sign::strong("machine type * is not available"),
    Sign::strong("machine type * does not exist"),
    Sign::strong("Machine type not supported"),
    // An unknown name has no root bus that libvirt could plug anything into.
    Sign::support("No PCI buses available"),
    Sign::hint("Machine type '{machine}' is deprecated"),
    Sign::strong("No machine specified, and there is no default"),
    Sign::strong("is not supported by IOMMU"),
    Sign::support("Machine type * not supported"),
    // What a complaint makes of a configuration.
    Sign::support("machine=*-rhel").said(&[
        "moved",
        "copied",
        "import",
        "ubuntu",
        "debian",
        "another host",
        "new host",
        "other host",
    ]),
    Sign::strong("Host does not support domain type {type} with machine '{machine}'"),
    Sign::strong("current machine version '{v}' is deprecated"),
    Sign::strong("Installed QEMU version * is too old to run machine type"),
    Sign::strong("Installed qemu version * is too old to run machine type"),
    Sign::strong("\"-memory 'slots|maxmem'\" is not supported by"),
    Sign::strong("unplug not supported by microvm"),
    Sign::strong("the machine '{m}' is not supported by emulator"),
    Sign::strong("connecting to monitor: Supported machines are"),
];

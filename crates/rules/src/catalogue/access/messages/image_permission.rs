//! The messages of the rule beside: QEMU's user may not open a file that the VM needs, or traverse a directory above it.

use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::strong("Could not open '{path}': Permission denied")
        .unless(&["apparmor=\"DENIED\"", "avc:  denied"]),
    Sign::strong("could not open disk image {path}: Permission denied")
        .unless(&["apparmor=\"DENIED\"", "avc:  denied"]),
    Sign::strong("Cannot access storage file '{path}'*Permission denied"),
    Sign::strong("Cannot access backing file '{path}'*Permission denied"),
    Sign::support("could not load kernel '{path}': Permission denied"),
    Sign::hint("Permission denied"),
    Sign::support("cannot create directory /var/lib/libvirt/{path}: Permission denied"),
    Sign::proof("can't open backing store*Permission denied"),
    Sign::strong("can't open backing store {path} for guest RAM: Permission denied"),
    Sign::strong("Setting different DAC user or group on {path} which is already in use"),
    Sign::strong("can't open backing store {p} for guest RAM: Permission denied"),
    Sign::strong("Could not open '{f}': Permission denied"),
    Sign::strong("Ignoring failed restore attempt on"),
    Sign::strong("Unable to restore label on '{f}'. XATTRs might have been left"),
    Sign::strong("cannot generate dac user and group id for domain"),
    // virt-manager, and what translations of it say in English.
    Sign::strong("emulator may not have search permissions for the path"),
    Sign::strong("emulator * search * for the path"),
    Sign::strong("may not be accessible by the hypervisor. You will need to grant the"),
    Sign::strong("Could not reopen file: Permission denied"),
    Sign::strong("Could not create file: Permission denied"),
    Sign::strong("Could not open '{path}': Operation not permitted").unless(&["/dev/"]),
];

//! The messages of the rule beside: SELinux denies the VMM something it needs.

use super::{ALERT, AVC};
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::hint(AVC),
    Sign::hint(ALERT),
    Sign::support("SELinux is preventing *qemu"),
    Sign::support("avc: * denied *svirt").unless(&["avc: * denied *swtpm"]),
    Sign::proof("unable to set security context '{label}' on"),
    Sign::proof("Setting security context '{label}' on '*' not supported. Consider setting virt_use_nfs"),
    Sign::proof("unable to set SELinux security context '"),
    Sign::proof("SELinux policy does not define a domain type for QEMU TCG"),
    Sign::strong("Setting different SELinux label on"),
    Sign::strong("Unable to set SELinux label on"),
    Sign::strong("cannot lookup default selinux label for"),
    Sign::support("Permission denied").and(&[":user_home_t:"]),
    Sign::support("Permission denied").and(&[":unlabeled_t:"]),
    Sign::support("Permission denied").and(&[":default_t:"]),
    Sign::support("Permission denied").and(&["virt_use_"]),
    Sign::support("Permission denied").and(&[":svirt_", "Enforcing"]),
    Sign::support("failed to relabel"),
    Sign::strong("relabel * failed: operation not supported"),
    Sign::strong("lsetxattr *: operation not permitted").and(&["selinux"]),
    Sign::hint("setroubleshoot"),
    Sign::support("Unable to parse current SELinux context"),
    Sign::support("Setting security context '{context}' on '{path}' not supported"),
    Sign::support("unable to set security context '"),
    Sign::support("Unable to relabel directory tree"),
    Sign::strong("MCS level for existing domain label"),
    Sign::strong("Invalid security label"),
    Sign::strong("Unable to query peer security context"),
    Sign::strong("security label exceeds maximum length"),
    Sign::strong("Security driver {d} not found"),
    // The policy knows no class of KVM's guest_memfd.
    Sign::strong("CreateGuestMemfd(Error(13))"),
    Sign::strong("Unable to create KVM guest_memfd: *13"),
    Sign::strong("error creating kvm guest memfd").and(&["Permission denied"]),
];

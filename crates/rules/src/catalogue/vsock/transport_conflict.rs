//! # vhost_vsock cannot be used: another vsock transport owns the core, or the module is not there
//!
//! ## What it is
//! The vsock core has one slot for the transport to guests (vhost_vsock) and one for the transport to the host (VMware's VMCI,
//! Hyper-V's hv_sock, virtio). Kernels before 5.5 have one slot for all: whoever registers first keeps the others out.
//!
//! Heard as: vhost_vsock cannot be loaded inside VMware or while another transport is.
//!
//! Known by: /dev/vhost-vsock: Device or resource busy or missing; vmw_vsock_vmci_transport; vsock_loopback; nested
//! VMware; modprobe vhost_vsock; VHOST_VSOCK.
//!
//! ## Why it happens
//! The hypervisor is itself a VM on VMware or Hyper-V, whose tools load `vmw_vsock_vmci_transport` or `hv_sock` at boot;
//! VMware Workstation on the same host; on newer kernels VMCI still takes the host's slot when it runs as host. Then
//! `modprobe vhost_vsock` says "Device or resource busy", `/dev/vhost-vsock` is missing or cannot be opened.
//!
//! ## Confirm
//! `lsmod | grep vsock`; `dmesg | grep -i vsock`; `ls -l /dev/vhost-vsock`; `uname -r`.
//!
//! ## Refute
//! `vhost_vsock` is loaded and the node opens: then the context id or the socket is taken.
//!
//! ## Fix
//! Unload and blacklist the other transport where nothing needs it (`blacklist vmw_vsock_vmci_transport`), then load
//! `vhost_vsock`; or use kernel 5.5 or later. Where the module is merely missing, install the kernel's extra modules.
//!
//! ## References
//! Linux `net/vmw_vsock/af_vsock.c` (`vsock_core_register`: EBUSY), `drivers/vhost/vsock.c`; Kata Containers
//! "Enable vsock" notes; QEMU `hw/virtio/vhost-vsock.c`; vsock(7).

use crate::prelude::*;
use vmwright_formats::LsMod;

pub const RULE: Rule = Rule {
    tags: &["vsock", "boot"],
    rank: Rank::Specific,
    needs: &[Need::File("/proc/modules")],
    signs: &[
        Sign::proof("could not insert 'vhost_vsock': Device or resource busy"),
        Sign::strong("could not insert module vhost_vsock*busy"),
        Sign::strong("vhost_vsock*Device or resource busy"),
        Sign::strong("vhost-vsock*Device or resource busy"),
        Sign::strong("vmw_vsock_virtio_transport*Device or resource busy"),
        Sign::strong("could not insert 'vhost_vsock'"),
        Sign::support("vhost-vsock: failed to open vhost device")
            .unless(&["Permission denied", "Operation not permitted"]),
        Sign::support("unable to open vhost-vsock device"),
        Sign::support("/dev/vhost-vsock: No such"),
        Sign::support("/dev/vhost-vsock*no such file or directory"),
        Sign::strong("vhost-vsock: failed to open vhost device: No such device"),
        Sign::strong("vhost-vsock").and(&["vmw_vsock_vmci_transport"]),
        Sign::strong("vhost_vsock").and(&["vmw_vsock_vmci_transport"]),
        Sign::support("Module vhost_vsock not found"),
        Sign::support("host system doesn't support vsock"),
        // Firecracker before 0.18, which used the host's vhost.
        Sign::support("VhostOpen(Os \\{ code: 19"),
        Sign::support("Cannot create vsock device").and(&["VMware"]),
        Sign::support("vhost_vsock kernel module not loaded"),
        Sign::strong("vhost_vsock").and(&["hv_sock"]),
        Sign::strong("vhost_vsock kernel module not loaded"),
        Sign::strong("Vhost-vsock kernel module not found"),
        Sign::support("dial vsock vm({cid}):{port}: connect: no such device"),
        Sign::strong("socket AF_VSOCK: Address family not supported"),
    ],
    words: &["vsock", "vmware", "hyper-v", "modprobe", "vmci"],
    explains: &["vsock/cid-or-socket-conflict"],
    tells: "lsmod",
    remedy: "unload and blacklist the other vsock transport, then load vhost_vsock",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for seen in cx.all::<LsMod>() {
        let other = ["vmw_vsock_vmci_transport", "hv_sock"].iter().find_map(|name| seen.get(name));
        match (seen.get("vhost_vsock"), other) {
            (Some(loaded), _) => {
                draft = draft.looked().despite(
                    Strength::Strong,
                    seen.quote(loaded.line),
                    "vhost_vsock is loaded",
                );
            }
            (None, Some(other)) if cx.stands("vsock") || cx.stands("vhost-vsock") => {
                draft = draft.because(
                    Strength::Support,
                    seen.quote(other.line),
                    "another transport is loaded, vhost_vsock is not",
                );
            }
            (None, _) => {}
        }
    }
    vec![draft.verdict()]
}

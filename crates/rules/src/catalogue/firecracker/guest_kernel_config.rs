//! # The guest kernel lacks an option that Firecracker's devices need
//!
//! ## What it is
//! A microVM has virtio devices on MMIO (or PCI where enabled), a serial port and little else. A kernel without the
//! drivers built in boots and then finds no root disk, no network, no vsock, or no console.
//!
//! Heard as: my own or the distribution's kernel finds no disk or network in Firecracker and boots in QEMU; virtio
//! mmio not built.
//!
//! Known by: no network or disk in microVM; virtio-mmio not built in; CONFIG_VIRTIO_BLK, CONFIG_VIRTIO_VSOCKETS,
//! CONFIG_SERIAL_8250, CONFIG_ACPI; own built kernel; ctrl-alt-del does nothing.
//!
//! ## Why it happens
//! Distribution kernels have the virtio drivers as modules and there is no initrd; cloud kernels lack
//! `VIRTIO_MMIO`; kernels for Firecracker before ACPI support lack `ACPI` and `PCI`. The recommended small
//! configurations leave out what containers need: netfilter, bridge, veth, overlayfs, TUN.
//!
//! ## Confirm
//! In the guest `zcat /proc/config.gz`, or on the host the build's `.config`, for `VIRTIO_MMIO`, `VIRTIO_BLK`,
//! `VIRTIO_NET`, `VIRTIO_VSOCKETS`, `SERIAL_8250_CONSOLE`, `EXT4_FS`: all `=y` unless an initrd loads modules.
//! The list "available partitions" before the panic is empty where no disk driver is built in.
//!
//! ## Refute
//! The options are `=y`; or `root=` names another device than the one attached (firecracker/boot-args).
//!
//! ## Fix
//! Build the kernel from Firecracker's `resources/guest_configs` plus the options that the workload needs.
//!
//! ## References
//! Firecracker `docs/kernel-policy.md`, `docs/rootfs-and-kernel-setup.md`, `resources/guest_configs/`; Linux
//! `init/do_mounts.c` `mount_root_generic()`.

use crate::prelude::*;

/// What people say of a guest that does not find its devices.
const UNSEEN: &[&str] = &[
    "only a loopback",
    "only the loopback",
    "only loopback",
    "only has lo",
    "no virtio",
    "virtio_net is never",
    "virtio_net is not",
    "detect the network",
    "detect the disk",
    "detect any disk",
    "no network interface",
    "no network device",
    "no block device",
    "no vsock device",
];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "boot"],
    signs: &[
        Sign::strong("VFS: Cannot open root device \"{device}").and(&["firecracker", "available partitions"]),
        Sign::support("VFS: Unable to mount root fs on").and(&["firecracker"]),
        Sign::strong("VFS: Unable to mount root fs on").and(&["virtio_mmio.device="]),
        Sign::support("Unable to mount root fs").and(&["kernel_image_path"]),
        Sign::support("modprobe: FATAL: Module {module} not found in directory /lib/modules")
            .and(&["firecracker"]),
        Sign::strong("Table does not exist (do you need to insmod?)").and(&["firecracker"]),
        Sign::strong("iptables*Failed to initialize nft: Protocol not supported").and(&["firecracker"]),
        Sign::support("unknown filesystem type '").and(&["firecracker"]),
        Sign::support("RTNETLINK answers: Operation not supported").and(&["firecracker"]),
        Sign::support("RTNETLINK answers: Not supported").and(&["firecracker"]),
        Sign::support("Cannot open /dev/net/tun: No such file or directory").and(&["inside the microvm"]),
        Sign::strong("overlayfs: filesystem not supported").and(&["firecracker"]),
        Sign::support("Address family not supported by protocol").and(&["firecracker", "vsock"]),
        Sign::strong("Error creating default \"bridge\" network: package not installed"),
        Sign::strong("memory balloon driver is not").and(&["firecracker"]),
        Sign::proof("virtio_mmio: unknown parameter 'device' ignored"),
        Sign::strong("IP-Config: No network devices available").and(&["firecracker"]),
        Sign::support("No filesystem could mount root, tried").and(&["firecracker"]),
        Sign::support("VFS: Cannot open root device").and(&["reboot=k"]),
        Sign::strong("VFS: Cannot open root device \"{device}").and(&["firectl", "available partitions"]),
        // What a complaint makes of a machine that is described right.
        Sign::support("kernel_image_path").said(UNSEEN),
    ],
    words: &["firecracker", "microvm", "guest kernel", "kernel config", "custom kernel", "config_"],
    explains: &["firmware/guest-lacks-boot-driver", "guest/kernel-panic", "guest/virtio-driver-missing"],
    tells: "zcat /proc/config.gz",
    remedy: "build the guest kernel from Firecracker's recommended configuration plus what the workload needs",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Options without which a microVM has no disk, network or vsock, does not find its devices by ACPI or panics over its
/// tables (`docs/kernel-policy.md`).
const NEEDED: [&str; 8] = [
    "PCI",
    "ACPI",
    "VIRTIO_MMIO",
    "VIRTIO_BLK",
    "VIRTIO_NET",
    "VIRTIO_VSOCKETS",
    "VIRTIO_MMIO_CMDLINE_DEVICES",
    "SERIAL_8250_CONSOLE",
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if !cx.stands("firecracker") && !cx.stands("microvm") {
        return vec![draft.verdict()];
    }
    // What was read of a whole host is its own kernel's, unless it lies elsewhere.
    let own = |source: &str| source == "kernel-config" || source.starts_with("/boot/config-");
    let guests = cx.lines_with("CONFIG_").filter(|(text, ..)| !(cx.is_whole_host() && own(text.source)));
    for (text, number, line) in guests {
        let off = || line.trim().strip_prefix("# CONFIG_")?.strip_suffix(" is not set");
        let module = || line.trim().strip_prefix("CONFIG_")?.strip_suffix("=m");
        let Some(option) = off().or_else(module) else { continue };
        if NEEDED.contains(&option) {
            let (strength, shows) = match off() {
                Some(_) => (Strength::Strong, "it is off"),
                None => (Strength::Support, "it is a module, which only an initrd can load in time"),
            };
            let title = format!("the guest kernel has no CONFIG_{option} built in");
            return vec![draft.because(strength, text.quote(number), shows).title(title).verdict()];
        }
        draft = draft.looked();
    }
    vec![draft.verdict()]
}

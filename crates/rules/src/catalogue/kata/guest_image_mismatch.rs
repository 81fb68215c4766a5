//! # Guest kernel, image or agent do not fit the Kata runtime
//!
//! ## What it is
//! Runtime, agent, guest kernel and root image are released together. The runtime calls functions that an older agent
//! does not have, mounts what an older kernel cannot, or passes devices for which the image has no driver.
//!
//! Heard as: only the runtime or only the image was upgraded; pods start and die; unimplemented or unknown call of
//! the agent.
//!
//! Known by: agent protocol or version differs from shim; kernel without needed options, image of another release;
//! rootfs image corrupted; unimplemented method; mount of virtiofs fails inside.
//!
//! ## Why it happens
//! The runtime was updated (kata-deploy, a package) and the image path still names the old one; image and initrd are
//! mixed up; a home-made image lacks the agent, the init or features such as seccomp; the kernel lacks virtiofs, DAX or
//! the file system of the image; the verity or extension parameters are of another image.
//!
//! ## Confirm
//! `kata-runtime env` shows the versions of runtime, kernel and image (`osbuilder`, agent); compare them with the
//! release.
//! `debugfs` or a loop mount of the image, read-only, shows `/usr/bin/kata-agent` and the osbuilder's yaml.
//!
//! ## Refute
//! All parts come from one release: then look for a timeout or a configuration fault.
//!
//! ## Fix
//! Install kernel and image of the same release as the runtime, or rebuild the image with its osbuilder.
//!
//! ## References
//! Kata Containers `tools/osbuilder/README.md`, `src/runtime/virtcontainers/kata_agent.go`, `src/libs/protocols/`;
//! `docs/Upgrading.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "container"],
    signs: &[
        Sign::proof("but the Kata agent does not support seccomp"),
        Sign::proof("failed due to old agent, please upgrade Kata Containers image version"),
        Sign::strong("code = Unimplemented desc = ").and(&["kata"]),
        Sign::strong("is not supported: /grpc.AgentService/"),
        Sign::strong("/grpc.AgentService/{method} is not supported"),
        Sign::strong("unknown method").and(&["grpc.AgentService"]),
        Sign::strong("agent does not support").and(&["kata"]),
        Sign::strong("VFS: Unable to mount root fs on").and(&["kata"]),
        Sign::strong("No working init found").and(&["kata"]),
        Sign::strong("Requested init /sbin/kata-agent failed"),
        Sign::strong("Failed to execute /init").and(&["kata"]),
        Sign::strong("couldn't mount because of unsupported optional features").and(&["kata"]),
        Sign::strong("unknown filesystem type 'virtiofs'").and(&["kata"]),
        Sign::strong("virtio_fs: Unknown").and(&["kata"]),
        Sign::strong("kata-agent: error while loading shared libraries"),
        Sign::strong("failed to parse*agent-config").and(&["kata"]),
        Sign::support("dm-verity*verification failed").and(&["kata"]),
        Sign::support("ttrpc: cannot unmarshal").and(&["kata"]),
        Sign::support("No such device").and(&["kata-agent", "failed to mount"]),
        Sign::support("Kernel panic - not syncing").and(&["containerd-shim-kata"]),
        Sign::strong("please upgrade Kata Containers image"),
        Sign::strong("{name} is not supported: *grpc.").and(&["kata"]),
        Sign::strong("rpc error: code = Unimplemented").and(&["kata"]),
        Sign::strong("rpc status: Status { code: UNIMPLEMENTED"),
        Sign::strong("Kernel panic - not syncing: Requested init").and(&["kata"]),
        Sign::strong("Kernel panic - not syncing: No working init").and(&["kata"]),
        Sign::strong("Failed to mount: virtiofs").and(&["kata"]),
        Sign::strong("fsdriver").and(&["kata-agent", "unknown filesystem"]),
        Sign::support("ENODEV: No such device").and(&["kata"]),
        Sign::support("modprobe: module {name} not found").and(&["kata"]),
        Sign::support("could not find module").and(&["kata-agent"]),
        Sign::strong("missing kernel_verity_params"),
        Sign::strong("invalid kernel_verity_params"),
        Sign::strong("one of image and initrd must be set"),
        Sign::strong("cannot specify image and initrd"),
        Sign::strong("missing boot image (no rootfs image or initrd)"),
        Sign::strong("image path is not set"),
        Sign::strong("memory file * is not accessible"),
        Sign::support("mark agent dead"),
        Sign::strong("Timeout * waiting for uevent"),
        Sign::strong("Timeout waiting for uevent"),
        Sign::support("failed to receive uevent"),
        Sign::support("failed to wait for uevent"),
        Sign::support("Could not add interface: update interface: Link not found"),
    ],
    words: &["kata", "guest image", "old agent", "after upgrade", "initrd", "osbuilder"],
    explains: &["kata/agent-timeout", "guest/kernel-panic", "virtiofs/guest-driver-missing"],
    tells: "kata-runtime env",
    remedy: "install guest kernel and image of the same Kata release as the runtime",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};

//! # Kata's configuration names something missing or contradictory
//!
//! ## What it is
//! The runtime reads `configuration.toml` (and drop-ins, and pod annotations) before it starts the VM: paths of VMM,
//! kernel, image and virtiofsd, and options that must fit each other. A file that is not there, an unknown key or two
//! options that exclude each other stop it.
//!
//! Heard as: Kata pods cannot be created since the configuration.toml was copied or edited; a path in it does not
//! exist.
//!
//! Known by: failed to create shim task; failed to create containerd task; pods with the runtime class do not start;
//! configuration.toml: file not found or invalid; runtimeClass handler not configured; valid hypervisor, path
//! to kernel or image wrong; annotation not enabled; runtime handler, snapshotter, drop-in; shim cannot find; parse
//! TOML; hypervisor not supported; default_vcpus.
//!
//! ## Why it happens
//! Paths of one installation (`/usr/share/kata-containers`) on a host with another (`/opt/kata`); both `image` and
//! `initrd` set; `shared_fs` without the daemon's path, or one that the VMM does not have; an annotation that
//! `enable_annotations` does not list; a typing error in TOML; hot and cold plug ports both set.
//!
//! ## Confirm
//! `kata-runtime env` (which file was read), `kata-runtime --show-default-config-paths`, then `ls -l` of each path.
//! containerd may name a file of its own by `ConfigPath` in the runtime's options: that one counts.
//!
//! ## Refute
//! `kata-runtime env` succeeds with this file and the pod uses no annotations.
//!
//! ## Fix
//! Correct the key that is named; take the shipped file of the same release as a base and keep changes in drop-ins.
//!
//! ## References
//! Kata Containers `src/runtime/pkg/katautils/config.go`, `src/runtime/config/configuration-qemu.toml.in`,
//! `docs/how-to/how-to-set-sandbox-config-kata.md`.

use crate::prelude::*;

#[path = "messages/config_invalid.rs"]
mod messages;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "config"],
    signs: messages::SIGNS,
    words: &["kata", "configuration.toml", "kata-runtime env", "annotation", "config file"],
    explains: &["firmware/ovmf-missing", "libvirt/emulator-missing"],
    tells: "kata-runtime env",
    remedy: "correct the key or path that the message names in Kata's configuration or annotations",
    disruption: Disruption::GuestRestart,
    needs: &[
        Need::File("/etc/kata-containers/configuration.toml"),
        Need::File("/usr/share/defaults/kata-containers/configuration.toml"),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with("[hypervisor.") {
        let (mut image, mut initrd) = (None, None);
        for (number, line) in text.lines() {
            // A new section is another hypervisor.
            if line.starts_with('[') {
                (image, initrd) = (None, None);
            }
            match line.split_once('=').map(|(key, value)| (key.trim(), value.trim().trim_matches('"'))) {
                Some(("image", path)) if !path.is_empty() => image = Some(number),
                Some(("initrd", path)) if !path.is_empty() => initrd = Some(number),
                _ => {}
            }
            if let (Some(image), Some(initrd)) = (image, initrd) {
                draft = draft
                    .because(Strength::Strong, text.quote(initrd), "an initrd is set")
                    .because(Strength::Support, text.quote(image), "and an image as well")
                    .title("Kata's configuration sets both an image and an initrd");
                return vec![draft.verdict()];
            }
            draft = draft.looked();
        }
    }
    vec![draft.verdict()]
}
